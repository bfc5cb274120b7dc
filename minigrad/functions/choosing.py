"""Elements chosen by their places or by their values: extremes, sorting, indices and masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from minigrad import ops
from minigrad.backend import get_array_module, to_device
from minigrad.conversion import ShapeError
from minigrad.functions.taken import alike, at, count_of, dim_of, operand_of, tensor_of
from minigrad.ops.arguments import array_of
from minigrad.ops.shapes import _scatter
from minigrad.spelling import numpy_names
from minigrad.tensor import Tensor, int64


class ValuesAndIndices(NamedTuple):
    """Elements, and where they stood along an axis."""

    values: Tensor
    indices: Tensor


# Extremes.


@numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; or, along an axis `dim`, the pair (largest elements, their indices).

    With a tensor in place of `dim` it is `minigrad.maximum`. The gradient flows to the element found; without `dim` it
    is divided evenly among equal largest elements. NaN counts as larger than any number.
    """
    from minigrad.functions.elementwise import maximum

    if isinstance(dim, Tensor):
        return maximum(input, dim)
    if dim is not None and not tensor_of("max", input).ndim:
        return ValuesAndIndices(tensor_of("max", input), Tensor(numpy.array(0)))
    found = ops.max(input, dim, keepdim)
    return found if dim is None else ValuesAndIndices(*found)


@numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; or, along an axis `dim`, the pair (smallest elements, their indices): see `max`."""
    from minigrad.functions.elementwise import minimum

    a = tensor_of("min", input)
    if isinstance(dim, Tensor):
        return minimum(a, dim)
    if a.dtype.kind == "f":
        found = max(-a, dim, keepdim)
        return -found if dim is None else ValuesAndIndices(-found.values, found.indices)
    if not a.numel():
        raise ShapeError(f"min: a tensor of shape {a.shape} has no element along {dim}")
    if dim is None:
        return Tensor(a.data.min())
    indices = argmin(a, dim, keepdim=True)
    return _along(a, indices, dim_of("min", a, dim), keepdim)


@numpy_names
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the largest element (of the flattened tensor), or those along the axis `dim`."""
    return _place("argmax", input, dim, keepdim)


@numpy_names
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element (of the flattened tensor), or those along the axis `dim`."""
    return _place("argmin", input, dim, keepdim)


def _place(name: str, input: Any, dim: int | None, keepdim: bool) -> Tensor:
    a = tensor_of(name, input)
    i = None if dim is None else dim_of(name, a, dim)
    if not a.numel():
        raise ShapeError(f"{name}: a tensor of shape {a.shape} has no element along {dim}")
    array = a.data.reshape(-1) if i is None or not a.ndim else a.data
    found = Tensor(getattr(array, name)(axis=0 if i is None else i).astype(int64))
    if not keepdim:
        return found
    return ops.reshape(found, [1 if i is None or k == i else n for k, n in enumerate(a.shape)])


# Sorting.


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> ValuesAndIndices:
    """The elements in order along `dim`, and where they stood; equal ones keep their order. NaN counts as largest."""
    a = tensor_of("sort", input)
    return _along(a, argsort(a, dim, descending, stable), dim_of("sort", a, dim), True)


@numpy_names
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The places of the elements in order along `dim`; equal ones keep their order. NaN counts as largest."""
    a = tensor_of("argsort", input)
    if not a.ndim:
        return Tensor(numpy.array(0))
    i = dim_of("argsort", a, dim)
    if not descending:
        return Tensor(_order(a.data, i))
    backwards = at(i, slice(None, None, -1))  # sorted backwards from the last to the first, equal ones keep their order
    return Tensor(a.shape[i] - 1 - _order(a.data[backwards], i)[backwards])


def _order(array: Any, axis: int) -> Any:
    stable = {"kind": "stable"} if isinstance(array, numpy.ndarray) else {}  # CuPy has this kind only
    return array.argsort(axis=axis, **stable)


@numpy_names
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The `k` largest (or smallest) elements along `dim`, in order, and their places.

    Raises:
        ShapeError: the axis has fewer elements.
    """
    a = tensor_of("topk", input)
    i = dim_of("topk", a, dim)
    if a.ndim and count_of("topk", "k", k) > a.shape[i]:
        raise ShapeError(f"topk: axis {i} of shape {a.shape} has no {k} elements")
    indices = argsort(a, dim, descending=largest)
    return _along(a, indices[at(i, slice(0, k))] if a.ndim else indices, i, True)


@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower of two; or, along an axis `dim`, the pair (middle elements, their indices)."""
    a = tensor_of("median", input)
    if dim is None:
        return median(ops.flatten(a), 0).values
    i = dim_of("median", a, dim)
    indices = argsort(a, i)
    middle = indices[at(i, slice((n := a.shape[i] if a.ndim else 1) // 2 - (n % 2 == 0), None))]
    return _along(a, middle[at(i, slice(0, 1))] if a.ndim else indices, i, keepdim)


def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The different elements, in order; with them, if asked for, where each element is among them, and how often."""
    a = tensor_of("unique", input)
    found = get_array_module(a.data).unique(a.data, return_inverse=return_inverse, return_counts=return_counts)
    if not isinstance(found, tuple):
        return Tensor(found)
    values, *others = found
    if return_inverse:
        others[0] = others[0].reshape(a.shape)
    return (Tensor(values), *map(Tensor, others))


# Places.


@numpy_names
def gather(input: Any, dim: int, index: Any) -> Tensor:
    """result[i][j] = input[index[i][j]][j] for dim 0, input[i][index[i][j]] for dim 1, and so on: the shape of `index`.

    Raises:
        TypeError: the index is not of integers.
        ShapeError: the index has another number of axes, or a longer one than the input.
        IndexError: an index is out of range (on the CPU).
    """
    a, places = tensor_of("gather", input), _places("gather", index)
    i = dim_of("gather", a, dim)
    longer = [k for k, (n, m) in enumerate(zip(places.shape, a.shape, strict=False)) if k != i and n > m]
    if places.ndim != a.ndim or longer:
        raise ShapeError(f"gather: an index of shape {places.shape} does not fit the shape {a.shape} along {dim}")
    return _along(a, places, i, True).values


def _along(a: Tensor, indices: Tensor, i: int, keepdim: bool) -> ValuesAndIndices:
    """The elements at `indices` (of as many axes) along axis `i`; without `keepdim` that axis, of length 1, is gone."""
    if not a.ndim:
        return ValuesAndIndices(a, indices)
    xp = get_array_module(a.data)
    grid: list[Any] = [
        xp.arange(n).reshape([-1 if axis == k else 1 for k in range(a.ndim)]) for axis, n in enumerate(indices.shape)
    ]
    grid[i] = indices.data
    values = a[tuple(grid)]
    if keepdim:
        return ValuesAndIndices(values, indices)
    shape = [n for k, n in enumerate(indices.shape) if k != i]
    return ValuesAndIndices(ops.reshape(values, shape), ops.reshape(indices, shape))


def _places(name: str, index: Any) -> Tensor:
    places = tensor_of(name, index)
    if places.dtype.kind not in "iu":
        raise TypeError(f"{name}: an index is of integers, not of {places.dtype}")
    return places


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Tensor:
    """As `gather`, but the shapes are broadcast; without `dim` the tensor is flattened."""
    a, places = tensor_of("take_along_dim", input), _places("take_along_dim", indices)
    if dim is None:
        return gather(ops.flatten(a), 0, ops.flatten(places))
    i = dim_of("take_along_dim", a, dim)
    shape = list(numpy.broadcast_shapes([1 if k == i else n for k, n in enumerate(a.shape)], places.shape))
    wide = ops.broadcast_to(a, tuple(a.shape[i] if k == i else n for k, n in enumerate(shape)))
    shape[i] = places.shape[i]
    return gather(wide, i, ops.broadcast_to(places, tuple(shape)))


@numpy_names
def index_select(input: Any, dim: int, index: Any) -> Tensor:
    """The parts at the places `index`, a vector, of the axis `dim`."""
    a = tensor_of("index_select", input)
    return a[at(dim_of("index_select", a, dim), _places("index_select", index))]


def masked_select(input: Any, mask: Any) -> Tensor:
    """The elements where `mask` is true, as a vector; the shapes are broadcast."""
    a, kept = tensor_of("masked_select", input), tensor_of("masked_select", mask)
    shape = numpy.broadcast_shapes(a.shape, kept.shape)
    return ops.broadcast_to(a, shape)[ops.broadcast_to(kept, shape)]


def masked_fill(input: Any, mask: Any, value: Any) -> Tensor:
    """`value` where `mask` is true, the input elsewhere."""
    a = tensor_of("masked_fill", input)
    return ops.where(tensor_of("masked_fill", mask), operand_of("masked_fill", value, a), a)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` is true, `other` elsewhere; with the condition alone, the places where it is true."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return ops.where(condition, *alike("where", input, other))


def _where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """The tensor where `condition` is true, `other` elsewhere."""
    return ops.where(condition, *alike("where", self, other))


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0: as rows (count, axes), or as one vector of indices for each axis."""
    a = tensor_of("nonzero", input)
    places = [Tensor(p.astype(int64)) for p in a.data.nonzero()]
    if as_tuple:
        return tuple(places)
    return ops.stack(places, 1) if places else Tensor(numpy.zeros((0, 0), int64))


def scatter(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """A copy of the input, with result[index[i][j]][j] = src[i][j] for dim 0, and so on; `src` may be a number.

    If a place occurs twice, one of its values is taken, and the gradient is not defined.
    """
    a, (grid, values) = _scattered("scatter", input, dim, index, src)
    written = _scatter(values * 0 + 1.0, a.shape, grid).detach() != 0
    return ops.where(written, _scatter(values, a.shape, grid), a)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """The input, with src[i][j] added at [index[i][j]][j] for dim 0, at [i][index[i][j]] for dim 1, and so on."""
    a, (grid, values) = _scattered("scatter_add", input, dim, index, src)
    return a + _scatter(values, a.shape, grid)


def _scattered(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[Tensor, tuple[Any, Any]]:
    """The input, and where to write what."""
    a, places = tensor_of(name, input), _places(name, index)
    i = dim_of(name, a, dim)
    if places.ndim != a.ndim:
        raise ShapeError(f"{name}: an index of shape {places.shape} does not fit the shape {a.shape}")
    xp = get_array_module(a.data)
    grid: list[Any] = [
        xp.arange(n).reshape([-1 if axis == k else 1 for k in range(a.ndim)]) for axis, n in enumerate(places.shape)
    ]
    grid[i] = places.data
    if isinstance(src, Tensor):
        values = src[tuple(slice(0, n) for n in places.shape)]
    else:
        values = Tensor(xp.full(places.shape, src, a.dtype))
    return a, (tuple(grid), values)


@numpy_names
def quantile(input: Any, q: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The value below which the part `q` of the elements along `dim` lies, between neighbours by their distance.

    `q` is a number from 0 to 1, or a vector of them, which gives a new first axis.
    """
    a = tensor_of("quantile", input)
    if dim is None:
        flat = quantile(ops.flatten(a), q, 0)
        return ops.reshape(flat, [*flat.shape, *[1] * a.ndim]) if keepdim else flat
    if isinstance(q, Tensor) and q.ndim:
        return ops.stack([quantile(a, part.item(), dim, keepdim) for part in q.detach()])
    part = q.item() if isinstance(q, Tensor) else q
    if not 0 <= part <= 1:
        raise ValueError(f"quantile: q is from 0 to 1, not {part}")
    i = dim_of("quantile", a, dim)
    ordered = sort(a, i).values
    place = part * (a.shape[i] - 1)
    low = int(place)
    upper = low + (low + 1 < a.shape[i])
    here = ordered[at(i, slice(low, low + 1))]
    after = ordered[at(i, slice(upper, upper + 1))]
    y = here + (after - here) * (place - low)
    return y if keepdim else ops.reshape(y, [n for k, n in enumerate(a.shape) if k != i])


def searchsorted(sorted_sequence: Any, values: Any, *, right: bool = False) -> Tensor:
    """At which places of a vector in order the values would have to be inserted (int64), before equal ones or after."""
    a, v = tensor_of("searchsorted", sorted_sequence), tensor_of("searchsorted", values)
    if a.ndim != 1:
        raise ShapeError(f"searchsorted: takes a vector in order, not the shape {a.shape}")
    found = get_array_module(a.data).searchsorted(a.data, v.data, side="right" if right else "left")
    return Tensor(numpy.asarray(found).astype(int64) if isinstance(found, numpy.integer) else found.astype(int64))


# Counts.


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... is in a vector of integers; or, with `weights`, the sums of their weights.

    Raises:
        TypeError: the numbers are not integers.
        ShapeError: the input is not a vector, or the weights are not as many.
        ValueError: a number is negative.
    """
    a = _places("bincount", input)
    if a.ndim != 1:
        raise ShapeError(f"bincount: takes a vector, not the shape {a.shape}")
    if a.numel() and a.data.min() < 0:
        raise ValueError(f"bincount: the numbers are 0 or more, not {a.data.min()}")
    count_of("bincount", "minlength", minlength)
    xp = get_array_module(a.data)
    if weights is None:
        return Tensor(xp.bincount(a.data, minlength=minlength).astype(int64))
    heavy = tensor_of("bincount", weights)
    if heavy.shape != a.shape:
        raise ShapeError(f"bincount: weights of shape {heavy.shape} do not fit numbers of shape {a.shape}")
    found = xp.bincount(a.data, weights=array_of(heavy), minlength=minlength)
    return Tensor(to_device(found.astype(heavy.dtype if heavy.dtype.kind == "f" else numpy.float64), a.device))
