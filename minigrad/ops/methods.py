"""The operators and methods of `Tensor`; importing this module adds them to the class."""

from __future__ import annotations

import operator
from typing import Any

import numpy

from minigrad import backend, conversion
from minigrad.conversion import ShapeError
from minigrad.ops.arguments import argument, array_of, operand, promoted
from minigrad.ops.elementwise import abs, add, cos, div, exp, log, mul, neg, pow, relu, sigmoid, sin, sqrt, sub, tanh
from minigrad.ops.losses import log_softmax, softmax
from minigrad.ops.products import matmul
from minigrad.ops.reductions import mean, sum
from minigrad.ops.shapes import _astype, _reverse_axes, _to_device, flatten, getitem, reshape, transpose
from minigrad.recording import is_grad_enabled
from minigrad.tensor import Tensor, float32


def _not_differentiated(name: str, function: Any) -> Any:
    """A method that returns a tensor of bools, through which no gradient flows."""

    def method(a: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            found = function(a.data, *(array_of(x) for x in args), **kwargs)
        except ValueError as error:
            raise ShapeError(f"{name}: {error}") from None
        return Tensor(found)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _compared(name: str, function: Any) -> Any:
    """A comparison or a bitwise operator of a tensor and another operand."""
    method = _not_differentiated(name, function)

    def operator_(a: Tensor, b: Any) -> Any:
        b = operand(name, b, a)
        return b if b is NotImplemented else method(a, b)

    operator_.__name__ = name
    operator_.__doc__ = function.__doc__
    return operator_


def _arithmetic(op: Any, is_reflected: bool = False) -> Any:
    """An arithmetic operator. As a plain function it is called faster than an `Operation` in the class would be."""
    name = op.__name__

    def method(a: Tensor, b: Any) -> Any:
        if isinstance(b, Tensor):
            if a._data.dtype is not b._data.dtype or a._data.dtype.kind != "f":
                a, b = promoted(name, a, b)
        elif type(b) is float:
            if a._data.dtype.kind != "f":
                a = a.to(float32)
        else:
            if isinstance(b, (str, bytes)):
                argument(name, b)  # raises; Python would try to repeat the string
            b = operand(name, b, a)
            if b is NotImplemented:
                return b
            if name == "div" and a._data.dtype.kind != "f" and isinstance(b, int):
                a = a.to(float32)
        return op(b, a) if is_reflected else op(a, b)

    method.__name__ = name
    method.__doc__ = op.__doc__
    return method


def _to(a: Tensor, *targets: Any, device: Any = None, dtype: Any = None) -> Tensor:
    """The tensor on another device or with another dtype, or both; the tensor itself if nothing changes."""
    for target in targets:
        if isinstance(target, backend.device) or (isinstance(target, str) and target.startswith(("cpu", "cuda"))):
            device = target
        elif isinstance(target, Tensor):
            device, dtype = target.device, target.dtype
        else:
            dtype = target
    if device is not None and backend.device(device) != a.device:
        a = _to_device(a, backend.device(device))
    if dtype is not None and (dtype := conversion.as_dtype(dtype)) != a.dtype:
        whole = dtype.kind != "f"  # no gradient flows through integers and bools
        a = _astype(a.detach() if whole else a, dtype)
    return a


def _in_place(name: str, op: Any) -> Any:
    """``a += b`` and the like: the elements of `a` change, and so does every tensor that shares its memory.

    Only if the operation has to be recorded, the result is a new tensor instead.
    """

    def method(a: Tensor, b: Any) -> Tensor:
        b = operand(name, b, a)
        if b is NotImplemented:
            return b
        if is_grad_enabled() and (a.requires_grad or (isinstance(b, Tensor) and b.requires_grad)):
            if a.is_leaf and a.requires_grad:
                raise RuntimeError(
                    f"{name} would change a leaf that requires gradients (shape {a.shape}): "
                    "do it under no_grad(), or write it as a new tensor"
                )
            return op(a, b)
        # Compute the new values, and check that they fit before anything is changed.
        values = op(a.detach(), b).data
        if values.shape != a.shape:
            raise ShapeError(f"{name}: the result has shape {values.shape}, the tensor {a.shape}")
        if not numpy.can_cast(values.dtype, a.dtype, "same_kind"):
            raise TypeError(f"{name}: the result is {values.dtype}, which the tensor, of {a.dtype}, cannot hold")
        a.write(values)
        return a

    method.__name__ = method.__qualname__ = name
    method.__doc__ = op.__doc__
    return method


def _install() -> None:
    methods: dict[str, Any] = {
        "__add__": _arithmetic(add),
        "__radd__": _arithmetic(add),
        "__sub__": _arithmetic(sub),
        "__rsub__": _arithmetic(sub, is_reflected=True),
        "__mul__": _arithmetic(mul),
        "__rmul__": _arithmetic(mul),
        "__truediv__": _arithmetic(div),
        "__rtruediv__": _arithmetic(div, is_reflected=True),
        "__pow__": _arithmetic(pow),
        "__rpow__": _arithmetic(pow, is_reflected=True),
        "__matmul__": _arithmetic(matmul),
        "__rmatmul__": _arithmetic(matmul, is_reflected=True),
        "__neg__": neg,
        "__iadd__": _in_place("+=", add),
        "__isub__": _in_place("-=", sub),
        "__imul__": _in_place("*=", mul),
        "__itruediv__": _in_place("/=", div),
        "__ipow__": _in_place("**=", pow),
        "__abs__": abs,
        "__getitem__": getitem,
        "exp": exp,
        "log": log,
        "sqrt": sqrt,
        "sin": sin,
        "cos": cos,
        "tanh": tanh,
        "sigmoid": sigmoid,
        "relu": relu,
        "matmul": matmul,
        "sum": sum,
        "mean": mean,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "reshape": reshape,
        "view": reshape,
        "flatten": flatten,
        "transpose": transpose,
        "T": property(_reverse_axes),
        "to": _to,
        "cpu": lambda a: _to(a, "cpu"),
        "cuda": lambda a, index=0: _to(a, f"cuda:{index}"),
    }
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        methods[f"__{name}__"] = _compared(name, getattr(operator, name))
    for name in ("and", "or", "xor"):
        methods[f"__{name}__"] = _compared(name, getattr(operator, f"__{name}__"))
    methods["__invert__"] = _not_differentiated("invert", operator.invert)
    for name, method in methods.items():
        setattr(Tensor, name, method)


_install()
