"""Ranger: RAdam inside Lookahead.

RAdam takes the steps, with its warm-up; every k of them the slow weights follow a part of the way and RAdam goes
on from there. Two ideas that do not touch.

    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    theta <- theta - lr r m_hat / (sqrt(v_hat) + eps)        without the division while r is not defined (RAdam)
    every k steps:
        slow  <- slow + alpha (theta - slow)                 (Lookahead)
        theta <- slow

Source: L. Wright, "New deep learning optimizer, Ranger: synergistic combination of RAdam + Lookahead", 2019.
The defaults here are those of the two parts; Wright's code has k = 6, beta1 = 0.95 and eps = 1e-5.
PyTorch: has none. Keeps m, v and slow, three numbers per parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.optim.lookahead import Lookahead
from minigrad.optim.optimizer import Rate
from minigrad.optim.radam import RAdam


class Ranger(Lookahead):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        k: int = 5,
        alpha: float = 0.5,
    ) -> None:
        super().__init__(RAdam(params, lr, betas, eps, weight_decay), k, alpha)
