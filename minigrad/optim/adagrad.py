"""Adagrad: a learning rate for each parameter, which falls with the sum of its squared gradients.

G is the sum of the squares of a parameter's gradients, and the step is divided by its square root. A weight whose
gradient is mostly 0 makes large steps when it is not; one whose gradient is always large makes smaller and smaller
steps. G never decreases, so in the end all steps become small.

    G     <- G + g**2
    theta <- theta - lr g / (sqrt(G) + eps)

Paper: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
optimization", JMLR 12, 2011 (the diagonal form). eps is outside the root, and G starts at 0.
PyTorch: the same. Keeps G, one number per parameter.

When to use it: if many gradients are 0 at most steps, such as those of rare words, and for convex problems. In a long
training of a network the steps soon become too small, and large gradients at the start make all later steps small;
RMSprop and Adam forget old gradients. Usual rates: 1e-2 to 1e-1.
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
        """Add the squared gradient, then divide by the root of the sum."""
        G += g**2
        theta -= lr * g / (sqrt(G) + eps)
