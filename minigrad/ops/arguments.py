"""What operations are called with: tensors, arrays, numbers and lists, and axes; checking and converting them."""

from __future__ import annotations

import operator
from typing import Any

import numpy

from minigrad import backend
from minigrad.backend import ShapeError
from minigrad.tensor import Tensor, float16, float32


def operand(name: str, x: Any, like: Any) -> Any:
    """The other side of an operator, as operations take it, or NotImplemented.

    Tensors, numbers and plain arrays stay as they are, other arrays become plain; lists become arrays on the device of
    `like`, and if that is floating point, of its dtype: Python numbers do not change the dtype of a result.
    """
    if isinstance(x, (Tensor, float, int)):
        return x
    if isinstance(x, numpy.generic) and x.dtype in backend.DTYPES:
        return x  # not an array: a GPU takes numbers of the host, but no arrays
    if isinstance(x, (list, tuple, range)):
        return numbers_like(name, x, like)
    if backend.is_array(x) or hasattr(x, "__array__"):
        return backend.plain(x, what=f"{name}: an operand")
    return NotImplemented


def numbers_like(name: str, x: Any, like: Any) -> Any:
    """Python numbers as an array on the device of `like` and, if that is floating point, of its dtype."""
    floats = getattr(getattr(like, "dtype", None), "kind", "") == "f"
    array = backend.plain(x, like.dtype if floats else None, f"{name}: an operand")
    return backend.to_device(array, backend.device_of(array_of(like)))


def argument(name: str, x: Any, like: Any = None) -> Any:
    """As `operand`, for a function: what it cannot take is an error.

    Raises:
        TypeError: `x` is neither a tensor nor an array, a number or a list of numbers.
    """
    found = operand(name, x, like)
    if found is NotImplemented:
        raise TypeError(f"{name}: takes tensors, arrays and numbers, not {type(x).__name__}")
    return found


def as_input(name: str, a: Any) -> Any:
    """The input of a function: a tensor or an array; lists become arrays."""
    return a if isinstance(a, Tensor) or backend.is_array(a) else backend.plain(a, what=f"{name}: its input")


def array_of(x: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def as_real(name: str, a: Any) -> Any:
    """`a` as a function of real numbers takes it: whole numbers become float32, as in PyTorch."""
    if not hasattr(a, "dtype"):
        return a if isinstance(a, (float, int)) else as_real(name, argument(name, a))
    return a if a.dtype.kind == "f" else a.astype(float32)


def as_floating(name: str, a: Any) -> Any:
    """`a`, which must be floating point: where whole numbers would give no whole number PyTorch refuses them too."""
    a = as_input(name, a)
    if a.dtype.kind != "f":
        raise TypeError(f"{name}: takes a floating-point tensor, not one of {a.dtype}: convert it with .float()")
    return a


def is_half(a: Any) -> bool:
    """Whether it is float16, whose sums are computed in float32."""
    return a.dtype == float16


def axes_of(ndim: int, dim: Any) -> tuple[int, ...]:
    """The axes that `dim` means, counted from 0."""
    return tuple(range(ndim)) if dim is None else tuple(i % ndim for i in (dim if isinstance(dim, tuple) else (dim,)))


def checked_dim(name: str, a: Any, dim: Any) -> Any:
    """`dim` as None, an integer or a tuple of integers, each of which is an axis of `a`."""
    if dim is None:
        return None
    dims = tuple(axis_number(name, i) for i in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for i in dims:
        if not -a.ndim <= i < a.ndim:
            raise ShapeError(f"{name}: a tensor of shape {tuple(a.shape)} has no axis {i}")
    return dims if isinstance(dim, (tuple, list)) else dims[0]


def single_dim(name: str, a: Any, dim: Any) -> Any:
    """`dim` as None or an integer that is an axis of `a`."""
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"{name}: takes one axis, or None for all, not {dim}")
    return checked_dim(name, a, dim)


def axis_number(name: str, dim: Any) -> int:
    """The number of an axis: an integer of any kind."""
    if type(dim) is int:
        return dim
    if not backend.is_whole(dim):
        raise TypeError(f"{name}: an axis is an integer, not {dim!r}")
    return operator.index(dim)
