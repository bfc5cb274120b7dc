"""Choosing each optimizer's learning rate from a logarithmic grid, which grows where the best rate is at its edge.

A rate is judged by the accuracy on images that are held out of the training set, with seeds that are used for nothing
else. So neither the test images nor the seeds of the comparison influence the choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..training.optimizers import Entrant
from ..training.trial import Trial
from ..training.trials import Result, Runner

LOWEST, DECADES = -5, 6
"""The grid starts at 10**LOWEST and spans DECADES powers of ten."""

FIRST_SEED = 1_000_000
"""The first of the seeds for tuning. Those of the comparison are below it."""

MOST_EXTRA = 6
"""The grid grows by at most this many rates at either end."""

CLOSE = 1.0
"""Rates whose accuracy is within this many points of the best count as equally good."""


@dataclass(frozen=True)
class Grid:
    """Numbered learning rates: 0 to `count` - 1 go from 1e-5 to 10 in equal ratios; other numbers continue them."""

    count: int = 13

    @property
    def step(self) -> float:
        """From one rate to the next, in powers of ten."""
        return DECADES / (self.count - 1)

    def rate(self, number: int) -> float:
        """A rate, rounded to three digits."""
        return float(f"{10 ** (LOWEST + number * self.step):.3g}")


@dataclass(frozen=True)
class Tuned:
    """What tuning found for one optimizer.

    Attributes:
        grid: the rates, which are numbered.
        accuracies: for each number, the held-out accuracies in percent, one for each seed.
        diverged: for each number, how many trainings diverged.
    """

    grid: Grid
    accuracies: dict[int, list[float]]
    diverged: dict[int, int]

    def mean(self, number: int) -> float:
        """The mean accuracy, by which a rate is judged."""
        return sum(self.accuracies[number]) / len(self.accuracies[number])

    @property
    def numbers(self) -> list[int]:
        """The numbers of the rates that were tried, in order."""
        return sorted(self.accuracies)

    @property
    def best(self) -> int:
        """The number of the best rate; of several, the lowest."""
        return max(self.numbers, key=self.mean)

    @property
    def rate(self) -> float:
        """The best rate."""
        return self.grid.rate(self.best)

    @property
    def close(self) -> list[int]:
        """The numbers of the rates that are within `CLOSE` points of the best."""
        return [number for number in self.numbers if self.mean(number) >= self.mean(self.best) - CLOSE]

    @property
    def share(self) -> float:
        """The share of the tried rates that are `close`."""
        return len(self.close) / len(self.numbers)

    @property
    def decades(self) -> float:
        """How many powers of ten the `close` rates cover. Unlike `share`, it does not depend on the grid's size."""
        return len(self.close) * self.grid.step

    @property
    def flat(self) -> bool:
        """Whether all rates are `close`, as they are for an optimizer that ignores its rate."""
        return len(self.close) == len(self.numbers)

    @property
    def beyond(self) -> int | None:
        """The number of the next rate beyond the edge; None if the best is not there, or the grid may not grow more."""
        edges = {self.numbers[-1]: self.numbers[-1] + 1, self.numbers[0]: self.numbers[0] - 1}
        number = edges.get(self.best)
        return number if number is not None and -MOST_EXTRA <= number < self.grid.count + MOST_EXTRA else None


def tune(here: Runner, entrants: Iterable[Entrant], base: Trial, grid: Grid, seeds: int) -> dict[Entrant, Tuned]:
    """Try the whole grid for each entrant, and rates beyond it as long as the best one is at the edge.

    Args:
        here: does the trials.
        entrants: the optimizers. Those that raise at every rate are missing in what is returned.
        base: what all trials have in common; its optimizer, rate, seed and part are replaced.
        grid: the rates.
        seeds: how many seeds each rate is tried with.
    """
    tried: dict[Entrant, dict[int, list[Trial]]] = {entrant: {} for entrant in entrants}
    wanted = {entrant: list(range(grid.count)) for entrant in tried}
    results: dict[Trial, Result] = {}
    found: dict[Entrant, Tuned] = {}
    title = "choosing the learning rates"
    while wanted:
        new = []
        for entrant, numbers in wanted.items():
            blank = replace(base, optimizer=entrant.spec, part="tune")
            for number in numbers:
                rate = grid.rate(number)
                trials = [replace(blank, rate=rate, seed=FIRST_SEED + seed) for seed in range(seeds)]
                tried[entrant][number] = trials
                new += trials
        results |= here.run(new, title)
        tuned = {entrant: _tuned(grid, by_number, results) for entrant, by_number in tried.items()}
        found = {entrant: its for entrant, its in tuned.items() if its.accuracies}
        # A rate whose trials all failed is not tried again.
        beyond = {entrant: its.beyond for entrant, its in found.items()}
        wanted = {e: [number] for e, number in beyond.items() if number is not None and number not in tried[e]}
        title = f"rates beyond the grid, where the best is at its edge: {', '.join(e.label for e in wanted)}"
    return found


def _tuned(grid: Grid, tried: dict[int, list[Trial]], results: dict[Trial, Result]) -> Tuned:
    """The results by the rates' numbers, without the rates that have none."""
    ended = {number: [results[trial] for trial in trials if trial in results] for number, trials in tried.items()}
    ended = {number: some for number, some in ended.items() if some}
    return Tuned(
        grid,
        {number: [result["accuracy"] for result in some] for number, some in ended.items()},
        {number: sum(result["diverged"] for result in some) for number, some in ended.items()},
    )
