"""The notebook's figures on their branches: each of its runs many times, initial weights shifted by one rounding.

A float32 has 24 bits, and shifting each initial weight by one unit in the last place, up, down or not at all, is
no more than another machine's rounding does. Most runs then go on as before, to seven digits, until in one image
one unit's input lies so close to 0 that the rounding decides on which side of the ReLU's corner it is: there the
run takes one of two branches, and later branches again. So what the notebook printed is one leaf of a tree. This
benchmark grows the tree, and looks for the notebook in it.
"""

from __future__ import annotations

import itertools
import math
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy

from . import UsageError
from .console import options, report, style
from .training.notebook import CELLS, agrees, notebook_runs
from .training.optimizers import Entrant, entrants
from .training.trial import Trial
from .training.trials import Result, Runner, runner

if TYPE_CHECKING:
    from rich.table import Table

SAME = {"mini-batch": "sgd"}
"""The notebook's cell 18 runs its cell 5 again: it is run once here, and its figures are counted for both."""

TRACE = 25
"""The members' losses are kept every so many iterations, to see when they part."""


DRAWS = 10_000
"""How often `left_out` draws."""

PARTED = 1e-4
"""In the picture members part where their losses differ by so much of themselves."""


@dataclass(frozen=True)
class Figure:
    """One of the notebook's figures, and what the members of its ensemble have there: pairs (loss, accuracy)."""

    name: str
    iteration: int
    notebook: tuple[float, float]
    members: tuple[tuple[float, float], ...]

    @property
    def losses(self) -> list[float]:
        """The members' losses, to four digits."""
        return [rounded(loss) for loss, _ in self.members]

    @property
    def accuracies(self) -> list[float]:
        """The members' accuracies."""
        return [accuracy for _, accuracy in self.members]

    @property
    def branches(self) -> int:
        """How many branches the members are on: losses that are equal to five digits are one."""
        return len({f"{loss:.4e}" for loss, _ in self.members})

    @property
    def outside(self) -> list[str]:
        """What of the notebook's figure, "loss" or "accuracy", is below the ensemble's lowest or above its highest."""
        parts = {"loss": (rounded(self.notebook[0]), self.losses), "accuracy": (self.notebook[1], self.accuracies)}
        return [name for name, (value, ours) in parts.items() if not min(ours) <= value <= max(ours)]

    @property
    def nearest(self) -> int:
        """The member whose loss is nearest to the notebook's; among equals one whose accuracy is, too."""
        distance = [(abs(m[0] - self.notebook[0]), abs(m[1] - self.notebook[1])) for m in self.members]
        return self.exact[0] if self.exact else distance.index(min(distance))

    @property
    def exact(self) -> list[int]:
        """The members that have the notebook's figure: the accuracy as printed, the loss to four digits."""
        return [i for i, member in enumerate(self.members) if agrees(member, self.notebook)]


@dataclass(frozen=True)
class Ensemble:
    """One of the notebook's runs, its members' results, and the figures it is compared by."""

    entrant: Entrant
    results: tuple[Result, ...]
    figures: tuple[Figure, ...]

    @property
    def agrees_to(self) -> int:
        """The last iteration up to which all figures of the unshifted run are the notebook's; 0 if none is."""
        agreeing = itertools.takewhile(lambda figure: 0 in figure.exact, self.figures)
        return max((figure.iteration for figure in agreeing), default=0)

    @property
    def parts_at(self) -> int | None:
        """The first iteration looked at where not all losses are equal to five digits."""
        for number, losses in enumerate(zip(*(result["trace"] for result in self.results), strict=False), 1):
            if len({f"{loss:.4e}" for loss in losses}) > 1:
                return number * TRACE
        return None


def rounded(loss: float) -> float:
    """`loss` to four digits, as it is compared."""
    return float(f"{loss:.3e}")


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0, or 1 if a run failed."""
    asked = _parser().parse_args(argv)
    chosen = _chosen(asked)
    folder = report.results_folder(asked.results, "replay.json", "replay.png")
    out = report.console()
    with runner(asked, folder, out) as here:
        ensembles = grow(here, chosen, asked)
    if not ensembles:
        return 1
    report.show(table_of_figures(ensembles), out)
    report.show(table_of_runs(ensembles), out)
    for line in conclusions(ensembles):
        out.print(line, markup=False, soft_wrap=True)
    written = [
        report.write_json(folder / "replay.json", record(ensembles, asked)),
        style.save(picture(ensembles), folder / "replay.png"),
    ]
    out.print(f"Figures and picture: {' and '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _parser() -> options.Parser:
    parser = options.Parser(
        "replay",
        "The notebook's figures on their branches: each of its runs in many copies that differ by one rounding.",
    )
    parser.add_argument(
        "--members", type=options.up_to(10_000), default=32, help="of each ensemble (default: %(default)s)"
    )
    parser.add_argument(
        "--widen",
        type=options.up_to(10_000),
        metavar="N",
        help="give N members to the ensembles that leave a figure of the notebook's outside",
    )
    parser.add_argument(
        "--often",
        type=options.positive,
        default=0,
        metavar="N",
        help="shift the weights again after every N iterations (default: at the start alone)",
    )
    usual = ",".join(name for name in CELLS if name not in SAME)
    parser.add_argument("--optimizers", default=usual, metavar="NAME,...", help="(default: %(default)s)")
    parser.add_argument(
        "--iterations", type=options.up_to(options.ITERATIONS), default=Trial.iterations, help="(default: %(default)s)"
    )
    parser.add_running()
    return parser


def _chosen(asked: Namespace) -> list[Entrant]:
    names = options.split([asked.optimizers])
    if not names:
        raise UsageError("no optimizer is to run: name some with --optimizers")
    strangers = [name for name in names if name not in CELLS]
    if strangers:
        raise UsageError(f"the notebook did not run {strangers[0]}: it ran {', '.join(CELLS)}")
    points = next(iter(notebook_runs().values())).figures
    if asked.iterations < min(points):
        raise UsageError(f"--iterations {asked.iterations}: the notebook's first figure is that of {min(points)}")
    return entrants(dict.fromkeys(SAME.get(name, name) for name in names))


def grow(here: Runner, chosen: Iterable[Entrant], asked: Namespace) -> list[Ensemble]:
    """Run the ensembles; those that leave a figure outside once more with `asked.widen` members, if it is given."""
    here.out.print("The notebook's cell 18 is its cell 5 again, and is not run a second time.")
    wanted = {one: range(asked.members) for one in chosen}
    base = Trial("", often=asked.often, iterations=asked.iterations, trace=TRACE)
    ensembles = _ensembles(here, wanted, base, "replay")
    if asked.widen and asked.widen > asked.members:
        for ensemble in ensembles:
            if any(figure.outside for figure in ensemble.figures):
                wanted[ensemble.entrant] = range(asked.widen)
        ensembles = _ensembles(here, wanted, base, "replay, wider")
    return ensembles


def _ensembles(here: Runner, wanted: Mapping[Entrant, range], base: Trial, title: str) -> list[Ensemble]:
    trials = {
        one: [replace(base, optimizer=one.spec, member=member) for member in members] for one, members in wanted.items()
    }
    # Member by member, so that all ensembles grow alike, and what is stopped can be looked at.
    order = sorted(itertools.chain.from_iterable(trials.values()), key=lambda trial: trial.member)
    results = here.run(order, title)
    found = []
    for one, its in trials.items():
        ended = tuple(results[trial] for trial in its if trial in results)
        if its[0] in results:
            found.append(Ensemble(one, ended, figures(one.name, ended, base.iterations)))
    return found


def figures(name: str, results: Sequence[Result], iterations: int) -> tuple[Figure, ...]:
    """The notebook's figures of a run beside its members', up to `iterations`."""
    found = []
    for number, (iteration, printed) in enumerate(notebook_runs()[name].figures.items()):
        if iteration <= iterations:
            pairs = [(result["losses"][number], result["accuracies"][number]) for result in results]
            members = tuple(pair for pair in pairs if None not in pair)
            found.append(Figure(name, iteration, printed, members))
    return tuple(found)


# What is told.


def table_of_figures(ensembles: Sequence[Ensemble]) -> Table:
    """A row for each of the notebook's figures."""
    heads = ["run", "after", "notebook", "unshifted", "losses", "accuracies", "branches", "within", "nearest"]
    caption = (
        "Loss of the mini-batch and accuracy in percent; lowest and highest of the ensemble; losses that are equal to\n"
        "five digits are one branch. within: whether the notebook's figure lies within the ensemble, the loss to four\n"
        "digits, or what of it does not. nearest: the member with the nearest loss; = if its figure is the notebook's."
    )
    made = report.table("The notebook's figures and what rounding makes of them", heads, caption=caption)
    for ensemble in ensembles:
        for figure in ensemble.figures:
            made.add_row(*_row(ensemble, figure), end_section=figure is ensemble.figures[-1])
    return made


def _row(ensemble: Ensemble, figure: Figure) -> list[str]:
    first = figure is ensemble.figures[0]
    return [
        ensemble.entrant.label if first else "",
        str(figure.iteration),
        _pair(figure.notebook),
        _pair(figure.members[0]),
        f"{min(figure.losses):#.4g} - {max(figure.losses):#.4g}",
        f"{min(figure.accuracies):.2f} - {max(figure.accuracies):.2f}",
        str(figure.branches),
        _within(figure),
        f"{figure.nearest} {'=' if figure.exact else ' '}",
    ]


def _within(figure: Figure) -> str:
    return {0: "yes", 1: f"no: {''.join(figure.outside)}", 2: "no: both"}[len(figure.outside)]


def _pair(figure: tuple[float, float]) -> str:
    return f"{figure[0]:#.4g} {figure[1]:.2f}"


def table_of_runs(ensembles: Sequence[Ensemble]) -> Table:
    """A row for each run: how far it agrees, when its members part, and how far apart they end."""
    heads = ["run", "cell", "members", "agrees to", "part at", "within", "exact", "last accuracies", "spread"]
    caption = (
        "agrees to: the last iteration to which the unshifted run has all the notebook's figures.\n"
        f"part at: where the members' losses first differ in five digits (looked at every {TRACE}).\n"
        "exact: figures that some member has. spread: of the last accuracies, in points."
    )
    made = report.table("The runs", heads, caption=caption)
    for ensemble in ensembles:
        last = ensemble.figures[-1].accuracies
        made.add_row(
            ensemble.entrant.label,
            _cells(ensemble.entrant.name),
            str(len(ensemble.results)),
            str(ensemble.agrees_to or "never"),
            str(ensemble.parts_at or "never"),
            f"{sum(not figure.outside for figure in ensemble.figures)} of {len(ensemble.figures)}",
            f"{sum(bool(figure.exact) for figure in ensemble.figures)} of {len(ensemble.figures)}",
            f"{min(last):.2f} - {max(last):.2f}",
            f"{max(last) - min(last):.2f}",
        )
    return made


def _cells(name: str) -> str:
    return ", ".join(str(cell) for other, cell in CELLS.items() if SAME.get(other, other) == name)


def counted(ensembles: Iterable[Ensemble]) -> list[Figure]:
    """All figures of the notebook: those of a run that it ran twice come twice."""
    twice = set(SAME.values())
    return [f for ensemble in ensembles for f in ensemble.figures * (2 if ensemble.entrant.name in twice else 1)]


def conclusions(ensembles: Sequence[Ensemble]) -> list[str]:
    """The two counts, what lies outside, and which ranks rounding alone can turn round."""
    figures = counted(ensembles)
    within = sum(not figure.outside for figure in figures)
    exact = sum(bool(figure.exact) for figure in figures)
    sizes = sorted({len(ensemble.results) for ensemble in ensembles})
    lines = [
        f"{within} of the notebook's {len(figures)} figures lie within the ensembles of "
        f"{' to '.join(map(str, {sizes[0]: 0, sizes[-1]: 0}))} members; {exact} agree exactly with some member.",
    ]
    outside = [
        f"{f.name} at {f.iteration} ({' and '.join(f.outside)})" for e in ensembles for f in e.figures if f.outside
    ]
    if outside:
        lines.append(f"Outside: {', '.join(outside)}. With --widen {4 * sizes[-1]} these ensembles get more members.")
    lines += _yardstick(ensembles)
    turned = reversals(ensembles)
    open_pairs = [pair for pair in turned if 0 < pair[2] < 1]
    if turned:
        named = [f"{a} before {b} in {share:.0%}" for a, b, share in open_pairs[:6]]
        more = ["..."] if len(open_pairs) > 6 else []
        lines.append(
            f"Of {len(turned)} pairs of runs, {len(open_pairs)} can end in either order, by rounding alone"
            + (f": {'; '.join(named + more)}." if named else ".")
        )
    return lines


def _yardstick(ensembles: Sequence[Ensemble]) -> list[str]:
    """The two counts of a run that is known to be a member, to hold the notebook's against."""
    if min(len(ensemble.results) for ensemble in ensembles) < 3:
        return []
    figures = counted(ensembles)
    counts = sum(not figure.outside for figure in figures), sum(bool(figure.exact) for figure in figures)
    within, exact = left_out(ensembles)
    lines = [
        f"By the same yardstick a member lies within the others in {within[0]:.0f} (95 %: {within[1]:.0f} to "
        f"{within[2]:.0f}) and agrees exactly with one of them in {exact[0]:.0f} ({exact[1]:.0f} to {exact[2]:.0f})."
    ]
    if counts[0] < within[1] or counts[1] < exact[1]:
        lines.append("The notebook does so in fewer: its machine rounds otherwise in more than the start; see --often.")
    return lines


def left_out(ensembles: Sequence[Ensemble]) -> list[tuple[float, float, float]]:
    """The two counts, within and exact, for members held against the others in the notebook's place.

    A member is drawn from each ensemble, many times; returns mean, 2.5th and 97.5th percentile of both counts.
    """
    generator = numpy.random.default_rng(0)
    totals = numpy.zeros((2, DRAWS))
    for ensemble in ensembles:
        twice = 2 if ensemble.entrant.name in SAME.values() else 1
        counts = numpy.array([_counts_without(ensemble, member) for member in range(len(ensemble.results))])
        totals += twice * counts[generator.integers(len(counts), size=DRAWS)].T
    low, high = numpy.percentile(totals, [2.5, 97.5], axis=1).tolist()
    return list(zip(totals.mean(axis=1).tolist(), low, high, strict=True))


def _counts_without(ensemble: Ensemble, member: int) -> tuple[int, int]:
    """How many figures of a member lie within those of the others, and how many are exactly those of another."""
    alone = [
        Figure(f.name, f.iteration, f.members[member], f.members[:member] + f.members[member + 1 :])
        for f in ensemble.figures
        if member < len(f.members)
    ]
    return sum(not figure.outside for figure in alone), sum(bool(figure.exact) for figure in alone)


def reversals(ensembles: Sequence[Ensemble]) -> list[tuple[str, str, float]]:
    """Pairs of runs, and how often a member of the first ends with a higher accuracy than one of the second.

    Equal accuracies count by half. The first of a pair is the one that the notebook has before the other.
    """
    ranked = sorted(ensembles, key=lambda ensemble: -ensemble.figures[-1].notebook[1])
    pairs = []
    for one, other in itertools.combinations(ranked, 2):
        a, b = (numpy.array(each.figures[-1].accuracies)[:, None] for each in (one, other))
        pairs.append((one.entrant.label, other.entrant.label, float(((a > b.T) + (a == b.T) / 2).mean())))
    return pairs


def record(ensembles: Sequence[Ensemble], asked: Namespace) -> dict[str, Any]:
    """All figures, for `replay.json`; nothing in it but the environment changes from one run to another."""
    figures = counted(ensembles)
    return {
        "benchmark": "replay",
        "seed": 0,
        "members": asked.members,
        "often": asked.often,
        "iterations": asked.iterations,
        "environment": report.environment(),
        "figures": len(figures),
        "within": sum(not figure.outside for figure in figures),
        "exact": sum(bool(figure.exact) for figure in figures),
        "members_left_out": left_out(ensembles) if asked.members > 2 else None,
        "either_order": [pair for pair in reversals(ensembles) if 0 < pair[2] < 1],
        "runs": [
            {
                "name": ensemble.entrant.name,
                "cells": _cells(ensemble.entrant.name),
                "members": len(ensemble.results),
                "agrees_to": ensemble.agrees_to,
                "parts_at": ensemble.parts_at,
                "figures": [_record_of(figure) for figure in ensemble.figures],
            }
            for ensemble in ensembles
        ],
    }


def _record_of(figure: Figure) -> dict[str, Any]:
    return {
        "iteration": figure.iteration,
        "notebook": figure.notebook,
        "losses": [loss for loss, _ in figure.members],
        "accuracies": figure.accuracies,
        "branches": figure.branches,
        "outside": figure.outside,
        "nearest": figure.nearest,
        "exact": figure.exact,
    }


def picture(ensembles: Sequence[Ensemble]) -> Any:
    """Two panels a run: the members' losses, and the tree of their branches; the notebook's figures on both."""
    columns = 2 if len(ensembles) > 1 else 1
    rows = math.ceil(len(ensembles) / columns)
    fig, axes = style.figure(rows, 2 * columns, width=7 * columns, height=2.5 * rows + 0.9, squeeze=False)
    panels = axes.reshape(-1, 2)
    for ensemble, (left, right) in zip(ensembles, panels, strict=False):
        _draw_losses(left, ensemble)
        _draw_tree(right, ensemble)
    for left, right in panels[len(ensembles) :]:
        left.set_visible(False)
        right.set_visible(False)
    fig.suptitle(
        "Each line is a member: the same run, initial weights shifted by one unit in the last place. Left: its loss.\n"
        f"Right: lines part where losses differ by more than {PARTED:g} of themselves. Points: the notebook's\n"
        "figures, on the right at the nearest member: black if it has that figure, white if none has.",
        fontsize=11,
    )
    return fig


def _draw_losses(axes: Any, ensemble: Ensemble) -> None:
    for result in ensemble.results:
        steps = numpy.arange(1, len(result["trace"]) + 1) * TRACE
        axes.plot(steps, result["trace"], lw=0.4, alpha=0.5, color=ensemble.entrant.color)
    axes.plot(*zip(*((f.iteration, f.notebook[0]) for f in ensemble.figures), strict=True), "ko", ms=4, zorder=5)
    axes.set(yscale="log", title=f"{ensemble.entrant.label}: loss")
    ticks = (0.01, 0.03, 0.1, 0.3, 1)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    lowest = min(min(result["trace"]) for result in ensemble.results)
    axes.set_ylim(max(0.6 * lowest, 0.003), 1.5)


def _draw_tree(axes: Any, ensemble: Ensemble) -> None:
    """Each member's height is that of its branch: the middle of its leaves."""
    traces = _traces(ensemble)
    if not traces.size:
        return
    heights = tree(traces)
    steps = numpy.arange(1, traces.shape[1] + 1) * TRACE
    for height in heights:
        axes.plot(steps, height, lw=0.7, alpha=0.6, color=ensemble.entrant.color)
    for figure in ensemble.figures:
        at = figure.iteration // TRACE - 1
        if at < traces.shape[1]:
            color = "black" if figure.exact else "white"
            axes.plot(figure.iteration, heights[figure.nearest, at], "o", ms=5, mfc=color, mec="black", zorder=5)
    leaves = len(set(heights[:, -1].tolist()))
    axes.set(title=f"{leaves} branch{'es' if leaves > 1 else ''} of {len(heights)} members", yticks=[])
    axes.set_ylim(-1, len(heights))
    axes.spines["left"].set_visible(False)


def _traces(ensemble: Ensemble) -> numpy.ndarray:
    """The members' losses (members, times), cut to the shortest."""
    length = min(len(result["trace"]) for result in ensemble.results)
    return numpy.array([result["trace"][:length] for result in ensemble.results])


def tree(traces: numpy.ndarray, parted: float = PARTED) -> numpy.ndarray:
    """How high each member is drawn at each time, so that the lines of those that have not parted are one.

    Args:
        traces: losses (members, times).
        parted: members part where their sorted losses have a gap of more than this fraction. Those that have
            parted do not come together again.

    Returns:
        heights (members, times): the mean of the leaves of a member's branch; leaves are 0 to members - 1.
    """
    members, times = traces.shape
    groups = [numpy.arange(members)]
    history = []
    for time in range(times):
        groups = [part for group in groups for part in _split(group, traces[group, time], parted)]
        history.append(groups)
    leaf = numpy.empty(members)
    leaf[numpy.concatenate(groups)] = numpy.arange(members)  # splitting keeps what belongs together side by side
    heights = numpy.empty(traces.shape)
    for time, groups in enumerate(history):
        for group in groups:
            heights[group, time] = leaf[group].mean()
    return heights


def _split(group: numpy.ndarray, losses: numpy.ndarray, parted: float) -> list[numpy.ndarray]:
    """The members of a branch, from the lowest loss up, cut where there is a gap."""
    order = numpy.argsort(losses, kind="stable")
    ordered = losses[order]
    gaps = numpy.flatnonzero(numpy.diff(ordered) > parted * ordered[:-1]) + 1
    return numpy.split(group[order], gaps) if len(gaps) else [group]
