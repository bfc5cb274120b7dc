"""SAM, sharpness-aware minimization: look for a minimum that is wide, not only deep.

A minimum is better if the loss around it is low too. SAM makes its step with the gradient at the place with the highest
loss nearby. To first order this is theta + rho g / |g|, at distance rho in the direction of the gradient g.

    g      = the gradient at theta
    g      = the gradient at theta + rho g / |g|
    theta <- a step of the inner optimizer with that g, from theta

Paper: P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-aware minimization for efficiently improving
generalization", ICLR 2021, algorithm 1. |g| is taken over all parameters together.
PyTorch: does not have it. Keeps only the state of the inner optimizer. It needs two gradients for each step, so `step`
must be called with a closure that computes the loss and its gradients.

When to use it: if the training loss is near 0 and the test accuracy is what matters. Every step takes twice as long.
With too large a rho it does not train at all. Usual rates: those of the inner optimizer, with rho from 0.01 to 0.1.
To see it: ``python -m benchmarks mnist --optimizers sgd,sam``. Tested against optax in tests/test_rules_beyond.py; a
second transcription, likewise, in tests/test_references_others.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minigrad.optim.hyperparameters import AT_LEAST_0
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.wrapper import Wrapper


class SAM(Wrapper):
    needs_closure = True
    ranges = {"rho": AT_LEAST_0}

    def __init__(self, base_optimizer: Optimizer, rho: float = 0.05) -> None:
        super().__init__(base_optimizer)
        self._own["rho"] = rho

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Compute the gradient at theta + rho g / |g|, and make a step with it from theta.

        Args:
            closure: resets the gradients, computes the loss and its gradients, and returns the loss.

        Returns:
            The loss at theta.
        """
        loss = self.evaluate(closure)
        parts = self.parts()
        norm = math.sqrt(sum(float((part.g**2).sum()) for part in parts))
        here = [part.theta.copy() for part in parts]
        for part in parts:
            part.theta += self.rho * part.g / (norm or 1)
        try:
            self.evaluate(closure)
        finally:
            for part, theta in zip(parts, here, strict=True):
                part.theta[:] = theta
        self.base_optimizer.step()
        self.t += 1
        return loss
