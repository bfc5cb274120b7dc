"""Losses of an input and a target of the same shape, and of pairs.

Each has `reduction`: the "mean" of the losses, their "sum", or "none" for all of them. PyTorch's older arguments
size_average and reduce are refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from minigrad import backend, conversion, ops
from minigrad.backend import Array
from minigrad.functions.elementwise import clamp
from minigrad.nn.functional.activations import log1p_exp
from minigrad.nn.functional.common import as_input, check_reduction, reduced, refuse, same_shape
from minigrad.nn.functional.normalization import pairwise_distance
from minigrad.operation import operation
from minigrad.ops.arguments import as_floating, is_half
from minigrad.tensor import ShapeError, Tensor

LEGACY = "say reduction='mean', 'sum' or 'none'"


def mse_loss(input: Tensor, target: Any, *, reduction: str = "mean", **legacy: Any) -> Tensor:
    """The squared difference of two tensors of the same shape.

    One of the two may be of bools or integers, which are converted to the dtype of the other. For float16 the loss is
    computed in float32 and rounded once.

    Raises:
        ValueError: the shapes differ (they are not broadcast, since here that is nearly always a mistake).
        TypeError: neither is floating point, as in PyTorch, since small integers would overflow.
    """
    refuse("mse_loss", LEGACY, **legacy)
    input, target = pair("mse_loss", input, target)
    if is_half(input) and is_half(target):
        return mse_loss(input.float(), target.float(), reduction=reduction).to(input.dtype)
    difference = input - target
    return reduced("mse_loss", difference * difference, reduction)


def pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """The two arguments of a loss, of one shape, both floating point; lists and integers get the dtype of the other."""
    if not isinstance(input, Tensor):
        input = Tensor(conversion.plain(input, what=f"{name}: the input"))
    if not isinstance(target, Tensor):
        numbers = isinstance(target, (list, tuple, int, float)) and input.dtype.kind == "f"
        array = conversion.plain(target, input.dtype if numbers else None, f"{name}: the target")
        target = Tensor(backend.to_device(array, input.device) if numbers else array)
    same_shape(name, input, target)
    if input.dtype.kind != "f":
        return input.to(as_floating(name, target).dtype), target
    return input, target if target.dtype.kind == "f" else target.to(input.dtype)


def l1_loss(input: Tensor, target: Any, *, reduction: str = "mean", **legacy: Any) -> Tensor:
    """The absolute difference of two tensors of the same shape."""
    refuse("l1_loss", LEGACY, **legacy)
    input, target = pair("l1_loss", input, target)
    return reduced("l1_loss", ops.abs(input - target), reduction)


def smooth_l1_loss(input: Tensor, target: Any, *, reduction: str = "mean", beta: float = 1.0, **legacy: Any) -> Tensor:
    """d**2 / (2 beta) where the absolute difference d is less than beta, d - beta / 2 elsewhere (Girshick 2015)."""
    refuse("smooth_l1_loss", LEGACY, **legacy)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is 0 or more, not {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    input, target = pair("smooth_l1_loss", input, target)
    d = ops.abs(input - target)
    return reduced("smooth_l1_loss", ops.where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction)


def huber_loss(input: Tensor, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d**2 / 2 where the absolute difference d is at most delta, delta * (d - delta / 2) elsewhere (Huber 1964)."""
    if delta <= 0:
        raise ValueError(f"huber_loss: delta is positive, not {delta}")
    input, target = pair("huber_loss", input, target)
    d = ops.abs(input - target)
    return reduced("huber_loss", ops.where(d < delta, d * d * 0.5, (d - 0.5 * delta) * delta), reduction)


def binary_cross_entropy(
    input: Tensor, target: Any, weight: Any = None, *, reduction: str = "mean", **legacy: Any
) -> Tensor:
    """-(t log(p) + (1 - t) log(1 - p)) of probabilities p and targets t; logarithms count as at least -100.

    Raises:
        ValueError: a probability is not from 0 to 1 (on the CPU).
        ShapeError: the shapes differ.
    """
    refuse("binary_cross_entropy", LEGACY, **legacy)
    p, t = pair("binary_cross_entropy", input, target)
    if isinstance(p.data, numpy.ndarray) and p.numel() and not (p.data.min() >= 0 and p.data.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy: probabilities are from 0 to 1, not from {p.data.min()} to {p.data.max()}: "
            "use a sigmoid, or binary_cross_entropy_with_logits"
        )
    losses = _binary_cross_entropy(p, t)
    return reduced("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def _limited_log(a: Array) -> Array:
    with numpy.errstate(divide="ignore"):
        return numpy.maximum(numpy.log(a), -100)


@operation(
    lambda g, _y, p, t: g * (p - t) / ops.maximum(p * (1 - p), 1e-12),
    lambda g, _y, p, _t: g * (clamp(ops.log(1 - p), min=-100.0) - clamp(ops.log(p), min=-100.0)),
)
def _binary_cross_entropy(p: Array, t: Array) -> Array:
    return -(t * _limited_log(p) + (1 - t) * _limited_log(1 - p))


def binary_cross_entropy_with_logits(
    input: Tensor, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None, **legacy: Any
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), computed so that nothing overflows.

    Args:
        input: logits x.
        target: t, of the same shape.
        weight: a factor for each element, or one that is broadcast.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for t, and not for 1 - t: for each class, for example.
    """
    refuse("binary_cross_entropy_with_logits", LEGACY, **legacy)
    x, t = pair("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        losses = (1 - t) * x + log1p_exp(-x)
    else:
        losses = (1 - t) * x + ((pos_weight - 1) * t + 1) * log1p_exp(-x)
    return reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


def kl_div(input: Tensor, target: Any, *, reduction: str = "mean", log_target: bool = False, **legacy: Any) -> Tensor:
    """t (log(t) - x) of log-probabilities x and probabilities t (or, with `log_target`, their logarithms).

    With ``reduction="batchmean"`` the sum is divided by the length of the first axis, which is the divergence.
    """
    refuse("kl_div", LEGACY, **legacy)
    check_reduction("kl_div", reduction, "batchmean")
    x, t = pair("kl_div", input, target)
    if log_target:
        losses = ops.exp(t) * (t - x)
    else:
        positive = t > 0
        safe = ops.where(positive, t, 1.0)  # t log t is 0 for t = 0
        losses = ops.where(positive, safe * ops.log(safe), 0.0) - t * x
    if reduction == "batchmean":
        return losses.sum() / (x.shape[0] if x.ndim else 1)
    return reduced("kl_div", losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(v) + (x - t)**2 / v) / 2 with the variance v, at least eps; with `full`, and log(2 pi) / 2."""
    x, t = pair("gaussian_nll_loss", input, target)
    v = var if isinstance(var, Tensor) else x.detach() * 0 + var
    v = v + (clamp(v.detach(), min=eps) - v.detach())  # the gradient is not limited, as in PyTorch
    losses = (ops.log(v) + (x - t) ** 2 / v) * 0.5
    return reduced("gaussian_nll_loss", losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    input: Tensor, target: Any, log_input: bool = True, *, eps: float = 1e-8, reduction: str = "mean", **legacy: Any
) -> Tensor:
    """exp(x) - t x for the logarithm x of a rate and a count t; without `log_input` x - t log(x + eps) for the rate."""
    refuse("poisson_nll_loss", LEGACY, **legacy)
    x, t = pair("poisson_nll_loss", input, target)
    losses = ops.exp(x) - t * x if log_input else x - t * ops.log(x + eps)
    return reduced("poisson_nll_loss", losses, reduction)


def soft_margin_loss(input: Tensor, target: Any, *, reduction: str = "mean", **legacy: Any) -> Tensor:
    """log(1 + exp(-t x)) of scores x and targets t, which are 1 or -1."""
    refuse("soft_margin_loss", LEGACY, **legacy)
    x, t = pair("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", log1p_exp(-t * x), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, *, reduction: str = "mean", **legacy: Any
) -> Tensor:
    """max(0, -t (x1 - x2) + margin), where t is 1 if x1 should be larger, and -1 if x2 should."""
    refuse("margin_ranking_loss", LEGACY, **legacy)
    a, b = pair("margin_ranking_loss", input1, input2)
    return reduced("margin_ranking_loss", _from_zero(-(a - b) * target + margin), reduction)


def hinge_embedding_loss(
    input: Tensor, target: Any, margin: float = 1.0, *, reduction: str = "mean", **legacy: Any
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    refuse("hinge_embedding_loss", LEGACY, **legacy)
    x, t = pair("hinge_embedding_loss", input, target)
    losses = ops.where(t == 1, x, 0.0) + ops.where(t == -1, _from_zero(margin - x), 0.0)
    return reduced("hinge_embedding_loss", losses, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, *, reduction: str = "mean", **legacy: Any
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1, with the cosine of the vectors' angle."""
    refuse("cosine_embedding_loss", LEGACY, **legacy)
    a, b = as_input("cosine_embedding_loss", input1), as_input("cosine_embedding_loss", input2)
    same_shape("cosine_embedding_loss", a, b)
    t = target if isinstance(target, Tensor) else Tensor(conversion.plain(target))
    if t.shape != a.shape[:-1]:
        raise ShapeError(f"cosine_embedding_loss: targets of shape {t.shape} do not fit vectors of shape {a.shape}")
    dot = ops.sum(a * b, -1)
    lengths = (ops.sum(a * a, -1) + 1e-12) * (ops.sum(b * b, -1) + 1e-12)
    cosine = dot / ops.sqrt(lengths)
    losses = ops.where(t == 1, 1 - cosine, 0.0) + ops.where(t == -1, _from_zero(cosine - margin), 0.0)
    return reduced("cosine_embedding_loss", losses, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
    **legacy: Any,
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with `pairwise_distance` d (Balntas et al. 2016)."""
    refuse("triplet_margin_loss", LEGACY, **legacy)
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        other = pairwise_distance(positive, negative, p, eps)
        far = ops.where(far <= other, far, other)
    return reduced("triplet_margin_loss", _from_zero(near - far + margin), reduction)


def _from_zero(x: Tensor) -> Tensor:
    """max(0, x), with the gradient of 1 at 0, as PyTorch's clamp."""
    return clamp(x, min=0.0)
