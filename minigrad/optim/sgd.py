"""Stochastic gradient descent: go downhill.

    theta <- theta - lr g

The gradient g points where the loss grows fastest; a step goes the other way, lr times as far as g is long.

Paper: H. Robbins, S. Monro, "A stochastic approximation method", Ann. Math. Statist. 22, 1951.
PyTorch: the same. Keeps nothing.

When to use it: as the rule to compare others with, and where the rate can be tuned. From 2 / (the largest curvature) on
the loss grows instead of falling; below that, steps along a ravine are short. The gradients of mini-batches are noisy,
so at a constant rate it does not settle: let the rate fall. Usual rates: 1e-2 to 1.
To see it: ``python -m benchmarks surfaces --optimizers sgd,momentum`` and ``python -m benchmarks explain ravine``.
Tested against a second transcription and PyTorch in tests/test_rules.py; the transcription itself in
tests/test_references.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.optimizer import Optimizer


class SGD(Optimizer):
    def rule(self, theta: Array, g: Array, *, lr: float = 1e-3) -> None:
        """One step downhill."""
        theta -= lr * g
