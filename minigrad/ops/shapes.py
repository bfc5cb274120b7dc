"""Operations that do not compute: reshape, transpose, index, join, and conversion to another dtype or device."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy

from minigrad import backend, conversion
from minigrad.backend import Array, get_array_module
from minigrad.conversion import ShapeError
from minigrad.operation import Operation, operation
from minigrad.ops.arguments import argument, array_of, as_input, axis_number, numbers_like
from minigrad.spelling import numpy_names
from minigrad.tensor import Tensor, bool_, int64


@operation(lambda g, _y, _a, shape: g.reshape(_a.shape), view=True)
def _reshape(a: Array, shape: tuple[int, ...]) -> Array:
    known = math.prod(n for n in shape if n != -1)
    left_open = shape.count(-1)
    if left_open > 1 or (not known or a.size % known if left_open else known != a.size):
        raise ShapeError(f"reshape: {a.size} elements of shape {a.shape} do not fit shape {shape}")
    return a.reshape(shape)


def reshape(a: Any, *shape: Any) -> Any:
    """The same elements in another shape; one length may be -1, and is computed from the others.

    The shape is given as integers, or as one list, tuple, array or tensor of integers.

    Raises:
        TypeError: a length is not an integer.
        ShapeError: the shape has another number of elements.
    """
    return _reshape(as_input("reshape", a), conversion.sizes("reshape", shape, least=-1))


def flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the axes from `start_dim` to `end_dim` into one."""
    a = as_input("flatten", a)
    n = builtins.max(a.ndim, 1)
    start_dim, end_dim = axis_number("flatten", start_dim), axis_number("flatten", end_dim)
    if not (-n <= start_dim < n and -n <= end_dim < n and start_dim % n <= end_dim % n):
        raise ShapeError(f"flatten: a tensor of shape {tuple(a.shape)} has no axes from {start_dim} to {end_dim}")
    start, end = start_dim % n, end_dim % n
    return _reshape(a, (*a.shape[:start], math.prod(a.shape[start : end + 1]), *a.shape[end + 1 :]))


@operation(lambda g, _y, _a, dim0, dim1: transpose(g, dim0, dim1), view=True)
def transpose(a: Array, dim0: int, dim1: int) -> Array:
    """Swap two axes."""
    return a.swapaxes(axis_number("transpose", dim0), axis_number("transpose", dim1))


@operation(lambda g, _y, _a: g.T, view=True, name="T")
def _reverse_axes(a: Array) -> Array:
    return a.T


@operation(lambda g, _y, _a, shape: g, view=True)
def broadcast_to(a: Array, shape: tuple[int, ...]) -> Array:
    """Repeat along new or one-element axes until the shape is `shape`."""
    return get_array_module(a).broadcast_to(a, shape)


@operation(lambda g, _y, _a, index: _scatter(g, _a.shape, index), view=True)
def _getitem(a: Array, index: Any) -> Array:
    part = a[index]
    if isinstance(part, numpy.generic):  # NumPy copies a single element; with an Ellipsis we get a view, as in PyTorch
        return a[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return part


@operation(lambda g, _y, _a, shape, index: _getitem(g, index))
def _scatter(a: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of `shape`, with `a` added at `index`; if an index occurs twice, both values are added."""
    xp = get_array_module(a)
    result = xp.zeros(shape, dtype=a.dtype)
    if _is_basic(index):
        result[index] = a
    else:
        xp.add.at(result, index, a)
    return result


def _is_basic(index: Any) -> bool:
    """Whether the index selects no element twice: only numbers, slices, None, Ellipsis and masks."""
    parts = index if isinstance(index, tuple) else (index,)
    return builtins.all(
        p is None or p is Ellipsis or isinstance(p, (int, numpy.integer, slice)) or getattr(p, "dtype", None) == bool_
        for p in parts
    )


def _index_of(places: list[Any]) -> Any:
    return numpy.asarray(places, dtype=None if places else int64)  # NumPy would make an empty list float64


def getitem(a: Tensor, index: Any) -> Any:
    """a[index]: numbers, slices, None, Ellipsis, masks, integer arrays or tensors."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = tuple(p.data if isinstance(p, Tensor) else _index_of(p) if isinstance(p, list) else p for p in parts)
    try:
        return _getitem(a, arrays if isinstance(index, tuple) else arrays[0])
    except IndexError as error:
        raise IndexError(f"index {index} does not fit a tensor of shape {a.shape} ({error})") from None


@numpy_names
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors along the axis `dim`; their other axes must agree."""
    parts = _several("cat", tensors)
    return _cat_of(len(parts))(*parts, axis_number("cat", dim))


@numpy_names
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors of one shape along a new axis `dim`."""
    tensors, dim = _several("stack", tensors), axis_number("stack", dim)
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise ShapeError(f"stack: the tensors must have one shape, not {' and '.join(map(str, sorted(shapes)))}")
    shape = tuple(tensors[0].shape)
    n = len(shape) + 1
    if not -n <= dim < n:
        raise ShapeError(f"stack: there is no axis {dim} after tensors of shape {shape} get a new one")
    dim %= n
    return cat([reshape(t, *shape[:dim], 1, *shape[dim:]) for t in tensors], dim)


def _several(name: str, tensors: Any) -> list[Any]:
    """The tensors to be joined, as a list."""
    if isinstance(tensors, Tensor) or backend.is_array(tensors):
        raise TypeError(f"{name}: takes a list of tensors, not one tensor")
    parts = list(tensors)
    if not parts:
        raise ValueError(f"{name}: there are no tensors to join")
    first = next((part for part in parts if hasattr(part, "dtype")), None)
    taken = [argument(name, part, first) for part in parts]
    found = [numbers_like(name, part, first) if isinstance(part, (int, float)) else part for part in taken]
    floats = {part.dtype for part in found if part.dtype.kind == "f"}
    if floats and any(part.dtype.kind != "f" for part in found):  # as in PyTorch, integers take the floats' dtype
        found = [part if part.dtype.kind == "f" else _astype(part, numpy.result_type(*floats)) for part in found]
    return found


@functools.cache
def _cat_of(count: int) -> Operation:
    """The operation that joins `count` inputs (an operation needs one derivative for each input)."""

    def cut(i: int, g: Any, _y: Any, *_inputs_and_dim: Any) -> Any:
        *inputs, dim = _inputs_and_dim
        start = builtins.sum(x.shape[dim] for x in inputs[:i])
        return _getitem(g, (slice(None),) * (dim % g.ndim) + (slice(start, start + inputs[i].shape[dim]),))

    def cat(*inputs_and_dim: Any) -> Array:
        *inputs, dim = inputs_and_dim
        return get_array_module(inputs[0]).concatenate(inputs, axis=dim)

    return Operation(cat, [functools.partial(cut, i) for i in range(count)])


@operation(lambda g, _y, _a, dtype: _astype(g, _a.dtype), name="to")
def _astype(a: Array, dtype: Any) -> Array:
    return a.astype(dtype)


@operation(lambda g, _y, _a, where: _to_device(g, backend.device_of(array_of(_a))), name="to")
def _to_device(a: Array, where: backend.device) -> Array:
    return backend.to_device(a, where)
