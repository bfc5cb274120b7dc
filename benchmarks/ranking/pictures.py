"""The pictures of a comparison over seeds and of ensembles, as matplotlib figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from ..console import style
from ..training.trial import Trial
from .ensembles import TRACE, Ensemble
from .standings import Ranking
from .statistics import quartiles
from .tuning import Tuned

PARTED = 1e-4
"""Members of an ensemble part where their losses differ by more than this fraction."""


def picture_of_accuracies(ranking: Ranking, base: Trial) -> Any:
    """The final accuracies: a row for each optimizer, with a dot for each seed, the quartiles and the median."""
    scores = ranking.scores[::-1]
    medians = [quartiles(score.accuracies)[1] for score in scores]
    # Seeds that end far below the medians, as after a divergence, are drawn at the left edge: the others need the room.
    left = max(min(min(score.accuracies) for score in scores), min(medians) - 2)
    fig, axes = style.figure(height=1.6 + 0.42 * len(scores))
    for y, (score, median) in enumerate(zip(scores, medians, strict=True)):
        low, _, high = quartiles(score.accuracies)
        color = score.entrant.color
        axes.plot([max(low, left), high], [y, y], lw=7, color=color, alpha=0.3, solid_capstyle="butt")
        for accuracy in score.accuracies:
            axes.plot(max(accuracy, left), y, "o" if accuracy >= left else "<", ms=4.5, color=color, mec="none")
        axes.plot(median, y, "|", ms=16, mew=2, color="black")
    labels = [
        f"{score.entrant.label}, {score.rate:g}   {rank:>3}"
        for rank, score in zip(ranking.ranks[::-1], scores, strict=True)
    ]
    axes.set_yticks(range(len(scores)), labels)
    axes.set_xlim(left - 0.1, max(max(score.accuracies) for score in scores) + 0.1)
    rates = "each at its best rate" if ranking.tuned else "the notebook's rates"
    axes.set(
        title=f"Test accuracy after {base.iterations} iterations, {len(scores[0].results)} seeds, {rates}",
        xlabel="percent (dots: seeds, <: further left; bars: quartiles; strokes: medians; 1=: tied with the first)",
    )
    return fig


def picture_of_rates(ranking: Ranking) -> Any:
    """Held-out accuracy against the learning rate: a panel for each optimizer, with the others behind it in grey.

    Accuracies are on a logarithmic scale of the errors, so that 97 and 98 are as far apart as 94 and 96.
    """
    ordered = sorted(ranking.tuned.items(), key=lambda item: -item[1].decades)
    columns = min(4, len(ordered))
    rows = math.ceil(len(ordered) / columns)
    fig, grid = style.figure(rows, columns, height=2.5 * rows + 0.6, squeeze=False, sharex=True, sharey=True)
    panels = grid.reshape(-1)
    panels[0].set_xscale("log")
    # The height at which an accuracy is drawn, and the accuracy at a height. From 99.5 % on, it
    # does not rise further, since the logarithm of no errors is infinite.
    heights = lambda accuracy: -numpy.log10(numpy.maximum(100 - accuracy, 0.5)), lambda height: 100 - 10**-height
    panels[0].set_yscale("function", functions=heights)
    panels[0].set_ylim(0, 98.6)
    panels[0].set_yticks([50, 80, 90, 95, 97, 98])
    for axes, (entrant, tuned) in zip(panels, ordered, strict=False):
        for other, its in ordered:
            if other is not entrant:
                _draw_means(axes, its, color="#D0D0D0", lw=0.7, zorder=1)
        rates = [tuned.grid.rate(n) for n in tuned.numbers]
        low, high = ([end(tuned.accuracies[n]) for n in tuned.numbers] for end in (min, max))
        axes.fill_between(rates, low, high, color=entrant.color, alpha=0.25, lw=0, zorder=2)
        _draw_means(axes, tuned, color=entrant.color, ls=entrant.dash, lw=1.8, zorder=3)
        axes.plot(tuned.rate, tuned.mean(tuned.best), "o", ms=6, color=entrant.color, zorder=4)
        for rate in (tuned.grid.rate(n) for n in tuned.numbers if tuned.diverged[n]):
            axes.plot(rate, 0, "x", ms=5, color="black", clip_on=False)
        axes.set_title(entrant.label, fontsize=10)
        share = f"{len(tuned.close)} of {len(tuned.numbers)}\n{tuned.share:.0%}"
        axes.text(0.03, 0.97, share, transform=axes.transAxes, va="top")
    for axes in panels[len(ordered) :]:
        axes.set_visible(False)
    fig.suptitle(
        "Held-out accuracy in percent against the learning rate, and how many rates are within one point of the best\n"
        "(bands: lowest and highest of the seeds; dot: the best rate; crosses: rates at which a training diverged)",
        fontsize=11,
    )
    return fig


def _draw_means(axes: Any, tuned: Tuned, **line: Any) -> None:
    axes.plot([tuned.grid.rate(n) for n in tuned.numbers], [tuned.mean(n) for n in tuned.numbers], **line)


def picture_of_branches(ensembles: Sequence[Ensemble]) -> Any:
    """Two panels a run: the members' losses, and the tree of their branches; the notebook's figures on both."""
    columns = 2 if len(ensembles) > 1 else 1
    rows = math.ceil(len(ensembles) / columns)
    fig, axes = style.figure(rows, 2 * columns, width=7 * columns, height=2.5 * rows + 0.9, squeeze=False)
    panels = axes.reshape(-1, 2)
    for ensemble, (left, right) in zip(ensembles, panels, strict=False):
        _draw_losses(left, ensemble)
        _draw_tree(right, ensemble)
    for unused in panels[len(ensembles) :].flat:
        unused.set_visible(False)
    fig.suptitle(
        "Each line is a member: the same run, initial weights shifted by one unit in the last place. Left: its loss.\n"
        f"Right: lines part where losses differ by more than {PARTED:.2%}, and never rejoin. Points: the notebook's\n"
        "figures, on the right at the nearest member: black if it has that figure, white if none has.",
        fontsize=11,
    )
    return fig


def _draw_losses(axes: Any, ensemble: Ensemble) -> None:
    for result in ensemble.results:
        iterations = numpy.arange(1, len(result["trace"]) + 1) * TRACE
        axes.plot(iterations, result["trace"], lw=0.4, alpha=0.5, color=ensemble.entrant.color)
    printed = {figure.iteration: figure.notebook[0] for figure in ensemble.figures}
    axes.plot(list(printed), list(printed.values()), "ko", ms=4, zorder=5)
    axes.set(yscale="log", title=f"{ensemble.entrant.label}: loss")
    ticks = (0.01, 0.03, 0.1, 0.3, 1)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    lowest = min(min(result["trace"]) for result in ensemble.results)
    axes.set_ylim(max(0.6 * lowest, 0.003), 1.5)


def _draw_tree(axes: Any, ensemble: Ensemble) -> None:
    length = min(len(result["trace"]) for result in ensemble.results)
    if not length:
        return
    heights = tree(numpy.array([result["trace"][:length] for result in ensemble.results]))
    iterations = numpy.arange(1, length + 1) * TRACE
    for height in heights:
        axes.plot(iterations, height, lw=0.7, alpha=0.6, color=ensemble.entrant.color)
    for figure in ensemble.figures:
        at = figure.iteration // TRACE - 1
        if at < length:
            color = "black" if figure.exact else "white"
            axes.plot(figure.iteration, heights[figure.nearest, at], "o", ms=5, mfc=color, mec="black", zorder=5)
    branches = len(set(heights[:, -1].tolist()))
    axes.set(title=f"{branches} branch{'es' if branches > 1 else ''} of {len(heights)} members", yticks=[])
    axes.set_ylim(-1, len(heights))
    axes.spines["left"].set_visible(False)


def tree(traces: numpy.ndarray, parted: float = PARTED) -> numpy.ndarray:
    """The height at which each member is drawn at each time: the same for members that have not parted yet.

    Args:
        traces: losses (members, times).
        parted: the members of a branch are sorted by their loss, and part where one is higher than the one before
            by more than this fraction of it. Members that have parted never come together again.

    Returns:
        heights (members, times). At the end each member has a height of its own, from 0 to members - 1, and a branch
        has the mean height of its members'.
    """
    members, times = traces.shape
    groups = [numpy.arange(members)]
    history = []
    for time in range(times):
        groups = [part for group in groups for part in _split(group, traces[group, time], parted)]
        history.append(groups)
    # A group is replaced by its parts where it stands, so the members of every branch are neighbours in this order.
    leaf = numpy.empty(members)
    leaf[numpy.concatenate(groups)] = numpy.arange(members)
    heights = numpy.empty(traces.shape)
    for time, groups in enumerate(history):
        for group in groups:
            heights[group, time] = leaf[group].mean()
    return heights


def _split(group: numpy.ndarray, losses: numpy.ndarray, parted: float) -> list[numpy.ndarray]:
    """The members of a branch, sorted by their loss and cut at the gaps."""
    order = numpy.argsort(losses, kind="stable")
    ordered = losses[order]
    gaps = numpy.flatnonzero(numpy.diff(ordered) > parted * ordered[:-1]) + 1
    return numpy.split(group[order], gaps)
