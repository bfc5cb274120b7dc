"""The functions of PyTorch that scripts use besides the operations in `minigrad.ops`, as functions and as methods.

They are written with those operations, so they have gradients, and gradients of gradients. Names, arguments, defaults
and results are PyTorch's; arrays and lists are accepted wherever a tensor is. Importing this package makes the
functions in `METHODS` methods of `Tensor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.functions import choosing, converting, elementwise, in_place, products, reducing, shaping, ufuncs
from minigrad.functions.erf import erf
from minigrad.tensor import Tensor

FUNCTIONS_ONLY = frozenset(
    (
        "addmm",
        "bincount",
        "cdist",
        "column_stack",
        "einsum",
        "hstack",
        "is_floating_point",
        "is_tensor",
        "meshgrid",
        "numel",
        "searchsorted",
        "std_mean",
        "var_mean",
        "vstack",
    )
)
"""Functions that are no methods, or whose methods are defined with the class."""

ALIASES: dict[str, Callable[..., Any]] = {
    "absolute": elementwise.abs,
    "arccos": elementwise.acos,
    "arcsin": elementwise.asin,
    "arctan": elementwise.atan,
    "clip": elementwise.clamp,
    "divide": elementwise.div,
    "greater": elementwise.gt,
    "greater_equal": elementwise.ge,
    "less": elementwise.lt,
    "less_equal": elementwise.le,
    "moveaxis": shaping.movedim,
    "multiply": elementwise.mul,
    "negative": elementwise.neg,
    "not_equal": elementwise.ne,
    "subtract": elementwise.sub,
    "true_divide": elementwise.div,
}
"""Other names of methods, which PyTorch has too."""


def _functions(module: Any) -> dict[str, Callable[..., Any]]:
    """The functions and operations that a module defines for others."""
    return {
        name: found
        for name, found in vars(module).items()
        if not name.startswith("_")
        and callable(found)
        and not isinstance(found, type)
        and getattr(found, "__module__", "") == module.__name__
    }


METHODS: dict[str, Any] = {"erf": erf, "mT": property(shaping._matrix_transpose)} | ALIASES
for _module in (shaping, elementwise, reducing, choosing, products):
    METHODS |= {name: found for name, found in _functions(_module).items() if name not in FUNCTIONS_ONLY}
METHODS["where"] = choosing._where_method
for _module in (converting, in_place, ufuncs):
    METHODS |= _module.METHODS
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
