"""RMSprop: Adagrad that forgets.

Instead of the sum of all squared gradients it keeps a running average v of the recent ones, so the step is
the gradient over its own recent size, and never dies out.

    v     <- alpha v + (1 - alpha) g**2
    theta <- theta - lr g / (sqrt(v) + eps)

Source: T. Tieleman, G. Hinton, lecture 6.5 of "Neural Networks for Machine Learning", 2012 (no paper). The
average starts at 0 and is not corrected for that, so the first step is 1 / sqrt(1 - alpha) times lr.
PyTorch: the same, eps outside the root. Keeps v, one number per parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, FRACTION
from minigrad.optim.optimizer import Optimizer, Rate


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g**2; theta <- theta - lr g / (sqrt(v) + eps)."""

    state = ("v",)
    ranges = {"alpha": FRACTION, "eps": AT_LEAST_0}

    def __init__(
        self, params: Iterable[Any], lr: Rate = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)

    def rule(self, theta: Array, g: Array, v: Array, *, lr: float, alpha: float, eps: float) -> None:
        """Average the squares, then divide by their root."""
        v[:] = alpha * v + (1 - alpha) * g**2
        theta -= lr * g / (sqrt(v) + eps)
