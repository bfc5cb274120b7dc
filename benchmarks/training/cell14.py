"""What the notebook's cell 14 ran: it is headed RAdam, but its optimizer is another rule.

The cell imports the RAdam authors' own `radam.py`, and takes not RAdam from it but the class `AdamW`, with the
rate 0.01 and no weight decay. That is Adam, but for the place of eps: here it joins sqrt(v) *before* the
correction for v's start at 0, so for the first steps it weighs as much as eps / sqrt(1 - beta2**t) does in Adam.

    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    theta <- theta - lr sqrt(1 - beta2**t) / (1 - beta1**t) m / (sqrt(v) + eps)

Source: L. Liu, github.com/LiyuanLucasLiu/RAdam, class AdamW; PyTorch's Adam before version 1.3 did the same.
Keeps m and v, two numbers per parameter. It is here so that the cell can be replayed; to train, take `Adam`.
"""

from __future__ import annotations

import math

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim import Optimizer


class Cell14(Optimizer):
    """Adam with eps added before the bias correction; no weight decay."""

    state = ("m", "v")

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        t: int,
    ) -> None:
        """Average the gradient and its square, then divide; both corrections are in the rate."""
        beta1, beta2 = betas
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        theta -= lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + eps)
