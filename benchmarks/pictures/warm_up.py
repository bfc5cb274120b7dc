"""Adam's first iterations on MNIST, without and with a warm-up, and RAdam's: how the gradients are distributed.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces. Its picture of
log |gradient| over Adam's first iterations is by the authors of RAdam, of a translation model. Here it is the
notebook's own network, at the learning rate 0.01 of its cells 14 and 15. Without a warm-up Adam's first step changes
every weight by the whole learning rate, however small its gradient. After that step more gradients are exactly 0, those
of hidden units that are 0 for a whole mini-batch, and after ten iterations there are many more small gradients. That is
not only harmful: the loss decreases faster, too, and where the loss is small, so are the gradients.

RAdam multiplies its step by r_t, which grows from almost 0 to almost 1: a warm-up without a hyperparameter. In its
first five steps it does not divide by the root of v at all, and there is no r_t.

Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, figure 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray

from minigrad import optim
from minigrad.optim.radam import rectification
from minigrad.utils.data import DataLoader

from ..console.style import BLACK, LOOKS, log_scale
from ..training import network
from .explanation import Explanation, Request
from .stage import FAINT, INK, NORMAL, Rect, Stage, save_png

RATE, WARM_UP, BETA2 = 0.01, 100, 0.999
SHOWN = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
"""The iterations whose gradients are drawn."""

FACTOR_STEPS = 3000
"""The steps for which r_t is drawn."""

BINS = numpy.linspace(-8, -1, 141)
"""Of the histograms of log10 |gradient|."""

WARMED_UP = optim.lr.linear_warmup(RATE, WARM_UP)
RUNS: tuple[tuple[str, str, Callable[[Any], optim.Optimizer]], ...] = (
    ("Adam", "adam", lambda params: optim.Adam(params, lr=RATE)),
    (f"Adam, warm-up of {WARM_UP}", "adam", lambda params: optim.Adam(params, lr=WARMED_UP)),
    ("RAdam", "radam", lambda params: optim.RAdam(params, lr=RATE)),
)
"""The optimizers: name, the name of its colour, and how it is made."""


@dataclass(frozen=True)
class Gradients:
    """The gradients of one iteration, one for each parameter.

    Attributes:
        density: the fraction of them in each of `BINS`.
        median: of log10 |gradient|, without those that are 0.
        zero: the fraction that is 0.
        loss: of the mini-batch.
    """

    density: ndarray
    median: float
    zero: float
    loss: float


def watch(make: Callable[[Any], optim.Optimizer], seed: int) -> dict[int, Gradients]:
    """Train on MNIST; returns the gradients of the iterations `SHOWN`."""
    data = network.load("mnist", True)
    model = network.seeded(data, seed)
    optimizer = make(model.parameters())
    seen = {}
    for iteration, loss in network.steps(model, optimizer, DataLoader(data, 100, shuffle=True), SHOWN[-1]):
        if iteration in SHOWN:
            seen[iteration] = _measured(numpy.abs(optimizer.g), loss.item())
    return seen


def _measured(sizes: ndarray, loss: float) -> Gradients:
    logs = numpy.log10(sizes[sizes > 0])
    density, _ = numpy.histogram(logs, BINS)
    return Gradients(density / len(sizes), float(numpy.median(logs)), float((sizes == 0).mean()), loss)


def factors(steps: int = FACTOR_STEPS) -> ndarray:
    """RAdam's r_t at each step, (steps,); nan where there is none."""
    return numpy.array([rectification(BETA2, t) or numpy.nan for t in range(1, steps + 1)], dtype=float)


def draw(request: Request) -> Explanation:
    """Draw warm-up.png."""
    seen = [watch(make, request.seed) for _, _, make in RUNS]
    r = factors()
    zero = ", ".join(f"{name} {100 * one[2].zero:.1f} %" for (name, *_), one in zip(RUNS, seen, strict=True))
    moved = ", ".join(
        f"{name} {one[10].median - one[1].median:+.2f}" for (name, *_), one in zip(RUNS, seen, strict=True)
    )
    return Explanation(
        "Warm-up",
        [
            f"Of the gradients {100 * seen[0][1].zero:.1f} % are exactly 0 at iteration 1; at iteration 2: {zero}.",
            f"The median of log10 |g| changed from iteration 1 to 10 by: {moved}; the losses there are "
            + ", ".join(f"{one[10].loss:.2f}" for one in seen)
            + ".",
            f"RAdam divides from step {int(numpy.flatnonzero(numpy.isfinite(r))[0]) + 1} on, with r = "
            f"{numpy.nanmin(r):.3f}; r is {r[99]:.3f} at step 100, {r[999]:.3f} at 1000 and {r[2999]:.3f} at 3000.",
        ],
        {
            "rate": RATE,
            "warm_up": WARM_UP,
            "seed": request.seed,
            "runs": {
                name: {
                    "iterations": list(one),
                    "median_log10": [g.median for g in one.values()],
                    "zero": [g.zero for g in one.values()],
                    "loss": [g.loss for g in one.values()],
                }
                for (name, *_), one in zip(RUNS, seen, strict=True)
            },
            "r": {t: r[t - 1] for t in (5, 6, 10, 100, 1000, 3000)},
        },
        [save_png(request.folder / "warm-up.png", still(seen, r, request.seed), 200)],
    )


def still(seen: list[dict[int, Gradients]], r: ndarray, seed: int) -> ndarray:
    """The distributions, a row for each iteration, and below them the factors of the learning rate."""
    stage = Stage(800, 668, 2)
    without, warm = (100 * one[2].zero for one in seen[:2])
    stage.title(
        f"After its first step {without:.0f} % of Adam's gradients are 0, with a warm-up {warm:.0f} %",
        "MNIST, mini-batches of 100, lr " + f"{RATE:g}, seed {seed}: "
        r"how $\log_{10}|g|$ is distributed over the 79 510 parameters",
    )
    for i, ((name, look, _), one) in enumerate(zip(RUNS, seen, strict=True)):
        _draw_distributions(stage, (66 + 250 * i, 92, 184, 330), name, LOOKS[look].color, one, first=i == 0)
    _draw_factors(stage, r)
    return stage.frame([])


def _draw_distributions(
    stage: Stage, rect: Rect, name: str, color: str, seen: dict[int, Gradients], first: bool
) -> None:
    """Draw those of one optimizer, each overlapping the one above, with its median as a mark and how many are 0."""
    from matplotlib.colors import to_rgb

    left, top, width, height = rect
    axes = stage.panel(*rect, xlim=(BINS[0], BINS[-1]), ylim=(len(SHOWN) - 0.4, -1.6), xlabel="log₁₀ |g|")
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    stage.text(left, top - 8, name, 10, weight="bold", color=color)
    stage.text(left + width + 6, top - 8, "are 0", NORMAL, color=FAINT)
    # The highest point of the first distribution is 1.35 rows high.
    tallest = float(seen[1].density.max()) / 1.35
    pale = tuple(0.45 * c + 0.55 for c in to_rgb(color))
    middle = (BINS[1:] + BINS[:-1]) / 2
    scale = height / (len(SHOWN) + 1.2)
    for row, (iteration, g) in enumerate(seen.items()):
        axes.fill_between(middle, row, row - g.density / tallest, color=pale, lw=0, zorder=row + 3)
        axes.plot(middle, row - g.density / tallest, color=color, lw=0.9, zorder=row + 3)
        axes.plot([g.median] * 2, [row - 0.05, row - 0.5], color=INK, lw=1.4, zorder=row + 3)
        y = top + (row + 1.55) * scale
        stage.text(left + width + 6, y, f"{100 * g.zero:.0f} %", NORMAL, color=FAINT)
        if first:
            stage.text(left - 8, y, str(iteration), NORMAL, ha="right", color=FAINT)
    # The first median as a line through all rows.
    axes.axvline(seen[1].median, color=INK, lw=0.7, ls=(0, (2, 3)), zorder=40)
    if first:
        stage.text(left - 8, top + 0.75 * scale, "iteration", NORMAL, ha="right", color=FAINT)


def _draw_factors(stage: Stage, r: ndarray) -> None:
    axes = stage.panel(66, 496, 414, 130, "What the rate is multiplied by", xlim=(1, FACTOR_STEPS), ylim=(0, 1.05))
    axes.set_xlabel("step", fontsize=NORMAL, color=FAINT)
    log_scale(axes.xaxis)
    t = numpy.arange(1, len(r) + 1)
    axes.plot(t, numpy.ones(len(t)), color=LOOKS["adam"].color, lw=1.8)
    axes.plot(t, numpy.minimum(t / WARM_UP, 1), color=LOOKS["adam"].color, lw=1.8, ls=(0, (4, 1.5)))
    axes.plot(t, r, color=LOOKS["radam"].color, lw=2.2)
    entries = (
        ("Adam", LOOKS["adam"].color, "-", "the whole rate from the first step on"),
        (f"Adam, warm-up of {WARM_UP}", LOOKS["adam"].color, (0, (4, 1.5)), f"t / {WARM_UP}"),
        ("RAdam", LOOKS["radam"].color, "-", f"{r[5]:.3f} at step 6, {r[99]:.2f} at 100, {r[2999]:.2f} at 3000"),
        ("", BLACK, "", "(before step 6 it does not divide by √v)"),
    )
    for i, (name, color, dash, words) in enumerate(entries):
        y = 516 + 32 * i
        if name:
            stage.over.plot([500, 526], [y - 4, y - 4], color=color, ls=dash, lw=2)
        stage.text(534, y, name, NORMAL, weight="bold")
        stage.text(534, y + 13 - 19 * (not name), words, NORMAL, color=FAINT)
