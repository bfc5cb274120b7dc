"""Checks and conversions of the arguments of operations: tensors, arrays, numbers, lists and axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy

from minigrad import backend, conversion
from minigrad.conversion import ShapeError
from minigrad.tensor import Tensor, float16, float32


def operand(name: str, x: Any, like: Any) -> Any:
    """The other operand of an operator, converted for an operation; NotImplemented if it is of no suitable type.

    Tensors, numbers and plain arrays stay as they are; other arrays become plain arrays. Lists become arrays on the
    device of `like`; if `like` is floating point, they get its dtype, since Python numbers do not change the dtype of
    a result.
    """
    if isinstance(x, (Tensor, float, int)):
        return x
    if isinstance(x, numpy.generic) and x.dtype in conversion.DTYPES:
        return x  # not converted to an array: CuPy accepts NumPy's scalars, but not its arrays
    if isinstance(x, (list, tuple, range)):
        return numbers_like(name, x, like)
    if backend.is_array(x) or hasattr(x, "__array__"):
        return conversion.plain(x, what=f"{name}: an operand")
    return NotImplemented


def numbers_like(name: str, x: Any, like: Any) -> Any:
    """Python numbers as an array on the device of `like` and, if that is floating point, of its dtype."""
    floats = getattr(getattr(like, "dtype", None), "kind", "") == "f"
    array = conversion.plain(x, like.dtype if floats else None, f"{name}: an operand")
    return backend.to_device(array, backend.device_of(array_of(like)))


def argument(name: str, x: Any, like: Any = None) -> Any:
    """The argument of a function, converted as by `operand`.

    Raises:
        TypeError: `x` is not a tensor, an array, a number or a list of numbers.
    """
    found = operand(name, x, like)
    if found is NotImplemented:
        raise TypeError(f"{name}: takes tensors, arrays and numbers, not {type(x).__name__}")
    return found


_RANKS = {"b": 0, "i": 1, "u": 1, "f": 2}


def promoted(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors of the dtypes that PyTorch computes with.

    Floating point wins over integers, and integers over bools, whatever their precision; otherwise a tensor with axes
    decides over one without, and only then the higher precision. Integers and bools are divided as float32.
    """
    x, y = a.dtype, b.dtype
    if name == "div" and x.kind != "f" and y.kind != "f":
        return a.to(float32), b.to(float32)
    rank, other = _RANKS[x.kind], _RANKS[y.kind]
    if rank == other:
        if (a.ndim == 0) == (b.ndim == 0):
            return a, b
        return (a, b.to(x)) if a.ndim else (a.to(y), b)
    return (a, b.to(x)) if rank > other else (a.to(y), b)


def as_input(name: str, a: Any) -> Any:
    """The input of a function: a tensor or an array; lists become arrays."""
    return a if isinstance(a, Tensor) or backend.is_array(a) else conversion.plain(a, what=f"{name}: its input")


def array_of(x: Any) -> Any:
    """The array of a tensor; anything else unchanged."""
    return x.data if isinstance(x, Tensor) else x


def as_real(name: str, a: Any) -> Any:
    """`a`, converted for a function of real numbers: integers and bools become float32, as in PyTorch."""
    if not hasattr(a, "dtype"):
        return a if isinstance(a, (float, int)) else as_real(name, argument(name, a))
    return a if a.dtype.kind == "f" else a.astype(float32)


def as_floating(name: str, a: Any) -> Any:
    """`a`, which must be floating point (PyTorch too refuses integers where the result would not be an integer)."""
    a = as_input(name, a)
    if a.dtype.kind != "f":
        raise TypeError(f"{name}: takes a floating-point tensor, not one of {a.dtype}: convert it with .float()")
    return a


def is_half(a: Any) -> bool:
    """Whether `a` is float16; its sums are computed in float32."""
    return a.dtype == float16


def axes_of(ndim: int, dim: Any) -> tuple[int, ...]:
    """The axes that `dim` stands for, counted from 0."""
    return tuple(range(ndim)) if dim is None else tuple(i % ndim for i in (dim if isinstance(dim, tuple) else (dim,)))


def checked_dim(name: str, a: Any, dim: Any) -> Any:
    """`dim` as None, an integer or a tuple of integers, after a check that `a` has these axes."""
    if dim is None:
        return None
    dims = tuple(axis_number(name, i) for i in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for i in dims:
        if not -a.ndim <= i < a.ndim:
            raise ShapeError(f"{name}: a tensor of shape {tuple(a.shape)} has no axis {i}")
    return dims if isinstance(dim, (tuple, list)) else dims[0]


def single_dim(name: str, a: Any, dim: Any) -> Any:
    """`dim` as None or an integer, after a check that `a` has this axis."""
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"{name}: takes one axis, or None for all, not {dim}")
    return checked_dim(name, a, dim)


def axis_number(name: str, dim: Any) -> int:
    """The number of an axis, given as an integer of any kind."""
    if type(dim) is int:
        return dim
    if not conversion.is_whole(dim):
        raise TypeError(f"{name}: an axis is an integer, not {dim!r}")
    return operator.index(dim)
