"""Sums, means and maxima. `dim` is one axis, several, or None for all of them."""

from __future__ import annotations

import math
from typing import Any

from minigrad import arrays
from minigrad.backend import Array, get_array_module
from minigrad.conversion import ShapeError, as_dtype
from minigrad.operation import operation
from minigrad.ops.arguments import as_floating, as_input, axes_of, checked_dim, is_half, single_dim
from minigrad.ops.shapes import _astype, _getitem, broadcast_to, reshape
from minigrad.spelling import numpy_names
from minigrad.tensor import Tensor, float16, float32


@numpy_names
def sum(a: Any, dim: int | tuple[int, ...] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over the axes `dim`; for bools and integers it is int64, as in PyTorch (for uint64 it is uint64).

    With `dtype` the elements are converted to it first.
    """
    a = as_input("sum", a)
    a = a if dtype is None else _astype(a, as_dtype(dtype))
    return _sum(a, checked_dim("sum", a, dim), keepdim)


@operation(lambda g, _y, _a, dim, keepdim: broadcast_to(_with_axes(g, _a.shape, dim, keepdim), _a.shape))
def _sum(a: Array, dim: Any, keepdim: bool) -> Array:
    return arrays.sums(a, dim, keepdim)


@numpy_names
def mean(a: Any, dim: int | tuple[int, ...] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over the axes `dim`; for float16 it is computed in float32.

    Raises:
        ShapeError: there are no elements.
        TypeError: the elements are not floating point.
    """
    a = as_floating("mean", a if dtype is None else _astype(as_input("mean", a), as_dtype(dtype)))
    if is_half(a):
        return _astype(mean(_astype(a, float32), dim, keepdim), float16)
    dim = checked_dim("mean", a, dim)
    count = math.prod(a.shape[i] for i in axes_of(a.ndim, dim))
    if not count:
        raise ShapeError(f"mean: a tensor of shape {tuple(a.shape)} has no elements to take the mean of along {dim}")
    return _sum(a, dim, keepdim) / count


def max(a: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest element; or, along an axis `dim`, the pair (largest elements, their indices).

    It accepts arrays and tensors, and returns tensors. The gradient flows to the element found; without `dim` it is
    divided evenly among equal largest elements, as in PyTorch. NaN counts as larger than any number.
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    dim = single_dim("max", a, dim)
    if not all(a.shape[i] for i in axes_of(a.ndim, dim)):
        raise ShapeError(f"max: a tensor of shape {a.shape} has no element along {dim}")
    if dim is None:
        return _max_of_all(a)
    indices = a.data.argmax(axis=dim)
    xp = get_array_module(a.data)
    grid = [xp.arange(n).reshape([-1 if i == k else 1 for k in range(a.ndim)]) for i, n in enumerate(a.shape)]
    grid[dim] = xp.expand_dims(indices, dim)
    values = _getitem(a, tuple(grid))
    if keepdim:
        return values, Tensor(grid[dim])
    return reshape(values, *indices.shape), Tensor(indices)


@operation(lambda g, _y, a: g * _share_of_max(a), name="max")
def _max_of_all(a: Array) -> Array:
    return a.max()


def _share_of_max(a: Any) -> Any:
    array = a.data if isinstance(a, Tensor) else a
    equal = (array == array.max()) | (array != array)  # if there is a NaN, max() is NaN
    return (equal / equal.sum().astype(float32 if is_half(array) else array.dtype)).astype(array.dtype, copy=False)


def _with_axes(g: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """`g`, with the axes that were removed by a sum over `dim` added again, with length 1."""
    if keepdim:
        return g
    summed = axes_of(len(shape), dim)
    return g.reshape([1 if i in summed else n for i, n in enumerate(shape)])
