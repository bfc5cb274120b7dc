"""The tables of the ensembles, the conclusions from them, and what the result file says of them."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..console import report
from .ensembles import TRACE, Ensemble, all_figures, counts, leave_one_out, undecided

if TYPE_CHECKING:
    from rich.table import Table


def table_of_figures(ensembles: Sequence[Ensemble]) -> Table:
    """A row for each of the notebook's figures."""
    made = report.table(
        "The notebook's figures, and how far they change with the rounding of the initial weights",
        ["run", "iteration", "notebook", "unshifted", "losses", "accuracies", "branches", "within", "nearest"],
        caption="notebook, unshifted: loss of the mini-batch and test accuracy in percent. losses, accuracies: the "
        "lowest and the highest of the ensemble. branches: how many different losses there are, to five digits. "
        "within: whether the notebook's figure lies within the ensemble, the loss to four digits, or what does not. "
        "nearest: the number of the member with the nearest loss; = if it has the notebook's figure.",
    )
    for ensemble in ensembles:
        for figure in ensemble.figures:
            made.add_row(
                ensemble.entrant.label if figure is ensemble.figures[0] else "",
                str(figure.iteration),
                *(f"{loss:#.4g} {accuracy:.2f}" for loss, accuracy in (figure.notebook, figure.members[0])),
                f"{min(figure.losses):#.4g} - {max(figure.losses):#.4g}",
                f"{min(figure.accuracies):.2f} - {max(figure.accuracies):.2f}",
                str(figure.branches),
                f"no: {', '.join(figure.outside)}" if figure.outside else "yes",
                f"{figure.nearest} {'=' if figure.exact else ' '}",
                end_section=figure is ensemble.figures[-1],
            )
    return made


def table_of_runs(ensembles: Sequence[Ensemble]) -> Table:
    """A row for each run: how far it agrees, when its members part, and how far apart they end."""
    made = report.table(
        "The runs",
        ["run", "cell", "members", "agrees to", "part at", "within", "exact", "last accuracies", "spread"],
        caption="agrees to: the last iteration up to which the unshifted run has all the notebook's figures. part at: "
        f"the iteration at which the members' losses first differ in five digits (checked every {TRACE}). within: how "
        "many of the notebook's figures lie within the ensemble. exact: how many agree exactly with some member. "
        "last accuracies: lowest and highest. spread: their difference in points.",
    )
    for ensemble in ensembles:
        within, exact = counts(ensemble.figures)
        last = ensemble.figures[-1].accuracies
        made.add_row(
            ensemble.entrant.label,
            ", ".join(map(str, ensemble.cells)),
            str(len(ensemble.results)),
            str(ensemble.agrees_to or "never"),
            str(ensemble.parts_at or "never"),
            f"{within} of {len(ensemble.figures)}",
            f"{exact} of {len(ensemble.figures)}",
            f"{min(last):.2f} - {max(last):.2f}",
            f"{max(last) - min(last):.2f}",
        )
    return made


def conclusions(ensembles: Sequence[Ensemble]) -> list[str]:
    """The two counts, the figures outside, what a member's counts would be, and which pairs are undecided."""
    figures = all_figures(ensembles)
    within, exact = counts(figures)
    fewest, most = (end(len(ensemble.results) for ensemble in ensembles) for end in (min, max))
    sizes = str(most) if fewest == most else f"{fewest} to {most}"
    lines = [
        f"{within} of the notebook's {len(figures)} figures lie within the ensembles of {sizes} members; "
        f"{exact} agree exactly with some member."
    ]
    outside = [
        f"{f.name} at {f.iteration} ({' and '.join(f.outside)})" for e in ensembles for f in e.figures if f.outside
    ]
    if outside:
        lines.append(f"Outside: {', '.join(outside)}. With --widen {4 * most} these ensembles get more members.")
    lines += _beside_members(ensembles)
    if pairs := math.comb(len(ensembles), 2):
        lines.append(_pairs(pairs, undecided(ensembles)))
    return lines


def _pairs(pairs: int, either: Sequence[tuple[str, str, float]]) -> str:
    """How many of the pairs of runs can end in either order, and which."""
    if not either:
        return "Rounding alone never decides which of two runs ends ahead."
    named = [f"{a} before {b} in {share:.0%}" for a, b, share in either[:6]]
    named += [f"and {len(either) - 6} more"] * (len(either) > 6)
    among = f"in {len(either)} of {pairs} pairs of runs which" if pairs > 1 else "which of the two runs"
    return f"Rounding alone can decide {among} ends ahead: {'; '.join(named)}."


def _beside_members(ensembles: Sequence[Ensemble]) -> list[str]:
    """What the counts would be if the notebook were one more member, and whether they are lower."""
    expected = leave_one_out(ensembles)
    if expected is None:
        return []
    within, exact = expected
    lines = [
        f"For comparison, a member held against the others lies within them in {within[0]:.0f} figures (95 %: "
        f"{within[1]:.0f} to {within[2]:.0f}) and agrees exactly "
        f"with one of them in {exact[0]:.0f} ({exact[1]:.0f} to {exact[2]:.0f})."
    ]
    found = counts(all_figures(ensembles))
    if found[0] < within[1] or found[1] < exact[1]:
        lines.append("The notebook does so in fewer: its machine rounded differently at later steps, too; see --often.")
    return lines


def record(ensembles: Sequence[Ensemble], asked: Namespace) -> dict[str, Any]:
    """All figures, for `replay.json`. Only the environment changes from one run to another."""
    figures = all_figures(ensembles)
    within, exact = counts(figures)
    return {
        "benchmark": "replay",
        "seed": 0,
        "members": asked.members,
        "often": asked.often,
        "iterations": asked.iterations,
        "environment": report.environment(),
        "figures": len(figures),
        "within": within,
        "exact": exact,
        "members_left_out": leave_one_out(ensembles),
        "either_order": undecided(ensembles),
        "runs": [
            {
                "name": ensemble.entrant.name,
                "cells": ", ".join(map(str, ensemble.cells)),
                "members": len(ensemble.results),
                "agrees_to": ensemble.agrees_to,
                "parts_at": ensemble.parts_at,
                "figures": [
                    {
                        "iteration": figure.iteration,
                        "notebook": figure.notebook,
                        "losses": [loss for loss, _ in figure.members],
                        "accuracies": figure.accuracies,
                        "branches": figure.branches,
                        "outside": figure.outside,
                        "nearest": figure.nearest,
                        "exact": figure.exact,
                    }
                    for figure in ensemble.figures
                ],
            }
            for ensemble in ensembles
        ],
    }
