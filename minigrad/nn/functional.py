"""The layers as functions."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend, ops, random
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

    On a GPU a label that is no class gives no error, for which the host would have to wait at every step: the loss
    of its row is NaN, and so is the gradient.

    Raises:
        ValueError: shapes that do not fit, a label that is no class (on the CPU), an unknown reduction.
        TypeError: logits that are not floating point; labels that are not integers, or on another device.
    """
    input, labels = _input("cross_entropy", input), _labels(target)
    a = input.data
    if a.dtype == float16:
        return cross_entropy(input.to(float32), labels, reduction).to(float16)
    if a.ndim != 2 or labels.shape != a.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits (N, C) and labels (N,) are wanted, not shapes {a.shape} and {labels.shape}"
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
            raise ShapeError("cross_entropy: no rows to take the mean of")
        log_p = _log_softmax_of(a, 1)
        return ops.mean_cross_entropy(input, labels, log_p if xp is numpy else log_p * _one_or_nan(labels, input))
    log_p = _log_softmax(input, 1)
    losses = ops.nll(log_p if xp is numpy else log_p * _one_or_nan(labels, input), labels)
    return _reduced("cross_entropy", losses, reduction)


def _input(name: str, given: Any) -> Tensor:
    """The input of a loss as a tensor of floating-point numbers."""
    input = given if isinstance(given, Tensor) else Tensor(backend.plain(given, what=f"{name}: the input"))
    return as_floating(name, input)


def _labels(target: Any) -> Any:
    if isinstance(target, Tensor):
        target = target.data
    elif isinstance(target, (list, tuple)) and not target:
        return numpy.zeros(0, numpy.int64)
    return backend.plain(target, what="cross_entropy: a target")


def _check_labels(labels: Any, classes: int) -> None:
    """Labels must be integers from 0 to classes - 1."""
    if not labels.size:
        return
    unsigned, last = _unsigned(labels, classes)
    if numpy.maximum.reduce(unsigned, axis=None) > last:
        wrong = labels[unsigned > last]
        raise ValueError(f"cross_entropy: label {int(wrong[0])} is none of the {classes} classes 0 to {classes - 1}")


def _one_or_nan(labels: Any, logits: Tensor) -> Any:
    """A column (N, 1) of ones, and of NaN where the label is no class."""
    unsigned, last = _unsigned(labels, logits.shape[1])
    one, nan = logits.dtype.type(1), logits.dtype.type("nan")
    return backend.get_array_module(labels).where(unsigned > last, nan, one)[:, None]


def _unsigned(labels: Any, classes: int) -> tuple[Any, int]:
    """The labels read as unsigned integers, and the last class.

    Read so, a negative label is larger than every class. So one maximum finds labels below 0 and labels that are too
    large, in half the time of a minimum and a maximum. Signed bytes can mean no class beyond 127, and so on.
    """
    unsigned, most = _UNSIGNED[labels.dtype]
    return labels.view(unsigned), min(classes, most) - 1


_UNSIGNED: dict[Any, tuple[Any, int]] = {
    numpy.dtype(f"{kind}{bytes_}"): (numpy.dtype(f"u{bytes_}"), 1 << (8 * bytes_ - (kind == "i")))
    for kind in "iu"
    for bytes_ in (1, 2, 4, 8)
}
"""For each type of labels the unsigned one of its size, and how many classes it can number."""


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of one shape: its mean, its sum, or ("none") each element's.

    One of the two may be of bools or integers, which are taken as the other's floats. Of float16 the loss is taken in
    float32 and rounded once.

    Raises:
        ValueError: the shapes differ (they are not broadcast: that is nearly always a mistake here).
        TypeError: neither is floating point, as in PyTorch: small integers would overflow.
    """
    input, target = _pair(input, target)
    if target.shape != input.shape:
        raise ShapeError(f"mse_loss: shapes {input.shape} and {target.shape} must be equal")
    if is_half(input) and is_half(target):
        return mse_loss(input.to(float32), target.to(float32), reduction).to(input.dtype)
    difference = input - target
    return _reduced("mse_loss", difference * difference, reduction)


def _pair(input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """The two sides of `mse_loss`, both floating point; lists and integers take the dtype of the other."""
    if not isinstance(input, Tensor):
        input = Tensor(backend.plain(input, what="mse_loss: the input"))
    if not isinstance(target, Tensor):
        numbers = isinstance(target, (list, tuple, int, float)) and input.dtype.kind == "f"
        array = backend.plain(target, input.dtype if numbers else None, "mse_loss: the target")
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
    """Each element set to 0 with probability `p` and the others divided by 1 - p; nothing if not `training`.

    Srivastava et al. 2014, scaled while training ("inverted dropout", as PyTorch has it).

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
