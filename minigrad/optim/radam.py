"""RAdam: Adam that does not divide by its denominator until it is reliable.

m is a running average of the gradient g, and v is one of its square. At first v averages only few squares, and a step
divided by its root may have any length. RAdam computes rho, over how many squares v averages in effect. While rho is
too small it does not divide: the step is lr m_hat, where m_hat is m corrected for starting at 0. After that it divides,
and multiplies the step by r, which starts small and rises to 1: a warm-up without hyperparameters.

    m      <- beta1 m + (1 - beta1) g
    v      <- beta2 v + (1 - beta2) g**2
    m_hat   = m / (1 - beta1**t)
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
PyTorch: the same as here: it divides once rho > 5, at step 6, and adds eps to sqrt(v) before the correction.
Keeps m and v, two numbers per parameter.

When to use it: in place of Adam with a warm-up of the learning rate. The first five steps (for beta2 = 0.999) are lr
times an average gradient. If gradients are large, these steps are too long unless the rate is far below Adam's. r rises
slowly, to 0.65 at step 1000, so a short training ends before the steps have their full length. Usual rates: 1e-4 to
1e-2.
To see it: ``python -m benchmarks surfaces --optimizers adam,radam`` and ``python -m benchmarks explain warm-up``.
Tested against a second transcription and PyTorch in tests/test_rules.py; the transcription itself in
tests/test_references.py.
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
        """Average as Adam does; divide, and multiply by r, only when v averages enough squares."""
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
    """The factor r at step `t`; None while rho <= 5 (see the formula above)."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return None
    return math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
