"""The base class of optimizers around another optimizer, such as Lookahead and EMA.

The formula of a wrapper is a `rule` too. It is called after each step of the inner optimizer, on the parameters which
that step has changed, with theta and the vectors of the wrapper's state. These start as copies of theta before the
first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.buffered import Segment
from minigrad.optim.checkpoint import check_state_of, count_in, vector_in
from minigrad.optim.hyperparameters import Range, by_name, checked, describe, signature_of, unknown
from minigrad.optim.optimizer import Optimizer, check_class
from minigrad.optim.outer import Outer, joined
from minigrad.optim.program import Elementwise
from minigrad.optim.recorder import check
from minigrad.tensor import Tensor


class Wrapper(Outer):
    """The base class of optimizers around another; it has the groups, gradients and hyperparameters of the inner one.

    A subclass names the vectors of its state in `state`, and defines a rule without g::

        class Average(Wrapper):
            state = ("average",)

            def rule(self, theta, average, *, decay=0.9):
                average += (1 - decay) * (theta - average)

            def averaged(self, theta, average):
                theta[:] = average

    Each vector of the state starts as a copy of theta. The arguments of the rule after the ``*`` are its
    hyperparameters and, if it needs it, `t`, the parameter's own number of steps. The rule must be elementwise.
    `averaged`, if defined, replaces theta by the weights to be tested (see `Optimizer.averaged`).

    Args:
        base_optimizer: the inner optimizer.
        hyperparameters: those of the rule.

    Raises:
        TypeError: `base_optimizer` is not an optimizer, or the rule does not have a hyperparameter of that name.
        ValueError: a hyperparameter is out of range.
    """

    ranges: ClassVar[Mapping[str, Range]] = {}
    base_optimizer: Optimizer

    def rule(self, theta: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` and the state in place, after a step of the inner optimizer. By default nothing changes."""

    def __init_subclass__(cls, **options: Any) -> None:
        """See `Optimizer.__init_subclass__`."""
        super().__init_subclass__(**options)
        describe(cls, Wrapper, {}, "base_optimizer")

    def __init__(self, base_optimizer: Optimizer, *positional: Any, **hyperparameters: Any) -> None:
        name = type(self).__name__
        check_class(type(self))
        if not isinstance(base_optimizer, Optimizer):
            raise TypeError(f"{name} wraps an optimizer, not {type(base_optimizer).__name__}")
        self._wants, own = signature_of(self.rule, name, ("theta", *self.state))
        self._average_wants = signature_of(self.averaged, name, ("theta", *self.state), "averaged")[0]
        hyperparameters = by_name(name, own, positional, hyperparameters)
        for given in hyperparameters:
            if given not in own:
                raise TypeError(unknown(name, given, own))
        self._own = {n: checked(name, n, value, self.ranges) for n, value in {**own, **hyperparameters}.items()}
        self._in_force = None
        self._prepare()
        if type(self).rule is not Wrapper.rule:
            wanted = {n: value for n, value in self._own.items() if n in self._wants}
            check(name, self.rule, ("theta", *self.state), wanted, "t" in self._wants)
        self.t = 0
        self.base_optimizer = base_optimizer
        self.needs_closure = type(self).needs_closure or base_optimizer.needs_closure
        self._aliases = [{vector: part.add_vector(vector) for vector in self.state} for part in self.parts()]
        self._ready = True

    def inside(self) -> list[Optimizer]:
        """The inner optimizer, as a list."""
        return [self.base_optimizer]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make a step of the inner optimizer, then apply the wrapper's rule to the parameters it has changed."""
        self._start()
        loss = self.base_optimizer.step(closure)
        self.t += 1
        given = {name: self._own[name] for name in self._wants if name in self._own}
        for part, kept in self._kept_by_part():
            for start, stop, t in part.stepped:
                if "t" in self._wants:
                    given["t"] = t
                self._apply_to(part, kept, start, stop, given)
        return loss

    def _prepare(self) -> None:
        self._elementwise = Elementwise(type(self).__name__, ("theta", *self.state))
        self._prepared: dict[tuple[int, int, int], tuple[tuple[Array, ...], Segment]] = {}

    def _apply_to(self, part: Optimizer, kept: dict[str, Array], start: int, stop: int, given: dict[str, Any]) -> None:
        """Apply the rule to a range of theta that a step of the inner optimizer has changed."""
        vectors = (part.theta, *kept.values())
        held = self._prepared.get((id(part), start, stop))
        if held is None or any(one is not other for one, other in zip(held[0], vectors, strict=True)):
            if len(self._prepared) >= 256:
                self._prepared.clear()
            held = vectors, Segment(tuple(vector[start:stop] for vector in vectors))
            self._prepared[id(part), start, stop] = held
        self._elementwise.apply(self.rule, held[1], given)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: without the objects that are prepared for the current vectors."""
        return {name: v for name, v in super().__getstate__().items() if name not in ("_elementwise", "_prepared")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.pop("_ready")
        self._prepare()
        self._ready = True

    def _kept_by_part(self) -> Iterator[tuple[Optimizer, dict[str, Array]]]:
        for part, aliases in zip(self.parts(), self._aliases, strict=True):
            yield part, {name: part.added_vector(alias) for name, alias in aliases.items()}

    def _kept_vectors(self) -> dict[str, Array]:
        """The state of the wrapper; if the inner optimizer has several parts, copies, end to end."""
        by_part = [kept for _, kept in self._kept_by_part()]
        return {name: joined([kept[name] for kept in by_part]) for name in self.state}

    def _start(self) -> None:
        """Copy theta into the vectors of the state, for the parameters that have had no step yet."""
        self.refresh()
        for part, kept in self._kept_by_part():
            for start, stop in part.unstepped():
                for vector in kept.values():
                    vector[start:stop] = part.theta[start:stop]

    def eval(self) -> None:
        """See `Optimizer.eval`; if the wrapper has no average of its own, that of the inner optimizer is used."""
        if type(self).averaged is Optimizer.averaged:
            self.base_optimizer.eval()
            return
        self._start()
        given = {name: self._own[name] for name in self._average_wants if name in self._own}
        for part, kept in self._kept_by_part():
            whole = partial(self._average, list(kept.values()), given)
            part._put_averaged([(0, part.theta.size, whole)])

    @property
    def state_vectors(self) -> dict[str, Array]:  # type: ignore[override]
        """The state of the inner optimizer and that of the wrapper."""
        return {**self.base_optimizer.state_vectors, **self._kept_vectors()}

    def __getattr__(self, name: str) -> Any:
        """The wrapper's own hyperparameters and vectors; any other attribute is that of the inner optimizer."""
        if name.startswith("_") or "base_optimizer" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if name in self._own:
            return self._own[name]
        if name in self.state:
            return self._kept_vectors()[name]
        return getattr(self.base_optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a hyperparameter sets it here or in the inner optimizer: see `Optimizer.__setattr__`."""
        if self.__dict__.get("_ready") and name in self._own:
            self._own[name] = checked(type(self).__name__, name, value, self.ranges)
        else:
            super().__setattr__(name, value)

    def hyperparameters(self) -> tuple[str, ...]:
        """The names of the hyperparameters, including those of the inner optimizer."""
        return tuple(dict.fromkeys((*self._own, *self.base_optimizer.hyperparameters())))

    def __repr__(self) -> str:
        own = "".join(f"{name}={value}, " for name, value in self._own.items())
        return f"{type(self).__name__}({own}{self.base_optimizer!r})"

    # Saving and loading.

    def state_dict(self) -> dict[str, Any]:
        """The states of the inner optimizer and of the wrapper: all that determines the further steps."""
        self._start()
        vectors = {name: Tensor(vector.copy()) for name, vector in self._kept_vectors().items()}
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
        first = 0
        for part, kept in self._kept_by_part():
            for name, vector in kept.items():
                saved = vectors[name]
                if saved is not None:  # earlier versions saved None before the first step
                    vector[:] = backend.to_device(saved[first : first + vector.size], backend.device_of(vector))
            first += part.theta.size
