"""An optimizer around another: what Lookahead and its like share.

A wrapper's own formula is a `rule` too. It is called after each step of the optimizer inside, on what that step has
changed, with theta and the vectors that the wrapper keeps, which start where theta is before its first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.hyperparameters import Range, checked, signature_of, unknown
from minigrad.optim.optimizer import Optimizer, Rate, check_attribute, check_state_of, count_in, vector_in
from minigrad.tensor import Tensor


class Wrapper(Optimizer):
    """The base of optimizers around another: groups, gradients and hyperparameters are those of the one inside.

    A subclass names in `state` the vectors it keeps, and defines ``rule(self, theta, *state, *, ...)``::

        class Average(Wrapper):
            state = ("average",)

            def rule(self, theta, average, *, decay=0.9):
                average += (1 - decay) * (theta - average)

    Each vector of the state starts as a copy of theta. After its ``*`` the rule names its hyperparameters, and `t`, the
    parameter's own count of steps, if it needs it.

    Args:
        base_optimizer: the optimizer inside.
        hyperparameters: the rule's, by name.

    Raises:
        TypeError: `base_optimizer` is not an optimizer; a hyperparameter the rule does not know.
        ValueError: a hyperparameter is out of range.
    """

    ranges: ClassVar[Mapping[str, Range]] = {}
    base_optimizer: Optimizer

    def rule(self, theta: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` and the state in place, after a step of the optimizer inside. Here: nothing."""

    def __init__(self, base_optimizer: Optimizer, **hyperparameters: Any) -> None:
        name = type(self).__name__
        if not isinstance(base_optimizer, Optimizer):
            raise TypeError(f"{name} wraps an optimizer, not {type(base_optimizer).__name__}")
        self._wants, own = signature_of(self.rule, name, ("theta", *self.state))
        for given in hyperparameters:
            if given not in own:
                raise TypeError(unknown(name, given, own))
        self._own = {n: checked(name, n, value, self.ranges) for n, value in {**own, **hyperparameters}.items()}
        self.t = 0
        self.base_optimizer = base_optimizer
        self._followed_as = {vector: base_optimizer.follow(vector) for vector in self.state}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """A step of the optimizer inside, then the wrapper's rule on what that step has changed."""
        inside = self.base_optimizer
        self._start()
        loss = inside.step(closure)
        self.t += 1
        given = {name: self._own[name] for name in self._wants if name in self._own}
        vectors = (inside.theta, *self._vectors_kept().values())
        for start, stop, t in inside.stepped:
            if "t" in self._wants:
                given["t"] = t
            self.rule(*(vector[start:stop] for vector in vectors), **given)
        return loss

    def _start(self) -> None:
        """Let the vectors start where theta is, for parameters that have not been stepped yet."""
        self.settle()
        kept = self._vectors_kept().values()
        for start, stop in self.unstepped():
            for vector in kept:
                vector[start:stop] = self.theta[start:stop]

    def _vectors_kept(self) -> dict[str, Array]:
        return {name: self.followed(alias) for name, alias in self._followed_as.items()}

    # What is the optimizer's inside.

    def settle(self) -> None:
        """See `Optimizer.settle`."""
        self.base_optimizer.settle()

    def follow(self, name: str) -> str:
        """See `Optimizer.follow`."""
        return self.base_optimizer.follow(name)

    def followed(self, name: str) -> Array:
        """See `Optimizer.followed`."""
        return self.base_optimizer.followed(name)

    def unstepped(self) -> list[tuple[int, int]]:
        """See `Optimizer.unstepped`."""
        return self.base_optimizer.unstepped()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `Optimizer.add_param_group`."""
        self.base_optimizer.add_param_group(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or set them to 0, with ``set_to_none=False``)."""
        self.base_optimizer.zero_grad(set_to_none)

    @property
    def lr(self) -> float:
        """The learning rate of the optimizer inside."""
        return self.base_optimizer.lr

    @lr.setter
    def lr(self, rate: Rate) -> None:
        """Never called: see `Optimizer.lr`."""

    @property
    def g(self) -> Array:
        """The gradients of all parameters: see `Optimizer.g`."""
        return self.base_optimizer.g

    @property
    def state_vectors(self) -> dict[str, Array]:  # type: ignore[override]
        """What the optimizer inside keeps, and what the wrapper keeps."""
        return {**self.base_optimizer.state_vectors, **self._vectors_kept()}

    def __getattr__(self, name: str) -> Any:
        """The wrapper's own hyperparameters and vectors; everything else is the optimizer's inside."""
        if name.startswith("_") or "base_optimizer" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if name in self._own:
            return self._own[name]
        if name in self._followed_as:
            return self.followed(self._followed_as[name])
        return getattr(self.base_optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a hyperparameter sets it, here or in the optimizer inside: see `Optimizer.__setattr__`."""
        inside = self.__dict__.get("base_optimizer")
        if inside is None or name in self.__dict__:
            object.__setattr__(self, name, value)
        elif name in self._own:
            self._own[name] = checked(type(self).__name__, name, value, self.ranges)
        elif name in inside.hyperparameters() or name == "param_groups":
            setattr(inside, name, value)
        else:
            check_attribute(self, name, self.hyperparameters())
            object.__setattr__(self, name, value)

    def hyperparameters(self) -> tuple[str, ...]:
        """The names of the hyperparameters, those of the optimizer inside among them."""
        return (*self._own, *self.base_optimizer.hyperparameters())

    def __dir__(self) -> Iterable[str]:
        return [*object.__dir__(self), *self.state, *self.hyperparameters()]

    def __repr__(self) -> str:
        own = "".join(f"{name}={value}, " for name, value in self._own.items())
        return f"{type(self).__name__}({own}{self.base_optimizer!r})"

    # Saving and loading.

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimizer inside, and what the wrapper keeps: all that decides the steps to come."""
        self._start()
        vectors = {name: Tensor(vector.copy()) for name, vector in self._vectors_kept().items()}
        inside = self.base_optimizer.state_dict()
        return {"rule": type(self).__name__, "t": self.t, **self._own, **vectors, "base_optimizer": inside}

    def _read(self, state_dict: Mapping[str, Any]) -> Any:
        mine = type(self).__name__
        check_state_of(mine, state_dict, ("t", *self._own, *self.state, "base_optimizer"))
        own = {name: checked(mine, name, state_dict[name], self.ranges) for name in self._own}
        inside = self.base_optimizer._read(state_dict["base_optimizer"])
        vectors = {
            name: None if value is None else vector_in(value, self.theta.shape, f"{mine}: {name}")
            for name, value in ((name, state_dict[name]) for name in self.state)
        }
        return count_in(state_dict["t"], f"{mine}: t"), own, vectors, inside

    def _load(self, read: Any) -> None:
        self.t, self._own, vectors, inside = read
        self.base_optimizer._load(inside)
        for name, vector in self._vectors_kept().items():
            if vectors[name] is not None:  # None was saved before the first step, by earlier versions
                vector[:] = backend.to_device(vectors[name], backend.device_of(vector))

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy."""
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
