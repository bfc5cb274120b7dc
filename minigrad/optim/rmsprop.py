"""RMSprop: Adagrad with an average of recent gradients instead of a sum of all.

v is a running average of the squared gradients. So the step is the gradient divided by its own recent size, and does
not become smaller and smaller.

    v     <- alpha v + (1 - alpha) g**2
    theta <- theta - lr g / (sqrt(v) + eps)

Source: T. Tieleman, G. Hinton, lecture 6.5 of "Neural Networks for Machine Learning", 2012 (no paper). The
average starts at 0 and is not corrected for that, so the first step is 1 / sqrt(1 - alpha) times lr.
PyTorch: the same, eps outside the root. Keeps v, one number per parameter.

When to use it: if the size of the gradients changes during the training, as in recurrent networks and reinforcement
learning. The first steps are long (ten times lr with the default alpha), and near a minimum the parameters swing by
about lr until the learning rate falls. Usual rates: 1e-4 to 1e-2.
To see it: ``python -m benchmarks surfaces --optimizers adagrad,rmsprop``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, FRACTION
from minigrad.optim.optimizer import Optimizer


class RMSprop(Optimizer):
    state = ("v",)
    ranges = {"alpha": FRACTION, "eps": AT_LEAST_0}

    def rule(
        self, theta: Array, g: Array, v: Array, *, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8
    ) -> None:
        """Average the squared gradients, then divide by the root of the average."""
        v[:] = alpha * v + (1 - alpha) * g**2
        theta -= lr * g / (sqrt(v) + eps)
