"""The notebook's comparison: every optimizer on MNIST, with the figures that the notebook printed beside ours.

The notebook is the course notebook "6. Optimizers". It trains 784-100-10 with ReLU on mini-batches of 100 for 3000
iterations, always from seed 0, and tests on the 10 000 test images every 500. So does this, with the same random
numbers, and it runs RAdam and Ranger as well. With another seed, data set or number of iterations there is nothing in
the notebook to compare with, and its columns are left out.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy

from . import UsageError
from .console import options, panels, report, style
from .training import network
from .training.notebook import CELLS, NotebookRun, agrees, notebook_runs
from .training.optimizers import Entrant, entrants, named
from .training.trial import Trial
from .training.trials import Result, runner

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RUNS = (*CELLS, "radam", "ranger")
"""What is run if nothing else is asked for."""

PICTURES = ("mnist.png", "mnist-loss.png")
"""The files of the pictures of accuracies and of losses."""

NOTEBOOK = Trial("", trace=1)
"""What the notebook's runs have in common."""

COLUMNS = 6
"""How many tests the table has room for."""

WINDOW = 50
"""Iterations over which the picture of losses averages."""


@dataclass(frozen=True)
class Line:
    """A line of the comparison.

    Attributes:
        entrant: the optimizer.
        result: of its training; None if that failed.
        error: how it failed, in a sentence.
        lr: its learning rate.
        points: the iterations at which it was tested.
        notebook: the notebook's run, if there is one to compare with.
    """

    entrant: Entrant
    result: Result | None
    error: str | None
    lr: float
    points: Sequence[int]
    notebook: NotebookRun | None

    @property
    def figures(self) -> dict[int, tuple[float, float]]:
        """(training loss of the mini-batch, test accuracy in percent) by iteration, until the loss was not finite."""
        if self.result is None:
            return {}
        found = zip(self.points, self.result["losses"], self.result["accuracies"], strict=True)
        return {point: (loss, accuracy) for point, loss, accuracy in found if loss is not None}

    @property
    def theirs(self) -> dict[int, tuple[float, float]]:
        """The notebook's figures, if there are any."""
        return self.notebook.figures if self.notebook else {}

    @property
    def agreeing(self) -> set[int]:
        """The iterations whose figures agree with the notebook's; see `agrees`."""
        return {i for i, figure in self.figures.items() if i in self.theirs and agrees(figure, self.theirs[i])}


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0, or 1 if a run failed."""
    asked = _parser().parse_args(argv)
    base = _base(asked)
    chosen = entrants([*named(options.split([asked.optimizers]), RUNS), *asked.optimizer])
    trials = _trials(chosen, base, dict(asked.lr))
    folder = report.results_folder(asked.results, "mnist.json", *PICTURES)
    _check_data(base, asked.download)

    out = report.console()
    by_trial = {trial: one for one, trial in trials.items()}
    with runner(asked, folder, out) as here:
        results = here.run(
            trials.values(),
            f"The comparison on {base.data}",
            lambda trial, result: _print_ended(_line(by_trial[trial], trial, result), out, asked.verbose),
        )
    lines = [_line(one, trial, results.get(trial), here.failed.get(trial)) for one, trial in trials.items()]
    report.show(table(lines, base), out)
    written = [report.write_json(folder / "mnist.json", record(lines, base))]
    if results:
        written += [style.save(fig, folder / name) for name, fig in pictures(lines, base).items()]
    out.print(f"Figures and pictures: {', '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _parser() -> options.Parser:
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
    parser.add_length(NOTEBOOK.iterations, NOTEBOOK.batch_size)
    parser.add_argument(
        "--every", type=options.positive, default=NOTEBOOK.every, help="test so often (default: %(default)s)"
    )
    parser.add_data()
    parser.add_running(gpu=True)
    parser.add_argument("--verbose", action="store_true", help="print the lines that the notebook prints, too")
    return parser


def _base(asked: Namespace) -> Trial:
    """What all trainings have in common."""
    return replace(
        NOTEBOOK,
        data=asked.data,
        seed=asked.seed,
        iterations=asked.iterations,
        batch_size=asked.batch_size,
        every=asked.every,
        device=network.device_for(asked.backend),
    )


def _trials(chosen: list[Entrant], base: Trial, rates: dict[str, float]) -> dict[Entrant, Trial]:
    if not chosen:
        raise UsageError("no optimizer is to run: name some with --optimizers or --optimizer")
    names = [one.name for one in chosen]
    unknown = [name for name in rates if name not in names]
    if unknown:
        raise UsageError(f"--lr: {unknown[0]} does not run: {', '.join(names)} do")
    return {one: replace(base, optimizer=one.spec, rate=rates.get(one.name)) for one in chosen}


def _check_data(base: Trial, download: bool) -> None:
    """Fetch and read the data here first, so that an error in them is reported once and at once."""
    data = network.load(base.data, True, download=download)
    network.load(base.data, False)
    if base.batch_size > len(data):
        raise UsageError(f"--batch-size {base.batch_size}: {base.data} has only {len(data)} images to train on")


def _line(one: Entrant, trial: Trial, result: Result | None, error: str | None = None) -> Line:
    comparable = replace(trial, optimizer="", device="cpu") == NOTEBOOK
    theirs = notebook_runs().get(one.name) if comparable else None
    rate = one.usual.lr if trial.rate is None else trial.rate
    return Line(one, result, error, rate, trial.points, theirs)


def _print_ended(line: Line, out: Console, verbose: bool) -> None:
    """Print that a run has ended, and its last figures; if `verbose`, all of them in the notebook's words."""
    assert line.result is not None
    label, seconds = line.entrant.label, line.result["timing"]["seconds"]
    if verbose:
        out.print(f"{label}, learning rate {line.lr:g}", markup=False)
        for iteration, (loss, accuracy) in line.figures.items():
            out.print(f"Iteration: {iteration}. Loss: {loss:.4f}. Accuracy: {accuracy:.2f}")
    ended = f"{line.result['accuracy']:6.2f} % after {line.points[-1]} iterations"
    if line.points[-1] not in line.figures:
        ended = "its loss became infinite or nan"
    if not verbose:
        out.print(f"{label:17} {ended}, {seconds:.1f} s", markup=False)


# The table.


def table(lines: Sequence[Line], base: Trial) -> Table:
    """The one table: our figures, below them the notebook's, and beside ours the difference."""
    compared = any(line.notebook for line in lines)
    points = shown_points(base.points)
    heads = ["run\n  rate", *(f"{point:>5}" for point in points), "last\nloss"]
    if compared:
        heads = ["run\n  rate, cell", *heads[1:], "orig.\npost"]
    made = report.table(_title(base), heads, caption=_caption(lines), text=len(heads))
    for line in lines:
        made.add_row(*_row(line, points, compared))
    return made


def shown_points(points: Sequence[int]) -> list[int]:
    """All tests that the table has room for, or else as many at equal distances, with the last one."""
    room = min(COLUMNS, len(points))
    return [points[math.ceil(k * len(points) / room) - 1] for k in range(1, room + 1)]


def _title(base: Trial) -> str:
    test = network.load(base.data, False)
    layers = f"{test.data[0].size}-100-{len(test.classes)}"
    images = f"{len(test):_}".replace("_", " ")
    return (
        f"Accuracy in percent over the {images} test images of {base.data} after so many iterations\n"
        f"{layers} with ReLU, mini-batches of {base.batch_size}, seed {base.seed}"
    )


def _caption(lines: Sequence[Line]) -> str | None:
    """How to read the table, and how many of the notebook's figures agree."""
    said = []
    compared = [line for line in lines if line.notebook]
    if compared:
        agree = sum(len(line.agreeing) for line in compared)
        said.append(
            "Below each run stands what the notebook printed, beside it the difference; = where accuracy and loss (to\n"
            f"four digits) are the notebook's, as {agree} of {sum(len(line.theirs) for line in compared)} are. Later "
            "ones differ, since training amplifies\nthe last bit of a rounding. orig. post: the accuracy in the "
            "notebook's summary."
        )
        if len(compared) < len(lines):
            said.append(
                "A run without such a line is not in the notebook. RAdam and Ranger have the rate of its cell 14."
            )
    if any(line.result and len(line.figures) < len(line.points) for line in lines):
        said.append("-: the loss had become infinite or nan, and the run ended there.")
    return "\n".join(said) or None


def _row(line: Line, points: Sequence[int], compared: bool) -> list[str]:
    """The cells of a run: each ours and the difference, and the notebook's in a second line."""
    from rich.markup import escape

    name = escape(line.entrant.label)
    if line.result is None:
        return [name, "[red]failed[/]"]
    ours, theirs, last = line.figures, line.theirs, points[-1]
    losses, accuracies = ({i: figure[k] for i, figure in ours.items()} for k in (0, 1))
    their_losses, their_accuracies = ({i: figure[k] for i, figure in theirs.items()} for k in (0, 1))
    same_loss = last in ours and last in theirs and f"{losses[last]:.3e}" == f"{their_losses[last]:.3e}"
    cells = [_cell(accuracies.get(i), their_accuracies.get(i), "5.2f", i in line.agreeing) for i in points]
    cells.append(_cell(losses.get(last), their_losses.get(last), "6.4f", same_loss))
    if compared:
        post = line.notebook.original_post if line.notebook else None
        cells.append(f"{post:.2f}" if post is not None else "")
    cell = f", cell {line.notebook.cell}" if line.notebook else ""
    return [f"[bold]{name}[/]\n  [dim]{line.lr:g}{cell}[/]", *cells]


def _cell(ours: float | None, theirs: float | None, form: str, same: bool) -> str:
    shown = "-" if ours is None else f"[bold]{ours:{form}}[/]"
    if theirs is None:
        return shown
    difference = "" if ours is None else " [green]=[/]" if same else f" {ours - theirs:+{form}}"
    return f"{shown}{difference}\n[dim]{theirs:{form}}[/]"


# The files.


def record(lines: Sequence[Line], base: Trial) -> dict[str, Any]:
    """All figures, and what they were measured with, for `mnist.json`."""
    return {
        "benchmark": "mnist",
        "data": base.data,
        "seed": base.seed,
        "iterations": base.iterations,
        "batch_size": base.batch_size,
        "environment": report.environment(base.device),
        "columns": ["iteration", "training loss of that mini-batch", "test accuracy, percent"],
        "runs": [_record_of(line) for line in lines],
    }


def _record_of(line: Line) -> dict[str, Any]:
    kept: dict[str, Any] = {"name": line.entrant.name, "label": line.entrant.label}
    if line.result is None:
        return kept | {"error": line.error}
    kept |= {
        "lr": line.lr,
        "seconds": round(line.result["timing"]["seconds"], 3),
        "figures": [(i, *figure) for i, figure in line.figures.items()],
    }
    if line.notebook:
        kept["notebook"] = {
            "cell": line.notebook.cell,
            "figures": [(i, *figure) for i, figure in line.theirs.items()],
            "agreeing": sorted(line.agreeing),
            "original_post": line.notebook.original_post,
        }
    return kept


def pictures(lines: Sequence[Line], base: Trial) -> dict[str, Any]:
    """The pictures, by the names of their files: the test accuracy against iterations, and the training loss."""
    return {PICTURES[0]: picture_of_accuracies(lines, base), PICTURES[1]: picture_of_losses(lines, base)}


def picture_of_accuracies(lines: Sequence[Line], base: Trial) -> Any:
    """Test accuracy against iterations, and in circles what the notebook printed."""
    curves, ends = [], {}
    for line, result in _drawn(lines):
        figures = {i: accuracy for i, (_, accuracy) in line.figures.items()}
        theirs = {i: accuracy for i, (_, accuracy) in line.theirs.items()}
        last = f"{result['accuracy']:.2f}" if line.points[-1] in figures else "diverged"
        look = style.Look(line.entrant.color, line.entrant.dash)
        label = f"{line.entrant.label}  {last}"
        curves.append(panels.Curve(line.entrant.name, label, look, list(figures), list(figures.values()), theirs))
        if last != "diverged":
            ends[line.entrant.label] = result["accuracy"]
    fig, _ = panels.by_family(
        curves,
        f"Test accuracy on {base.data} after {base.iterations} iterations{_from_to(ends, '.2f', ' %')}",
        "test accuracy, percent",
        (0, base.iterations),
        range_of_accuracies(curves),
        marks="printed by the notebook",
    )
    return fig


def picture_of_losses(lines: Sequence[Line], base: Trial) -> Any:
    """Training loss against iterations, each the mean of `WINDOW` mini-batches.

    The notebook's losses, which are of single mini-batches, are not in it: these differ more from one mini-batch to
    the next than from one optimizer to the next.
    """
    window = min(WINDOW, base.iterations)
    curves, ends = [], {}
    for line, result in _drawn(lines):
        iterations, means = running_mean(result["trace"]) if result["trace"] else ((), ())
        shown = [(int(i), float(mean)) for i, mean in zip(iterations, means, strict=True) if 0 < mean < math.inf]
        complete = bool(shown) and shown[-1][0] == base.iterations
        label = f"{line.entrant.label}  {f'{shown[-1][1]:.3f}' if complete else 'diverged'}"
        look = style.Look(line.entrant.color, line.entrant.dash)
        curves.append(panels.Curve(line.entrant.name, label, look, [i for i, _ in shown], [mean for _, mean in shown]))
        if complete:
            ends[line.entrant.label] = shown[-1][1]
    fig, _ = panels.by_family(
        curves,
        f"Training loss on {base.data} over the last {window} mini-batches{_from_to(ends, '.3f', '')}",
        f"mean loss of {window} mini-batches",
        (0, base.iterations),
        range_of_losses(curves),
        log=True,
    )
    return fig


def _drawn(lines: Sequence[Line]) -> list[tuple[Line, Result]]:
    """The runs that ended, each once: SGD's second run, the notebook's cell 18, is the first one again."""
    found: dict[tuple[Any, ...], tuple[Line, Result]] = {}
    for line in lines:
        if line.result is not None:
            which: Any = tuple(line.figures.items()) or line.entrant.name  # those that diverge at once are not alike
            found.setdefault((which, *line.result["trace"], *line.theirs.items()), (line, line.result))
    return list(found.values())


def _from_to(ends: dict[str, float], form: str, unit: str) -> str:
    """Between what values the runs end, for a title."""
    if not ends:
        return ""
    low, high = (end(ends, key=ends.__getitem__) for end in (min, max))
    if len(ends) == 1:
        return f": {ends[low]:{form}}{unit}"
    return f": from {ends[low]:{form}}{unit} ({low}) to {ends[high]:{form}}{unit} ({high})"


def range_of_accuracies(curves: Sequence[panels.Curve]) -> tuple[float, float]:
    """The ends of the axis of accuracies: all of them are in it, unless that would squash the better half of the runs.

    What lies lower than three times the range of the better half is cut off.
    """
    values = [[*curve.y, *curve.marks.values()] for curve in curves if curve.y]
    if not values:
        return 0.0, 100.0
    better = sorted(values, key=lambda each: -each[-1])[: (len(values) + 1) // 2]
    high = max(map(max, values))
    room = max(high - min(map(min, better)), 1.0)
    return max(min(map(min, values)) - 0.05 * room, high - 3 * room), high + 0.05 * room


def range_of_losses(curves: Sequence[panels.Curve]) -> tuple[float, float]:
    """The ends of the axis of losses: what is more than three times as high as the better half ever was is cut off."""
    values = [curve.y for curve in curves if curve.y]
    if not values:
        return 0.1, 1.0
    better = sorted(values, key=lambda each: each[-1])[: (len(values) + 1) // 2]
    return 0.9 * min(map(min, values)), min(1.1 * max(map(max, values)), 3 * max(map(max, better)))


def running_mean(losses: Sequence[float], window: int = WINDOW) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(iterations, the mean of the `window` losses up to each), from iteration `window` on."""
    window = min(window, len(losses))
    means = numpy.convolve(losses, numpy.full(window, 1 / window), "valid")
    return numpy.arange(window, len(losses) + 1), means
