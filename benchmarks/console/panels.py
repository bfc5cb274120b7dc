"""Pictures of many optimizers' curves: a panel for each family, the others in grey, names at the ends of the lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import style

TOGETHER = 4
"""So many curves are told apart in one panel. More are divided by families."""

OWN = "Your own"
"""The panel of optimizers that are in none of `style.FAMILIES`."""

PALE = "#D9D9D9"
"""The colour of a curve in the panels of other families."""

MANY = 100
"""A curve of so many points is jagged, and drawn thinner."""

SIZE = 9
"""Of the letters of labels, in points."""

LINE_OF_TEXT = 1.25
"""The distance of two labels, as a multiple of the size of their letters."""


@dataclass(frozen=True)
class Curve:
    """What is drawn of one optimizer.

    Attributes:
        name: of the optimizer; `style.FAMILIES` says by it in which panel the curve is.
        label: what is written at its end.
        look: its colour and its dash.
        x, y: its points; there may be none.
        marks: values by x that somebody else has measured, which are drawn as circles.
    """

    name: str
    label: str
    look: style.Look
    x: Sequence[float]
    y: Sequence[float]
    marks: Mapping[int, float] = field(default_factory=dict)


def by_family(
    curves: Sequence[Curve],
    title: str,
    ylabel: str,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    log: bool = False,
    marks: str = "",
) -> tuple[Any, list[Any]]:
    """Draw the curves; returns the figure and its panels.

    Args:
        curves: up to `TOGETHER` of them come into one panel, more into one for each family.
        title: of the picture.
        ylabel: what is drawn upwards. To the right are iterations.
        xlim: the first and the last iteration.
        ylim: where the panels end. The label of a curve that ends below or above has an arrow.
        log: whether the scale is logarithmic.
        marks: what the circles are, for the legend.
    """
    groups = families(curves)
    columns = min(2, len(groups))
    rows = math.ceil(len(groups) / columns)
    options = {"sharex": True, "sharey": True, "squeeze": False}
    fig, grid = style.figure(rows, columns, height=2.75 * rows + 1.1 if len(groups) > 1 else 4.8, **options)
    panels = list(grid.reshape(-1))
    for axes, (family, members) in zip(panels, groups.items(), strict=False):
        for other in curves:
            if other not in members:
                axes.plot(other.x, other.y, color=PALE, lw=0.9, zorder=1)
        for curve in members:
            look = {"color": curve.look.color, "zorder": 3}
            axes.plot(curve.x, curve.y, ls=curve.look.dash, lw=1.8 if len(curve.x) < MANY else 1.1, **look)
            if curve.marks:
                circles = {**look, "zorder": 4, "mfc": "white", "ms": 5.5, "mew": 1.3, "clip_on": False}
                axes.plot(list(curve.marks), list(curve.marks.values()), "o", **circles)
        axes.set_title(family)
    if log:
        style.log_scale(panels[0].yaxis)
    panels[0].set(xlim=xlim, ylim=ylim)
    for unused in panels[len(groups) :]:
        unused.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    for number in range(max(0, len(groups) - columns), len(groups)):
        panels[number].set_xlabel("iteration")
        panels[number].tick_params(labelbottom=True)
    fig.suptitle(textwrap.fill(title, 98), x=0.005, ha="left", weight="bold", fontsize=12)
    _explain(fig, marks if any(curve.marks for curve in curves) else "", len(groups) > 1)
    _write_labels(fig, panels, list(groups.values()))
    return fig, panels[: len(groups)]


def families(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """The curves of each panel by its title, which is empty if there is only one."""
    if len(curves) <= TOGETHER:
        return {"": list(curves)}
    titles = {name: title for title, names in style.FAMILIES.items() for name in names}
    groups: dict[str, list[Curve]] = {title: [] for title in (*style.FAMILIES, OWN)}
    for curve in curves:
        groups[titles.get(curve.name, OWN)].append(curve)
    return {title: members for title, members in groups.items() if members}


def _explain(fig: Any, marks: str, others: bool) -> None:
    """A legend below the panels: what the circles are, and the grey lines."""
    from matplotlib.lines import Line2D

    entries = []
    if marks:
        entries.append(
            Line2D([], [], ls="none", marker="o", ms=5.5, mfc="white", mec=style.BLACK, mew=1.3, label=marks)
        )
    if others:
        entries.append(Line2D([], [], color=PALE, lw=2, label="the runs of the other panels"))
    if entries:
        fig.legend(handles=entries, loc="outside lower right", ncols=2)


def _write_labels(fig: Any, panels: Sequence[Any], groups: Sequence[Sequence[Curve]]) -> None:
    """Write each curve's label behind its end, where no two overlap, with a line to it in its colour."""
    written = []
    for axes, members in zip(panels, groups, strict=False):
        for curve in members:
            y, arrow = _end(axes, curve)
            text = axes.text(1.07, y, curve.label + arrow, transform=axes.transAxes, va="center", fontsize=SIZE)
            written.append((axes, curve, text, y))
    end = max((curve.x[-1] for _, curve, *_ in written if curve.x), default=0)
    fig.draw_without_rendering()  # from here on the panels have their final heights
    fig.set_layout_engine("none")
    for axes in panels:
        here = [each for each in written if each[0] is axes]
        if not here:
            continue
        gap = LINE_OF_TEXT * SIZE / 72 * fig.dpi / axes.get_window_extent().height
        places = spread([y for *_, y in here], gap)
        for (_, curve, text, y), place in zip(here, places, strict=True):
            text.set_y(place)
            if curve.x and curve.x[-1] == end:  # one that diverged ends somewhere on the left
                axes.plot(
                    [1.0, 1.025, 1.06], [y, place, place], transform=axes.transAxes,
                    color=curve.look.color, lw=1.2, clip_on=False, zorder=2, solid_joinstyle="round",
                )  # fmt: skip


def _end(axes: Any, curve: Curve) -> tuple[float, str]:
    """The height at which a curve ends, from 0 to 1, and an arrow if it ends below or above the panel."""
    if not curve.y:
        return 0.0, ""
    _, pixel = axes.transData.transform((0, curve.y[-1]))
    height = float(axes.transAxes.inverted().transform((0, pixel))[1])
    return min(max(height, 0.0), 1.0), " ↓" if height < 0 else " ↑" if height > 1 else ""


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places for labels that would like to be at `wanted`: at least `gap` apart, between 0 and 1, and near there.

    Labels that are too close are placed around the mean of their wishes. Where there is no room for all of them, they
    go on above 1.
    """
    groups: list[list[int]] = []
    for number in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        groups.append([number])
        while len(groups) > 1 and _bottom(groups[-1], wanted, gap) < _top(groups[-2], wanted, gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    places = [0.0] * len(wanted)
    for group in groups:
        low = _bottom(group, wanted, gap)
        for k, number in enumerate(group):
            places[number] = low + k * gap
    return places


def _bottom(group: Sequence[int], wanted: Sequence[float], gap: float) -> float:
    """The place of the lowest label of a group."""
    room = (len(group) - 1) * gap
    return max(0.0, min(1 - room, sum(wanted[i] for i in group) / len(group) - room / 2))


def _top(group: Sequence[int], wanted: Sequence[float], gap: float) -> float:
    """The place of its highest label."""
    return _bottom(group, wanted, gap) + (len(group) - 1) * gap
