"""The notebook's first three algorithms: gradient descent on all images, on one, or on a mini-batch at each step.

Batch gradient descent takes the gradient over all 60 000 images for one step, stochastic gradient descent that of
a single image, mini-batch gradient descent that of 100. They are set against each other twice: after equal numbers
of images seen, and after equal times. The rule is SGD's in all three, and so are the initial weights.

The rates differ, because the largest one that works does. A mini-batch has the notebook's 0.1. The gradient of a
single image is so noisy that at 0.02 and more the accuracy jumps up and down: it has 0.01. That of all images has
no noise, and only the curvature sets the limit: at 0.5 the loss begins to swing, so it has 0.3.
"""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

import minigrad
from minigrad import nn, optim
from minigrad.utils.data import DataLoader, Dataset

from . import UsageError
from .console import options, report, style
from .training import network, pool

if TYPE_CHECKING:
    from rich.table import Table

ALL = 0
"""The size of a batch that is all there is."""

CHUNK = 1000
"""Images that a gradient over all images is accumulated from at a time: 1000 are 3 MB of float32."""

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
"""The epochs are such that no run takes much more than the others, whatever it has achieved by then."""


@dataclass(frozen=True)
class Task:
    """A run to be done, in whatever process."""

    descent: Descent
    data: str
    seed: int
    device: str


class Figure(NamedTuple):
    """How far a run has got at a test.

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
class Result:
    """What came of a run. The first figure is that of the initial weights."""

    descent: Descent
    figures: list[Figure]


def main(argv: Sequence[str]) -> int:
    """Run it."""
    asked = _parser().parse_args(argv)
    descents = _descents(asked)
    tasks = [Task(descent, asked.data, asked.seed, network.device_for(asked.backend)) for descent in descents]
    folder = report.results_folder(asked.results, "batch_size.json", "batch_size.png")
    data, _ = (network.load(asked.data, train, download=asked.download) for train in (True, False))

    out = report.console()
    ended = pool.in_parallel(
        work,
        tasks,
        labels=[descent.label for descent in descents],
        steps=[descent.epochs * len(data) for descent in descents],
        jobs=options.jobs_for(asked.jobs, asked.backend),
        out=out,
    )
    found: dict[int, Result] = {}
    for number, result in ended:
        if isinstance(result, pool.Died):
            raise UsageError(f"{descents[number].name}: {result}")
        found[number] = result
        last = result.figures[-1]
        out.print(f"{result.descent.label:17} {last.accuracy:6.2f} % after {last.steps} steps, {last.seconds:.1f} s")
    results = [found[number] for number in sorted(found)]
    report.show(table(results, asked.data, len(data)), out)
    written = [
        report.write_json(folder / "batch_size.json", record(results, tasks[0])),
        style.save(picture(results), folder / "batch_size.png"),
    ]
    out.print(f"Figures and picture: {' and '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 0


def _parser() -> options.Parser:
    names = ", ".join(descent.name for descent in DESCENTS)
    rates = ", ".join(f"{descent.name}={descent.lr:g}" for descent in DESCENTS)
    epochs = ", ".join(f"{descent.name}={descent.epochs}" for descent in DESCENTS)
    parser = options.Parser("batch_size", f"The notebook's first three algorithms: {names}.")
    parser.add_named("--lr", options.rate, "RATE", f"another learning rate (default: {rates})")
    parser.add_named("--epochs", options.up_to(100_000), "N", f"go through the data so often (default: {epochs})")
    parser.add_seed()
    parser.add_data()
    parser.add_backend()
    parser.add_jobs()
    parser.add_results()
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


# A run.


def work(task: Task, tick: pool.Tick) -> Result:
    """Train the notebook's network with one of the three, testing on the way; `tick` is told the images seen."""
    with numpy.errstate(all="ignore"):  # a run that diverges shows that by its figures
        return _trained(task, tick)


def _trained(task: Task, tick: pool.Tick) -> Result:
    data, test = (network.load(task.data, train, task.device) for train in (True, False))
    descent = task.descent
    size = descent.size or len(data)
    total = descent.epochs * math.ceil(len(data) / size)
    model = network.seeded(data, task.seed)
    optimizer = optim.SGD(model.parameters(), lr=descent.lr)
    steps = (
        network.steps(model, optimizer, DataLoader(data, size, shuffle=True), total)
        if descent.size
        else batch_steps(model, optimizer, data, total)
    )
    tests = DataLoader(test, CHUNK)
    points = when_to_test(size, total) | {n // size for n in landmarks(len(data))}
    figures = [Figure(0, 0, 0.0, *_tested(model, tests))]
    seconds, start = 0.0, time.perf_counter()
    for step, _ in steps:
        if step in points:
            minigrad.cuda.synchronize()
            seconds += time.perf_counter() - start
            figures.append(Figure(step, step * size, seconds, *_tested(model, tests)))
            tick(step * size)
            start = time.perf_counter()
    return Result(descent, figures)


def _tested(model: nn.Module, tests: DataLoader) -> tuple[float, float]:
    """As `network.evaluate`, but the draw that it takes is given back: how often a run is tested does not change it."""
    state = minigrad.random.default_generator.get_state()
    figures = network.evaluate(model, tests)
    minigrad.random.default_generator.set_state(state)
    return figures


def batch_steps(
    model: nn.Module, optimizer: optim.Optimizer, data: Dataset, iterations: int
) -> Iterator[tuple[int, float]]:
    """Batch gradient descent, handing out (iteration, loss) after each step, as `network.steps`."""
    criterion = nn.CrossEntropyLoss()
    for iteration in range(1, iterations + 1):
        optimizer.zero_grad()
        loss = accumulate_gradient(model, criterion, data)
        optimizer.step()
        yield iteration, loss


def accumulate_gradient(model: nn.Module, criterion: nn.Module, data: Dataset, chunk: int = CHUNK) -> float:
    """Add the gradient of the mean loss over all of `data` to the parameters' ``.grad``; returns that loss.

    It goes through the data in chunks, each of which adds its part, so memory holds one chunk at a time. The mean
    over all is the mean of the chunks' means, each weighted by the share of samples in the chunk: the last chunk
    may be smaller. `criterion` takes the mean over its samples.
    """
    mean = 0.0
    for inputs, targets in DataLoader(data, chunk):
        part = criterion(model(inputs), targets) * (len(targets) / len(data))
        part.backward()
        mean += part.item()
    return mean


def when_to_test(size: int, total: int) -> set[int]:
    """The steps after which a run of `total` steps of `size` images is tested: in about equal ratios, and the last."""
    first, last = math.log10(max(size, 100)), math.log10(size * total)
    images = (10 ** (first + k / TESTS_A_DECADE) for k in range(int((last - first) * TESTS_A_DECADE) + 1))
    return {round(n / size) for n in images} | {total}


def landmarks(images: int) -> tuple[int, ...]:
    """The numbers of images seen that the table may have a column for, given how many there are."""
    return images // 10, images // 2, images, 2 * images


# The table.


def table(results: Sequence[Result], data: str, images: int) -> Table:
    """Accuracy of each after equal numbers of images, and after equal times."""
    shortest = [min(column) for column in zip(*(result.figures[-1][1:3] for result in results), strict=True)]
    seen = [n for n in landmarks(images) if n <= shortest[0]]
    times = [seconds for seconds in SECONDS if seconds <= shortest[1]][-4:]
    heads = ["run", "rate", "steps", "seconds", "loss"]
    heads += [f"{n:_}\nimages".replace("_", " ") for n in seen] + [f"{seconds:g}\ns" for seconds in times]
    made = report.table(
        f"Test accuracy in percent on {data}, after equal numbers of images seen and equal seconds of training",
        heads,
        caption="Steps, seconds and test loss: at the end. Before its first step a run has its initial accuracy.",
    )
    for result in results:
        last = result.figures[-1]
        made.add_row(
            result.descent.label,
            f"{result.descent.lr:g}",
            str(last.steps),
            f"{last.seconds:.1f}",
            f"{last.loss:.3f}",
            *(f"{at(result.figures, images=n).accuracy:.2f}" for n in seen),
            *(f"{at(result.figures, seconds=t).accuracy:.2f}" for t in times),
        )
    return made


def at(figures: Sequence[Figure], images: float = math.inf, seconds: float = math.inf) -> Figure:
    """The last figure within so many images and seconds."""
    return [figure for figure in figures if figure.images <= images and figure.seconds <= seconds][-1]


# The files.


def record(results: Sequence[Result], task: Task) -> dict[str, Any]:
    """All figures, and what they were measured with, for `batch_size.json`."""
    return {
        "benchmark": "batch_size",
        "data": task.data,
        "seed": task.seed,
        "environment": report.environment(task.device),
        "columns": Figure._fields,
        "runs": [
            {"name": result.descent.name, "size": result.descent.size or "all", "lr": result.descent.lr}
            | {"figures": [(*figure[:2], round(figure.seconds, 4), *figure[3:]) for figure in result.figures]}
            for result in results
        ],
    }


def picture(results: Sequence[Result]) -> Any:
    """Test loss and accuracy of the three, against images seen and against seconds."""
    fig, axes = style.figure(2, 2, height=7, sharex="col", sharey="row")
    for column, (field, label) in enumerate((("images", "images seen"), ("seconds", "seconds of training"))):
        for row, quantity in enumerate(("loss", "accuracy")):
            for result in results:
                x = [getattr(figure, field) for figure in result.figures[1:]]
                y = [getattr(figure, quantity) for figure in result.figures[1:]]
                axes[row, column].plot(x, y, ".-", color=result.descent.color, label=result.descent.label)
        axes[1, column].set(xlabel=label, xscale="log")
    style.log_scale(axes[0, 0].yaxis)
    axes[0, 0].set_title("Test loss")
    axes[1, 0].set_title("Test accuracy, percent")
    axes[1, 1].legend(title="images a step")
    return fig
