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

    Raises:
        ValueError: shapes that do not fit, a label that is no class, an unknown reduction.
        TypeError: labels that are not integers.
    """
    labels = target.data if isinstance(target, Tensor) else target
    if not backend.is_array(labels):
        labels = numpy.asarray(labels)
    if input.ndim != 2 or labels.shape != input.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits (N, C) and labels (N,) are wanted, not shapes {input.shape} and {labels.shape}"
        )
    _check_labels(labels, input.shape[1])
    log_p = log_softmax(input, 1)
    if reduction == "mean":
        if not len(labels):
            raise ShapeError("cross_entropy: no rows to take the mean of")
        return ops.mean_nll(log_p, labels)
    return _reduced("cross_entropy", ops.nll(log_p, labels), reduction)


def _check_labels(labels: Any, classes: int) -> None:
    """Labels must be integers from 0 to classes - 1."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers, not {labels.dtype}")
    if not labels.size:
        return
    # Read as unsigned, a negative label is a huge one, so one maximum finds both kinds of fault.
    unsigned = labels.view(f"u{labels.dtype.itemsize}")
    if int(unsigned.max()) >= classes:
        wrong = labels[unsigned >= classes]
        raise ValueError(f"cross_entropy: label {int(wrong[0])} is none of the {classes} classes 0 to {classes - 1}")


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
    mask = kept.astype(input.dtype) / (1 - p)
    return input * backend.to_device(mask, input.device)
