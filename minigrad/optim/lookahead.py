"""Lookahead: k steps forward, one step back.

Any optimizer, the inner optimizer, changes the fast weights, theta. Every k steps the slow weights move the fraction
alpha of the way to theta, and the inner optimizer continues from there. This averages out swings of the fast weights.

    theta <- a step of the inner optimizer
    every k steps:
        slow  <- slow + alpha (theta - slow)
        theta <- slow

Paper: M. R. Zhang, J. Lucas, G. Hinton, J. Ba, "Lookahead optimizer: k steps forward, 1 step back", NeurIPS
2019, algorithm 1. The slow weights start as theta before the first step, and the inner optimizer keeps its state when
theta is set to the slow weights.
PyTorch: does not have it. Keeps slow, one number per parameter, and the state of the inner optimizer.

When to use it: around an optimizer whose steps swing. If they do not, it is slower, since in k steps theta moves only
the fraction alpha of the way. Test the model after a multiple of k steps, when theta is equal to the slow weights.
Usual rates: those of the inner optimizer or somewhat higher, with k from 5 to 10 and alpha from 0.5 to 0.8.
To see it: ``python -m benchmarks surfaces --optimizers adam,lookahead`` and ``python -m benchmarks explain lookahead``.
Tested in tests/test_rules.py against a second transcription, and against PyTorch's Adam and momentum with the lines
above around them; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.hyperparameters import FRACTION, POSITIVE_INTEGER
from minigrad.optim.wrapper import Wrapper


class Lookahead(Wrapper):
    state = ("slow",)
    ranges = {"k": POSITIVE_INTEGER, "alpha": FRACTION}

    def rule(self, theta: Array, slow: Array, *, k: int = 5, alpha: float = 0.5, t: int) -> None:
        """Every k steps move the slow weights towards theta, and set theta to them."""
        if t % k == 0:
            slow[:] = between(slow, theta, alpha)
            theta[:] = slow


def between(slow: Array, theta: Array, alpha: float) -> Array:
    """slow + alpha (theta - slow), computed so that alpha = 0 and alpha = 1 are exact."""
    way = theta - slow
    return slow + alpha * way if alpha < 0.5 else theta - (1 - alpha) * way
