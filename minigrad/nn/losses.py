"""Losses as modules. Each takes the arguments of the function of `minigrad.nn.functional` that it calls."""

from __future__ import annotations

from typing import Any

from minigrad.nn import functional
from minigrad.nn.functional.common import check_reduction, refuse
from minigrad.nn.functional.cross_entropy import IGNORED
from minigrad.nn.functional.losses import LEGACY
from minigrad.nn.module import Module
from minigrad.tensor import Tensor


class _Loss(Module):
    """A loss with a reduction: the "mean" of the losses, their "sum", or "none"."""

    weight: Any
    pos_weight: Any

    def __init__(self, *, reduction: str = "mean", **legacy: Any) -> None:
        name = type(self).__name__
        refuse(name, LEGACY, **legacy)
        check_reduction(name, reduction, *(("batchmean",) if name == "KLDivLoss" else ()))
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """See `functional.cross_entropy`."""

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = IGNORED,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "mean",
        **legacy: Any,
    ) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class NLLLoss(_Loss):
    """See `functional.nll_loss`."""

    def __init__(
        self, weight: Any = None, ignore_index: int = IGNORED, *, reduction: str = "mean", **legacy: Any
    ) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """See `functional.mse_loss`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """See `functional.l1_loss`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """See `functional.smooth_l1_loss`."""

    def __init__(self, beta: float = 1.0, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.beta = beta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(_Loss):
    """See `functional.huber_loss`."""

    def __init__(self, delta: float = 1.0, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.delta = delta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class BCELoss(_Loss):
    """See `functional.binary_cross_entropy`."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """See `functional.binary_cross_entropy_with_logits`."""

    def __init__(self, weight: Any = None, pos_weight: Any = None, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """See `functional.kl_div`."""

    def __init__(self, log_target: bool = False, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """See `functional.gaussian_nll_loss`."""

    def __init__(self, full: bool = False, eps: float = 1e-6, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Any, var: Tensor) -> Tensor:
        """The loss."""
        return functional.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """See `functional.poisson_nll_loss`."""

    def __init__(self, log_input: bool = True, eps: float = 1e-8, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.log_input = log_input
        self.eps = eps

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.poisson_nll_loss(
            input, target, log_input=self.log_input, eps=self.eps, reduction=self.reduction
        )


class SoftMarginLoss(_Loss):
    """See `functional.soft_margin_loss`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.soft_margin_loss(input, target, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """See `functional.margin_ranking_loss`."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """See `functional.hinge_embedding_loss`."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.margin = margin

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """See `functional.cosine_embedding_loss`."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean", **legacy: Any) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Any) -> Tensor:
        """The loss."""
        return functional.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """See `functional.triplet_margin_loss`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
        **legacy: Any,
    ) -> None:
        super().__init__(reduction=reduction, **legacy)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss."""
        return functional.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )
