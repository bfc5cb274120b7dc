"""Activation functions.

With `inplace` the result is a new tensor all the same: a change in place could not be recorded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from minigrad import ops
from minigrad.backend import Array
from minigrad.functions import elementwise
from minigrad.functions.erf import erf
from minigrad.nn.functional.common import as_input
from minigrad.operation import operation
from minigrad.ops import log_softmax as _log_softmax
from minigrad.ops import softmax as _softmax
from minigrad.spelling import numpy_names
from minigrad.tensor import ShapeError, Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its derivative at 0 is taken as 0."""
    return ops.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, negative_slope * x elsewhere."""
    x = as_input("leaky_relu", input)
    return ops.where(x > 0, x, x * negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, weight * x elsewhere: one weight, or one for each channel (axis 1 of the input).

    Raises:
        ShapeError: the weights are neither one nor as many as there are channels.
    """
    x = as_input("prelu", input)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.numel() not in (1, channels):
        raise ShapeError(f"prelu: {weight.numel()} weights do not fit the {channels} channels of shape {x.shape}")
    slopes = weight.reshape([-1 if i == 1 else 1 for i in range(x.ndim)]) if weight.numel() > 1 else weight.reshape(())
    return ops.where(x > 0, x, x * slopes)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2015)."""
    x = as_input("elu", input)
    positive = x > 0
    return ops.where(positive, x, elementwise.expm1(ops.where(positive, 0.0, x)) * alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled `elu` whose results tend to mean 0 and variance 1 (Klambauer et al. 2017)."""
    return elu(input, 1.6732632423543772848170429916717) * 1.0507009873554804934193349852946


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), with the normal distribution's Phi; with ``approximate="tanh"`` a formula close to it.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".
    """
    x = as_input("gelu", input)
    if approximate == "none":
        return x * (erf(x * math.sqrt(0.5)) + 1) * 0.5
    if approximate == "tanh":
        return x * (ops.tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)) + 1) * 0.5
    raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish."""
    x = as_input("silu", input)
    return x * ops.sigmoid(x)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)) (Misra 2019)."""
    x = as_input("mish", input)
    return x * ops.tanh(log1p_exp(x))


@operation(lambda g, _y, a: g * ops.sigmoid(a), name="softplus")
def log1p_exp(a: Array) -> Array:
    """log(1 + exp(a)), which neither overflows nor loses small results."""
    return numpy.logaddexp(a, numpy.zeros((), a.dtype) if type(a) is numpy.ndarray else a * 0)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    x = as_input("softplus", input)
    return ops.where(x * beta > threshold, x, log1p_exp(x * beta) / beta)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x))."""
    return -log1p_exp(-as_input("logsigmoid", input))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    x = as_input("softsign", input)
    return x / (ops.abs(x) + 1)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, but at least `min_val` and at most `max_val`; at these limits the derivative is taken as 0."""
    x = as_input("hardtanh", input)
    return ops.where(x <= min_val, min_val, ops.where(x >= max_val, max_val, x))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0)


@numpy_names
def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(x) / sum of exp(x) along `dim`; without it, along axis 0 of 1 or 3 axes and axis 1 otherwise, as in PyTorch.

    Raises:
        TypeError: the elements are not floating point.
    """
    x = as_input("softmax", input if dtype is None else input.to(dtype))
    return _softmax(x, _usual_dim(x) if dim is None else dim)


@numpy_names
def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, computed without overflow."""
    x = as_input("log_softmax", input if dtype is None else input.to(dtype))
    return _log_softmax(x, _usual_dim(x) if dim is None else dim)


@numpy_names
def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """`softmax` of -x."""
    return softmax(-as_input("softmin", input), dim, dtype)


def _usual_dim(x: Tensor) -> int:
    return 0 if x.ndim in (0, 1, 3) else 1
