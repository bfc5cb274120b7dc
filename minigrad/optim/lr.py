"""Learning rate schedules: functions of the number of steps already taken.

With ``SGD(params, lr=cosine(0.1, 3000))`` there is no scheduler to step, and nothing to save but the optimizer's own t.
Each function here returns a schedule, which can be pickled. A lambda works too, but cannot be pickled. The names in
brackets are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """`lr` at every step."""
    return partial(_constant, lr)


def _constant(lr: float, steps: int) -> float:
    return lr


def step_decay(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """`lr`, multiplied by `gamma` after each `every` steps (StepLR).

    Raises:
        ValueError: `every` is not positive.
    """
    _positive("step_decay", every=every)
    return partial(_step_decay, lr, every, gamma)


def _step_decay(lr: float, every: int, gamma: float, steps: int) -> float:
    return lr * gamma ** (steps // every)


def exponential(lr: float, gamma: float) -> Schedule:
    """`lr` times `gamma` to the number of steps (ExponentialLR)."""
    return partial(_exponential, lr, gamma)


def _exponential(lr: float, gamma: float, steps: int) -> float:
    return lr * gamma**steps


def cosine(lr: float, total: int, end: float = 0.0) -> Schedule:
    """From `lr` to `end` along half a cosine in `total` steps, then `end` (up to there as CosineAnnealingLR).

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5.

    Raises:
        ValueError: `total` is not positive.
    """
    _positive("cosine", total=total)
    return partial(_cosine, lr, total, end)


def _cosine(lr: float, total: int, end: float, steps: int) -> float:
    return end + (lr - end) * (1 + math.cos(math.pi * min(steps, total) / total)) / 2


def linear_warmup(then: float | Schedule, steps: int, start: float = 0.0) -> Schedule:
    """Rise linearly from `start` times the rate to the full rate in `steps` steps, then follow `then` (LinearLR).

    `then` is a rate, or another schedule, which the warm-up scales. With ``start=0`` the first step would not move, so
    the rise is counted from the first step on, which has the fraction 1 / `steps` of the rate.

    Raises:
        ValueError: `steps` is not positive.
    """
    _positive("linear_warmup", steps=steps)
    return partial(_linear_warmup, then if callable(then) else constant(then), steps, start)


def _linear_warmup(then: Schedule, rise: int, start: float, steps: int) -> float:
    risen = min(steps + (start == 0), rise) / rise
    return then(steps) * (start + (1 - start) * risen)


def piecewise(bounds: Sequence[int], rates: Sequence[float]) -> Schedule:
    """`rates[i]` up to step `bounds[i]`, and the last rate after the last bound.

    Raises:
        ValueError: there is not exactly one more rate than bounds, or the bounds do not increase.
    """
    if len(rates) != len(bounds) + 1 or list(bounds) != sorted(set(bounds)):
        raise ValueError(
            f"piecewise: needs increasing bounds and one more rate than bounds, not {list(bounds)} and {list(rates)}"
        )
    return partial(_piecewise, tuple(bounds), tuple(rates))


def _piecewise(bounds: tuple[int, ...], rates: tuple[float, ...], steps: int) -> float:
    return rates[sum(steps >= bound for bound in bounds)]


def _positive(name: str, **values: int) -> None:
    for what, value in values.items():
        if value < 1:
            raise ValueError(f"{name}: {what} must be at least 1, not {value}")
