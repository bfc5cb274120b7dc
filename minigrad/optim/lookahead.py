"""Lookahead: k steps forward, one step back.

Any optimizer runs ahead with the fast weights, theta. Every k steps the slow weights go the fraction alpha of the
way to where it got, and it starts again from there. That averages out what the fast weights swing.

    theta <- a step of the inner optimizer
    every k steps:
        slow  <- slow + alpha (theta - slow)
        theta <- slow

Paper: M. R. Zhang, J. Lucas, G. Hinton, J. Ba, "Lookahead optimizer: k steps forward, 1 step back", NeurIPS
2019, algorithm 1. The slow weights start where theta is before its first step, and the inner optimizer keeps its
state when theta is set back.
PyTorch: has none. Keeps slow, one number per parameter, and what the inner optimizer keeps.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.hyperparameters import FRACTION, POSITIVE_INTEGER
from minigrad.optim.wrapper import Wrapper


class Lookahead(Wrapper):
    state = ("slow",)
    ranges = {"k": POSITIVE_INTEGER, "alpha": FRACTION}

    def rule(self, theta: Array, slow: Array, *, k: int = 5, alpha: float = 0.5, t: int) -> None:
        """Every k steps the slow weights follow, and theta goes on from them."""
        if t % k == 0:
            slow[:] = between(slow, theta, alpha)
            theta[:] = slow


def between(slow: Array, theta: Array, alpha: float) -> Array:
    """slow + alpha (theta - slow), computed so that alpha = 0 and alpha = 1 are exact."""
    way = theta - slow
    return slow + alpha * way if alpha < 0.5 else theta - (1 - alpha) * way
