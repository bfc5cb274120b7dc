"""AMSGrad: Adam whose denominator never shrinks.

Adam forgets large gradients that are rare, and may then make large steps in the wrong direction; there are convex
problems that it does not solve. m and v are running averages of the gradient g and of its square. AMSGrad divides by
the root of the largest v so far, so that the learning rate of a parameter can only fall.

    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    v_max <- max(v_max, v)
    m_hat  = m / (1 - beta1**t)
    v_hat  = v_max / (1 - beta2**t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

Paper: S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
The paper corrects neither m nor v for their start at 0.
PyTorch: the same as here (``Adam(amsgrad=True)``). Keeps m, v and v_max, three numbers per parameter.

When to use it: if Adam's loss rises again late in a long training. It seldom does better than Adam otherwise, and
one huge gradient makes all later steps small. Usual rates: 1e-4 to 1e-2, as Adam.
To see it: ``python -m benchmarks surfaces --optimizers adam,amsgrad``. Tested against a second transcription in
tests/test_rules.py and against PyTorch in tests/test_rules_beyond.py; the transcription itself in
tests/test_references_others.py.
"""

from __future__ import annotations

from numpy import maximum, sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class AMSGrad(Optimizer):
    state = ("m", "v", "v_max")
    ranges = {"betas": BETAS, "eps": AT_LEAST_0}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        v_max: Array,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        t: int,
    ) -> None:
        """Average as Adam does, and divide by the largest average so far."""
        beta1, beta2 = betas
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        v_max[:] = maximum(v_max, v)
        m_hat = m / (1 - beta1**t)
        v_hat = v_max / (1 - beta2**t)
        theta -= lr * m_hat / (sqrt(v_hat) + eps)
