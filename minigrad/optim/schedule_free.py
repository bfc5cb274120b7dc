"""Schedule-free AdamW: an average of the weights in place of a falling learning rate.

With a learning rate that falls to 0 the weights converge, but one must know in advance when the training will end.
Averaging the weights has the same effect without a fixed end. There are three points: z makes the steps of AdamW
without momentum, x is the average of all z, and y lies between them. The gradient is computed at y, which is theta, the
weights in training. x is tested.

    y      = (1 - beta1) z + beta1 x                 theta is y
    v     <- beta2 v + (1 - beta2) g**2              g is the gradient at y
    d      = g / (sqrt(v / (1 - beta2**t)) + eps) + weight_decay y
    z     <- z - gamma d                             gamma = lr min(1, t / warmup_steps)
    x     <- (1 - c) x + c z                         c = gamma(t)**2 / (gamma(1)**2 + ... + gamma(t)**2)

Paper: A. Defazio et al., "The road less scheduled", NeurIPS 2024, algorithm 1 with AdamW's steps. All three points
start at theta_0. x is not kept, since it follows from y and z. The weights c assume that `lr` is constant.
PyTorch: does not have it; the authors' package schedulefree has the same. Keeps z and v, two numbers per parameter.

When to use it: if one does not know in advance how long the training will be. Call ``optimizer.eval()`` before testing
and saving the model, and ``train()`` after it; otherwise y is tested. Usual rates: 1e-3 to 1e-2, somewhat above
AdamW's, with a short warm-up.
To see it: ``python -m benchmarks mnist --optimizers adamw,schedulefree``. Tested against a second transcription in
tests/test_rules.py and against the package in tests/test_rules_beyond.py; the transcription itself in
tests/test_references_others.py.
"""

from __future__ import annotations

import math

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, COUNT, Range
from minigrad.optim.optimizer import Optimizer

ABOVE_0 = Range(math.nextafter(0, 1), math.nextafter(1, 0), "above 0 and below 1", numbers=2)
"""With beta1 = 0 theta would be z, and x could not be computed from them."""

CONSTANT = Range(0, math.inf, "at least 0", schedule=False)


class ScheduleFreeAdamW(Optimizer):
    state = ("z", "v")
    ranges = {"lr": CONSTANT, "betas": ABOVE_0, "eps": AT_LEAST_0, "warmup_steps": COUNT}

    def rule(
        self,
        theta: Array,
        g: Array,
        z: Array,
        v: Array,
        *,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        t: int,
    ) -> None:
        """Make a step of z, and move y = theta as x and z have moved."""
        beta1, beta2 = betas
        if t == 1:
            z[:] = theta
        gamma = lr * warmed(t, warmup_steps)
        c = warmed(t, warmup_steps) ** 2 / sum_of_squares(t, warmup_steps)
        v[:] = beta2 * v + (1 - beta2) * g**2
        d = g / (sqrt(v / (1 - beta2**t)) + eps) + weight_decay * theta
        # from the formulas above, with x = (y - (1 - beta1) z) / beta1
        theta[:] = (1 - c) * theta + c * z - gamma * (1 - beta1 * (1 - c)) * d
        z -= gamma * d

    def averaged(self, theta: Array, z: Array, v: Array, *, betas: tuple[float, float]) -> None:
        """The average x, computed from y and z."""
        beta1 = betas[0]
        theta[:] = (theta - (1 - beta1) * z) / beta1


def warmed(t: int, steps: int) -> float:
    """The fraction of the learning rate at step t, during the warm-up."""
    return min(1.0, t / steps) if steps else 1.0


def sum_of_squares(t: int, steps: int) -> float:
    """warmed(1)**2 + ... + warmed(t)**2."""
    rising = min(t, steps)
    return rising * (rising + 1) * (2 * rising + 1) / (6 * steps**2) + t - rising if steps else float(t)
