"""The layers and losses as functions."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend, conversion, ops, random
from minigrad.ops import linear, log_softmax, relu, sigmoid, softmax, tanh
from minigrad.ops.arguments import as_floating, is_half
from minigrad.ops.losses import _log_softmax, _log_softmax_of
from minigrad.tensor import ShapeError, Tensor, float16, float32

__all__ = ["cross_entropy", "dropout", "linear", "log_softmax", "mse_loss", "relu", "sigmoid", "softmax", "tanh"]

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The negative log-likelihood of the labels under softmax(input).

    Args:
        input: logits (N, C), not probabilities.
        target: labels (N,), integers from 0 to C - 1.
        reduction: "mean" over the rows, "sum", or "none" (N,).

    On a GPU a label out of range raises no error, because the CPU would have to wait for the check at every step. The
    loss of its row is NaN instead, and so is the gradient.

    Raises:
        ValueError: the shapes do not fit, a label is out of range (on the CPU), or the reduction is unknown.
        TypeError: the logits are not floating point; the labels are not integers, or on another device.
    """
    input, labels = _input("cross_entropy", input), _labels(target)
    a = input.data
    if a.dtype == float16:
        return cross_entropy(input.to(float32), labels, reduction).to(float16)
    if a.ndim != 2 or labels.shape != a.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits must be (N, C) and labels (N,), not of shapes {a.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers, not {labels.dtype}")
    xp = backend.get_array_module(labels)
    if xp is not backend.get_array_module(a):
        raise TypeError(
            f"cross_entropy: logits on {input.device} and labels on {backend.device_of(labels)}: move one with .to()"
        )
    if xp is numpy:
        _check_labels(labels, a.shape[1])
    if reduction == "mean":
        if not len(labels):
            raise ShapeError("cross_entropy: there are no rows to take the mean of")
        log_p = _log_softmax_of(a, 1)
        return ops.mean_cross_entropy(input, labels, log_p if xp is numpy else log_p * _one_or_nan(labels, input))
    log_p = _log_softmax(input, 1)
    losses = ops.nll(log_p if xp is numpy else log_p * _one_or_nan(labels, input), labels)
    return _reduced("cross_entropy", losses, reduction)


def _input(name: str, given: Any) -> Tensor:
    """The input of a loss as a tensor, which must be floating point."""
    input = given if isinstance(given, Tensor) else Tensor(conversion.plain(given, what=f"{name}: the input"))
    return as_floating(name, input)


def _labels(target: Any) -> Any:
    if isinstance(target, Tensor):
        target = target.data
    elif isinstance(target, (list, tuple)) and not target:
        return numpy.zeros(0, numpy.int64)
    return conversion.plain(target, what="cross_entropy: a target")


def _check_labels(labels: Any, classes: int) -> None:
    """Raise unless all labels are from 0 to classes - 1."""
    if not labels.size:
        return
    unsigned, last = _as_unsigned(labels, classes)
    if numpy.maximum.reduce(unsigned, axis=None) > last:
        wrong = labels[unsigned > last]
        raise ValueError(f"cross_entropy: label {int(wrong[0])} is none of the {classes} classes 0 to {classes - 1}")


def _one_or_nan(labels: Any, logits: Tensor) -> Any:
    """A column (N, 1) with 1 where the label is in range, and NaN elsewhere."""
    unsigned, last = _as_unsigned(labels, logits.shape[1])
    one, nan = logits.dtype.type(1), logits.dtype.type("nan")
    return backend.get_array_module(labels).where(unsigned > last, nan, one)[:, None]


def _as_unsigned(labels: Any, classes: int) -> tuple[Any, int]:
    """The bytes of the labels read as unsigned integers, and the largest valid label.

    A negative label read as unsigned is a large number. So one comparison, unsigned > last, finds negative labels as
    well as too large ones, in two thirds of the time of two comparisons. `last` is at most the largest label that the
    dtype can hold (127 for int8).
    """
    unsigned, most = _UNSIGNED[labels.dtype]
    return labels.view(unsigned), min(classes, most) - 1


_UNSIGNED: dict[Any, tuple[Any, int]] = {
    numpy.dtype(f"{kind}{bytes_}"): (numpy.dtype(f"u{bytes_}"), 1 << (8 * bytes_ - (kind == "i")))
    for kind in "iu"
    for bytes_ in (1, 2, 4, 8)
}
"""For each dtype of labels, the unsigned dtype of its size, and the number of labels that are not negative."""


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of the same shape: its mean, its sum, or ("none") all elements.

    One of the two may be of bools or integers, which are converted to the dtype of the other. For float16 the loss is
    computed in float32 and rounded once.

    Raises:
        ValueError: the shapes differ (they are not broadcast, since here that is nearly always a mistake).
        TypeError: neither is floating point, as in PyTorch, since small integers would overflow.
    """
    input, target = _pair(input, target)
    if target.shape != input.shape:
        raise ShapeError(f"mse_loss: shapes {input.shape} and {target.shape} must be equal")
    if is_half(input) and is_half(target):
        return mse_loss(input.to(float32), target.to(float32), reduction).to(input.dtype)
    difference = input - target
    return _reduced("mse_loss", difference * difference, reduction)


def _pair(input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """The two arguments of `mse_loss`, both floating point; lists and integers get the dtype of the other."""
    if not isinstance(input, Tensor):
        input = Tensor(conversion.plain(input, what="mse_loss: the input"))
    if not isinstance(target, Tensor):
        numbers = isinstance(target, (list, tuple, int, float)) and input.dtype.kind == "f"
        array = conversion.plain(target, input.dtype if numbers else None, "mse_loss: the target")
        target = Tensor(backend.to_device(array, input.device) if numbers else array)
    if input.dtype.kind != "f":
        return input.to(as_floating("mse_loss", target).dtype), target
    return input, target if target.dtype.kind == "f" else target.to(input.dtype)


def _reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{name}: reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by 1 - p; if not `training`, do nothing.

    Srivastava et al. 2014, but scaled during training ("inverted dropout", as in PyTorch).

    Raises:
        ValueError: `p` is not in [0, 1).
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: the probability must be in [0, 1), not {p}")
    if not training or p == 0:
        return input
    input = _input("dropout", input)
    kept = random.default_generator.uniform(0.0, 1.0, input.shape, numpy.float32) >= p
    mask = backend.to_device(kept, input.device).astype(input.dtype) / (1 - p)
    return input * mask
