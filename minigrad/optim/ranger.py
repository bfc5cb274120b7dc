"""Ranger: RAdam inside Lookahead.

RAdam makes the steps, with its warm-up. After every k steps the slow weights move the fraction alpha of the way to
theta, and RAdam continues from there, with its m and v unchanged. The two ideas are independent of each other. (The
symbols are explained in radam.py and lookahead.py.)

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
    every k steps:                                       Lookahead; slow starts as theta
        slow  <- slow + alpha (theta - slow)
        theta <- slow

Source: L. Wright, "New deep learning optimizer, Ranger: synergistic combination of RAdam + Lookahead", 2019.
The defaults here are those of the two parts; Wright's code has k = 6, beta1 = 0.95 and eps = 1e-5.
PyTorch: does not have it. Keeps m, v and slow, three numbers per parameter.

When to use it: in place of RAdam if its steps swing. Both parts make the start slower, since r is small and theta moves
only the fraction alpha of the way, so it is for long trainings. As with RAdam, the first five steps are long if
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
