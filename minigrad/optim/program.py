"""How an elementwise rule is applied to vectors: its recorded formula is translated once, and run at every step.

Run as it is written, a rule is a dozen passes over memory, each with a temporary array. The formula (see `formula`)
describes the whole computation, so it can be done with less memory traffic, in one of three ways with the same bits:

1. as one compiled loop on a CPU, or one kernel on a GPU, which goes through memory once (see `compiled`);
2. with NumPy's functions, slice by slice, with temporaries that are reused (see `buffered`);
3. where neither is possible, by the rule itself, as it is written.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from minigrad.optim import compiled
from minigrad.optim.buffered import Segment
from minigrad.optim.formula import NEW, UFUNCS, Entry
from minigrad.optim.recorder import Recorder

BOOL = numpy.dtype(bool)


class Statement(NamedTuple):
    """One operation of a formula, with all types known.

    Attributes:
        name: the name of the NumPy function, or ``"copy"`` or ``"where"``.
        target: the number of the vector that the result is written to.
        operands: the numbers of vectors, or ``~k`` for the number k of the formula.
        types: the dtype to which each operand is converted before the operation.
        stored: the dtype of the target.
    """

    name: str
    target: int
    operands: tuple[int, ...]
    types: tuple[Any, ...]
    stored: Any


class Program:
    """A formula for vectors of one dtype.

    Attributes:
        statements: the operations, in order.
        count: how many vectors the rule is given; vectors with higher numbers are temporaries.
        numbers: how many numbers it has as arguments.
        written: which of the given vectors are changed.
        dtype: the dtype of the given vectors.
    """

    def __init__(self, statements: Sequence[Statement], count: int, dtype: Any) -> None:
        self.statements = tuple(statements)
        self.count = count
        self.dtype = dtype
        self.numbers = sum(operand < 0 for s in statements for operand in s.operands)
        self.written = sorted({s.target for s in statements if s.target < count})
        self.loop = compiled.Loop(self)

    def run(self, segment: Segment, numbers: list[Any]) -> bool:
        """Apply the formula to the vectors of `segment`; return False, with nothing done, if that is not possible."""
        if not self.statements or self.loop.run(segment.vectors, numbers):
            return True
        if not segment.on_cpu:
            return False
        segment.buffered(self).run(numbers)
        return True


@functools.lru_cache(maxsize=1024)
def translated(entries: tuple[Entry, ...], count: int, dtype: Any) -> Program | None:
    """The program of a formula for vectors of this dtype; None if its dtypes cannot be determined.

    Args:
        entries: the recorded operations.
        count: how many vectors the rule is given.
        dtype: the dtype of these vectors.
    """
    types: list[Any] = [dtype] * count  # the dtype of each vector and temporary
    statements = []
    number = itertools.count()
    for name, into, *operands in entries:
        given = [types[o] if isinstance(o, int) and o >= 0 else float if o == -1 else numpy.dtype(o) for o in operands]
        found = _types_of(name, given)
        if found is None:
            return None
        inputs, result = found
        stored = result if into == NEW else types[into]
        if stored is None or not numpy.can_cast(result if result is not None else stored, stored, "same_kind"):
            return None
        inputs = tuple(stored if one is None else one for one in inputs)
        target = len(types) if into == NEW else into
        numbered = tuple(o if isinstance(o, int) and o >= 0 else ~next(number) for o in operands)
        statements.append(Statement(name, target, numbered, inputs, stored))
        types.append(stored)
    return Program(statements, count, dtype)


def _types_of(name: str, given: list[Any]) -> tuple[tuple[Any, ...], Any] | None:
    """The dtypes to which the operands are converted, and that of the result; None stands for the target's dtype.

    The result is None if the operation is not supported. In `given` a Python number is `float`. In later runs it may be
    an integer, so the dtypes must be the same for both.
    """
    if name == "copy":
        return (None if given[0] is float else given[0],), None if given[0] is float else given[0]
    if name == "where":
        if given[0] != BOOL or all(kind is float for kind in given[1:]):
            return None
        result = numpy.result_type(*(0.0 if kind is float else kind for kind in given[1:]))
        return (BOOL, result, result), result
    found = []
    for python in (float, int):
        try:
            found.append(UFUNCS[name].resolve_dtypes((*(python if one is float else one for one in given), None)))
        except TypeError:
            return None
    if found[0] != found[1]:
        return None
    return found[0][:-1], found[0][-1]


class Elementwise:
    """A rule of scope "element", applied in the fastest way that is possible.

    Args:
        owner: the name of the rule's class, for messages.
        names: the names of the vectors it is given.
    """

    def __init__(self, owner: str, names: Sequence[str]) -> None:
        self.recorder = Recorder(owner, names)
        self._entries: list[Entry] | None = None
        self._program: Program | None = None

    def apply(self, rule: Callable[..., Any], segment: Segment, given: dict[str, Any], decay: float = 0.0) -> None:
        """Apply the rule to the vectors of `segment`.

        Args:
            rule: the bound method.
            segment: the vectors; the second is g, if `decay` is not 0.
            given: the arguments of the rule after the vectors: hyperparameters, and t.
            decay: decay * theta is added to g before the rule is called.
        """
        # Run the rule on stand-ins: this records its operations and numbers.
        recorder = self.recorder
        if recorder.dtype is not segment.dtype:
            recorder.dtype, self._entries = segment.dtype, None
        vectors = recorder.begin()
        if decay:
            theta, g, *state = vectors
            rule(theta, g + decay * theta, *state, **given)  # type: ignore[operator]
        else:
            rule(*vectors, **given)
        # Translate the operations if they are not those of the last step, and run them with the numbers.
        if recorder.translatable:
            if recorder.entries != self._entries:
                self._entries = list(recorder.entries)
                self._program = translated(tuple(self._entries), len(vectors), recorder.dtype)
            if self._program is not None and self._program.run(segment, recorder.numbers):
                return
        # Otherwise run the rule itself.
        for piece in segment.pieces():
            if decay:
                theta, g, *state = piece
                rule(theta, g + decay * theta, *state, **given)
            else:
                rule(*piece, **given)
