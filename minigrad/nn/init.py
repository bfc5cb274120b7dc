"""Initial values of parameters, with PyTorch's names, defaults and random numbers (``torch.nn.init``).

Each function fills a tensor in place and returns it. The same seed gives PyTorch's values.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad import backend
from minigrad.random import default_generator
from minigrad.tensor import ShapeError, Tensor

GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}
"""The gain of each nonlinearity: by which factor weights are larger than for a linear layer."""


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain of a nonlinearity; `param` is the negative slope of "leaky_relu" (0.01).

    Raises:
        ValueError: there is no such nonlinearity here.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: no gain is known for {nonlinearity!r}: {', '.join([*GAINS, 'leaky_relu'])}")
    return GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill with uniform numbers from `a` to `b`."""
    tensor.write(backend.to_device(default_generator.uniform(a, b, tensor.shape, tensor.dtype), tensor.device))
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with normal numbers of that mean and standard deviation."""
    drawn = default_generator.normal(tensor.shape, tensor.dtype)
    tensor.write(backend.to_device(drawn * tensor.dtype.type(std) + tensor.dtype.type(mean), tensor.device))
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    tensor.write(val)
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform, of standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
    equation 16.
    """
    return _uniform_of(tensor, gain * math.sqrt(2 / sum(_fans(tensor, "xavier_uniform_"))))


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal, of standard deviation gain * sqrt(2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor, "xavier_normal_"))))


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Uniform, of standard deviation gain / sqrt(fan): the gain is that of the nonlinearity, with negative slope `a`.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", 2015, equation 14.

    Raises:
        ValueError: `mode` is neither fan_in nor fan_out.
    """
    return _uniform_of(tensor, _kaiming(tensor, a, mode, nonlinearity, "kaiming_uniform_"))


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Normal, of standard deviation gain / sqrt(fan); see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity, "kaiming_normal_"))


def _uniform_of(tensor: Tensor, std: float) -> Tensor:
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound)


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode is fan_in or fan_out, not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor, name)[mode == "fan_out"])


def _fans(tensor: Any, name: str) -> tuple[int, int]:
    """(fan_in, fan_out): how many numbers go into each unit of a weight (out, in, ...), and out of each."""
    if tensor.ndim < 2:
        raise ShapeError(f"{name}: a weight has at least two axes, not the shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field
