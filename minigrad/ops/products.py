"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

from minigrad import arrays
from minigrad.backend import Array, get_array_module
from minigrad.conversion import ShapeError
from minigrad.operation import operation, writes
from minigrad.ops.arguments import argument
from minigrad.ops.reductions import sum
from minigrad.ops.shapes import reshape, transpose


def matmul(a: Any, b: Any) -> Any:
    """The matrix product as in NumPy: (..., n, k) by (..., k, m) gives (..., n, m).

    A vector on the left is a row, a vector on the right a column, and the result does not have that axis.
    """
    a, b = argument("matmul", a, b), argument("matmul", b, a)
    if isinstance(a, (int, float)) or isinstance(b, (int, float)):
        raise TypeError("matmul: both sides must have axes; to multiply by a number write *")
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ShapeError(f"matmul: shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    left = reshape(a, 1, -1) if a.ndim == 1 else a
    right = reshape(b, -1, 1) if b.ndim == 1 else b
    y = _matmul(left, right)
    if a.ndim == 1 or b.ndim == 1:
        y = reshape(y, *y.shape[: -1 - (a.ndim == 1)], *y.shape[y.ndim - (a.ndim == 1) : y.ndim - (b.ndim == 1)])
    return y


@operation(
    lambda g, _y, _a, b: _matmul(g, transpose(b, -1, -2)),
    lambda g, _y, a, _b: _matmul(transpose(a, -1, -2), g),
)
def _matmul(a: Array, b: Array) -> Array:
    return a @ b


@operation(
    lambda g, _y, _x, weight, _bias=None: g @ weight,
    writes(lambda g, _y, x, _weight, _bias=None, out=None: _product(_rows(g).T, _rows(x), out)),
    writes(lambda g, _y, _x, _weight, _bias=None, out=None: _column_sums(_rows(g), out)),
)
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x @ weight.T + bias: x (..., n), weight (m, n), bias (m,) or None; the result is (..., m)."""
    try:
        fits = x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    except AttributeError:
        kinds = f"{type(x).__name__} and {type(weight).__name__}"
        raise TypeError(f"linear: its input and its weight are tensors, not {kinds}") from None
    if not fits:
        raise ShapeError(
            f"linear: input of shape {x.shape} does not fit weight of shape {weight.shape}: the last axes must be equal"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: bias of shape {bias.shape} does not fit weight of shape {weight.shape}")
    y = x @ weight.T
    if bias is not None:
        y += bias
    return y


def _rows(a: Any) -> Any:
    # With -1 in place of the product, reshape would fail for an empty array.
    return a if a.ndim == 2 else a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))


def _product(a: Any, b: Any, out: Array | None) -> Any:
    return a @ b if out is None else get_array_module(out).matmul(a, b, out=out)


def _column_sums(a: Any, out: Array | None) -> Any:
    return sum(a, 0) if out is None else arrays.sums(a, 0, out=out)
