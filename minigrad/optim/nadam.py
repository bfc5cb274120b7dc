"""NAdam: Adam with Nesterov's momentum.

Adam makes its step along m, the running average of the gradients up to now. NAdam makes it along the average of the
next step, assuming that the next gradient is equal to this one, g. The weight mu of the old average depends on the step
t, and rises towards beta1. v is the running average of the squared gradients.

    mu(t)  = beta1 (1 - 0.96**(psi t) / 2)               psi is `momentum_decay`
    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    m_hat  = mu(t + 1) m / (1 - mu(1) ... mu(t + 1)) + (1 - mu(t)) g / (1 - mu(1) ... mu(t))
    v_hat  = v / (1 - beta2**t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

Paper: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016. In the paper m is averaged with mu(t)
in place of beta1.
PyTorch: the same as here; it keeps the product of mu in float32. Keeps m and v, two numbers per parameter; the product
depends on t alone.

When to use it: in place of Adam if the first few hundred steps matter; later the two are nearly equal. As with Adam,
too high a learning rate makes the loss swing. Usual rates: 1e-4 to 1e-2.
To see it: ``python -m benchmarks surfaces --optimizers adam,nadam``. Tested against a second transcription in
tests/test_rules.py and against PyTorch in tests/test_rules_beyond.py; the transcription itself in
tests/test_references_others.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.running_product import running_product


class NAdam(Optimizer):
    state = ("m", "v")
    ranges = {"betas": BETAS, "eps": AT_LEAST_0, "momentum_decay": AT_LEAST_0}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        t: int,
    ) -> None:
        """Average as Adam does, compute the average one step ahead, then divide."""
        beta1, beta2 = betas
        psi = momentum_decay
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        ahead = mu(t + 1, beta1, psi) / (1 - product_of_mu(t + 1, beta1, psi))
        now = (1 - mu(t, beta1, psi)) / (1 - product_of_mu(t, beta1, psi))
        m_hat = ahead * m + now * g
        v_hat = v / (1 - beta2**t)
        theta -= lr * m_hat / (sqrt(v_hat) + eps)


def mu(t: int, beta1: float, psi: float) -> float:
    """The weight of the old average at step t."""
    return beta1 * (1 - 0.5 * 0.96 ** (psi * t))


product_of_mu = running_product(mu)
