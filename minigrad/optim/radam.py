"""RAdam: Adam that waits until it can trust its denominator.

After few steps v averages few squares, and a step divided by its root may be anything. RAdam reckons how many
squares v is worth, rho; as long as that is too few to have a variance it does not divide at all (the step is
momentum's, lr m_hat), and then it scales the step by r, which starts small and rises to 1: a warm-up with
nothing to choose.

    m, v, m_hat as in Adam
    rho_inf = 2 / (1 - beta2) - 1
    rho     = rho_inf - 2 t beta2**t / (1 - beta2**t)
    if rho > 5:
        r      = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
        l      = sqrt(1 - beta2**t) / (sqrt(v) + eps)
        theta <- theta - lr m_hat r l
    else:
        theta <- theta - lr m_hat

Paper: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2.
The paper divides once rho > 4, at step 5 for beta2 = 0.999, and has no eps.
PyTorch: the same as here: it divides once rho > 5, at step 6, and eps joins sqrt(v) before the correction.
Keeps m and v, two numbers per parameter.
"""

from __future__ import annotations

import math

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class RAdam(Optimizer):
    state = ("m", "v")
    ranges = {"betas": BETAS, "eps": AT_LEAST_0}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        t: int,
    ) -> None:
        """Average as Adam does; divide, with the rectification r, only when v is worth it."""
        beta1, beta2 = betas
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        r = rectification(beta2, t)
        if r is None:
            theta -= lr * m_hat
        else:
            theta -= lr * m_hat * r * math.sqrt(1 - beta2**t) / (sqrt(v) + eps)


def rectification(beta2: float, t: int) -> float | None:
    """R at step `t`, or None while rho <= 5: see the formula above."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return None
    return math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
