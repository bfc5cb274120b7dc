"""Statistics of paired runs: quartiles, and intervals that show which of two optimizers is ahead, or that it is a tie.

Two optimizers are compared seed by seed, since a seed gives both the same initial weights and the same mini-batches.
The mean of these paired differences gets a bootstrap interval. Since several pairs are compared at once, Holm's
correction widens the intervals. A pair whose interval contains 0 is a tie: the runs do not show who is better.

Sources: B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987 (the BCa interval); S. Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. Bootstrap intervals of
few values are somewhat too narrow: with 10 seeds, do not rely on an interval that only just excludes 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

LEVEL = 0.95
"""The probability with which all intervals of a table hold together."""

RESAMPLES = 9999
"""The number of bootstrap samples."""


@dataclass(frozen=True)
class Difference:
    """How far one optimizer is ahead of another: the mean of the paired differences, and its interval."""

    mean: float
    low: float
    high: float

    @property
    def tie(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; infinite where one of the two values they lie between is infinite."""
    # Between two infinities numpy.quantile would return nan, so 1e300 stands for infinity.
    found = numpy.quantile(numpy.minimum(values, 1e300), [0.25, 0.5, 0.75])
    low, median, high = numpy.where(found < 1e299, found, math.inf).tolist()
    return low, median, high


def compared(pairs: Sequence[Sequence[float]]) -> list[Difference]:
    """For each sequence of paired differences the mean and its interval; all hold together at `LEVEL`.

    With n pairs, Holm's correction gives the pair that is the least likely to be a tie an interval at the level
    1 - (1 - LEVEL) / n, the next one 1 - (1 - LEVEL) / (n - 1), and so on. After the first tie, all other pairs are
    ties too, at the level of that one. (SciPy does not have this correction, and it is needed for intervals here.)
    """
    order = sorted(range(len(pairs)), key=lambda i: _probability_of_other_sign(pairs[i]))
    found: dict[int, Difference] = {}
    left, stopped = len(pairs), False
    for i in order:
        found[i] = difference(pairs[i], 1 - (1 - LEVEL) / left)
        if stopped:  # a tie by Holm's rule, even if its own interval excludes 0
            found[i] = replace(found[i], low=min(found[i].low, 0.0), high=max(found[i].high, 0.0))
        stopped = stopped or found[i].tie
        left -= not stopped
    return [found[i] for i in range(len(pairs))]


def difference(values: Sequence[float], level: float = LEVEL) -> Difference:
    """The mean of `values` and its BCa bootstrap interval at `level`. The resamples are the same every time."""
    if len(set(values)) == 1:  # nothing to resample
        return Difference(values[0], values[0], values[0])
    interval = _bootstrap(values, level).confidence_interval
    return Difference(float(numpy.mean(values)), float(interval.low), float(interval.high))


def _probability_of_other_sign(values: Sequence[float]) -> float:
    """The share of the bootstrap samples whose mean is 0 or has the other sign than most have."""
    if len(set(values)) == 1:
        return float(values[0] == 0)
    means = _bootstrap(values, LEVEL).bootstrap_distribution
    return float(min((means <= 0).mean(), (means >= 0).mean()))


def _bootstrap(values: Sequence[float], level: float) -> Any:
    from scipy.stats import bootstrap

    generator = numpy.random.default_rng(0)
    return bootstrap((values,), numpy.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", rng=generator)
