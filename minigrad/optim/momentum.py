"""Momentum: SGD with a velocity, like a ball that rolls downhill.

Each step adds the gradient g to the velocity v, after multiplying v by mu < 1, which acts like friction. Equal
gradients add up to 1 / (1 - mu) times a single one; gradients that alternate, as across a ravine, cancel.

    v     <- mu v + g
    theta <- theta - lr v

Paper: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
The course notebook ("6. Optimizers", whose MNIST comparison this project reproduces) has the learning rate in the
velocity: v <- mu v + lr g; theta <- theta - v. With a constant rate theta is the same. When the rate changes, it is
not: here the new rate applies to the whole velocity at once, there only to the gradients from then on.
PyTorch: the same as here (``SGD(momentum=mu)``). Keeps v, one number per parameter.

When to use it: in place of SGD nearly always; with a falling learning rate it is the usual rule for convolutional
networks. With a rate that was tuned for SGD, steps become up to 1 / (1 - mu) times as long. The larger mu is, the
further it runs past a minimum before it turns back. Usual rates: 1e-3 to 1e-1, with mu from 0.9 to 0.99.
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
        """Update the velocity, then make a step along it."""
        mu = momentum
        v[:] = mu * v + g
        theta -= lr * v
