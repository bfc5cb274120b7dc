"""Checks and conversions of the arguments of these functions."""

from __future__ import annotations

import operator
from typing import Any

from minigrad import conversion
from minigrad.conversion import ShapeError
from minigrad.ops.arguments import argument, as_input, checked_dim, promoted, single_dim
from minigrad.tensor import Tensor, float32

Dims = int | tuple[int, ...] | list[int] | None


def tensor_of(name: str, a: Any) -> Tensor:
    """`a` as a tensor: arrays and lists are accepted too."""
    return a if isinstance(a, Tensor) else Tensor(as_input(name, a))


def operand_of(name: str, b: Any, a: Tensor) -> Any:
    """The second operand of a function of two: a tensor, an array or a number."""
    return argument(name, b, a)


def alike(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands, of which one may be a number, of the dtypes that PyTorch computes with."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return promoted(name, a, b)
    if isinstance(a, Tensor) and isinstance(b, float) and a.dtype.kind != "f":
        return a.to(float32), b
    if isinstance(b, Tensor) and isinstance(a, float) and b.dtype.kind != "f":
        return a, b.to(float32)
    return a, b


def dim_of(name: str, a: Tensor, dim: Any, added: int = 0) -> int:
    """One axis, counted from 0; `added` is 1 if the axis may be a new one after the last.

    Raises:
        TypeError: it is not an integer.
        ShapeError: there is no such axis.
    """
    n = a.ndim + added
    if not conversion.is_whole(dim):
        raise TypeError(f"{name}: an axis is an integer, not {dim!r}")
    i = operator.index(dim)
    if not -max(n, 1) <= i < max(n, 1):
        raise ShapeError(f"{name}: a tensor of shape {a.shape} has no axis {i}")
    return i % max(n, 1)


def dims_of(name: str, a: Tensor, dim: Dims) -> tuple[int, ...]:
    """Several axes, counted from 0; None stands for all of them."""
    if dim is None:
        return tuple(range(a.ndim))
    dims = tuple(dim_of(name, a, i) for i in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) < len(dims):
        raise ShapeError(f"{name}: an axis occurs twice in {dim}")
    return dims


def count_of(name: str, what: str, number: Any, least: int = 0) -> int:
    """An integer that counts something, from `least` on."""
    if not conversion.is_whole(number):
        raise TypeError(f"{name}: {what} is an integer, not {number!r}")
    count = operator.index(number)
    if count < least:
        raise ValueError(f"{name}: {what} is {least} or more, not {count}")
    return count


def at(dim: int, part: Any) -> tuple[Any, ...]:
    """The index that chooses `part` along the axis `dim`, and everything along the axes before and after it."""
    return (slice(None),) * dim + (part,)


__all__ = [
    "Dims",
    "alike",
    "at",
    "checked_dim",
    "count_of",
    "dim_of",
    "dims_of",
    "operand_of",
    "single_dim",
    "tensor_of",
]
