"""Functions of each element, and of two elements at the same place."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy

from minigrad import ops
from minigrad.backend import Array
from minigrad.functions.taken import alike, operand_of, tensor_of
from minigrad.operation import Operation
from minigrad.ops.arguments import as_real
from minigrad.tensor import Tensor

# Arithmetic.


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    a = tensor_of("add", input)
    b = operand_of("add", other, a)
    return a + (b if _is_one(alpha) else ops.mul(b, alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    a = tensor_of("sub", input)
    b = operand_of("sub", other, a)
    return a - (b if _is_one(alpha) else ops.mul(b, alpha))


def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    a = tensor_of("mul", input)
    return a * operand_of("mul", other, a)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded down with ``rounding_mode="floor"``, and toward 0 with ``"trunc"``."""
    a = tensor_of("div", input)
    b = operand_of("div", other, a)
    if rounding_mode is None:
        return a / b
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode is None, 'floor' or 'trunc', not {rounding_mode!r}")
    if rounding_mode == "floor":
        return floor_divide(a, b)
    quotient = trunc(a / b)
    return quotient if _is_floating(a, b) else quotient.to(a.dtype)


def pow(input: Any, exponent: Any) -> Tensor:
    """input to the power `exponent`; one of the two may be a number."""
    if isinstance(exponent, Tensor) and not isinstance(input, Tensor):
        return ops.pow(operand_of("pow", input, exponent), exponent)
    a = tensor_of("pow", input)
    return a ** operand_of("pow", exponent, a)


def neg(input: Any) -> Tensor:
    """-input."""
    return -tensor_of("neg", input)


def abs(input: Any) -> Tensor:
    """The absolute value; its derivative at 0 is taken as 0."""
    return ops.abs(tensor_of("abs", input))


def square(input: Any) -> Tensor:
    """input * input."""
    a = tensor_of("square", input)
    return a * a


def reciprocal(input: Any) -> Tensor:
    """1 / input."""
    return ops.div(1.0, as_real("reciprocal", tensor_of("reciprocal", input)))


def rsqrt(input: Any) -> Tensor:
    """1 / sqrt(input)."""
    return reciprocal(ops.sqrt(tensor_of("rsqrt", input)))


def remainder(input: Any, other: Any) -> Tensor:
    """input - floor(input / other) * other, which has the sign of `other`, as Python's ``%``."""
    a = tensor_of("remainder", input)
    return _remainder(a, operand_of("remainder", other, a))


def floor_divide(input: Any, other: Any) -> Tensor:
    """floor(input / other), as Python's ``//``; no gradient flows through it."""
    a = tensor_of("floor_divide", input)
    return _floor_divide(a, operand_of("floor_divide", other, a))


def lerp(input: Any, end: Any, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    a = tensor_of("lerp", input)
    return a + ops.mul(operand_of("lerp", end, a) - a, weight)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return tensor_of("addcmul", input) + tensor_of("addcmul", tensor1) * tensor2 * value


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return tensor_of("addcdiv", input) + tensor_of("addcdiv", tensor1) / tensor2 * value


def _is_one(alpha: Any) -> bool:
    return type(alpha) is int and alpha == 1


def _is_floating(*operands: Any) -> bool:
    return any(isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f" for x in operands)


# The elementary functions that minigrad.ops does not have.


def _function(compute: Any, vjp: Callable[..., Any], doc: str) -> Operation:
    """The operation of a NumPy function of one real number."""
    name = str(compute.__name__).replace("arc", "a")

    def forward(a: Array) -> Array:
        return compute(as_real(name, a))

    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = doc
    return Operation(forward, [vjp])


tan = _function(numpy.tan, lambda g, y, _a: g * (1 + y * y), "The tangent, of radians.")
asin = _function(
    numpy.arcsin, lambda g, _y, a: g / ops.sqrt(1 - a * a), "The angle, in radians, of which this is the sine."
)
acos = _function(
    numpy.arccos, lambda g, _y, a: -g / ops.sqrt(1 - a * a), "The angle, in radians, of which this is the cosine."
)
atan = _function(numpy.arctan, lambda g, _y, a: g / (1 + a * a), "The angle, in radians, of which this is the tangent.")
sinh: Operation = _function(numpy.sinh, lambda g, _y, a: g * cosh(a), "The hyperbolic sine.")
cosh: Operation = _function(numpy.cosh, lambda g, _y, a: g * sinh(a), "The hyperbolic cosine.")
exp2 = _function(numpy.exp2, lambda g, y, _a: g * y * math.log(2), "2 to the power a.")
expm1 = _function(numpy.expm1, lambda g, y, _a: g * (y + 1), "exp(a) - 1, precise for small a.")
log2 = _function(numpy.log2, lambda g, _y, a: g / (a * math.log(2)), "The logarithm to base 2.")
log10 = _function(numpy.log10, lambda g, _y, a: g / (a * math.log(10)), "The logarithm to base 10.")
log1p = _function(numpy.log1p, lambda g, _y, a: g / (1 + a), "log(1 + a), precise for small a.")

# Steps, whose derivative is 0 wherever there is one.


def _step(name: str, compute: Callable[..., Any], doc: str) -> Operation:
    def forward(a: Array) -> Array:
        return a.copy() if a.dtype.kind != "f" and compute is not ops.sign else compute(a)

    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = doc
    return Operation(forward, [lambda g, _y, _a: g * 0])


floor = _step("floor", numpy.floor, "The largest integer that is not larger.")
ceil = _step("ceil", numpy.ceil, "The smallest integer that is not smaller.")
trunc = _step("trunc", numpy.trunc, "The number without its fraction.")
_round = _step("round", numpy.rint, "The nearest integer.")
sign = _step("sign", ops.sign, "-1, 0 or 1, and 0 for NaN.")


def round(input: Any, *, decimals: int = 0) -> Tensor:
    """The nearest number with so many decimals; halves go to the even neighbour."""
    a = tensor_of("round", input)
    if not decimals:
        return _round(a)
    scale = 10.0 ** builtins.abs(decimals)
    return _round(a * scale) / scale if decimals > 0 else _round(a / scale) * scale


_floor_divide = Operation(lambda a, b: numpy.floor_divide(a, b), [lambda g, _y, _a, _b: g * 0] * 2, name="floor_divide")
_remainder = Operation(
    lambda a, b: numpy.remainder(a, b),
    [lambda g, _y, _a, _b: g, lambda g, _y, a, b: -g * _floor_divide(a, b)],
    name="remainder",
)

_atan2 = Operation(
    lambda a, b: numpy.arctan2(a, b),
    [lambda g, _y, a, b: g * b / (a * a + b * b), lambda g, _y, a, b: -g * a / (a * a + b * b)],
    name="atan2",
)


def atan2(input: Any, other: Any) -> Tensor:
    """The angle of the point (other, input), in radians from -pi to pi."""
    a = tensor_of("atan2", input)
    return _atan2(a, operand_of("atan2", other, a))


def nan_to_num(input: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """The input with other numbers in place of NaN and infinities, by default 0 and the dtype's limits."""
    a = tensor_of("nan_to_num", input)
    if a.dtype.kind != "f":
        return a
    limits = numpy.finfo(a.dtype)
    a = ops.where(a != a, nan, a)
    a = ops.where(a == math.inf, float(limits.max) if posinf is None else posinf, a)
    return ops.where(a == -math.inf, float(limits.min) if neginf is None else neginf, a)


# Limits.


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of the two; NaN where one of them is NaN. Where they are equal, each gets half of the gradient."""
    if isinstance(other, Tensor) and not isinstance(input, Tensor):
        return maximum(other, input)
    a = tensor_of("maximum", input)
    return ops.maximum(*alike("maximum", a, operand_of("maximum", other, a)))


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of the two; NaN where one of them is NaN. Where they are equal, each gets half of the gradient."""
    if isinstance(other, Tensor) and not isinstance(input, Tensor):
        return minimum(other, input)
    a = tensor_of("minimum", input)
    a, b = alike("minimum", a, operand_of("minimum", other, a))
    return -ops.maximum(-a, ops.neg(b)) if _is_floating(a, b) else ops.where(a < b, a, b)


def clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    """Each number below `min` becomes `min`, and each above `max` becomes `max`; these are numbers or tensors.

    The gradient is that of the input where it is kept, limits included.

    Raises:
        ValueError: neither limit is given.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    a = tensor_of("clamp", input)
    if min is not None:
        a, low = alike("clamp", a, operand_of("clamp", min, a))
        a = ops.where(a < low, low, a)
    if max is not None:
        a, high = alike("clamp", a, operand_of("clamp", max, a))
        a = ops.where(a > high, high, a)
    return a


# What a tensor is.


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers."""
    return input.is_floating_point()


# Comparisons, which give bools.


def eq(input: Any, other: Any) -> Tensor:
    """input == other."""
    return tensor_of("eq", input) == other


def ne(input: Any, other: Any) -> Tensor:
    """input != other."""
    return tensor_of("ne", input) != other


def lt(input: Any, other: Any) -> Tensor:
    """input < other."""
    return tensor_of("lt", input) < other


def le(input: Any, other: Any) -> Tensor:
    """input <= other."""
    return tensor_of("le", input) <= other


def gt(input: Any, other: Any) -> Tensor:
    """input > other."""
    return tensor_of("gt", input) > other


def ge(input: Any, other: Any) -> Tensor:
    """input >= other."""
    return tensor_of("ge", input) >= other


def logical_not(input: Any) -> Tensor:
    """Where it is 0 or False."""
    return tensor_of("logical_not", input) == 0


def logical_and(input: Any, other: Any) -> Tensor:
    """Where both are neither 0 nor False."""
    return (tensor_of("logical_and", input) != 0) & (tensor_of("logical_and", other) != 0)


def logical_or(input: Any, other: Any) -> Tensor:
    """Where at least one is neither 0 nor False."""
    return (tensor_of("logical_or", input) != 0) | (tensor_of("logical_or", other) != 0)


def logical_xor(input: Any, other: Any) -> Tensor:
    """Where exactly one is neither 0 nor False."""
    return (tensor_of("logical_xor", input) != 0) ^ (tensor_of("logical_xor", other) != 0)


def isnan(input: Any) -> Tensor:
    """Where it is NaN."""
    a = tensor_of("isnan", input).detach()
    return a != a


def isinf(input: Any) -> Tensor:
    """Where it is infinite, positive or negative."""
    return ops.abs(tensor_of("isinf", input).detach()) == math.inf


def isfinite(input: Any) -> Tensor:
    """Where it is neither infinite nor NaN."""
    return ops.abs(tensor_of("isfinite", input).detach()) < math.inf


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|, or both are the same; NaN only if `equal_nan`."""
    a, b = tensor_of("isclose", input).detach(), tensor_of("isclose", other).detach()
    if a.dtype.kind == "f":
        there = isfinite(a) & isfinite(b)  # inf - inf would be NaN
        distance = ops.abs(ops.where(there, a, 0.0) - ops.where(there, b, 0.0))
        close = (there & (distance <= atol + rtol * ops.abs(b))) | (a == b)
    else:
        close = (a == b) | (ops.abs(a.double() - b.double()) <= atol + rtol * ops.abs(b.double()))
    return close | (isnan(a) & isnan(b)) if equal_nan else close


def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as by `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Any, other: Any) -> bool:
    """Whether both have the same shape and the same elements."""
    a, b = tensor_of("equal", input), tensor_of("equal", other)
    return a.shape == b.shape and bool((a == b).all())
