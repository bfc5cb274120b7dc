"""Nesterov's accelerated gradient: momentum that looks where it is going.

Momentum adds the gradient found where the ball is; Nesterov adds the one found where its velocity is about to
take it, and so brakes before the slope turns. The notebook writes that with theta the place of the ball:

    v <- mu v + lr grad(theta - mu v);  theta <- theta - v

A network gives the gradient where its weights are. So let the weights be the place looked at,
phi = theta - lr mu v (v now without the rate). In phi the same method reads

    v   <- mu v + g              g taken at phi
    phi <- phi - lr (g + mu v)

and it is phi that is called theta below.

Paper: Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)", 1983;
in this form I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
PyTorch: the same (``SGD(momentum=mu, nesterov=True)``). Keeps v, one number per parameter.

When to use it: in place of Momentum, from which it differs little while the rate is small; it runs less far past a
minimum. But it diverges earlier: on a quadratic surface with mu = 0.9, at little more than a third of the rate at which
Momentum does. Usual rates: 1e-3 to 1e-1, with mu from 0.9 to 0.99.
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
        """Gather speed, then move to where the next gradient is wanted."""
        mu = momentum
        v[:] = mu * v + g
        theta -= lr * (g + mu * v)
