"""Stochastic gradient descent: go downhill.

The gradient g points where the loss grows fastest; a step goes the other way, as far as the rate says.

    theta <- theta - lr g

Paper: H. Robbins, S. Monro, "A stochastic approximation method", Ann. Math. Statist. 22, 1951.
PyTorch: the same. Keeps nothing.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.optimizer import Optimizer


class SGD(Optimizer):
    def rule(self, theta: Array, g: Array, *, lr: float = 1e-3) -> None:
        """One step downhill."""
        theta -= lr * g
