"""The course notebook "6. Optimizers", whose MNIST comparison this project reproduces: the figures that it printed.

`notebook_figures.json` beside this file holds them as printed, and says what each cell ran.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CELLS = {
    "sgd": 5,
    "mini-batch": 18,
    "momentum": 7,
    "nesterov": 8,
    "adagrad": 9,
    "rmsprop": 10,
    "adam": 11,
    "adadelta": 12,
    "adamax": 13,
    "cell14": 14,
    "lookahead": 15,
}
"""The cell of the notebook that ran an entrant."""


@dataclass(frozen=True)
class NotebookRun:
    """One of the notebook's runs, as it was printed.

    Attributes:
        cell: the number of the notebook's cell.
        figures: (training loss of the mini-batch, test accuracy in percent) by the iteration.
        original_post: the accuracy in percent in the notebook's summary, if it is there.
    """

    cell: int
    figures: dict[int, tuple[float, float]]
    original_post: float | None


def agrees(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether two pairs (loss, accuracy) are equal: the accuracies to two decimals, the losses to four digits."""
    return f"{ours[1]:.2f}" == f"{theirs[1]:.2f}" and f"{ours[0]:.3e}" == f"{theirs[0]:.3e}"


def notebook_runs() -> dict[str, NotebookRun]:
    """All runs of the notebook, by the optimizers' names."""
    stored = json.loads(Path(__file__).with_name("notebook_figures.json").read_text(encoding="utf-8"))
    runs = {run["cell"]: run for run in stored["runs"]}
    summary = stored["summary_of_the_original_post_percent"]
    return {
        name: NotebookRun(cell, {i: (loss, accuracy) for i, loss, accuracy in runs[cell]["figures"]}, summary.get(name))
        for name, cell in CELLS.items()
    }
