"""Tensors in another shape or order: views where `reshape`, `transpose` and indices give views."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy

from minigrad import conversion
from minigrad.backend import get_array_module, to_device
from minigrad.conversion import ShapeError
from minigrad.functions.taken import Dims, at, count_of, dim_of, dims_of, tensor_of
from minigrad.ops import broadcast_to, cat, flatten, getitem, reshape, transpose, where
from minigrad.ops.shapes import _scatter
from minigrad.spelling import numpy_names
from minigrad.tensor import Tensor

# Axes of length 1.


@numpy_names
def squeeze(input: Any, dim: Dims = None) -> Tensor:
    """Without the axes of length 1, or without those of the axes `dim` whose length is 1."""
    a = tensor_of("squeeze", input)
    gone = [i for i in dims_of("squeeze", a, dim) if i < a.ndim and a.shape[i] == 1]
    return reshape(a, [n for i, n in enumerate(a.shape) if i not in gone])


@numpy_names
def unsqueeze(input: Any, dim: int) -> Tensor:
    """With a new axis of length 1 at `dim`, from -ndim - 1 to ndim."""
    a = tensor_of("unsqueeze", input)
    i = dim_of("unsqueeze", a, dim, added=1)
    return reshape(a, [*a.shape[:i], 1, *a.shape[i:]])


# The order of the axes.


def permute(input: Any, *dims: Any) -> Tensor:
    """The axes in the order `dims`, given one by one or as one list or tuple.

    Raises:
        ShapeError: `dims` does not name each axis once.
    """
    a = tensor_of("permute", input)
    order = [dim_of("permute", a, i) for i in _listed(dims)] if a.ndim else []
    if sorted(order) != list(range(a.ndim)):
        raise ShapeError(f"permute: {tuple(_listed(dims))} is no order of the {a.ndim} axes of shape {a.shape}")
    now = list(range(a.ndim))
    for i, axis in enumerate(order):  # exchange axes, until each is in its place
        if (j := now.index(axis)) != i:
            a = transpose(a, i, j)
            now[i], now[j] = now[j], now[i]
    return a


def _listed(dims: tuple[Any, ...]) -> Sequence[Any]:
    return dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims


def swapaxes(input: Any, axis0: int, axis1: int) -> Tensor:
    """Swap two axes: NumPy's name of `transpose`."""
    return transpose(tensor_of("swapaxes", input), axis0, axis1)


def swapdims(input: Any, dim0: int, dim1: int) -> Tensor:
    """Swap two axes: another name of `transpose`."""
    return transpose(tensor_of("swapdims", input), dim0, dim1)


def movedim(input: Any, source: Dims, destination: Dims) -> Tensor:
    """Move the axes `source` to the places `destination`; the others keep their order."""
    a = tensor_of("movedim", input)
    moved, places = dims_of("movedim", a, source), dims_of("movedim", a, destination)
    if len(moved) != len(places):
        raise ShapeError(f"movedim: {source} are not as many axes as {destination}")
    rest = iter(i for i in range(a.ndim) if i not in moved)
    at_place = dict(zip(places, moved, strict=True))
    return permute(a, [at_place[i] if i in at_place else next(rest) for i in range(a.ndim)])


def t(input: Any) -> Tensor:
    """The transpose of a matrix; a vector or a scalar stays as it is.

    Raises:
        ShapeError: there are more than two axes.
    """
    a = tensor_of("t", input)
    if a.ndim > 2:
        raise ShapeError(f"t: takes at most two axes, not the shape {a.shape}: use transpose or permute")
    return transpose(a, 0, 1) if a.ndim == 2 else a


# The number of elements.


def expand(input: Any, *size: Any) -> Tensor:
    """Repeat along axes of length 1, and along new ones in front, without a copy; -1 keeps the length of an axis.

    Raises:
        ShapeError: the shapes do not fit.
    """
    a = tensor_of("expand", input)
    wanted = conversion.sizes("expand", size, least=-1)
    own = (1,) * (len(wanted) - a.ndim) + a.shape
    shape = tuple(n if m == -1 else m for n, m in zip(own, wanted, strict=False))
    if (
        len(wanted) < a.ndim
        or -1 in wanted[: len(wanted) - a.ndim]
        or any(n not in (1, m) for n, m in zip(own, shape, strict=True))
    ):
        raise ShapeError(f"expand: shape {a.shape} cannot be expanded to {wanted}")
    return broadcast_to(a, shape)


def expand_as(input: Any, other: Any) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(input, other.shape)


def repeat(input: Any, *repeats: Any) -> Tensor:
    """Copies side by side: ``repeats[i]`` of them along axis i; new axes are in front.

    Raises:
        ShapeError: there are fewer numbers than axes.
    """
    a = tensor_of("repeat", input)
    counts = conversion.sizes("repeat", repeats)
    if len(counts) < a.ndim:
        raise ShapeError(f"repeat: {counts} has fewer numbers than the shape {a.shape} has axes")
    own = (1,) * (len(counts) - a.ndim) + a.shape
    apart = reshape(a, [length for n in own for length in (1, n)])
    copies = broadcast_to(apart, tuple(length for k, n in zip(counts, own, strict=True) for length in (k, n)))
    return reshape(copies, [k * n for k, n in zip(counts, own, strict=True)])


def tile(input: Any, *dims: Any) -> Tensor:
    """As `repeat`, but there may be fewer numbers than axes: they are for the last ones."""
    a = tensor_of("tile", input)
    counts = conversion.sizes("tile", dims)
    return repeat(a, (1,) * (a.ndim - len(counts)) + counts)


def repeat_interleave(input: Any, repeats: Any, dim: int | None = None) -> Tensor:
    """Each element along `dim` (None: of the flattened tensor) `repeats` times, one after the other.

    `repeats` is a number, or one for each element.
    """
    a = tensor_of("repeat_interleave", input)
    if dim is None:
        a, dim = flatten(a), 0
    i = dim_of("repeat_interleave", a, dim)
    counts = repeats.data if isinstance(repeats, Tensor) else repeats
    xp = get_array_module(a.data)
    return getitem(a, at(i, xp.repeat(xp.arange(a.shape[i]), counts)))


# Parts.


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts along `dim`, all of one length but the last, which may be shorter."""
    a = tensor_of("chunk", input)
    length = a.shape[dim_of("chunk", a, dim)]
    return split(a, builtins.max(1, -(-length // count_of("chunk", "the number of parts", chunks, 1))), dim)


@numpy_names
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along `dim`: of one length (the last may be shorter), or of the lengths in a list.

    Raises:
        ShapeError: the lengths in the list do not add up to that of the axis.
    """
    a = tensor_of("split", tensor)
    i = dim_of("split", a, dim)
    if isinstance(split_size_or_sections, (list, tuple)):
        lengths = [count_of("split", "a length", n) for n in split_size_or_sections]
        if builtins.sum(lengths) != a.shape[i]:
            raise ShapeError(f"split: the lengths {lengths} do not add up to {a.shape[i]}, as axis {i} has")
    else:
        size = count_of("split", "a length", split_size_or_sections, 1)
        lengths = [builtins.min(size, a.shape[i] - start) for start in range(0, a.shape[i], size)] or [0]
    starts = numpy.cumsum([0, *lengths]).tolist()
    return tuple(getitem(a, at(i, slice(start, start + n))) for start, n in zip(starts, lengths, strict=False))


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts at 0, 1, ... of the axis `dim`, which they do not have."""
    a = tensor_of("unbind", input)
    i = dim_of("unbind", a, dim)
    return tuple(getitem(a, at(i, k)) for k in range(a.shape[i]))


@numpy_names
def narrow(input: Any, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim`, from `start` on."""
    a = tensor_of("narrow", input)
    i = dim_of("narrow", a, dim)
    if not 0 <= start <= start + length <= a.shape[i]:
        raise ShapeError(f"narrow: {length} elements from {start} on are not in axis {i} of shape {a.shape}")
    return getitem(a, at(i, slice(start, start + length)))


@numpy_names
def select(input: Any, dim: int, index: int) -> Tensor:
    """The part at `index` of the axis `dim`, which it does not have."""
    a = tensor_of("select", input)
    return getitem(a, at(dim_of("select", a, dim), index))


def flip(input: Any, *dims: Any) -> Tensor:
    """The elements in reverse order along the axes `dims`."""
    a = tensor_of("flip", input)
    reversed_ = dims_of("flip", a, list(_listed(dims)))
    return getitem(a, tuple(slice(None, None, -1 if i in reversed_ else 1) for i in range(a.ndim)))


def roll(input: Any, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved on by `shifts` along `dims`; those pushed out at the end come in again at the start.

    Without `dims` the flattened tensor is rolled.
    """
    a = tensor_of("roll", input)
    if dims is None:
        return reshape(roll(flatten(a), shifts, 0), a.shape)
    for shift, dim in zip(_several(shifts), dims_of("roll", a, _several(dims)), strict=True):
        if n := a.shape[dim]:
            cut = -shift % n
            a = cat([getitem(a, at(dim, slice(cut, None))), getitem(a, at(dim, slice(0, cut)))], dim)
    return a


def _several(numbers: Any) -> list[Any]:
    return list(numbers) if isinstance(numbers, (tuple, list)) else [numbers]


# Joined.


def hstack(tensors: Sequence[Any]) -> Tensor:
    """Join along the second axis; vectors along their only one."""
    parts = [_with_axes(x, 1) for x in tensors]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Tensor:
    """Join along the first axis; vectors become rows."""
    return cat([_with_axes(x, 2) for x in tensors], 0)


def column_stack(tensors: Sequence[Any]) -> Tensor:
    """Join vectors as the columns of a matrix; matrices side by side."""
    parts = [tensor_of("column_stack", x) for x in tensors]
    return cat([reshape(a, -1, 1) if a.ndim < 2 else a for a in parts], 1)


def _with_axes(x: Any, count: int) -> Tensor:
    a = tensor_of("stack", x)
    return reshape(a, [1] * (count - a.ndim) + list(a.shape))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: for each vector a tensor with an axis for each of them.

    With ``indexing="xy"`` the first two axes are swapped, as NumPy does by default.
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r}")
    vectors = [tensor_of("meshgrid", x) for x in _listed(tensors)]
    shape = tuple(v.numel() for v in vectors)
    grids = [
        broadcast_to(reshape(v, [-1 if i == k else 1 for k in range(len(shape))]), shape) for i, v in enumerate(vectors)
    ]
    return tuple(transpose(g, 0, 1) if indexing == "xy" and len(shape) > 1 else g for g in grids)


# Shapes of other tensors.


def reshape_as(input: Any, other: Any) -> Tensor:
    """In the shape of `other`."""
    return reshape(tensor_of("reshape_as", input), other.shape)


def view_as(input: Any, other: Any) -> Tensor:
    """In the shape of `other`."""
    return reshape(tensor_of("view_as", input), other.shape)


def ravel(input: Any) -> Tensor:
    """As one vector."""
    return flatten(tensor_of("ravel", input))


def unflatten(input: Any, dim: int, sizes: Any) -> Tensor:
    """The axis `dim` as several axes, of the lengths `sizes`; one of them may be -1."""
    a = tensor_of("unflatten", input)
    i = dim_of("unflatten", a, dim)
    lengths = conversion.sizes("unflatten", (sizes,), least=-1)
    known = math.prod(n for n in lengths if n != -1)
    lengths = tuple(a.shape[i] // (known or 1) if n == -1 else n for n in lengths)
    if math.prod(lengths) != a.shape[i]:
        raise ShapeError(f"unflatten: the {a.shape[i]} elements of axis {i} do not fit the lengths {tuple(sizes)}")
    return reshape(a, [*a.shape[:i], *lengths, *a.shape[i + 1 :]])


# Diagonals and triangles.


def diag(input: Any, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix; or, for a vector, the matrix that has it as its diagonal and is 0 elsewhere."""
    a = tensor_of("diag", input)
    if a.ndim == 2:
        return getitem(a, _diagonal(a, a.shape[0], a.shape[1], diagonal))
    if a.ndim != 1:
        raise ShapeError(f"diag: takes a vector or a matrix, not the shape {a.shape}")
    n = len(a) + abs(diagonal)
    return _scatter(a, (n, n), _diagonal(a, n, n, diagonal))


def _diagonal(a: Tensor, rows: int, columns: int, diagonal: int) -> tuple[Any, Any]:
    """The rows and the columns of a diagonal."""
    down, right = builtins.max(0, -diagonal), builtins.max(0, diagonal)
    k = to_device(numpy.arange(builtins.max(0, builtins.min(rows - down, columns - right))), a.device)
    return k + down, k + right


def trace(input: Any) -> Tensor:
    """The sum of the diagonal of a matrix."""
    return diag(input).sum()


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """The lower triangle of a matrix (of the last two axes): 0 above the diagonal."""
    return _triangle("tril", input, diagonal, lower=True)


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """The upper triangle of a matrix (of the last two axes): 0 below the diagonal."""
    return _triangle("triu", input, diagonal, lower=False)


def _triangle(name: str, input: Any, diagonal: int, lower: bool) -> Tensor:
    a = tensor_of(name, input)
    if a.ndim < 2:
        raise ShapeError(f"{name}: takes a matrix, not the shape {a.shape}")
    rows, columns = numpy.arange(a.shape[-2])[:, None], numpy.arange(a.shape[-1])
    kept = columns - rows <= diagonal if lower else columns - rows >= diagonal
    zero = a.dtype.type(0) if a.dtype.kind != "f" else 0.0
    return where(Tensor(to_device(kept, a.device)), a, zero)


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two axes swapped."""
    if self.ndim < 2:
        raise ShapeError(f"mT: takes a matrix, or several, not the shape {self.shape}")
    return transpose(self, -1, -2)
