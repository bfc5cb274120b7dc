"""Nesterov's accelerated gradient: momentum with the gradient at the place where the velocity leads.

Momentum adds the gradient at the current place theta. Nesterov adds the gradient at theta - mu v, to which the velocity
v is about to lead, and so slows down before the slope turns. The course notebook ("6. Optimizers", whose MNIST
comparison this project reproduces) writes it so, with the learning rate lr in the velocity:

    v <- mu v + lr grad(theta - mu v);  theta <- theta - v

But a network computes the gradient at its weights. So let the weights be the place ahead, phi = theta - lr mu v (with v
now without the learning rate). In terms of phi the same method is

    v   <- mu v + g              g is the gradient at phi
    phi <- phi - lr (g + mu v)

In the code below phi is called theta.

Paper: Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)", 1983;
in this form I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
PyTorch: the same (``SGD(momentum=mu, nesterov=True)``). Keeps v, one number per parameter.

When to use it: in place of Momentum, from which it differs little while the learning rate is small; it runs less far
past a minimum. But it diverges earlier: on a quadratic surface with mu = 0.9, at little more than a third of the rate
at which Momentum diverges. Usual rates: 1e-3 to 1e-1, with mu from 0.9 to 0.99.
To see it: ``python -m benchmarks surfaces --optimizers momentum,nesterov`` and
``python -m benchmarks explain nesterov-step``. Tested against a second transcription and PyTorch in
tests/test_rules.py; the transcription itself, and that the two forms above are one method, in tests/test_references.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0
from minigrad.optim.optimizer import Optimizer


class Nesterov(Optimizer):
    state = ("v",)
    ranges = {"momentum": AT_LEAST_0}

    def rule(self, theta: Array, g: Array, v: Array, *, lr: float = 1e-3, momentum: float = 0.9) -> None:
        """Update the velocity, then move to the place of the next gradient."""
        mu = momentum
        v[:] = mu * v + g
        theta -= lr * (g + mu * v)
