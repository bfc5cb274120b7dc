"""Ranger: RAdam inside Lookahead.

RAdam takes the steps, and warms up as it does alone; every k of them the slow weights go the fraction alpha of the way
to theta, and RAdam goes on from there, with the m and v it has. The two ideas are independent of each other.

    m      <- beta1 m + (1 - beta1) g
    v      <- beta2 v + (1 - beta2) g**2
    m_hat   = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho     = rho_inf - 2 t beta2**t / (1 - beta2**t)
    if rho > 5:                                          RAdam
        r      = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
        l      = sqrt(1 - beta2**t) / (sqrt(v) + eps)
        theta <- theta - lr m_hat r l
    else:
        theta <- theta - lr m_hat
    every k steps:                                       Lookahead; slow starts where theta does
        slow  <- slow + alpha (theta - slow)
        theta <- slow

Source: L. Wright, "New deep learning optimizer, Ranger: synergistic combination of RAdam + Lookahead", 2019.
The defaults here are those of the two parts; Wright's code has k = 6, beta1 = 0.95 and eps = 1e-5.
PyTorch: has none. Keeps m, v and slow, three numbers per parameter.

When to use it: in place of RAdam where its steps swing. Both parts slow the start down, since r is small and theta gets
only the fraction alpha of the way, so it is for long trainings; and as RAdam's, its first five steps are long where
gradients are large. Usual rates: 1e-3 to 1e-2.
To see it: ``python -m benchmarks surfaces --optimizers radam,ranger``. Tested in tests/test_rules.py against a second
transcription, and against PyTorch's RAdam with Lookahead's lines around it; the transcription itself in
tests/test_references.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.optim.groups import Rate
from minigrad.optim.lookahead import Lookahead
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
