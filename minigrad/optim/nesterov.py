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
