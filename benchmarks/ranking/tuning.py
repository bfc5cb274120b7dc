"""Choosing each optimizer's learning rate: a logarithmic grid, and more of it where the best lies at its edge.

A rate is judged by images that are held out of the training set, with seeds that are used for nothing else. So
neither the test images nor the seeds of the comparison have a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..training.optimizers import Entrant
from ..training.trial import Trial
from ..training.trials import Result, Runner

LOWEST, DECADES = -5, 6
"""The grid goes from 10**LOWEST up over so many powers of ten."""

FIRST_SEED = 1_000_000
"""The first of the seeds for tuning; the comparison's are below it."""

LONGEST = 6
"""By how many rates the grid grows at most, at either end."""

CLOSE = 1.0
"""Points of accuracy: rates that come so close to the best are as good as it, to who has not tuned."""


@dataclass(frozen=True)
class Grid:
    """Learning rates, numbered: 0 to `steps` - 1 from 1e-5 to 10 in equal ratios, and on in both directions."""

    steps: int = 13

    @property
    def decades(self) -> float:
        """From one rate to the next, in powers of ten."""
        return DECADES / (self.steps - 1)

    def rate(self, number: int) -> float:
        """A rate, to three digits."""
        return float(f"{10 ** (LOWEST + number * self.decades):.3g}")


@dataclass(frozen=True)
class Tuned:
    """What tuning found for one optimizer.

    Attributes:
        accuracies: by the rate's number, held-out accuracies in percent, one a seed.
        diverged: by the rate's number, how many runs diverged.
    """

    grid: Grid
    accuracies: dict[int, list[float]]
    diverged: dict[int, int]

    def mean(self, number: int) -> float:
        """The accuracy by which a rate is judged."""
        return sum(self.accuracies[number]) / len(self.accuracies[number])

    @property
    def numbers(self) -> list[int]:
        """The rates that were tried, in order."""
        return sorted(self.accuracies)

    @property
    def best(self) -> int:
        """The number of the best rate; of equals the lowest."""
        return max(self.numbers, key=self.mean)

    @property
    def rate(self) -> float:
        """The best rate."""
        return self.grid.rate(self.best)

    @property
    def close(self) -> list[int]:
        """The rates that come within `CLOSE` points of the best."""
        return [number for number in self.numbers if self.mean(number) >= self.mean(self.best) - CLOSE]

    @property
    def share(self) -> float:
        """How much of the grid is `close`."""
        return len(self.close) / len(self.numbers)

    @property
    def decades(self) -> float:
        """The same in powers of ten: a width that does not depend on how far the grid reaches."""
        return len(self.close) * self.grid.decades

    def missing(self) -> list[int]:
        """The number of the rate beyond the edge, if the best is at the edge."""
        first, last = self.numbers[0], self.numbers[-1]
        beyond = [first - 1] if self.best == first else [last + 1] if self.best == last else []
        return [number for number in beyond if -LONGEST <= number < self.grid.steps + LONGEST]


def tune(here: Runner, entrants: Iterable[Entrant], base: Trial, grid: Grid, seeds: int) -> dict[Entrant, Tuned]:
    """Try the grid for all `entrants`, and beyond it for those whose best rate is at its edge.

    Args:
        here: where it is done.
        entrants: those who raise at every rate are left out of what is returned.
        base: what all trials have in common; its optimizer, rate, seed and part do not matter.
        grid: the rates.
        seeds: how many seeds to try each rate with.
    """
    found: dict[Entrant, Tuned] = {}
    results: dict[Trial, Result] = {}
    tried: dict[Entrant, dict[int, list[Trial]]] = {one: {} for one in entrants}
    wanted = {one: list(range(grid.steps)) for one in tried}
    title = "choosing the rates"
    while wanted:
        for one, numbers in wanted.items():
            blank = replace(base, optimizer=one.spec, part="tune")
            for number in numbers:
                its = [replace(blank, rate=grid.rate(number), seed=FIRST_SEED + seed) for seed in range(seeds)]
                tried[one][number] = its
        new = (trial for one, numbers in wanted.items() for number in numbers for trial in tried[one][number])
        results |= here.run(new, title)
        found = {one: _tuned(grid, its, results) for one, its in tried.items() if _any_ended(its, results)}
        wanted = {one: tuned.missing() for one, tuned in found.items() if tuned.missing()}
        wanted = {one: [n for n in numbers if n not in tried[one]] for one, numbers in wanted.items()}
        wanted = {one: numbers for one, numbers in wanted.items() if numbers}
        title = f"beyond the grid, where the best is at its edge: {', '.join(one.label for one in wanted)}"
    return found


def _any_ended(tried: dict[int, list[Trial]], results: dict[Trial, Result]) -> bool:
    return any(trial in results for trials in tried.values() for trial in trials)


def _tuned(grid: Grid, tried: dict[int, list[Trial]], results: dict[Trial, Result]) -> Tuned:
    ended = {number: [results[trial] for trial in trials if trial in results] for number, trials in tried.items()}
    ended = {number: some for number, some in ended.items() if some}
    return Tuned(
        grid,
        {number: [result["accuracy"] for result in some] for number, some in ended.items()},
        {number: sum(result["diverged"] for result in some) for number, some in ended.items()},
    )
