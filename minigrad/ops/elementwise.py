"""Elementwise operations: arithmetic, functions of one number, and choosing between two numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy

from minigrad import arrays, backend
from minigrad.backend import Array, get_array_module
from minigrad.operation import operation
from minigrad.ops.arguments import argument, as_real
from minigrad.tensor import Tensor, float32, float64

# Arithmetic.


@operation(
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: g,
)
def add(a: Array, b: Array) -> Array:
    """a + b, elementwise."""
    return a + b


@operation(
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: -g,
)
def sub(a: Array, b: Array) -> Array:
    """a - b, elementwise."""
    return a - b


@operation(
    lambda g, _y, _a, b: g * b,
    lambda g, _y, a, _b: g * a,
)
def mul(a: Array, b: Array) -> Array:
    """a * b, elementwise."""
    return a * b


@operation(
    lambda g, _y, _a, b: g / b,
    lambda g, y, _a, b: -g * y / b,
)
def div(a: Array, b: Array) -> Array:
    """a / b, elementwise."""
    return a / b


@operation(
    lambda g, _y, a, b: g * b * a ** _exponent_less_one(b),
    lambda g, y, a, b: g * y * _log_of_base(a, b),
)
def pow(a: Array, b: Array) -> Array:
    """a to the power b, elementwise (for negative a the gradient of b is not defined, and is NaN).

    Raises:
        RuntimeError: an integer to a negative integer power, which is not an integer (as in PyTorch).
    """
    try:
        if isinstance(b, int) and b < 0 and not isinstance(a, float) and a.dtype.kind != "f":
            raise ValueError
        return a**b
    except ValueError:
        if _whole(a) and _whole(b):
            raise RuntimeError(
                "pow: integers to negative integer powers are not integers: convert them with .float() first"
            ) from None
        raise


def _whole(a: Any) -> bool:
    return isinstance(a, int) or (hasattr(a, "dtype") and a.dtype.kind != "f")


def _log_of_base(a: Any, b: Any) -> Any:
    """log a, but 0 where a = 0 and b >= 0, since y log a tends to 0 there."""
    if isinstance(a, (int, float)) and a > 0:
        return math.log(a)
    return log(where((a == 0) * (b >= 0), 1.0, a))


def _exponent_less_one(b: Any) -> Any:
    """b - 1, but 0 for the exponent b = 0, since its derivative 0 * a**-1 would be 0/0 at a = 0."""
    if isinstance(b, Tensor) or backend.is_array(b):
        return where(b == 0, 0.0, b - 1)
    return b - 1 if b else 0


@operation(lambda g, _y, _a: -g)
def neg(a: Array) -> Array:
    """-a."""
    return -a


# Functions of one number.


@operation(lambda g, y, _a: g * y)
def exp(a: Array) -> Array:
    """e to the power a."""
    return numpy.exp(as_real("exp", a))


@operation(lambda g, _y, a: g / a)
def log(a: Array) -> Array:
    """The natural logarithm."""
    return numpy.log(as_real("log", a))


@operation(lambda g, y, _a: g / (2 * y))
def sqrt(a: Array) -> Array:
    """The square root."""
    return numpy.sqrt(as_real("sqrt", a))


@operation(lambda g, _y, a: g * cos(a))
def sin(a: Array) -> Array:
    """The sine, of radians."""
    return numpy.sin(as_real("sin", a))


@operation(lambda g, _y, a: -g * sin(a))
def cos(a: Array) -> Array:
    """The cosine, of radians."""
    return numpy.cos(as_real("cos", a))


@operation(lambda g, y, _a: g * (1 - y * y))
def tanh(a: Array) -> Array:
    """The hyperbolic tangent."""
    return numpy.tanh(as_real("tanh", a))


@operation(lambda g, y, _a: g * y * (1 - y))
def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), computed from exp(-|a|), which cannot overflow; small results keep their precision."""
    a = as_real("sigmoid", a)
    e = numpy.exp(-numpy.absolute(a))
    return get_array_module(a).where(a >= 0, 1, e) / (1 + e)


@operation(lambda g, y, _a: g * (y != 0))
def relu(a: Array) -> Array:
    """max(a, 0); its derivative at 0 is taken as 0, and at NaN as 1, as in PyTorch."""
    return arrays.positive_part(a)


@operation(lambda g, _y, a: g * sign(a))
def abs(a: Array) -> Array:
    """The absolute value; its derivative at 0 is taken as 0, and at NaN too, as in PyTorch."""
    return numpy.absolute(a)


def sign(a: Any) -> Any:
    """-1, 0 or 1, and 0 for NaN, as in PyTorch. No gradient flows through it."""
    if isinstance(a, Tensor):
        return Tensor(sign(a.data))
    if a.dtype.kind == "f":
        return get_array_module(a).where(a == a, numpy.sign(a), a.dtype.type(0))
    return (a != 0).astype(a.dtype) if a.dtype.kind == "b" else numpy.sign(a)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b, elementwise; NaN where one of them is NaN.

    Where a and b are equal, each gets half of the gradient; where one is NaN, each gets all of it, as in PyTorch.
    """
    return _maximum(argument("maximum", a, b), argument("maximum", b, a))


@operation(
    lambda g, _y, a, b: where(a == b, 0.5 * g, where(a < b, 0.0, g)),
    lambda g, _y, a, b: where(a == b, 0.5 * g, where(a > b, 0.0, g)),
)
def _maximum(a: Array, b: Array) -> Array:
    return numpy.maximum(a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where `condition` is true, b elsewhere; no gradient flows to the condition."""
    a, b, condition = argument("where", a, b), argument("where", b, a), argument("where", condition, a)
    if not isinstance(condition, Tensor):
        return _where(a, b, condition)
    chosen = _where(a, b, condition.data)
    if isinstance(chosen, Tensor):
        return chosen
    floats = chosen.dtype == float64 and not backend.is_array(a) and not backend.is_array(b)
    return Tensor(chosen.astype(float32) if floats else chosen)


@operation(
    lambda g, _y, _a, _b, condition: where(condition, g, 0.0),
    lambda g, _y, _a, _b, condition: where(condition, 0.0, g),
)
def _where(a: Array, b: Array, condition: Array) -> Array:
    return get_array_module(condition).where(condition, a, b)
