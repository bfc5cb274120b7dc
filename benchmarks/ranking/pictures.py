"""The pictures of a comparison over seeds and of ensembles, as matplotlib figures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy

from ..console import style
from ..training.trial import Trial
from .ensembles import TRACE, Ensemble, NotebookFigure
from .standings import Ranking
from .statistics import quartiles
from .tuning import Tuned

BEHIND = 8
"""Pictures of accuracies reach so many times as far down as the better half of the optimizers."""

PARTED = 1e-4
"""Members of an ensemble part where their losses differ by more than this fraction."""


def picture_of_accuracies(ranking: Ranking, base: Trial) -> Any:
    """The final accuracies: a row for each optimizer, with a dot for each seed, the quartiles and the median.

    What would squash the others is drawn at the left edge: seeds that end far below the medians, as after a divergence,
    and an optimizer that is far behind, whose median is written there.
    """
    scores = ranking.scores[::-1]
    medians = [quartiles(score.accuracies)[1] for score in scores]
    high = max(max(score.accuracies) for score in scores)
    room = max(high - sorted(medians)[len(medians) // 2], 1.0)  # of the better half
    left = max(min(min(score.accuracies) for score in scores), min(medians) - 2, high - BEHIND * room)
    fig, axes = style.figure(height=1.6 + 0.42 * len(scores))
    for y, (score, median) in enumerate(zip(scores, medians, strict=True)):
        low, _, most = quartiles(score.accuracies)
        color = score.entrant.color
        axes.plot([max(low, left), max(most, left)], [y, y], lw=7, color=color, alpha=0.3, solid_capstyle="butt")
        for accuracy in score.accuracies:
            axes.plot(max(accuracy, left), y, "o" if accuracy >= left else "<", ms=4.5, color=color, mec="none")
        if median >= left:
            axes.plot(median, y, "|", ms=16, mew=2, color="black")
        else:
            axes.text(left, y, f"   median {median:.2f}", va="center", fontsize=9)
    labels = [
        f"{score.entrant.label}, {score.rate:g}   {rank:>3}"
        for rank, score in zip(ranking.ranks[::-1], scores, strict=True)
    ]
    axes.set_yticks(range(len(scores)), labels)
    axes.set_xlim(left - 0.02 * (high - left) - 0.02, high + 0.02 * (high - left) + 0.02)
    axes.set(
        title=f"Test accuracy after {base.iterations} iterations, {len(scores[0].results)} seeds, {ranking.rates}",
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
    best = max(tuned.mean(tuned.best) for tuned in ranking.tuned.values())
    panels[0].set_ylim(0, min(max(98.6, best + 0.3), 99.6))
    panels[0].set_yticks([50, 80, 90, 95, 97, 98])
    low_end, high_end = _range_of_rates(list(ranking.tuned.values()))
    panels[0].set_xlim(low_end / 1.5, high_end * 1.5)
    for axes, (entrant, tuned) in zip(panels, ordered, strict=False):
        for other, its in ordered:
            if other is not entrant:
                _draw_means(axes, its, color="#D0D0D0", lw=0.7, zorder=1)
        rates = [tuned.grid.rate(n) for n in tuned.numbers]
        low, high = ([end(tuned.accuracies[n]) for n in tuned.numbers] for end in (min, max))
        axes.fill_between(rates, low, high, color=entrant.color, alpha=0.25, lw=0, zorder=2)
        _draw_means(axes, tuned, color=entrant.color, ls=entrant.dash, lw=1.8, zorder=3)
        if not tuned.flat:
            axes.plot(tuned.rate, tuned.mean(tuned.best), "o", ms=6, color=entrant.color, zorder=4)
        for rate in (tuned.grid.rate(n) for n in tuned.numbers if tuned.diverged[n]):
            if low_end <= rate <= high_end:
                axes.plot(rate, 0, "x", ms=5, color="black", clip_on=False)
        axes.set_title(entrant.label, fontsize=10)
        share = f"{len(tuned.close)} of {len(tuned.numbers)}\n{tuned.share:.0%}"
        axes.text(0.03, 0.97, share, transform=axes.transAxes, va="top")
    for axes in panels[len(ordered) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(ordered) - columns) : len(ordered)]:  # with no other one below
        axes.set_xlabel("learning rate")
        axes.tick_params(labelbottom=True)
    fig.suptitle(
        "Held-out accuracy in percent against the learning rate, and how many rates are within one point of the best\n"
        "(bands: lowest and highest of the seeds; dot: the best rate; crosses: rates at which a training diverged)",
        fontsize=11,
    )
    return fig


def _range_of_rates(all_tuned: Sequence[Tuned]) -> tuple[float, float]:
    """The lowest and the highest rate that are drawn: those that were tried, by those for which the rate matters.

    For one that ignores its rate the best one is always at the edge of the grid, which then grows as far as it may.
    """
    shown = [tuned for tuned in all_tuned if not tuned.flat]
    grid = all_tuned[0].grid
    first = min([tuned.numbers[0] for tuned in shown] or [0])
    last = max([tuned.numbers[-1] for tuned in shown] or [grid.count - 1])
    return grid.rate(first), grid.rate(last)


def _draw_means(axes: Any, tuned: Tuned, **line: Any) -> None:
    axes.plot([tuned.grid.rate(n) for n in tuned.numbers], [tuned.mean(n) for n in tuned.numbers], **line)


def picture_of_branches(ensembles: Sequence[Ensemble]) -> Any:
    """Two panels a run: the members' losses, and the tree of their branches; the notebook's figures on both.

    In both a figure is black if some member has it, and white if none has.
    """
    columns = 2 if len(ensembles) > 1 else 1
    rows = math.ceil(len(ensembles) / columns)
    width = 10 if columns > 1 else 7
    fig, axes = style.figure(rows, 2 * columns, width=width, height=2.1 * rows + 1.1, squeeze=False)
    panels = axes.reshape(-1, 2)
    for number, (ensemble, (left, right)) in enumerate(zip(ensembles, panels, strict=False)):
        _draw_losses(left, ensemble)
        _draw_tree(right, ensemble)
        for each in (left, right):
            each.title.set_fontsize(10)
            each.tick_params(labelsize=9)
            each.locator_params(axis="x", nbins=4)
            if number + columns >= len(ensembles):  # there is no other run below
                each.set_xlabel("iteration")
    for unused in panels[len(ensembles) :].flat:
        unused.set_visible(False)
    words = (
        "Each line is a member: the same run, its initial weights shifted by one unit in the last place. Left: its "
        f"training loss. Right: lines part where losses differ by more than {PARTED:.2%}, and never rejoin. Circles: "
        "the notebook's figures, on the right at the nearest member; black if some member has that figure, white if "
        "none has."
    )
    fig.suptitle(textwrap.fill(words, 13 * width), x=0.01, ha="left", fontsize=10)
    return fig


def _draw_losses(axes: Any, ensemble: Ensemble) -> None:
    for result in ensemble.results:
        iterations = numpy.arange(1, len(result["trace"]) + 1) * TRACE
        axes.plot(iterations, result["trace"], lw=0.4, alpha=0.5, color=ensemble.entrant.color)
    for figure in ensemble.figures:
        _draw_figure(axes, figure, figure.notebook[0])
    axes.set(title=ensemble.entrant.label, ylabel="training loss")
    style.log_scale(axes.yaxis)
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
            _draw_figure(axes, figure, heights[figure.nearest, at])
    branches = len(set(heights[:, -1].tolist()))
    axes.set(title=f"{branches} branch{'es' if branches > 1 else ''} of {len(heights)}", yticks=[])
    axes.set(ylim=(-1, len(heights)), ylabel="members")
    axes.spines["left"].set_visible(False)


def _draw_figure(axes: Any, figure: NotebookFigure, y: float) -> None:
    """Draw a figure of the notebook's, black if some member has it, or white."""
    color = "black" if figure.exact else "white"
    axes.plot(figure.iteration, y, "o", ms=4.5, mfc=color, mec="black", zorder=5)


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
