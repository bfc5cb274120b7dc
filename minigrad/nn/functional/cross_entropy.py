"""Cross entropy and negative log-likelihood: losses of scores for classes and a label, or a probability of each."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend, conversion, ops
from minigrad.functions.shaping import movedim
from minigrad.nn.functional.common import as_input, check_reduction, refuse
from minigrad.nn.functional.losses import LEGACY
from minigrad.ops.losses import _log_softmax_of
from minigrad.tensor import ShapeError, Tensor, float16, float32, int64

IGNORED = -100
"""The label that counts for nothing unless another is chosen, as in PyTorch."""


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    **legacy: Any,
) -> Tensor:
    """The negative log-likelihood of labels under softmax(input), or the cross entropy with given probabilities.

    Args:
        input: logits (N, C), not probabilities; or (C,) for one sample, or (N, C, ...) for several labels each.
        target: labels (N,), integers from 0 to C - 1 (in general the shape of the input without C); or probabilities
            of the shape of the input.
        weight: a factor for each class (C,).
        ignore_index: a label that counts for nothing.
        reduction: "mean" over the labels, weighted by `weight`; "sum"; or "none", in the shape of the labels.
        label_smoothing: this part of the probability, from 0 to 1, is spread evenly over all classes.

    On a GPU a label out of range raises no error, because the CPU would have to wait for the check at every step. The
    loss of its row is NaN instead, and so is the gradient; this holds for the label -100 too, unless it is one of
    several options used (weight, ignore_index, label_smoothing).

    Raises:
        ValueError: the shapes do not fit, a label is out of range (on the CPU), or the reduction is unknown.
        TypeError: the logits are not floating point; the labels are not integers, or on another device.
    """
    if legacy:
        refuse("cross_entropy", LEGACY, **legacy)
    input, labels = as_input("cross_entropy", input), _labels("cross_entropy", target)
    a = input.data
    if a.dtype == float16:
        whole = input.to(float32)
        options = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return cross_entropy(whole, target, weight, **options).to(float16)  # type: ignore[arg-type]
    if labels.dtype.kind == "f" and labels.shape == a.shape and a.ndim:
        return _with_probabilities(input, target, weight, reduction, label_smoothing)
    usual = weight is None and not label_smoothing and a.ndim == 2 and (ignore_index < 0 or ignore_index >= a.shape[1])
    if not usual or labels.shape != a.shape[:1]:
        return _with_labels("cross_entropy", input, labels, weight, ignore_index, reduction, label_smoothing)
    # The usual case, which every training step needs.
    _check_kind("cross_entropy", input, labels)
    xp = backend.get_array_module(labels)
    if xp is numpy and not _in_range("cross_entropy", labels, a.shape[1], ignore_index):
        return _with_labels("cross_entropy", input, labels, weight, ignore_index, reduction, label_smoothing)
    if reduction == "mean":
        if not len(labels):
            raise ShapeError("cross_entropy: there are no rows to take the mean of")
        log_p = _log_softmax_of(a, 1)
        return ops.mean_cross_entropy(input, labels, log_p if xp is numpy else log_p * _one_or_nan(labels, input))
    check_reduction("cross_entropy", reduction)
    log_p = ops.log_softmax(input, 1)
    losses = ops.nll(log_p if xp is numpy else log_p * _one_or_nan(labels, input), labels)
    return losses.sum() if reduction == "sum" else losses


def nll_loss(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
    **legacy: Any,
) -> Tensor:
    """`cross_entropy` of labels with log-probabilities in place of logits: after `log_softmax`, for example."""
    refuse("nll_loss", LEGACY, **legacy)
    return _with_labels(
        "nll_loss", as_input("nll_loss", input), _labels("nll_loss", target), weight, ignore_index, reduction, 0.0
    )


def _with_labels(
    name: str,
    input: Tensor,
    labels: Any,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """The general case: several axes, classes with weights, a label to be ignored, labels made smooth."""
    check_reduction(name, reduction)
    _check_smoothing(name, smoothing)
    shape = input.shape[1:] if input.ndim == 1 else input.shape[:1] + input.shape[2:]
    if not input.ndim or labels.shape != shape:
        raise ShapeError(
            f"{name}: logits must be (N, C) and labels (N,), not of shapes {input.shape} and {tuple(labels.shape)}"
        )
    _check_kind(name, input, labels)
    scores = (movedim(input, 1, -1) if input.ndim > 2 else input).reshape(-1, input.shape[1 if input.ndim > 1 else 0])
    classes = scores.shape[1]
    flat = labels.reshape(-1).astype(int64)
    if isinstance(flat, numpy.ndarray):
        _in_range(name, flat, classes, ignore_index)
    counted = Tensor((flat != ignore_index).astype(scores.dtype))
    places = Tensor(backend.get_array_module(flat).where(flat == ignore_index, 0, flat))
    log_p = ops.log_softmax(scores, 1) if name == "cross_entropy" else scores
    factors = counted if weight is None else _class_weights(name, weight, classes)[places] * counted
    rows = Tensor(backend.get_array_module(flat).arange(len(flat)))
    losses = -log_p[rows, places] * factors
    if smoothing:
        spread = -(log_p if weight is None else log_p * _class_weights(name, weight, classes)).sum(1) * counted
        losses = losses * (1 - smoothing) + spread * (smoothing / classes)
    if reduction == "none":
        return losses.reshape(labels.shape)
    if reduction == "sum":
        return losses.sum()
    if not len(flat):
        raise ShapeError(f"{name}: there are no rows to take the mean of")
    return losses.sum() / factors.sum()


def _with_probabilities(input: Tensor, target: Any, weight: Tensor | None, reduction: str, smoothing: float) -> Tensor:
    check_reduction("cross_entropy", reduction)
    _check_smoothing("cross_entropy", smoothing)
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    p = target if isinstance(target, Tensor) else Tensor(target)
    if smoothing:
        p = p * (1 - smoothing) + smoothing / classes
    losses = ops.log_softmax(input, axis) * p
    if weight is not None:
        shape = [-1 if i == axis else 1 for i in range(input.ndim)]
        losses = losses * _class_weights("cross_entropy", weight, classes).reshape(shape)
    losses = -losses.sum(axis)
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _class_weights(name: str, weight: Any, classes: int) -> Tensor:
    factors = weight if isinstance(weight, Tensor) else Tensor(conversion.plain(weight, what=f"{name}: weight"))
    if factors.shape != (classes,):
        raise ShapeError(f"{name}: weights of shape {factors.shape} do not fit {classes} classes")
    return factors


def _check_smoothing(name: str, smoothing: float) -> None:
    if not 0 <= smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing is from 0 to 1, not {smoothing}")


def _check_kind(name: str, input: Tensor, labels: Any) -> None:
    """Raise unless the labels are integers on the device of the input."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels must be integers, not {labels.dtype}")
    if backend.get_array_module(labels) is not backend.get_array_module(input.data):
        raise TypeError(
            f"{name}: logits on {input.device} and labels on {backend.device_of(labels)}: move one with .to()"
        )


def _labels(name: str, target: Any) -> Any:
    if isinstance(target, Tensor):
        target = target.data
    elif isinstance(target, (list, tuple)) and not target:
        return numpy.zeros(0, numpy.int64)
    return conversion.plain(target, what=f"{name}: a target")


def _in_range(name: str, labels: Any, classes: int, ignore_index: int) -> bool:
    """Whether all labels are from 0 to classes - 1; False if others are all `ignore_index`.

    Raises:
        ValueError: a label is neither.
    """
    if not labels.size:
        return True
    unsigned, last = _as_unsigned(labels, classes)
    if numpy.maximum.reduce(unsigned, axis=None) <= last:
        return True
    wrong = labels[(unsigned > last) & (labels != ignore_index)]
    if wrong.size:
        raise ValueError(f"{name}: label {int(wrong[0])} is none of the {classes} classes 0 to {classes - 1}")
    return False


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
