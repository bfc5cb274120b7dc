"""Adadelta: steps in the units of the parameter, so that no learning rate has to be chosen.

RMSprop's step g / sqrt(v) has no units. Adadelta multiplies it by sqrt(u), the recent size of the parameter's own
steps, which has the units of the parameter. Both averages u and v start at 0, and the first step differs from 0 only
because of eps: it is about sqrt(eps / (1 - rho)), a few thousandths. From there the steps grow.

    v      <- rho v + (1 - rho) g**2
    delta   = sqrt(u + eps) / sqrt(v + eps) g
    u      <- rho u + (1 - rho) delta**2
    theta  <- theta - lr delta

Paper: M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1 (E[g^2] is v, E[dx^2] is u).
eps is inside the roots. The paper has no learning rate; u averages the steps without it.
PyTorch: the same. Keeps v and u, two numbers per parameter.

When to use it: if no learning rate should be tuned. It starts slowly; how slowly depends on eps, which may then need
tuning instead. With a rate that suits Adam, such as 1e-3, it hardly moves. Usual rates: 1, which is the paper's rule;
less if the loss swings.
To see it: ``python -m benchmarks surfaces --optimizers adagrad,adadelta``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, FRACTION
from minigrad.optim.optimizer import Optimizer


class Adadelta(Optimizer):
    state = ("v", "u")
    ranges = {"rho": FRACTION, "eps": AT_LEAST_0}

    def rule(
        self, theta: Array, g: Array, v: Array, u: Array, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6
    ) -> None:
        """Average the squared gradients, make a step in proportion to the last steps, and average those."""
        v[:] = rho * v + (1 - rho) * g**2
        delta = sqrt(u + eps) / sqrt(v + eps) * g
        u[:] = rho * u + (1 - rho) * delta**2
        theta -= lr * delta
