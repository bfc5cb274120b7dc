"""What the functions of this package have in common: checks of their arguments, and reductions."""

from __future__ import annotations

from typing import Any

from minigrad import conversion
from minigrad.ops.arguments import as_floating
from minigrad.tensor import ShapeError, Tensor

REDUCTIONS = ("mean", "sum", "none")


def as_input(name: str, given: Any) -> Tensor:
    """The input of a function as a tensor, which must be floating point."""
    input = given if isinstance(given, Tensor) else Tensor(conversion.plain(given, what=f"{name}: the input"))
    return as_floating(name, input)


def check_reduction(name: str, reduction: str, *others: str) -> None:
    """Raise unless the reduction is known."""
    if reduction not in (*REDUCTIONS, *others):
        known = ", ".join((*REDUCTIONS, *others))
        raise ValueError(f"{name}: reduction must be one of {known}, not {reduction!r}")


def reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of the losses, or ("none") all of them."""
    check_reduction(name, reduction)
    return losses.mean() if reduction == "mean" else losses.sum() if reduction == "sum" else losses


def same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raise if the shapes differ (they are not broadcast, since in a loss that is nearly always a mistake)."""
    if input.shape != target.shape:
        raise ShapeError(f"{name}: shapes {input.shape} and {target.shape} must be equal")


def refuse(name: str, reason: str, **options: Any) -> None:
    """Raise if one of PyTorch's options that minigrad does not have is used.

    Raises:
        TypeError: an option has another value than its default in PyTorch, None or False.
    """
    default = {"size_average": None, "reduce": None}
    used = [
        option for option, value in options.items() if value is not None and value is not default.get(option, False)
    ]
    if used:
        raise TypeError(f"{name}: {' and '.join(used)} is not in minigrad: {reason}")
