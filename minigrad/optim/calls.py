"""How an optimizer calls its rule: with which ranges of the vectors, and with which hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.buffered import Segment
from minigrad.optim.formula import changes_g
from minigrad.optim.groups import Group
from minigrad.optim.hyperparameters import rate_of
from minigrad.optim.layout import Vectorized, same
from minigrad.optim.recorder import check


class Calling(Vectorized):
    """The part of `Optimizer` between `step` and the rule."""

    scope: ClassVar[str] = "element"
    _wants: tuple[str, ...]  # the names of the rule's arguments after its *
    _used: dict[int, tuple[list[Any], dict[str, Any]]]  # the last results of `_given`, by the id of the group

    def rule(self, theta: Array, g: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` and the state in place, given the gradient `g`."""
        raise NotImplementedError(f"{type(self).__name__} must define rule(self, theta, g, ...)")

    def _given(self, group: Group) -> dict[str, Any]:
        """The group's hyperparameters as arguments for the rule; checked again only after one was assigned."""
        used = self._used.get(id(group))
        if used is not None and len(group) == len(self._names) + 1 and same(map(group.get, self._names), used[0]):
            return used[1]
        self._completed(group)
        given = {name: group[name] for name in self._wants if name in group}
        if self.scope == "element" and (used is None or {**used[1], "lr": 0} != {**given, "lr": 0}):
            self._check_rule(group, given)
        self._used[id(group)] = [group[name] for name in self._names], given
        return given

    def _check_rule(self, group: Group, given: dict[str, Any]) -> None:
        """Run the rule on stand-ins, to check that it is elementwise."""
        rate = rate_of(type(self).__name__, group["lr"], self.t)
        self._in_force = (group, rate)
        try:
            if "lr" in given:
                given = {**given, "lr": rate}
            recorder = self._elementwise.recorder
            check(recorder.owner, self.rule, recorder.names, given, "t" in self._wants, self.theta.dtype)
        finally:
            self._in_force = None

    def _runs(self, first: int, last: int, complete: bool) -> Iterator[tuple[int, int, int]]:
        """Count one step for the parameters first .. last - 1 that have gradients; return their ranges of the vectors.

        A range (start, stop, t) is of neighbouring parameters that are at the same step t. With the scope "parameter"
        each parameter is a range of its own, and an empty one is left out.
        """
        run: tuple[int, int, int] | None = None
        for i in range(first, last):
            slot = self._slots[i]
            if not complete and self._params[i]._grad is None:
                continue
            # Count its step; continue the stretch, or begin another one.
            self._counts[i] = t = self._counts[i] + 1
            if self.scope == "parameter":
                if slot.theta.size:
                    yield slot.start, self._ends[i], t
            elif run is not None and run[1] == slot.start and run[2] == t:  # it continues the range
                run = (run[0], self._ends[i], t)
            else:  # it begins a new one
                if run is not None:
                    yield run
                run = (slot.start, self._ends[i], t)
        if run is not None:
            yield run

    def _segment(self, start: int, stop: int) -> Segment:
        """theta, g and the state from `start` to `stop`."""
        segment = self._segments.get((start, stop))
        if segment is None:
            if len(self._segments) >= 256:  # the set of parameters with gradients changes again and again
                self._segments.clear()
            segment = self._segments[start, stop] = Segment(tuple(v[start:stop] for v in self._given_vectors()))
        return segment

    def _given_vectors(self) -> tuple[Array, ...]:
        """theta, g (read-only) and the state."""
        g = self._vectors.g[:]
        if hasattr(g.flags, "writeable"):  # CuPy's arrays can always be written to
            g.flags.writeable = False
        return (self.theta, g, *self.state_vectors.values())

    def _pieces(self, runs: list[tuple[int, int, int]]) -> Iterator[tuple[int, tuple[Array, ...]]]:
        """The arguments (t, (theta, g, *state)) for each call of a rule that is not elementwise."""
        vectors = self._given_vectors()
        if self.scope == "parameter":
            for start, stop, t in runs:
                yield t, tuple(v[start:stop].reshape(self._shapes[start]) for v in vectors)
        elif len(runs) == 1:
            start, stop, _ = runs[0]
            yield self.t, tuple(v[start:stop] for v in vectors)
        elif runs:  # ranges with gaps, or at different steps: join copies, call the rule, and copy the results back
            xp = backend.get_array_module(self.theta)
            joined = tuple(xp.concatenate([v[a:b] for a, b, _ in runs]) for v in vectors)
            yield self.t, joined
            first = 0
            for start, stop, _ in runs:
                last = first + stop - start
                for vector, changed in zip((vectors[0], *vectors[2:]), (joined[0], *joined[2:]), strict=True):
                    vector[start:stop] = changed[first:last]
                first = last

    def _apply(self, group: Group, rate: float, given: dict[str, Any], runs: list[tuple[int, int, int]]) -> None:
        """Apply the rule to these ranges of the vectors."""
        given = dict(given)
        if "lr" in given:
            given["lr"] = rate
        decay = 0 if "weight_decay" in self._wants else group["weight_decay"]
        counts = "t" in self._wants
        held = vars(self)  # faster than __setattr__, which looks for hyperparameters
        held["_in_force"] = (group, rate)
        try:
            if self.scope == "element":
                for start, stop, t in runs:
                    if counts:
                        given["t"] = t
                    self._elementwise.apply(self.rule, self._segment(start, stop), given, decay)
                return
            for t, (theta, g, *state) in self._pieces(runs):
                if counts:
                    given["t"] = t
                self.rule(theta, g + decay * theta if decay else g, *state, **given)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise TypeError(changes_g(type(self).__name__)) from error
        finally:
            held["_in_force"] = None
