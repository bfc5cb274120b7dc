"""The comparison over seeds: every optimizer runs with every seed, and they are ranked by their median accuracy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..training.optimizers import ENTRANTS, REPLAYS, Entrant
from ..training.trial import Trial
from ..training.trials import Result, Runner
from .plan import SCHEDULED, Plan
from .statistics import Difference, compared, quartiles
from .tuning import Grid, Tuned, tune

NOTEBOOK_RATES = ENTRANTS | REPLAYS
"""Who has the notebook's rate if nothing else is asked for. Others have their paper's or their author's."""


@dataclass(frozen=True)
class Score:
    """An optimizer, its rate, and the results, one for each seed (and those with a cosine schedule, if it had one)."""

    entrant: Entrant
    rate: float
    results: tuple[Result, ...]
    scheduled: tuple[Result, ...] = ()

    @property
    def accuracies(self) -> list[float]:
        """The final accuracies in percent, seed by seed."""
        return [result["accuracy"] for result in self.results]

    @property
    def losses(self) -> list[float]:
        """The final mean losses over the test images, seed by seed; infinite where the training diverged."""
        return [_or_infinite(result["loss"]) for result in self.results]

    @property
    def iterations(self) -> list[float]:
        """The iterations to `benchmarks.training.trial.TARGET`, seed by seed; infinite where it was not reached."""
        return [_or_infinite(result["reached"]) for result in self.results]

    @property
    def seconds(self) -> list[float]:
        """The seconds of training to the same target."""
        return [_or_infinite(result["timing"]["to_target"]) for result in self.results]

    @property
    def diverged(self) -> int:
        """How many trainings diverged; see `benchmarks.training.trial.run`."""
        return sum(result["diverged"] for result in self.results)

    @property
    def gains(self) -> list[float]:
        """By how many points the accuracy is higher with the schedule than without, seed by seed."""
        pairs = zip(self.scheduled, self.results, strict=True) if self.scheduled else ()
        return [scheduled["accuracy"] - constant["accuracy"] for scheduled, constant in pairs]


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value


@dataclass(frozen=True)
class Ranking:
    """The whole comparison.

    Attributes:
        scores: from the highest median accuracy down.
        ahead: how far each is ahead of the next.
        behind: how far the first is ahead of each of the others. All neighbours may be tied while the last is
            nevertheless clearly behind the first.
        tuned: what tuning found, if the rates were tuned.
    """

    scores: list[Score]
    ahead: list[Difference]
    behind: list[Difference]
    tuned: dict[Entrant, Tuned]

    @property
    def ranks(self) -> list[str]:
        """1, 2, ...; but "1=" for all that are tied with the first, and then for the first as well."""
        ties = [difference.tie for difference in self.behind]
        return ["1=" if any(ties) else "1", *("1=" if tie else str(rank) for rank, tie in enumerate(ties, 2))]

    @property
    def rates(self) -> str:
        """Which learning rates they had, in words."""
        if self.tuned:
            return "each at its best rate"
        others = [score.entrant.label for score in self.scores if score.entrant.name not in NOTEBOOK_RATES]
        if len(others) == len(self.scores) > 0:
            return "each at its usual rate"
        if not others:
            return "the notebook's rates"
        named = " and ".join(others) if len(others) < 3 else f"{len(others)} others"
        return f"the notebook's rates ({named}: usual rate{'s' * (len(others) > 1)})"


def compete(here: Runner, chosen: Sequence[Entrant], plan: Plan, base: Trial, tuning: bool) -> Ranking:
    """Tune the learning rates if `tuning`, run every entrant with every seed, and rank them.

    `base` is what all trials have in common. An optimizer of which a trial failed is left out.
    """
    tuned: dict[Entrant, Tuned] = {}
    rates: dict[Entrant, float | None] = dict.fromkeys(chosen)
    if tuning:
        tried = replace(base, iterations=plan.tuning_iterations, watch=0)
        tuned = tune(here, chosen, tried, Grid(plan.rates), plan.tuning_seeds)
        rates = {entrant: its.rate for entrant, its in tuned.items()}
        base = replace(base, part="final")

    trials: dict[tuple[Entrant, str], list[Trial]] = {}
    for entrant, rate in rates.items():
        for schedule in ("constant", "cosine") if entrant.name in SCHEDULED else ("constant",):
            blank = replace(base, optimizer=entrant.spec, rate=rate, schedule=schedule)
            trials[entrant, schedule] = [replace(blank, seed=seed) for seed in range(plan.seeds)]

    # Seed by seed, so that when it is stopped, all optimizers have about as many results.
    order = itertools.chain.from_iterable(zip(*trials.values(), strict=True))
    results = here.run(order, f"the comparison over {plan.seeds} seeds")

    complete = {which: its for which, its in trials.items() if all(trial in results for trial in its)}
    ended = {which: tuple(results[trial] for trial in its) for which, its in complete.items()}
    scores = []
    for entrant, rate in rates.items():
        if constant := ended.get((entrant, "constant")):
            used = entrant.usual.lr if rate is None else rate
            scores.append(Score(entrant, used, constant, ended.get((entrant, "cosine"), ())))
    return ranked(scores, tuned)


def ranked(scores: Sequence[Score], tuned: dict[Entrant, Tuned]) -> Ranking:
    """Sort scores by their median accuracy, equal ones by the mean, and compare neighbours, and all with the first."""
    order = sorted(scores, key=lambda score: (-quartiles(score.accuracies)[1], -sum(score.accuracies)))

    def ahead(one: Score, other: Score) -> list[float]:
        return [a - b for a, b in zip(one.accuracies, other.accuracies, strict=True)]

    ahead_of_next = compared([ahead(one, other) for one, other in itertools.pairwise(order)])
    behind_first = compared([ahead(order[0], other) for other in order[1:]])
    return Ranking(order, ahead_of_next, behind_first, tuned)
