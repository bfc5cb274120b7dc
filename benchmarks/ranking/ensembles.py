"""Ensembles: one of the notebook's runs many times, each with its initial weights rounded a little differently.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces. Each ensemble is
held against the figures that it printed: the training loss of a mini-batch and the test accuracy, every 500 iterations.
"""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy

from ..training.notebook import CELLS, agrees, notebook_runs
from ..training.optimizers import Entrant
from ..training.trial import Trial
from ..training.trials import Result, Runner

SAME = {"mini-batch": "sgd"}
"""The notebook's cell 18 repeats its cell 5. It is run once here, and its figures are counted twice."""

TRACE = 25
"""The members' losses are kept every so many iterations, to see when they part."""

DRAWS = 10_000
"""How often `leave_one_out` draws members."""


@dataclass(frozen=True)
class NotebookFigure:
    """A figure that the notebook printed, beside what the members of its ensemble have there.

    Attributes:
        name: of the entrant.
        iteration: after which it was printed.
        notebook: the pair (training loss of the mini-batch, test accuracy in percent).
        members: the same pair for each member that got so far; a training whose loss becomes infinite stops.
    """

    name: str
    iteration: int
    notebook: tuple[float, float]
    members: tuple[tuple[float, float], ...]

    @property
    def losses(self) -> list[float]:
        """The members' losses, to four digits."""
        return [_rounded(loss) for loss, _ in self.members]

    @property
    def accuracies(self) -> list[float]:
        """The members' accuracies."""
        return [accuracy for _, accuracy in self.members]

    @property
    def branches(self) -> int:
        """How many different losses there are, to five digits."""
        return len({f"{loss:.4e}" for loss, _ in self.members})

    @property
    def outside(self) -> list[str]:
        """Which of the notebook's "loss" and "accuracy" is below the lowest or above the highest of the members'."""
        parts = {"loss": (_rounded(self.notebook[0]), self.losses), "accuracy": (self.notebook[1], self.accuracies)}
        return [name for name, (value, ours) in parts.items() if not min(ours) <= value <= max(ours)]

    @property
    def exact(self) -> list[int]:
        """The members that have the notebook's figure: the accuracy as printed, the loss to four digits."""
        return [i for i, member in enumerate(self.members) if agrees(member, self.notebook)]

    @property
    def nearest(self) -> int:
        """The first exact member, or else the one nearest in loss; of equally near ones, the nearest in accuracy."""
        distance = [(abs(m[0] - self.notebook[0]), abs(m[1] - self.notebook[1])) for m in self.members]
        return self.exact[0] if self.exact else distance.index(min(distance))


@dataclass(frozen=True)
class Ensemble:
    """One of the notebook's runs: its members' results, of which the first is unshifted, and the notebook's figures."""

    entrant: Entrant
    results: tuple[Result, ...]
    figures: tuple[NotebookFigure, ...]

    @property
    def cells(self) -> list[int]:
        """The notebook's cells that ran it."""
        return [cell for name, cell in CELLS.items() if SAME.get(name, name) == self.entrant.name]

    @property
    def agrees_to(self) -> int:
        """The last iteration up to which the unshifted member has all the notebook's figures; 0 if it has none."""
        agreeing = itertools.takewhile(lambda figure: 0 in figure.exact, self.figures)
        return max((figure.iteration for figure in agreeing), default=0)

    @property
    def parts_at(self) -> int | None:
        """The first multiple of `TRACE` at which the members' losses differ in five digits; None if they never do."""
        for number, losses in enumerate(zip(*(result["trace"] for result in self.results), strict=False), 1):
            if len({f"{loss:.4e}" for loss in losses}) > 1:
                return number * TRACE
        return None


def _rounded(loss: float) -> float:
    """A loss to four digits, as it is compared."""
    return float(f"{loss:.3e}")


def grow(here: Runner, chosen: Iterable[Entrant], asked: Namespace) -> list[Ensemble]:
    """Run the ensembles, and with `asked.widen`, those that leave a figure of the notebook's outside with more members.

    An ensemble whose unshifted member failed is left out.
    """
    here.out.print("The notebook's cell 18 repeats its cell 5, so it is not run a second time.")
    base = Trial("", often=asked.often, iterations=asked.iterations, trace=TRACE)
    sizes = dict.fromkeys(chosen, asked.members)
    ensembles = _ensembles(here, sizes, base, "replay")
    if asked.widen and asked.widen > asked.members:
        sizes |= {each.entrant: asked.widen for each in ensembles if any(figure.outside for figure in each.figures)}
        ensembles = _ensembles(here, sizes, base, "replay with more members")
    return ensembles


def _ensembles(here: Runner, sizes: Mapping[Entrant, int], base: Trial, title: str) -> list[Ensemble]:
    trials = {
        entrant: [replace(base, optimizer=entrant.spec, member=member) for member in range(size)]
        for entrant, size in sizes.items()
    }
    # Member by member, so that when it is stopped, all ensembles have about as many.
    order = sorted(itertools.chain.from_iterable(trials.values()), key=lambda trial: trial.member)
    results = here.run(order, title)
    ensembles = []
    for entrant, its in trials.items():
        ended = tuple(results[trial] for trial in its if trial in results)
        if its[0] in results:
            ensembles.append(Ensemble(entrant, ended, figures(entrant.name, ended, base.iterations)))
    return ensembles


def figures(name: str, results: Sequence[Result], iterations: int) -> tuple[NotebookFigure, ...]:
    """The notebook's figures of a run up to `iterations`, beside the members' `results`."""
    found = []
    for number, (iteration, printed) in enumerate(notebook_runs()[name].figures.items()):
        if iteration <= iterations:
            pairs = [(result["losses"][number], result["accuracies"][number]) for result in results]
            members = tuple(pair for pair in pairs if None not in pair)
            found.append(NotebookFigure(name, iteration, printed, members))
    return tuple(found)


def all_figures(ensembles: Iterable[Ensemble]) -> list[NotebookFigure]:
    """All figures of the notebook. Those of a run that two cells have come twice."""
    return [figure for ensemble in ensembles for figure in ensemble.figures * len(ensemble.cells)]


def counts(figures: Iterable[NotebookFigure]) -> tuple[int, int]:
    """How many of the figures lie within their ensemble, and how many agree exactly with a member of it."""
    figures = list(figures)
    return sum(not figure.outside for figure in figures), sum(bool(figure.exact) for figure in figures)


def leave_one_out(ensembles: Sequence[Ensemble]) -> list[tuple[float, float, float]] | None:
    """The two `counts` that members have when they are held against the others, as the notebook is held against all.

    They show what to expect of the notebook if it were a member, too. A member is drawn from each ensemble, many
    times. Returns the mean, the 2.5th and the 97.5th percentile of both counts; None if an ensemble has fewer than
    three members.
    """
    if min(len(ensemble.results) for ensemble in ensembles) < 3:
        return None
    generator = numpy.random.default_rng(0)
    totals = numpy.zeros((2, DRAWS))
    for ensemble in ensembles:
        without = numpy.array([_counts_without(ensemble, member) for member in range(len(ensemble.results))])
        totals += len(ensemble.cells) * without[generator.integers(len(without), size=DRAWS)].T
    low, high = numpy.percentile(totals, [2.5, 97.5], axis=1).tolist()
    return list(zip(totals.mean(axis=1).tolist(), low, high, strict=True))


def _counts_without(ensemble: Ensemble, member: int) -> tuple[int, int]:
    """The `counts` of a member in the notebook's place, held against the other members."""
    return counts(
        replace(figure, notebook=figure.members[member], members=figure.members[:member] + figure.members[member + 1 :])
        for figure in ensemble.figures
        if member < len(figure.members) > 1
    )


def undecided(ensembles: Sequence[Ensemble]) -> list[tuple[str, str, float]]:
    """The pairs of runs of which either may end with the higher accuracy, by rounding alone.

    Returns the labels of both, first the one that ends higher in the notebook, and in which share of the pairs of
    their members this one ends higher; equal accuracies count as half.
    """
    ranked = sorted(ensembles, key=lambda ensemble: -ensemble.figures[-1].notebook[1])
    pairs = []
    for one, other in itertools.combinations(ranked, 2):
        a, b = (numpy.array(each.figures[-1].accuracies)[:, None] for each in (one, other))
        pairs.append((one.entrant.label, other.entrant.label, float(((a > b.T) + (a == b.T) / 2).mean())))
    return [pair for pair in pairs if 0 < pair[2] < 1]
