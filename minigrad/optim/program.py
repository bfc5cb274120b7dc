"""How an elementwise rule is applied to vectors: its noted formula, translated once and then run at every step.

Run as it is written, a rule is a dozen passes over memory, each with a temporary array. Its formula (see `formula`)
says all that there is to do, so the same can be done with less traffic, in one of three ways that give the same bits:

1. one compiled loop on a CPU, or one kernel on a GPU, which goes through memory once (see `compiled`);
2. NumPy's functions, slice by slice, with temporaries that are used again;
3. where neither is possible, the rule itself, as it is written.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from minigrad.backend import Array
from minigrad.optim import compiled
from minigrad.optim.formula import NEW, UFUNCS, Entry, Notes

SLICE_BYTES = 128_000
"""How much of each vector NumPy is given at a time on a CPU: it and the temporaries then stay in the cache."""

BOOL = numpy.dtype(bool)


class Statement(NamedTuple):
    """One operation of a formula, with all types known.

    Attributes:
        name: of NumPy's function; ``"copy"`` copies, ``"where"`` chooses.
        target: the number of the vector that the result goes to.
        operands: the numbers of vectors, or ``~k`` for the number k.
        types: what each operand is converted to before the operation.
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
        count: how many vectors the rule is given; the others are temporaries.
        numbers: how many numbers it takes.
        written: which of the given vectors change.
        dtype: of the vectors it is given.
    """

    def __init__(self, statements: Sequence[Statement], count: int, dtype: Any) -> None:
        self.statements = tuple(statements)
        self.count = count
        self.dtype = dtype
        self.numbers = sum(operand < 0 for s in statements for operand in s.operands)
        self.written = sorted({s.target for s in statements if s.target < count})
        self.loop = compiled.Loop(self)

    def run(self, stretch: Stretch, numbers: list[Any]) -> bool:
        """Apply the formula to the vectors of `stretch`; False, with nothing done, where only the rule itself can."""
        if not self.statements or self.loop.run(stretch.vectors, numbers):
            return True
        if not stretch.on_cpu:
            return False
        stretch.buffered(self).run(numbers)
        return True


@functools.lru_cache(maxsize=1024)
def translated(entries: tuple[Entry, ...], count: int, dtype: Any) -> Program | None:
    """The program of a formula for vectors of that dtype; None if the types in it have no simple rule.

    Args:
        entries: the noted operations.
        count: how many vectors the rule is given.
        dtype: of these vectors.
    """
    types: list[Any] = [dtype] * count  # of each vector and temporary
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
    """What the operands are converted to, and the type of the result; None for a type: that of the target.

    In `given` a Python number is `float`. It may be an integer as well: the types must be the same for both.
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


class Buffered:
    """A program on the vectors of one stretch, by NumPy's functions, with temporaries that are used again.

    What is to be called on which slices is worked out once. The numbers are kept in arrays without axes, of the
    dtype to which NumPy converts a Python number there.
    """

    def __init__(self, program: Program, stretch: Stretch) -> None:
        self.cells: list[tuple[int, Array]] = []  # the number k and an array that holds it
        self.calls: list[tuple[Callable[..., Any], tuple[Array, ...]]] = []
        places = _places(program)
        pieces = stretch.pieces()
        cells: dict[tuple[int, Any], Array] = {}
        for statement in program.statements:
            for operand, kind in zip(statement.operands, statement.types, strict=True):
                if operand < 0:
                    cells[operand, kind] = cell = numpy.empty((), kind)
                    self.cells.append((~operand, cell))
        for piece in pieces:
            arrays = dict(enumerate(piece))
            for slot, place in places.items():
                arrays[slot] = arrays[place] if isinstance(place, int) else stretch.temporary(place, len(piece[0]))
            for statement in program.statements:
                inputs = [
                    arrays[operand] if operand >= 0 else cells[operand, kind]
                    for operand, kind in zip(statement.operands, statement.types, strict=True)
                ]
                self._call(statement.name, inputs, arrays[statement.target])

    def _call(self, name: str, inputs: list[Array], out: Array) -> None:
        """Note what is to be called for one operation on one slice."""
        if name == "copy":
            if out is not inputs[0]:
                self.calls.append((numpy.copyto, (out, *inputs)))
        elif name == "where":
            condition, one, other = inputs
            self.calls.append((numpy.copyto, (out, other)))
            self.calls.append((functools.partial(numpy.copyto, where=condition), (out, one)))
        elif name in ("maximum", "minimum"):  # which take no third argument by place
            self.calls.append((functools.partial(UFUNCS[name], out=out), tuple(inputs)))
        else:
            self.calls.append((UFUNCS[name], (*inputs, out)))

    def run(self, numbers: list[Any]) -> None:
        """Compute, with these numbers."""
        for k, cell in self.cells:
            cell.fill(numbers[k])
        for function, arrays in self.calls:
            function(*arrays)


def _places(program: Program) -> dict[int, Any]:
    """Where each temporary of a program is kept: the key of a buffer, or the vector into which it is copied at once.

    A buffer is used again when what it holds is not read any more: also for the result of the operation that
    reads it last, since each element is read before it is written.
    """
    last: dict[int, int] = {}  # the last statement that reads or changes each vector
    for i, statement in enumerate(program.statements):
        for slot in (statement.target, *statement.operands):
            last[slot] = i
    free: dict[Any, list[int]] = {}
    made: dict[Any, int] = {}
    places: dict[int, Any] = {}
    following = [*program.statements[1:], None]
    for i, (statement, after) in enumerate(zip(program.statements, following, strict=True)):
        for slot in set(statement.operands):
            if slot >= program.count and last[slot] == i and statement.name != "where" and slot != statement.target:
                _release(places[slot], free)
        target = statement.target
        if target >= program.count and target not in places:
            if (
                after is not None
                and after.name == "copy"
                and after.operands == (target,)
                and after.target < program.count
                and last[target] == i + 1
                and not (statement.name == "where" and after.target in statement.operands)
            ):
                places[target] = after.target
            else:
                kind = statement.stored
                if not free.get(kind):
                    made[kind] = made.get(kind, 0) + 1
                    free.setdefault(kind, []).append(made[kind])
                places[target] = (kind, free[kind].pop())
        if last[target] == i and target >= program.count:  # computed, and never used
            _release(places[target], free)
        if statement.name == "where":
            for slot in set(statement.operands):
                if slot >= program.count and last[slot] == i:
                    _release(places[slot], free)
    return places


def _release(place: Any, free: dict[Any, list[int]]) -> None:
    if not isinstance(place, int):
        free.setdefault(place[0], []).append(place[1])


class Stretch:
    """The vectors of neighbouring parameters that are stepped together, and what was prepared for them."""

    def __init__(self, vectors: tuple[Array, ...]) -> None:
        self.vectors = vectors
        self.dtype = vectors[0].dtype
        self.on_cpu = isinstance(vectors[0], numpy.ndarray)
        self._temporaries: dict[Any, Array] = {}  # of all programs, by dtype and number, and cut to a length
        self._buffered: dict[Program, Buffered] = {}

    def pieces(self) -> list[tuple[Array, ...]]:
        """The vectors in slices, on a CPU; on a GPU whole."""
        size = self.vectors[0].size
        slice_ = max(1, SLICE_BYTES // self.dtype.itemsize) if self.on_cpu else max(1, size)
        bounds = itertools.pairwise([*range(0, size, slice_), size])
        return [tuple(v[a:b] for v in self.vectors) for a, b in bounds]

    def temporary(self, key: tuple[Any, int], size: int) -> Array:
        """A temporary vector of that size: the same memory at each call, and in each slice."""
        found = self._temporaries.get((key, size))
        if found is None:
            longest = len(self.pieces()[0][0])
            whole = self._temporaries.setdefault(key, numpy.empty(longest, key[0]))
            found = self._temporaries[key, size] = whole[:size]
        return found

    def buffered(self, program: Program) -> Buffered:
        """The program, prepared for these vectors."""
        found = self._buffered.get(program)
        if found is None:
            if len(self._buffered) >= 16:  # a rule that is ever another one
                self._buffered.clear()
            found = self._buffered[program] = Buffered(program, self)
        return found


class Elementwise:
    """A rule of scope "element", as it is applied to vectors.

    Args:
        owner: the rule's class, for messages.
        names: of the vectors it is given.
    """

    def __init__(self, owner: str, names: Sequence[str]) -> None:
        self.notes = Notes(owner, names)
        self._entries: list[Entry] | None = None
        self._program: Program | None = None

    def apply(self, rule: Callable[..., Any], stretch: Stretch, given: dict[str, Any], decay: float = 0.0) -> None:
        """Change the vectors of `stretch` as the rule says.

        Args:
            rule: the bound method.
            stretch: the vectors; the second is g, if `decay` is not 0.
            given: the hyperparameters, and t, as the rule wants them.
            decay: how much of theta is added to g before the rule sees it.
        """
        notes = self.notes
        if notes.dtype is not stretch.dtype:
            notes.dtype, self._entries = stretch.dtype, None
        vectors = notes.begin()
        if decay:
            theta, g, *state = vectors
            rule(theta, g + decay * theta, *state, **given)  # type: ignore[operator]
        else:
            rule(*vectors, **given)
        if notes.translatable:
            if notes.entries != self._entries:
                self._entries = list(notes.entries)
                self._program = translated(tuple(self._entries), len(vectors), notes.dtype)
            if self._program is not None and self._program.run(stretch, notes.numbers):
                return
        for piece in stretch.pieces():
            if decay:
                theta, g, *state = piece
                rule(theta, g + decay * theta, *state, **given)
            else:
                rule(*piece, **given)
