"""The notebook's first three algorithms: gradient descent on all images, on one, or on a mini-batch at each step.

The notebook is the course notebook "6. Optimizers". Batch gradient descent takes the gradient over all 60 000 images
for one step, stochastic gradient descent that of a single image, mini-batch gradient descent that of 100. They are
compared twice: after equal numbers of images seen, and after equal times. The rule is SGD's in all three, and the
initial weights are the same.

The learning rates differ, because the largest rate that works does. A mini-batch has the notebook's 0.1. The gradient
of a single image is so noisy that at 0.02 and more the accuracy jumps up and down: it has 0.01. The gradient over all
images has no noise, and only the curvature sets the limit: at 0.5 the loss begins to oscillate, so it has 0.3.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from . import UsageError
from .console import options, report, style
from .training import network
from .training.trial import Trial
from .training.trials import Result, runner

if TYPE_CHECKING:
    from rich.table import Table

ALL = 0
"""The size of a batch of all images."""

TESTS_A_DECADE = 12
"""How densely the runs are tested, in equal ratios of images seen."""

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
"""Times that the table may have a column for."""


@dataclass(frozen=True)
class Descent:
    """One of the three algorithms: its name, images a step, learning rate, and how long it goes on."""

    name: str
    label: str
    size: int
    lr: float
    epochs: int
    color: str


DESCENTS = (
    Descent("batch", "batch (all)", ALL, lr=0.3, epochs=50, color=style.VERMILLION),
    Descent("stochastic", "stochastic (1)", 1, lr=0.01, epochs=2, color=style.GREEN),
    Descent("mini-batch", "mini-batch (100)", 100, lr=0.1, epochs=20, color=style.BLUE),
)
"""The epochs are such that the three runs take about equally long."""


class Figure(NamedTuple):
    """What a run has reached at a test.

    Attributes:
        steps, images: taken, and seen, so far.
        seconds: spent on training so far; tests are not counted.
        loss, accuracy: over all test images, the accuracy in percent.
    """

    steps: int
    images: int
    seconds: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Curve:
    """The figures of one algorithm at its tests. The first one is that of the initial weights."""

    descent: Descent
    figures: list[Figure]


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0, or 1 if a run failed."""
    asked = _parser().parse_args(argv)
    descents = _descents(asked)
    folder = report.results_folder(asked.results, "batch_size.json", "batch_size.png")
    base = Trial("sgd", seed=asked.seed, data=asked.data, device=network.device_for(asked.backend))
    data, _ = (network.load(base.data, train, download=asked.download) for train in (True, False))

    out = report.console()
    trials = {trial_of(descent, base, len(data)): descent for descent in descents}

    def curve(trial: Trial, result: Result) -> Curve:
        return Curve(trials[trial], list(figures(trial, result, len(data))))

    def print_ended(trial: Trial, result: Result) -> None:
        last = curve(trial, result).figures[-1]
        out.print(f"{trials[trial].label:17} {last.accuracy:6.2f} % after {last.steps} steps, {last.seconds:.1f} s")

    with runner(asked, folder, out) as here:
        curves = [curve(*each) for each in here.run(trials, "Three sizes of a batch", print_ended).items()]
    if not curves:
        return 1
    report.show(table(curves, base.data, len(data)), out)
    written = [
        report.write_json(folder / "batch_size.json", record(curves, base)),
        style.save(picture(curves), folder / "batch_size.png"),
    ]
    out.print(f"Figures and picture: {' and '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _parser() -> options.Parser:
    names = ", ".join(descent.name for descent in DESCENTS)
    rates = ", ".join(f"{descent.name}={descent.lr:g}" for descent in DESCENTS)
    epochs = ", ".join(f"{descent.name}={descent.epochs}" for descent in DESCENTS)
    parser = options.Parser("batch_size", f"The notebook's first three algorithms: {names}.")
    parser.add_named("--lr", options.rate, "RATE", f"another learning rate (default: {rates})")
    parser.add_named("--epochs", options.up_to(100_000), "N", f"go through the data so often (default: {epochs})")
    parser.add_seed()
    parser.add_data()
    parser.add_running(gpu=True)
    return parser


def _descents(asked: Namespace) -> list[Descent]:
    """The three algorithms, with the rates and epochs that were asked for."""
    found = {descent.name: descent for descent in DESCENTS}
    for field in ("lr", "epochs"):
        for name, value in getattr(asked, field):
            if name not in found:
                raise UsageError(f"--{field}: there is no {name!r} here: there are {', '.join(found)}")
            found[name] = replace(found[name], **{field: value})
    return list(found.values())


# The runs.


def trial_of(descent: Descent, base: Trial, images: int) -> Trial:
    """The training of one of the three, on so many `images`."""
    size = descent.size or images
    iterations = descent.epochs * math.ceil(images / size)
    points = when_to_test(size, iterations) | {n // size for n in landmarks(images)}
    tests = tuple(sorted({0} | {point for point in points if point <= iterations}))
    return replace(base, rate=descent.lr, batch_size=descent.size, iterations=iterations, tests=tests)


def figures(trial: Trial, result: Result, images: int) -> Iterator[Figure]:
    """The figures of a training at its tests, until the loss was not finite."""
    size = trial.batch_size or images
    columns = (result["timing"]["tests"], result["test_losses"], result["accuracies"])
    for step, seconds, loss, accuracy in zip(trial.tests, *columns, strict=True):
        if accuracy is not None:
            yield Figure(step, step * size, seconds, math.nan if loss is None else loss, accuracy)


def when_to_test(size: int, total: int) -> set[int]:
    """The steps after which a run of `total` steps of `size` images is tested: in about equal ratios, and the last."""
    first, last = math.log10(max(size, 100)), math.log10(size * total)
    images = (10 ** (first + k / TESTS_A_DECADE) for k in range(int((last - first) * TESTS_A_DECADE) + 1))
    return {round(n / size) for n in images} | {total}


def landmarks(images: int) -> tuple[int, ...]:
    """The numbers of images seen that the table may have a column for, given how many there are."""
    return images // 10, images // 2, images, 2 * images


# The table.


def table(curves: Sequence[Curve], data: str, images: int) -> Table:
    """Accuracy of each after equal numbers of images, and after equal times."""
    shortest = [min(column) for column in zip(*(curve.figures[-1][1:3] for curve in curves), strict=True)]
    seen = [n for n in landmarks(images) if n <= shortest[0]]
    times = [seconds for seconds in SECONDS if seconds <= shortest[1]][-4:]
    heads = ["run", "rate", "steps", "seconds", "loss"]
    heads += [f"{n:_}\nimages".replace("_", " ") for n in seen] + [f"{seconds:g}\ns" for seconds in times]
    made = report.table(
        f"Test accuracy in percent on {data}, after equal numbers of images seen and equal seconds of training",
        heads,
        caption="Steps, seconds and test loss: at the end. Before its first step a run has its initial accuracy.",
    )
    for curve in curves:
        last = curve.figures[-1]
        made.add_row(
            curve.descent.label,
            f"{curve.descent.lr:g}",
            str(last.steps),
            f"{last.seconds:.1f}",
            f"{last.loss:.3f}",
            *(f"{at(curve.figures, images=n).accuracy:.2f}" for n in seen),
            *(f"{at(curve.figures, seconds=t).accuracy:.2f}" for t in times),
        )
    return made


def at(figures: Sequence[Figure], images: float = math.inf, seconds: float = math.inf) -> Figure:
    """The last figure within so many images and seconds."""
    return [figure for figure in figures if figure.images <= images and figure.seconds <= seconds][-1]


# The files.


def record(curves: Sequence[Curve], base: Trial) -> dict[str, Any]:
    """All figures, and what they were measured with, for `batch_size.json`."""
    return {
        "benchmark": "batch_size",
        "data": base.data,
        "seed": base.seed,
        "environment": report.environment(base.device),
        "columns": Figure._fields,
        "runs": [
            {"name": curve.descent.name, "size": curve.descent.size or "all", "lr": curve.descent.lr}
            | {"figures": [(*figure[:2], round(figure.seconds, 4), *figure[3:]) for figure in curve.figures]}
            for curve in curves
        ],
    }


def picture(curves: Sequence[Curve]) -> Any:
    """Test loss and accuracy of the three, against images seen and against seconds."""
    fig, axes = style.figure(2, 2, height=7, sharex="col", sharey="row")
    for column, (field, label) in enumerate((("images", "images seen"), ("seconds", "seconds of training"))):
        for row, quantity in enumerate(("loss", "accuracy")):
            for curve in curves:
                x = [getattr(figure, field) for figure in curve.figures[1:]]
                y = [getattr(figure, quantity) for figure in curve.figures[1:]]
                axes[row, column].plot(x, y, ".-", color=curve.descent.color, label=curve.descent.label)
        axes[1, column].set_xlabel(label)
        style.log_scale(axes[1, column].xaxis)
    style.log_scale(axes[0, 0].yaxis)
    axes[0, 0].set_title("Test loss")
    axes[1, 0].set_title("Test accuracy, percent")
    axes[1, 1].legend(title="images a step")
    return fig
