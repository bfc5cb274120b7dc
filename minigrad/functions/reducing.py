"""Functions that reduce axes, and sums that grow along one. `dim` is one axis, several, or None for all of them."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy

from minigrad import arrays, ops
from minigrad.backend import Array
from minigrad.conversion import ShapeError
from minigrad.functions.taken import Dims, at, dim_of, dims_of, tensor_of
from minigrad.operation import operation
from minigrad.ops.arguments import as_floating
from minigrad.ops.reductions import _with_axes
from minigrad.spelling import numpy_names
from minigrad.tensor import Tensor, int64


@numpy_names
def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The variance: the mean squared distance from the mean, where n - `correction` counts as the number of elements.

    Args:
        input: a floating-point tensor.
        dim: the axes.
        unbiased: True is a correction of 1, which is the default; False is a correction of 0.
        keepdim: keep the axes, with length 1.
        correction: may be given instead of `unbiased`.
    """
    return _variance("var", input, dim, unbiased, keepdim, correction)


def _variance(
    name: str, input: Any, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None
) -> Tensor:
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    a = as_floating(name, tensor_of(name, input))
    axes = dims_of(name, a, dim)
    subtracted = correction if correction is not None else 0 if unbiased is False else 1
    count = math.prod(a.shape[i] for i in axes)
    distance = a - a.mean(axes, keepdim=True)
    degrees = count - subtracted
    total = ops.sum(distance * distance, axes, keepdim)
    return total / degrees if degrees > 0 else total * math.nan


@numpy_names
def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The standard deviation, the square root of `var`. Where it is 0, so is its gradient."""
    return _root(_variance("std", input, dim, unbiased, keepdim, correction))


def _root(a: Tensor) -> Tensor:
    """The square root, with the gradient 0 (not infinity times 0) where it is 0."""
    zero = a.detach() == 0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, a)))


@numpy_names
def var_mean(input: Any, dim: Any = None, keepdim: bool = False, *, correction: float = 1) -> tuple[Tensor, Tensor]:
    """`var` and the mean."""
    a = as_floating("var_mean", tensor_of("var_mean", input))
    return var(a, dim, keepdim=keepdim, correction=correction), a.mean(dim, keepdim)


@numpy_names
def std_mean(input: Any, dim: Any = None, keepdim: bool = False, *, correction: float = 1) -> tuple[Tensor, Tensor]:
    """`std` and the mean."""
    a = as_floating("std_mean", tensor_of("std_mean", input))
    return std(a, dim, keepdim=keepdim, correction=correction), a.mean(dim, keepdim)


def dist(input: Any, other: Any, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return norm(tensor_of("dist", input) - other, p)


def cdist(x1: Any, x2: Any, p: float = 2.0) -> Tensor:
    """The p-norms of all differences of a row of x1 (..., n, m) and a row of x2 (..., k, m): (..., n, k)."""
    a, b = tensor_of("cdist", x1), tensor_of("cdist", x2)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"cdist: rows of shapes {a.shape} and {b.shape} do not fit")
    rows = ops.reshape(a, [*a.shape[:-1], 1, a.shape[-1]])
    columns = ops.reshape(b, [*b.shape[:-2], 1, *b.shape[-2:]])
    return norm(rows - columns, p, -1)


@numpy_names
def norm(input: Any, p: Any = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The p-norm, (sum of |a|**p)**(1/p): by default that of vectors and matrices alike with p = 2.

    Args:
        input: a floating-point tensor.
        p: a number; inf is the largest |a|, -inf the smallest, 0 how many are not 0. "fro" is 2.
        dim: the axes.
        keepdim: keep the axes, with length 1.
    """
    a = as_floating("norm", tensor_of("norm", input))
    axes = dims_of("norm", a, dim)
    if p is None or p == "fro" or p == 2:
        return _root(ops.sum(a * a, axes, keepdim))
    if not isinstance(p, (int, float)):
        raise ValueError(f"norm: p is a number or 'fro', not {p!r}")
    size = ops.abs(a)
    if p == math.inf:
        return amax(size, axes, keepdim)
    if p == -math.inf:
        return amin(size, axes, keepdim)
    if p == 0:
        return ops.sum((size.detach() != 0).to(a.dtype), axes, keepdim)
    if p == 1:
        return ops.sum(size, axes, keepdim)
    zero = size.detach() == 0
    total = ops.sum(ops.where(zero, 0.0, ops.where(zero, 1.0, size) ** p), axes, keepdim)
    zero = total.detach() == 0
    return ops.where(zero, 0.0, ops.where(zero, 1.0, total) ** (1 / p))


@numpy_names
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product; of bools and integers it is int64."""
    a = tensor_of("prod", input)
    a = a.to(dtype) if dtype is not None else a if a.dtype.kind == "f" else a.to(int64)
    if dim is None:
        y = prod(ops.flatten(a), 0)
        return ops.reshape(y, [1] * a.ndim) if keepdim else y
    i = dim_of("prod", a, dim)
    if not a.ndim:
        return a
    shape = a.shape
    if not shape[i]:
        a = Tensor(numpy.ones((*shape[:i], 1, *shape[i + 1 :]), a.dtype)).to(a.device)
    while (n := a.shape[i]) > 1:  # multiply the halves: so the gradient is right where an element is 0, too
        half = n // 2
        y = a[at(i, slice(0, half))] * a[at(i, slice(half, 2 * half))]
        a = ops.cat([y, a[at(i, slice(2 * half, n))]], i) if n % 2 else y
    return a if keepdim else ops.reshape(a, [*shape[:i], *shape[i + 1 :]])


@numpy_names
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of the first 1, 2, ... elements along `dim`; of bools and integers they are int64."""
    a = tensor_of("cumsum", input)
    a = a.to(dtype) if dtype is not None else a if a.dtype.kind == "f" else a.to(int64)
    i = dim_of("cumsum", a, dim)
    return _cumsum(a, i) if a.ndim else a


def _sums_from_the_end(g: Any, _y: Any, _a: Any, dim: int) -> Any:
    return _backwards(_cumsum(_backwards(g, dim), dim), dim)


@operation(_sums_from_the_end)
def _cumsum(a: Array, dim: int) -> Array:
    return a.cumsum(axis=dim, dtype=a.dtype)


def _backwards(a: Any, dim: int) -> Any:
    return a[at(dim, slice(None, None, -1))]


@numpy_names
def cumprod(input: Any, dim: int) -> Tensor:
    """The products of the first 1, 2, ... elements along `dim`."""
    a = tensor_of("cumprod", input)
    i = dim_of("cumprod", a, dim)
    found = [a[at(i, slice(0, 1))]]
    for k in range(1, a.shape[i] if a.ndim else 1):
        found.append(found[-1] * a[at(i, slice(k, k + 1))])
    return ops.cat(found, i)


@numpy_names
def logsumexp(input: Any, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum of exp(a)) along `dim`, with the largest element subtracted first so that nothing overflows."""
    a = as_floating("logsumexp", tensor_of("logsumexp", input))
    axes = dims_of("logsumexp", a, dim)
    largest = amax(a.detach(), axes, True)
    largest = ops.where(ops.abs(largest) == math.inf, 0.0, largest)
    y = ops.log(ops.sum(ops.exp(a - largest), axes, True)) + largest
    return y if keepdim else ops.reshape(y, [n for i, n in enumerate(a.shape) if i not in axes])


@numpy_names
def amax(input: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest elements; the gradient is divided evenly among equal largest elements."""
    a = tensor_of("amax", input)
    return _extreme(a, _filled("amax", a, dim), keepdim)


@numpy_names
def amin(input: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest elements; the gradient is divided evenly among equal smallest elements."""
    a = tensor_of("amin", input)
    axes = _filled("amin", a, dim)
    return -_extreme(-a, axes, keepdim) if a.dtype.kind == "f" else Tensor(a.data.min(axis=axes, keepdims=keepdim))


def _filled(name: str, a: Tensor, dim: Dims) -> tuple[int, ...]:
    axes = dims_of(name, a, () if dim is None and not a.ndim else dim)
    if not builtins.all(a.shape[i] for i in axes):
        raise ShapeError(f"{name}: a tensor of shape {a.shape} has no element along {dim}")
    return axes


@operation(lambda g, y, a, dim, keepdim: _with_axes(g, a.shape, dim, keepdim) * _share(y, a, dim, keepdim))
def _extreme(a: Array, dim: tuple[int, ...], keepdim: bool) -> Array:
    return a.max(axis=dim, keepdims=keepdim)


def _share(y: Any, a: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Which part of the gradient each element gets."""
    values, found = (x.data if isinstance(x, Tensor) else x for x in (a, y))
    equal = values == _with_axes(found, values.shape, dim, keepdim)
    return equal.astype(values.dtype) / arrays.sums(equal, dim, True).astype(values.dtype)


@numpy_names
def count_nonzero(input: Any, dim: Dims = None) -> Tensor:
    """How many elements are not 0."""
    a = tensor_of("count_nonzero", input)
    return ops.sum(a.detach() != 0, dims_of("count_nonzero", a, dim))


@numpy_names
def all(input: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (not 0)."""
    a = tensor_of("all", input)
    return Tensor(a.data.all(axis=None if dim is None else dims_of("all", a, dim), keepdims=keepdim))


@numpy_names
def any(input: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true (not 0)."""
    a = tensor_of("any", input)
    return Tensor(a.data.any(axis=None if dim is None else dims_of("any", a, dim), keepdims=keepdim))


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1) -> Tensor:
    """The differences of neighbours along `dim`, taken `n` times."""
    a = tensor_of("diff", input)
    i = dim_of("diff", a, dim)
    for _ in range(n):
        a = a[at(i, slice(1, None))] - a[at(i, slice(0, -1))]
    return a
