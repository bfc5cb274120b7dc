"""The layers as functions."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend, ops, random
from minigrad.ops import linear, log_softmax, relu, sigmoid, softmax, tanh
from minigrad.tensor import ShapeError, Tensor

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
        TypeError: labels that are not integers, or on another device than the logits.
    """
    labels = target.data if isinstance(target, Tensor) else target
    if not backend.is_array(labels):
        labels = numpy.asarray(labels)
    if input.ndim != 2 or labels.shape != input.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits (N, C) and labels (N,) are wanted, not shapes {input.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers, not {labels.dtype}")
    xp = backend.get_array_module(labels)
    if xp is not backend.get_array_module(input.data):
        raise TypeError(
            f"cross_entropy: logits on {input.device} and labels on {backend.device_of(labels)}: move one with .to()"
        )
    if xp is numpy:
        _check_labels(labels, input.shape[1])
        log_p = log_softmax(input, 1)
    else:
        log_p = log_softmax(input, 1) * _one_or_nan(labels, input)
    if reduction == "mean":
        if not len(labels):
            raise ShapeError("cross_entropy: no rows to take the mean of")
        return ops.mean_nll(log_p, labels)
    return _reduced("cross_entropy", ops.nll(log_p, labels), reduction)


def _check_labels(labels: Any, classes: int) -> None:
    """Labels must be integers from 0 to classes - 1."""
    if not labels.size:
        return
    unsigned, last = _unsigned(labels, classes)
    if int(unsigned.max()) > last:
        wrong = labels[unsigned > last]
        raise ValueError(f"cross_entropy: label {int(wrong[0])} is none of the {classes} classes 0 to {classes - 1}")


def _one_or_nan(labels: Any, logits: Tensor) -> Any:
    """A column (N, 1) of ones, and of NaN where the label is no class."""
    unsigned, last = _unsigned(labels, logits.shape[1])
    one, nan = logits.dtype.type(1), logits.dtype.type("nan")
    return backend.get_array_module(labels).where(unsigned > last, nan, one)[:, None]


def _unsigned(labels: Any, classes: int) -> tuple[Any, int]:
    """The labels read as unsigned, and the last class: a negative label is beyond it too, so one look finds both.

    Signed bytes mean no class beyond 127 (read as unsigned, the negative ones begin there), and so on.
    """
    bytes_, signed = labels.dtype.itemsize, labels.dtype.kind == "i"
    return labels.view(f"u{bytes_}"), min(classes, 1 << (8 * bytes_ - signed)) - 1


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of one shape: its mean, its sum, or ("none") each element's.

    Raises:
        ValueError: the shapes differ (they are not broadcast: that is nearly always a mistake here).
    """
    shape = tuple(target.shape) if hasattr(target, "shape") else numpy.shape(target)
    if shape != input.shape:
        raise ShapeError(f"mse_loss: shapes {input.shape} and {shape} must be equal")
    difference = input - target
    return _reduced("mse_loss", difference * difference, reduction)


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
    kept = random.default_generator.uniform(0.0, 1.0, input.shape, numpy.float32) >= p
    mask = backend.to_device(kept, input.device).astype(input.dtype) / (1 - p)
    return input * mask
