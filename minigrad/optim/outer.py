"""The base class of optimizers that contain other optimizers: `Wrapper` and `Combined`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.groups import Group, Rate, check_attribute
from minigrad.optim.optimizer import Optimizer


class Outer(Optimizer):
    """An optimizer without parameters of its own; the inner optimizers do everything that concerns parameters."""

    def parts(self) -> list[Optimizer]:
        """The innermost optimizers, which hold the parameters, each with vectors of its own."""
        return list(chain.from_iterable(one.parts() for one in self.inside()))

    def inside(self) -> list[Optimizer]:
        """The inner optimizers."""
        raise NotImplementedError

    def refresh(self) -> None:
        """See `Optimizer.refresh`."""
        for one in self.inside():
            one.refresh()

    def add_param_group(self, param_group: Group) -> None:
        """See `Optimizer.add_param_group`; if there are several inner optimizers, the last one gets the group."""
        self.inside()[-1].add_param_group(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to None (or to 0, with ``set_to_none=False``)."""
        for one in self.inside():
            one.zero_grad(set_to_none)

    @property
    def lr(self) -> float:
        """The learning rate of the (first) inner optimizer; setting it sets that of all."""
        return self.inside()[0].lr

    @lr.setter
    def lr(self, rate: Rate) -> None:
        """Never called: see `Optimizer.lr`."""

    @property
    def g(self) -> Array:
        """The gradients of all parameters: see `Optimizer.g`."""
        return joined([part.g for part in self.parts()])

    @property
    def theta(self) -> Array:
        """All parameters end to end; a copy, if there are several inner optimizers."""
        return joined([part.theta for part in self.parts()])

    @property
    def param_groups(self) -> list[Group]:  # type: ignore[override]
        """The groups of the inner optimizers."""
        lists = [one.param_groups for one in self.inside()]
        return lists[0] if len(lists) == 1 else list(chain.from_iterable(lists))

    def hyperparameters(self) -> tuple[str, ...]:
        """The names of all hyperparameters."""
        return tuple(dict.fromkeys(chain.from_iterable(one.hyperparameters() for one in self.inside())))

    def eval(self) -> None:
        """See `Optimizer.eval`."""
        for one in self.inside():
            one.eval()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy."""
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a hyperparameter sets it in every inner optimizer that has it: see `Optimizer.__setattr__`."""
        if not self.__dict__.get("_ready") or name in self.__dict__:
            object.__setattr__(self, name, value)
            return
        having = [one for one in self.inside() if name in one.hyperparameters()]
        if name == "param_groups" and len(self.inside()) == 1:
            having = self.inside()
        for one in having:
            setattr(one, name, value)
        if not having:
            check_attribute(self, name, self.hyperparameters())
            object.__setattr__(self, name, value)

    def __dir__(self) -> Iterable[str]:
        return [*object.__dir__(self), *self.state, *self.hyperparameters()]


def joined(vectors: list[Array]) -> Array:
    """Vectors end to end; a single vector is returned itself."""
    return vectors[0] if len(vectors) == 1 else backend.get_array_module(vectors[0]).concatenate(vectors)
