"""Stochastic gradient descent: a step against the gradient.

    theta <- theta - lr g

theta is the vector of all parameters. The gradient g points in the direction in which the loss grows fastest. A step
goes in the opposite direction; its length is the learning rate lr times the length of g.

Paper: H. Robbins, S. Monro, "A stochastic approximation method", Ann. Math. Statist. 22, 1951.
PyTorch: the same. Keeps nothing.

When to use it: as the rule to compare others with, and where the learning rate can be tuned. If lr is above 2 / (the
largest curvature), the loss grows instead of falling; below that, steps along a ravine are short. The gradients of
mini-batches are noisy, so with a constant rate it does not converge: let the rate fall. Usual rates: 1e-2 to 1.
To see it: ``python -m benchmarks surfaces --optimizers sgd,momentum`` and ``python -m benchmarks explain ravine``.
Tested against a second transcription and PyTorch in tests/test_rules.py; the transcription itself in
tests/test_references.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.optimizer import Optimizer


class SGD(Optimizer):
    def rule(self, theta: Array, g: Array, *, lr: float = 1e-3) -> None:
        """Make a step against the gradient."""
        theta -= lr * g
