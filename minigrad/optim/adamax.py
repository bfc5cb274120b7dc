"""AdaMax: Adam with the largest recent gradient in place of the average one.

Adam's v is a running average of squares, like a 2-norm of the recent gradients. AdaMax uses their infinity-norm: u is
the largest recent |g|, where each |g| is multiplied by beta2 at every later step. Unlike m, u needs no correction for
starting at 0.

    m     <- beta1 m + (1 - beta1) g
    u     <- max(beta2 u, |g| + eps)
    theta <- theta - lr / (1 - beta1**t) m / u

Paper: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.
The paper has no eps. Without it a parameter whose gradient has always been exactly 0, as that of a weight
behind a pixel that is black in every image, would get 0 / 0.
PyTorch: the same as here. Keeps m and u, two numbers per parameter.

When to use it: in place of Adam if large gradients are rare, as in embeddings: no step is much longer than the learning
rate lr, while one of Adam's can be three times as long. But after one huge gradient the steps stay small: with
beta2 = 0.999 it takes about 700 steps until u has fallen to half. Usual rates: 1e-3 to 1e-2.
To see it: ``python -m benchmarks surfaces --optimizers adam,adamax``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import maximum

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class Adamax(Optimizer):
    state = ("m", "u")
    ranges = {"betas": BETAS, "eps": AT_LEAST_0}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        u: Array,
        *,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        t: int,
    ) -> None:
        """Average the gradient, update the largest one, then divide."""
        beta1, beta2 = betas
        m[:] = beta1 * m + (1 - beta1) * g
        u[:] = maximum(beta2 * u, abs(g) + eps)
        theta -= lr / (1 - beta1**t) * m / u
