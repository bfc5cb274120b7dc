"""Momentum: a ball that rolls.

Each step adds the gradient to a velocity, which friction (mu < 1) keeps from growing for ever. Gradients that
agree add up to 1 / (1 - mu) times a single one; gradients that alternate, as across a ravine, cancel.

    v     <- mu v + g
    theta <- theta - lr v

Paper: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
The notebook writes the rate inside, v <- mu v + lr g; theta <- theta - v. While the rate is constant that is
the same path. When the rate changes it is not: here the whole velocity feels the new rate at once, there
only what comes in from now on.
PyTorch: the same as here (``SGD(momentum=mu)``). Keeps v, one number per parameter.

When to use it: in place of SGD nearly always; with a rate that falls it is the usual rule for convolutional networks.
At a rate that was tuned for SGD, steps become up to 1 / (1 - mu) times as long, and the larger mu is, the further it
runs past a minimum before it turns back. Usual rates: 1e-3 to 1e-1, with mu from 0.9 to 0.99.
To see it: ``python -m benchmarks surfaces --optimizers sgd,momentum`` and ``python -m benchmarks explain ravine``.
Tested against a second transcription and PyTorch in tests/test_rules.py; the transcription itself, and the notebook's
form beside it, in tests/test_references.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0
from minigrad.optim.optimizer import Optimizer


class Momentum(Optimizer):
    state = ("v",)
    ranges = {"momentum": AT_LEAST_0}

    def rule(self, theta: Array, g: Array, v: Array, *, lr: float = 1e-3, momentum: float = 0.9) -> None:
        """Gather speed, then move."""
        mu = momentum
        v[:] = mu * v + g
        theta -= lr * v
