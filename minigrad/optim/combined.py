"""Several optimizers, each for a part of the model, used as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigrad.backend import Array
from minigrad.optim.checkpoint import check_state_of, count_in
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.outer import Outer


class Combined(Outer):
    """Several optimizers, each for a part of the model, used as one: its step is a step of each.

    For example ``Combined(Muon(matrices), AdamW(rest))``. Setting a hyperparameter sets it in all that have it.

    Args:
        optimizers: at least one; no parameter may be in two of them.

    Raises:
        TypeError: one of them is not an optimizer.
        ValueError: there are none, or a parameter is in two.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        if not optimizers:
            raise ValueError("Combined was given no optimizers")
        for i, one in enumerate(optimizers):
            if not isinstance(one, Optimizer):
                raise TypeError(f"Combined: argument {i} must be an optimizer, not {type(one).__name__}")
        seen: dict[int, int] = {}
        for i, one in enumerate(optimizers):
            for p in (p for group in one.param_groups for p in group["params"]):
                if seen.setdefault(id(p), i) != i:
                    raise ValueError(f"Combined: a parameter of shape {p.shape} is in optimizers {seen[id(p)]} and {i}")
        self.optimizers = list(optimizers)
        self.needs_closure = any(one.needs_closure for one in optimizers)
        self.t = 0
        self._ready = True

    def inside(self) -> list[Optimizer]:
        """The optimizers it consists of."""
        return self.optimizers

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make a step of each; the closure is called once, unless one of them calls it itself."""
        with_closure = [one for one in self.optimizers if one.needs_closure]
        if len(with_closure) > 1:
            raise RuntimeError("Combined: several of the optimizers need a closure of their own: step them one by one")
        loss = with_closure[0].step(closure) if with_closure else self.evaluate(closure)
        for one in self.optimizers:
            if one not in with_closure:
                one.step()
        self.t += 1
        return loss

    @property
    def state_vectors(self) -> dict[str, Array]:  # type: ignore[override]
        """The state of all: each vector under its name and the number of its optimizer."""
        return {
            f"{name}{i}": vector for i, one in enumerate(self.optimizers) for name, vector in one.state_vectors.items()
        }

    def __getattr__(self, name: str) -> Any:
        """A hyperparameter of the first optimizer that has it."""
        for one in self.__dict__.get("optimizers", ()):
            if name in one.hyperparameters():
                return getattr(one, name)
        raise AttributeError(f"{type(self).__name__} has no attribute or hyperparameter {name!r}")

    def __repr__(self) -> str:
        return f"Combined({', '.join(map(repr, self.optimizers))})"

    def state_dict(self) -> dict[str, Any]:
        """The states of all optimizers."""
        return {"rule": "Combined", "t": self.t, "optimizers": [one.state_dict() for one in self.optimizers]}

    def _read(self, state_dict: Mapping[str, Any]) -> Any:
        check_state_of("Combined", state_dict, ("t", "optimizers"))
        saved = state_dict["optimizers"]
        if not isinstance(saved, (list, tuple)) or len(saved) != len(self.optimizers):
            count = len(saved) if isinstance(saved, (list, tuple)) else "no list of"
            raise ValueError(f"Combined: this state is of {count} optimizers, not of {len(self.optimizers)}")
        inside = [one._read(state) for one, state in zip(self.optimizers, saved, strict=True)]
        return count_in(state_dict["t"], "Combined: t"), inside

    def _load(self, read: Any) -> None:
        self.t, inside = read
        for one, state in zip(self.optimizers, inside, strict=True):
            one._load(state)
