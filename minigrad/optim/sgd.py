"""Stochastic gradient descent: go downhill.

The gradient g points where the loss grows fastest; a step goes the other way, as far as the rate says.

    theta <- theta - lr g

Paper: H. Robbins, S. Monro, "A stochastic approximation method", Ann. Math. Statist. 22, 1951.
PyTorch: the same. Keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.backend import Array
from minigrad.optim.momentum import Momentum
from minigrad.optim.nesterov import Nesterov
from minigrad.optim.optimizer import Optimizer, Rate


class SGD(Optimizer):
    """theta <- theta - lr g.

    PyTorch's spelling is understood: ``SGD(params, lr, momentum=0.9)`` gives a `Momentum`, and
    ``nesterov=True`` beside it a `Nesterov`; they are other algorithms, and other classes.

    Raises:
        ValueError: ``nesterov=True`` without a momentum.
    """

    def __new__(
        cls,
        params: Any = None,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> Any:
        """An SGD, a Momentum or a Nesterov."""
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs a momentum above 0")
        if not momentum:
            return super().__new__(cls)
        return (Nesterov if nesterov else Momentum)(params, lr, momentum, weight_decay=weight_decay)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay)

    def rule(self, theta: Array, g: Array, *, lr: float) -> None:
        """One step downhill."""
        theta -= lr * g
