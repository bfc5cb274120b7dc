"""Adadelta: steps in the units of the parameter, so that no rate need be chosen.

RMSprop's step g / sqrt(v) has no units. Adadelta multiplies it by the recent size of the parameter's own
steps, sqrt(u), and so has the parameter's. Both averages start at 0, and only eps lets the first step be
different from 0: it is about sqrt(eps / (1 - rho)), a few thousandths, and the steps grow from there.

    v      <- rho v + (1 - rho) g**2
    delta   = sqrt(u + eps) / sqrt(v + eps) g
    u      <- rho u + (1 - rho) delta**2
    theta  <- theta - lr delta

Paper: M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1 (E[g^2] is v, E[dx^2] is u).
eps stands inside the roots. The paper has no rate; u averages the steps without it.
PyTorch: the same. Keeps v and u, two numbers per parameter.

When to use it: where no rate is to be tuned. It starts slowly, and how slowly is up to eps, which may then need tuning
in place of the rate. At a rate that suits Adam, as 1e-3, it hardly moves. Usual rates: 1, which is the paper's rule;
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
        """Average the squared gradients, step in proportion to the last steps, average those."""
        v[:] = rho * v + (1 - rho) * g**2
        delta = sqrt(u + eps) / sqrt(v + eps) * g
        u[:] = rho * u + (1 - rho) * delta**2
        theta -= lr * delta
