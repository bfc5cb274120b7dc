"""Functions that create tensors from numbers, arrays, shapes or random draws."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy

from minigrad import backend, conversion
from minigrad import random as draws
from minigrad.tensor import ShapeError, Tensor, float32


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | backend.device | None = None
) -> Tensor:
    """A tensor with a copy of `data`: a number, (nested) lists, an array or a tensor.

    An array keeps its dtype; Python floats become float32, integers int64.

    Args:
        data: the elements; what is allowed is described at `conversion.plain`.
        dtype: their type, if another is wanted.
        requires_grad: whether gradients are wanted.
        device: the device of the result; by default that of `data`, and the CPU for lists.

    Raises:
        TypeError: `data` is not numeric, or gradients are required of integers or bools; tensors cannot have `dtype`.
        ValueError: ragged lists, masked elements, or Python numbers that do not fit `dtype`.
    """
    array = conversion.plain(data.data if isinstance(data, Tensor) else data, dtype).copy()
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _made(array: numpy.ndarray, requires_grad: bool, device: str | backend.device | None) -> Tensor:
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _dtype(dtype: Any) -> numpy.dtype[Any]:
    return float32 if dtype is None else conversion.as_dtype(dtype)


def _number(name: str, value: Any) -> Any:
    """One real number of any kind as a Python number."""
    array = conversion.plain(value.data if isinstance(value, Tensor) else value, what=name)
    if array.ndim:
        raise ShapeError(f"{name} is one number, not {array.size} of shape {tuple(array.shape)}")
    return value if type(value) in (int, float) else array.item()


def zeros(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of a shape, given as integers or one list, tuple, array or tensor of them.

    Raises:
        TypeError: a length is not an integer, or tensors cannot have this dtype.
        ValueError: a length is negative.
    """
    return _made(numpy.zeros(conversion.sizes("zeros", size), _dtype(dtype)), requires_grad, device)


def ones(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of a shape, which is given and checked as for `zeros`."""
    return _made(numpy.ones(conversion.sizes("ones", size), _dtype(dtype)), requires_grad, device)


def full(size: Any, fill_value: float, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor filled with one number, which must fit the dtype; the shape is checked as for `zeros`."""
    shape = conversion.sizes("full", (size,))
    number = conversion.plain(_number("full: fill_value", fill_value), _dtype(dtype), "full: a tensor")
    return _made(numpy.full(shape, number), requires_grad, device)


def arange(*bounds: float, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from start (default 0) up to but excluding stop, by step (default 1).

    ``arange(stop)``, ``arange(start, stop)`` or ``arange(start, stop, step)``. Integers give int64, floats float32.

    Raises:
        TypeError: a bound is not a number, or there are not one to three of them.
        ValueError: the step is 0, a bound is not finite, or the numbers do not fit the dtype.
    """
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"arange: takes stop, or start and stop, or start, stop and step, not {len(bounds)} numbers")
    numbers = [_number("arange: a bound", bound) for bound in bounds]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"arange: its bounds and step are finite, not {', '.join(map(str, numbers))}")
    if len(numbers) == 3 and not numbers[2]:
        raise ValueError("arange: the step must not be 0")
    array = numpy.arange(*numbers)
    wanted = conversion.as_dtype(dtype) if dtype is not None else float32 if array.dtype.kind == "f" else array.dtype
    if wanted.kind in "iu":
        conversion.must_fit(array, wanted, "arange: a tensor")
    return _made(array.astype(wanted), False, device)


def rand(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Uniform random numbers from [0, 1), the same as PyTorch's from this seed; the shape is checked as for `zeros`.

    Raises:
        TypeError: the dtype is neither float32 nor float64.
    """
    shape = conversion.sizes("rand", size)
    return _made(draws.default_generator.uniform(0.0, 1.0, shape, _dtype(dtype)), requires_grad, device)


def randn(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Random numbers from the standard normal distribution; shape and dtype as for `rand`."""
    shape = conversion.sizes("randn", size)
    return _made(draws.default_generator.normal(shape, _dtype(dtype)), requires_grad, device)


def randperm(n: int, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1 (int64), the same as PyTorch's from this seed.

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is negative.
    """
    if not conversion.is_whole(n):
        raise TypeError(f"randperm: the count is an integer, not {n!r}")
    if (count := operator.index(n)) < 0:
        raise ValueError(f"randperm: the count is 0 or more, not {count}")
    return _made(draws.default_generator.permutation(count), False, device)
