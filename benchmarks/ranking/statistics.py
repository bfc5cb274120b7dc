"""What paired runs tell: medians and quartiles, and which optimizer is ahead of which, or level with it.

Two optimizers are compared seed by seed, since a seed gives both the same initial weights and the same mini-batches.
The mean of the differences gets a bootstrap interval, and since several pairs are compared at once, the intervals
are as wide as Holm's correction asks. Of an interval that holds 0 nothing can be said: it is a tie.

Sources: B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987 (the BCa interval); S. Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. Bootstrap intervals of
few values are somewhat too narrow: with 10 seeds a near decision is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

LEVEL = 0.95
"""The probability with which all intervals of a table hold together."""

RESAMPLES = 9999


@dataclass(frozen=True)
class Difference:
    """How far one is ahead of another: the mean of the paired differences, and its interval."""

    mean: float
    low: float
    high: float

    @property
    def tie(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, between neighbours in proportion; infinite if the upper one is."""
    ordered = sorted(values)

    def quantile(share: float) -> float:
        below, part = divmod(share * (len(ordered) - 1), 1)
        low, high = ordered[int(below)], ordered[math.ceil(below + part)]
        return low + part * (high - low) if math.isfinite(high) else high

    return quantile(0.25), quantile(0.5), quantile(0.75)


def compared(pairs: Sequence[Sequence[float]]) -> list[Difference]:
    """For each sequence of paired differences its mean and interval, all together at `LEVEL` by Holm's correction.

    The pair that is the least likely to be a tie is tested at 1 - (1 - LEVEL) / n, the next at n - 1 in the place
    of n, and so on, up to the first tie; from there on all are ties, and have that one's level.
    """
    order = sorted(range(len(pairs)), key=lambda i: _chance(pairs[i]))
    found: dict[int, Difference] = {}
    left, tied = len(pairs), False
    for i in order:
        found[i] = difference(pairs[i], 1 - (1 - LEVEL) / left)
        tied = tied or found[i].tie
        if tied and not found[i].tie:  # Holm stops at the first tie, though this one by itself might be none
            found[i] = Difference(found[i].mean, min(found[i].low, 0.0), max(found[i].high, 0.0))
        left -= not tied
    return [found[i] for i in range(len(pairs))]


def difference(values: Sequence[float], level: float = LEVEL) -> Difference:
    """The mean of `values` and its BCa bootstrap interval at `level`; the resamples are the same every time."""
    if len(set(values)) == 1:  # nothing to resample
        return Difference(values[0], values[0], values[0])
    interval = _bootstrap(values, level).confidence_interval
    return Difference(float(numpy.mean(values)), float(interval.low), float(interval.high))


def _chance(values: Sequence[float]) -> float:
    """How likely the mean is to be on the other side of 0, by the bootstrap."""
    if len(set(values)) == 1:
        return float(values[0] == 0)
    means = _bootstrap(values, LEVEL).bootstrap_distribution
    return float(min((means <= 0).mean(), (means >= 0).mean()))


def _bootstrap(values: Sequence[float], level: float) -> Any:
    from scipy.stats import bootstrap

    generator = numpy.random.default_rng(0)
    return bootstrap((values,), numpy.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", rng=generator)
