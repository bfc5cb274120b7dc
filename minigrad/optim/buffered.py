"""A program run by NumPy's functions: slice by slice, with temporary arrays that are used again."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from minigrad.backend import Array
from minigrad.optim.formula import UFUNCS

if TYPE_CHECKING:
    from minigrad.optim.program import Program

SLICE_BYTES = 128_000
"""The size of the slices on a CPU: small enough that a slice of each vector and the temporaries stay in the cache."""


class Buffered:
    """A program on the vectors of one segment, run by NumPy's functions, with temporaries that are reused.

    The list of calls, with their slices, is prepared once. The numbers are in 0-d arrays, of the dtype to which NumPy
    converts a Python number in that operation.
    """

    def __init__(self, program: Program, segment: Segment) -> None:
        self.cells: list[tuple[int, Array]] = []  # k and a 0-d array for number k of the formula
        self.calls: list[tuple[Callable[..., Any], tuple[Array, ...]]] = []
        places = _places(program)
        pieces = segment.pieces()
        cells: dict[tuple[int, Any], Array] = {}
        for statement in program.statements:
            for operand, kind in zip(statement.operands, statement.types, strict=True):
                if operand < 0:
                    cells[operand, kind] = cell = numpy.empty((), kind)
                    self.cells.append((~operand, cell))
        for piece in pieces:
            arrays = dict(enumerate(piece))
            for slot, place in places.items():
                arrays[slot] = arrays[place] if isinstance(place, int) else segment.temporary(place, len(piece[0]))
            for statement in program.statements:
                inputs = [
                    arrays[operand] if operand >= 0 else cells[operand, kind]
                    for operand, kind in zip(statement.operands, statement.types, strict=True)
                ]
                self._call(statement.name, inputs, arrays[statement.target])

    def _call(self, name: str, inputs: list[Array], out: Array) -> None:
        """Add the NumPy calls for one operation on one slice to the list."""
        if name == "copy":
            if out is not inputs[0]:
                self.calls.append((numpy.copyto, (out, *inputs)))
        elif name == "where":
            condition, one, other = inputs
            self.calls.append((numpy.copyto, (out, other)))
            self.calls.append((functools.partial(numpy.copyto, where=condition), (out, one)))
        elif name in ("maximum", "minimum"):  # these need `out` by name
            self.calls.append((functools.partial(UFUNCS[name], out=out), tuple(inputs)))
        else:
            self.calls.append((UFUNCS[name], (*inputs, out)))

    def run(self, numbers: list[Any]) -> None:
        """Run the program with these numbers."""
        for k, cell in self.cells:
            cell.fill(numbers[k])
        for function, arrays in self.calls:
            function(*arrays)


def _places(program: Program) -> dict[int, Any]:
    """The place of each temporary of a program: the key of a buffer, or the vector into which it is copied at once.

    A buffer is reused when its contents are not needed any more. The operation that reads it last can already write its
    result there, since each element is read before it is written.
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
        # Free the buffers that this statement reads last (for "where" only below, since it writes before it reads).
        for slot in set(statement.operands):
            if slot >= program.count and last[slot] == i and statement.name != "where" and slot != statement.target:
                _release(places[slot], free)
        # Find a place for the result: the vector to which the next statement copies it, or a free or new buffer.
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
        if last[target] == i and target >= program.count:  # the result is never used
            _release(places[target], free)
        if statement.name == "where":
            for slot in set(statement.operands):
                if slot >= program.count and last[slot] == i:
                    _release(places[slot], free)
    return places


def _release(place: Any, free: dict[Any, list[int]]) -> None:
    if not isinstance(place, int):
        free.setdefault(place[0], []).append(place[1])


class Segment:
    """The vectors of neighbouring parameters that make a step together, with the programs prepared for them."""

    def __init__(self, vectors: tuple[Array, ...]) -> None:
        self.vectors = vectors
        self.dtype = vectors[0].dtype
        self.on_cpu = isinstance(vectors[0], numpy.ndarray)
        self._temporaries: dict[Any, Array] = {}  # shared by all programs; by (dtype, number), and by (that, size)
        self._buffered: dict[Program, Buffered] = {}

    def pieces(self) -> list[tuple[Array, ...]]:
        """The vectors in slices on a CPU; whole on a GPU."""
        size = self.vectors[0].size
        slice_ = max(1, SLICE_BYTES // self.dtype.itemsize) if self.on_cpu else max(1, size)
        bounds = itertools.pairwise([*range(0, size, slice_), size])
        return [tuple(v[a:b] for v in self.vectors) for a, b in bounds]

    def temporary(self, key: tuple[Any, int], size: int) -> Array:
        """A temporary vector of this size, in the same memory for each call and each slice."""
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
            if len(self._buffered) >= 16:  # the rule's operations change again and again
                self._buffered.clear()
            found = self._buffered[program] = Buffered(program, self)
        return found
