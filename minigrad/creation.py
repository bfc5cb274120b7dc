"""Making tensors out of nothing but numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy

from minigrad import backend
from minigrad import random as draws
from minigrad.tensor import ShapeError, Tensor, float32


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | backend.device | None = None
) -> Tensor:
    """A tensor with a copy of `data`: a number, (nested) lists, an array or a tensor.

    An array keeps its dtype; Python floats become float32, integers int64.

    Args:
        data: the elements; what may be given is described at `backend.plain`.
        dtype: their type, if another is wanted.
        requires_grad: whether gradients are wanted.
        device: where it is to live; by default where `data` lives, and the host for lists.

    Raises:
        TypeError: `data` is not numeric, or requires gradients without being floating point; `dtype` is none that a
            tensor has.
        ValueError: ragged lists, masked elements, or Python numbers that do not fit `dtype`.
    """
    array = backend.plain(data.data if isinstance(data, Tensor) else data, dtype).copy()
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _made(array: numpy.ndarray, requires_grad: bool, device: str | backend.device | None) -> Tensor:
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _dtype(dtype: Any) -> numpy.dtype[Any]:
    return float32 if dtype is None else backend.as_dtype(dtype)


def _number(name: str, value: Any) -> Any:
    """One real number, of whatever kind, as a Python number."""
    array = backend.plain(value.data if isinstance(value, Tensor) else value, what=name)
    if array.ndim:
        raise ShapeError(f"{name} is one number, not {array.size} of shape {tuple(array.shape)}")
    return value if type(value) in (int, float) else array.item()


def zeros(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of a shape, given as integers or one list, tuple, array or tensor of them.

    Raises:
        TypeError: a length that is no integer, or a dtype that no tensor has.
        ValueError: a negative length.
    """
    return _made(numpy.zeros(backend.sizes("zeros", size), _dtype(dtype)), requires_grad, device)


def ones(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of a shape, given and checked as that of `zeros`."""
    return _made(numpy.ones(backend.sizes("ones", size), _dtype(dtype)), requires_grad, device)


def full(size: Any, fill_value: float, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A shape filled with one number, which must fit the dtype; checked as `zeros`."""
    shape = backend.sizes("full", (size,))
    number = backend.plain(_number("full: fill_value", fill_value), _dtype(dtype), "full: a tensor")
    return _made(numpy.full(shape, number), requires_grad, device)


def arange(*bounds: float, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from start (0) to before stop, by step (1): ``arange(stop)``, ``arange(start, stop, step)``.

    Integers give int64, floats float32.

    Raises:
        TypeError: a bound that is no number, or not one to three of them.
        ValueError: a step of 0, a bound that is not finite, numbers that do not fit the dtype.
    """
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"arange: takes stop, or start and stop, or start, stop and step, not {len(bounds)} numbers")
    numbers = [_number("arange: a bound", bound) for bound in bounds]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"arange: its bounds and step are finite, not {', '.join(map(str, numbers))}")
    if len(numbers) == 3 and not numbers[2]:
        raise ValueError("arange: a step of 0 leads nowhere")
    array = numpy.arange(*numbers)
    wanted = backend.as_dtype(dtype) if dtype is not None else float32 if array.dtype.kind == "f" else array.dtype
    if wanted.kind in "iu":
        backend.must_fit(array, wanted, "arange: a tensor")
    return _made(array.astype(wanted), False, device)


def rand(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Uniform draws from [0, 1), PyTorch's own from the same seed; the shape is given and checked as that of `zeros`.

    Raises:
        TypeError: the dtype is neither float32 nor float64.
    """
    shape = backend.sizes("rand", size)
    return _made(draws.default_generator.uniform(0.0, 1.0, shape, _dtype(dtype)), requires_grad, device)


def randn(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Draws from the standard normal distribution; shape and dtype as those of `rand`."""
    shape = backend.sizes("randn", size)
    return _made(draws.default_generator.normal(shape, _dtype(dtype)), requires_grad, device)


def randperm(n: int, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1 (int64), PyTorch's own from the same seed.

    Raises:
        TypeError: `n` is no integer.
        ValueError: `n` is negative.
    """
    if not backend.is_whole(n):
        raise TypeError(f"randperm: the count is an integer, not {n!r}")
    if (count := operator.index(n)) < 0:
        raise ValueError(f"randperm: the count is 0 or more, not {count}")
    return _made(draws.default_generator.permutation(count), False, device)
