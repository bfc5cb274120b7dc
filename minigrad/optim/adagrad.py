"""Adagrad: a rate for each parameter, smaller the more it has moved.

G sums the squares of a parameter's gradients, and its root divides the step. A weight that is rarely asked to
change moves far when it is; one that is always asked moves less and less. G only grows, so in time all stop.

    G     <- G + g**2
    theta <- theta - lr g / (sqrt(G) + eps)

Paper: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
optimization", JMLR 12, 2011 (the diagonal form). eps stands outside the root, and G starts at 0.
PyTorch: the same. Keeps G, one number per parameter.

When to use it: where many gradients are 0 at most steps, as those of rare words are, and for convex problems. In a long
training of a network the steps are soon too small, and large gradients at the start make them small for good: RMSprop
and Adam forget those. Usual rates: 1e-2 to 1e-1.
To see it: ``python -m benchmarks surfaces --optimizers adagrad,rmsprop``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0
from minigrad.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    state = ("G",)
    ranges = {"eps": AT_LEAST_0}

    def rule(self, theta: Array, g: Array, G: Array, *, lr: float = 1e-2, eps: float = 1e-10) -> None:
        """Add up the squares, then divide by their root."""
        G += g**2
        theta -= lr * g / (sqrt(G) + eps)
