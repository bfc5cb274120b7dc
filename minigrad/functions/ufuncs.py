"""NumPy's functions called with tensors, such as ``numpy.exp(tensor)``, and Python's ``%`` and ``//``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.functions import elementwise
from minigrad.ops.arguments import array_of, operand
from minigrad.tensor import Tensor

OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "power": ("__pow__", "__rpow__"),
    "matmul": ("__matmul__", "__rmatmul__"),
    "remainder": ("__mod__", "__rmod__"),
    "floor_divide": ("__floordiv__", "__rfloordiv__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
    "equal": ("__eq__", "__eq__"),
    "not_equal": ("__ne__", "__ne__"),
}
"""The method of a tensor that does what a NumPy function of two operands does, and the method of the right operand."""


def called(ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
    """The result of a NumPy function of which at least one operand is a tensor: a tensor, with gradients if it can be.

    Raises:
        TypeError: gradients are required, and minigrad has no such function.
    """
    if method == "__call__" and not out and not options:
        if ufunc.__name__ in OPERATORS:
            left, right = OPERATORS[ufunc.__name__]
            a, b = inputs
            return getattr(a, left)(b) if isinstance(a, Tensor) else getattr(b, right)(a)
        own = getattr(Tensor, ufunc.__name__, None)
        if own is not None:
            return own(*inputs)
    if any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        raise TypeError(
            f"numpy.{ufunc.__name__} of a tensor that requires gradients has none here: "
            "use a function of minigrad, or detach() the tensor"
        )
    arrays = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    found = getattr(ufunc, method)(*arrays, **({"out": tuple(array_of(x) for x in out)} if out else {}), **options)
    return out[0] if len(out) == 1 else Tensor(found)


class _Protocol:
    """What NumPy finds at the class is the function; what CuPy finds at a tensor is None.

    NumPy asks the class, and calls what it finds, for ``array + tensor`` too. CuPy asks the tensor, and has no such
    calls: it leaves ``array + tensor`` to the tensor if it finds None.
    """

    def __get__(self, instance: Tensor | None, owner: type) -> Any:
        return _call if instance is None else None


def _call(self: Tensor, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    return called(ufunc, method, *inputs, **options)


def _operator(function: Callable[..., Tensor], is_reflected: bool) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        b = operand(function.__name__, other, self)
        if b is NotImplemented:
            return b
        return function(b, self) if is_reflected else function(self, b)

    method.__doc__ = function.__doc__
    return method


METHODS: dict[str, Any] = {
    "__array_ufunc__": _Protocol(),
    "__mod__": _operator(elementwise._remainder, False),
    "__rmod__": _operator(elementwise._remainder, True),
    "__floordiv__": _operator(elementwise._floor_divide, False),
    "__rfloordiv__": _operator(elementwise._floor_divide, True),
}
"""The methods by name."""
