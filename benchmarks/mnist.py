"""The notebook's comparison: every optimizer on MNIST, with the figures that the notebook printed beside ours.

The notebook trains 784-100-10 with ReLU on mini-batches of 100 for 3000 iterations, always from seed 0, and tests
on the 10 000 test images every 500. So does this, drawing what the notebook draws, and runs RAdam and Ranger as
well. With another seed, data set or number of iterations the notebook has nothing to compare with, and its columns
are left out.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy

from . import UsageError
from .console import options, report, style
from .training import network, pool
from .training.notebook import CELLS, NotebookRun, agrees, notebook_runs
from .training.optimizers import Entrant, entrant, entrants, explain, named, path_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RUNS = (*CELLS, "radam", "ranger")
"""What is run if nothing else is asked for."""

COLUMNS = 6
"""How many tests the table has room for."""

STOPPED = "it was stopped"
"""How a run has failed that had not ended when Ctrl-C was pressed."""

WINDOW = 50
"""Iterations over which the picture averages the training loss."""


@dataclass(frozen=True)
class Task:
    """A run to be done, in whatever process: see `Entrant.spec`. `lr` is None for the entrant's own rate."""

    spec: str
    lr: float | None
    settings: network.Settings


@dataclass(frozen=True)
class Result:
    """What came of a run: a `Run`, or a sentence that says how it failed."""

    entrant: Entrant
    run: network.Run | None
    error: str | None
    notebook: NotebookRun | None

    @property
    def agreeing(self) -> set[int]:
        """The iterations whose figure agrees with the notebook's: see `agrees`."""
        if self.run is None or self.notebook is None:
            return set()
        theirs = self.notebook.figures
        return {i for i, *figure in self.run.figures if i in theirs and agrees(figure, theirs[i])}


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0, or 1 if a run failed."""
    asked = _parser().parse_args(argv)
    settings = _settings(asked)
    chosen = entrants([*named(options.split([asked.optimizers]), RUNS), *asked.optimizer])
    tasks = _tasks(chosen, settings, dict(asked.lr))
    folder = report.results_folder(asked.results, "mnist.json", "mnist.png")
    _check_data(settings, asked.download)

    out = report.console()
    results = run_all(chosen, tasks, options.jobs_for(asked.jobs, asked.backend), out, asked.verbose)
    report.show(table(results, settings), out)
    written = [report.write_json(folder / "mnist.json", record(results, settings))]
    if any(result.run for result in results):
        written.append(style.save(picture(results, settings), folder / "mnist.png"))
    out.print(f"Figures and picture: {' and '.join(map(str, written))}", markup=False, soft_wrap=True)
    if any(result.error == STOPPED for result in results):
        raise KeyboardInterrupt
    return 1 if any(result.error for result in results) else 0


def _parser() -> options.Parser:
    usual = network.Settings()
    parser = options.Parser("mnist", "The notebook's comparison of optimizers on MNIST, its figures beside ours.")
    parser.add_argument(
        "--optimizers",
        default="notebook",
        metavar="NAME,...",
        help=f"names, notebook ({', '.join(RUNS)}), or all (default: %(default)s)",
    )
    parser.add_own_optimizer()
    parser.add_named("--lr", options.rate, "RATE", "another learning rate for one of them")
    parser.add_seed()
    parser.add_argument(
        "--iterations", type=options.up_to(options.ITERATIONS), default=usual.iterations, help="(default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=options.positive, default=usual.batch_size, help="(default: %(default)s)")
    parser.add_argument(
        "--every", type=options.positive, default=usual.every, help="test so often (default: %(default)s)"
    )
    parser.add_data()
    parser.add_backend()
    parser.add_jobs()
    parser.add_results()
    parser.add_argument("--verbose", action="store_true", help="print the lines that the notebook prints, too")
    return parser


def _settings(asked: Namespace) -> network.Settings:
    return network.Settings(
        asked.data, asked.seed, asked.iterations, asked.batch_size, asked.every, network.device_for(asked.backend)
    )


def _tasks(chosen: list[Entrant], settings: network.Settings, rates: dict[str, float]) -> list[Task]:
    if not chosen:
        raise UsageError("no optimizer is to run: name some with --optimizers or --optimizer")
    names = [one.name for one in chosen]
    unknown = [name for name in rates if name not in names]
    if unknown:
        raise UsageError(f"--lr: {unknown[0]} does not run: {', '.join(names)} do")
    return [Task(one.spec, rates.get(one.name), settings) for one in chosen]


def _check_data(settings: network.Settings, download: bool) -> None:
    """Fetch and read the data here first, so that a fault in them is told once and at once."""
    data = network.load(settings.data, True, download=download)
    network.load(settings.data, False)
    if settings.batch_size > len(data):
        raise UsageError(f"--batch-size {settings.batch_size}: {settings.data} has only {len(data)} images to train on")


def work(task: Task, tick: pool.Tick) -> network.Run | str:
    """Do one run. What a learner's optimizer raises is returned in a sentence, so that the others can go on."""
    make = entrant(task.spec).make
    if task.lr is not None:
        make = partial(make, lr=task.lr)
    try:
        with numpy.errstate(all="ignore"):  # a run that diverges shows that by its figures
            return network.train(make, task.settings, tick)
    except BaseException as error:  # a learner's rule may do anything
        if isinstance(error, KeyboardInterrupt) and ".py:" not in task.spec:
            raise
        return explain(error, task.spec)


def run_all(chosen: list[Entrant], tasks: list[Task], jobs: int, out: Console, verbose: bool = False) -> list[Result]:
    """Do all runs, saying on `out` what becomes of each as it ends. The results are in the order of `chosen`.

    After Ctrl-C those that have not ended are `STOPPED`; KeyboardInterrupt is raised if none has.
    """
    known = notebook_runs()
    results: dict[int, Result] = {}
    ended = pool.in_parallel(
        work,
        tasks,
        labels=[one.label for one in chosen],
        steps=[task.settings.iterations for task in tasks],
        jobs=jobs,
        out=out,
        apart=any(".py:" in task.spec for task in tasks),
    )
    try:
        for number, outcome in ended:
            one, task = chosen[number], tasks[number]
            comparable = task.lr is None and replace(task.settings, device="cpu") == network.Settings()
            run = outcome if isinstance(outcome, network.Run) else None
            error = outcome.at(path_of(one.spec)) if isinstance(outcome, pool.Died) else outcome
            theirs = known.get(one.name) if comparable else None
            results[number] = Result(one, run, error if isinstance(error, str) else None, theirs)
            _tell(results[number], out, verbose)
    except KeyboardInterrupt:
        if not results:
            raise
        pool.end()
        for number in set(range(len(tasks))) - set(results):
            results[number] = Result(chosen[number], None, STOPPED, None)
        out.print("Stopped: what has ended is kept.", style="yellow")
    return [results[number] for number in sorted(results)]


def _tell(result: Result, out: Console, verbose: bool) -> None:
    """Say that a run has ended, and how; if `verbose`, in the notebook's own lines."""
    label = result.entrant.label
    if result.run is None:
        file = f" in {path_of(result.entrant.spec)}" if ".py:" in result.entrant.spec else ""
        out.print(f"{label} failed: {result.error}{file}", style="red", markup=False, soft_wrap=True)
        return
    iteration, loss, accuracy = result.run.figures[-1]
    if verbose:
        out.print(f"{label}, learning rate {result.run.lr:g}", markup=False)
        for iteration, loss, accuracy in result.run.figures:
            out.print(f"Iteration: {iteration}. Loss: {loss:.4f}. Accuracy: {accuracy:.2f}")
    else:
        out.print(
            f"{label:17} {accuracy:6.2f} % after {iteration} iterations, {result.run.seconds:.1f} s", markup=False
        )


# The table.


def table(results: Sequence[Result], settings: network.Settings) -> Table:
    """The one table: ours, below it the notebook's, and beside ours how far it is from that."""
    compared = any(result.notebook for result in results)
    points = shown_points(settings.points)
    heads = ["run\n  rate", *(f"{point:>5}" for point in points), "last\nloss"]
    if compared:
        heads = ["run\n  rate, cell", *heads[1:], "orig.\npost"]
    made = report.table(_title(settings), heads, caption=_caption(results), text=len(heads))
    for result in results:
        made.add_row(*_row(result, points, compared))
    return made


def shown_points(points: Sequence[int]) -> list[int]:
    """All tests that the table has room for, or else as many at equal distances, with the last one."""
    room = min(COLUMNS, len(points))
    return [points[math.ceil(k * len(points) / room) - 1] for k in range(1, room + 1)]


def _title(settings: network.Settings) -> str:
    test = network.load(settings.data, False)
    layers = f"{test.data[0].size}-100-{len(test.classes)}"
    images = f"{len(test):_}".replace("_", " ")
    return (
        f"Accuracy in percent over the {images} test images of {settings.data} after so many iterations\n"
        f"{layers} with ReLU, mini-batches of {settings.batch_size}, seed {settings.seed}"
    )


def _caption(results: Sequence[Result]) -> str | None:
    """How to read the notebook's lines, and how many figures agree."""
    compared = [result for result in results if result.notebook]
    if not compared:
        return None
    agree = sum(len(result.agreeing) for result in compared)
    figures = sum(len(result.notebook.figures) for result in compared if result.notebook)
    told = (
        "Below each run stands what the notebook printed, beside it the difference; = where accuracy and loss (to\n"
        f"four digits) are the notebook's, as {agree} of {figures} are. Later ones part: training amplifies the last\n"
        "bit of a rounding. orig. post: the accuracy in the notebook's summary."
    )
    if len(compared) < len(results):
        told += "\nA run without such a line is not in the notebook. RAdam and Ranger have the rate of its cell 14."
    return told


def _row(result: Result, points: Sequence[int], compared: bool) -> list[str]:
    """The cells of a run: each ours and the difference, and the notebook's in a second line."""
    name = _escaped(result.entrant.label)
    if result.run is None:
        return [name, "[red]failed[/]"]
    theirs = result.notebook.figures if result.notebook else {}
    ours = {i: (loss, accuracy) for i, loss, accuracy in result.run.figures}
    cells = [_cell(ours[i][1], theirs[i][1] if i in theirs else None, "5.2f", i in result.agreeing) for i in points]
    last = points[-1]
    same_loss = last in theirs and f"{ours[last][0]:.3e}" == f"{theirs[last][0]:.3e}"
    cells.append(_cell(ours[last][0], theirs[last][0] if last in theirs else None, "6.4f", same_loss))
    if compared:
        post = result.notebook.original_post if result.notebook else None
        cells.append(f"{post:.2f}" if post is not None else "")
    cell = f", cell {result.notebook.cell}" if result.notebook else ""
    return [f"[bold]{name}[/]\n  [dim]{result.run.lr:g}{cell}[/]", *cells]


def _cell(ours: float, theirs: float | None, form: str, same: bool) -> str:
    if theirs is None:
        return f"[bold]{ours:{form}}[/]"
    difference = "[green]=[/]" if same else f"{ours - theirs:+{form}}"
    return f"[bold]{ours:{form}}[/] {difference}\n[dim]{theirs:{form}}[/]"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


# The files.


def record(results: Sequence[Result], settings: network.Settings) -> dict[str, Any]:
    """All figures, and what they were measured with, for `mnist.json`."""
    return {
        "benchmark": "mnist",
        "data": settings.data,
        "seed": settings.seed,
        "iterations": settings.iterations,
        "batch_size": settings.batch_size,
        "environment": report.environment(settings.device),
        "columns": ["iteration", "training loss of that mini-batch", "test accuracy, percent"],
        "runs": [_record_of(result) for result in results],
    }


def _record_of(result: Result) -> dict[str, Any]:
    kept: dict[str, Any] = {"name": result.entrant.name, "label": result.entrant.label}
    if result.run is None:
        return kept | {"error": result.error}
    kept |= {"lr": result.run.lr, "seconds": round(result.run.seconds, 3), "figures": result.run.figures}
    if result.notebook:
        kept["notebook"] = {
            "cell": result.notebook.cell,
            "figures": [(i, *figure) for i, figure in result.notebook.figures.items()],
            "agreeing": sorted(result.agreeing),
            "original_post": result.notebook.original_post,
        }
    return kept


def picture(results: Sequence[Result], settings: network.Settings) -> Any:
    """Training loss and test accuracy against iterations: our lines and rings, and in them the notebook's points."""
    fig, (top, bottom) = style.figure(2, 1, height=9.5, sharex=True)
    ended = [(result.entrant, result.run, result.notebook) for result in results if result.run]
    for one, run, theirs in sorted(ended, key=lambda each: -each[1].figures[-1][2]):
        line = {"color": one.color, "ls": one.dash}
        tests, losses, accuracies = zip(*run.figures, strict=True)
        top.plot(*running_mean(run.losses), lw=1.1, **line)
        bottom.plot(tests, accuracies, **line, label=f"{one.label}  {accuracies[-1]:.2f}")
        for axes, ours, column in ((top, losses, 0), (bottom, accuracies, 1)):
            axes.plot(tests, ours, "o", ms=6.5, mfc="none", mec=one.color, mew=0.8)
            if theirs:
                points = [figure[column] for figure in theirs.figures.values()]
                axes.plot(theirs.figures.keys(), points, "o", ms=3.5, color=one.color, mec="none", zorder=4)
    window = min(WINDOW, settings.iterations)
    compared = any(theirs for _, _, theirs in ended)
    dots = ", dots: the notebook's" if compared else ""
    top.set(title=f"Training loss (lines: mean of {window} mini-batches; rings: of one{dots})")
    style.log_scale(top.yaxis)
    bottom.set(title=f"Test accuracy, percent (rings: ours{dots})", xlabel="iteration")
    fig.legend(loc="outside lower center", ncols=4, title="accuracy after the last iteration, percent")
    return fig


def running_mean(losses: Sequence[float], window: int = WINDOW) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(iterations, the mean of the `window` losses up to each), from iteration `window` on."""
    window = min(window, len(losses))
    means = numpy.convolve(losses, numpy.full(window, 1 / window), "valid")
    return numpy.arange(window, len(losses) + 1), means
