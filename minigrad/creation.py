"""Making tensors out of nothing but numbers."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend
from minigrad import random as draws
from minigrad.tensor import Tensor, _as_array, float32


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | backend.device | None = None
) -> Tensor:
    """A tensor with a copy of `data`: a number, (nested) lists, an array or a tensor.

    An array keeps its dtype; Python floats become float32, integers int64.

    Args:
        data: the elements.
        dtype: their type, if another is wanted.
        requires_grad: whether gradients are wanted.
        device: where it is to live; by default where `data` lives, and the host for lists.

    Raises:
        TypeError: `data` is not numeric, or requires gradients without being floating point.
    """
    array = data.data if isinstance(data, Tensor) else data if backend.is_array(data) else _as_array(data, dtype)
    array = array.astype(array.dtype if dtype is None else dtype, copy=True)
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _made(array: numpy.ndarray, requires_grad: bool, device: str | backend.device | None) -> Tensor:
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _shape(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes


def zeros(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of a shape, given as numbers or one tuple."""
    return _made(numpy.zeros(_shape(size), dtype), requires_grad, device)


def ones(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of a shape, given as numbers or one tuple."""
    return _made(numpy.ones(_shape(size), dtype), requires_grad, device)


def full(size: Any, fill_value: float, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A shape filled with one number."""
    return _made(numpy.full(size, fill_value, dtype), requires_grad, device)


def arange(*bounds: float, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from start (0) to before stop, by step (1): ``arange(stop)``, ``arange(start, stop, step)``."""
    array = numpy.arange(*bounds)
    kind = dtype if dtype is not None else float32 if array.dtype.kind == "f" else array.dtype
    return _made(array.astype(kind), False, device)


def rand(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Uniform draws from [0, 1), PyTorch's own from the same seed."""
    return _made(draws.default_generator.uniform(0.0, 1.0, _shape(size), dtype), requires_grad, device)


def randn(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Draws from the standard normal distribution."""
    return _made(draws.default_generator.normal(_shape(size), dtype), requires_grad, device)


def randperm(n: int, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1 (int64), PyTorch's own from the same seed."""
    return _made(draws.default_generator.permutation(n), False, device)
