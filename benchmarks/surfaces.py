"""Optimizers racing on surfaces: Beale's function, a valley, a saddle, Rosenbrock; and what each keeps in its state.

``python -m benchmarks surfaces`` writes to ``results/surfaces``, for each surface: an animation of the race
(beale.gif, and beale.mp4 where ffmpeg is installed), a still of the whole paths (beale.png), the loss against the
step (beale-loss.png) and the numbers (beale.json). And, on a ravine, what some optimizers keep in their state:
inside-the-state.png, and an animation for each (inside-momentum.gif).

The README's docs/beale.gif and docs/inside-the-state.png are results/surfaces/beale.gif and
results/surfaces/inside-the-state.png, written by this command without options.

An optimizer of the user's own joins the race with ``--optimizer path/to/mine.py:Mine``, at a learning rate that is
searched for. ``--surface path/to/mine.py:f`` races on the user's own surface, where f is a function of two tensors (see
`benchmarks.pictures.user_surface`), and ``--surface "x**2 + 10*y**2"`` on a formula (see
`benchmarks.pictures.user_formula`).
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import UsageError
from .console import options, report
from .pictures.drawing import Drawing, draw
from .pictures.landscapes import RACES, SURFACES
from .pictures.race import NO_RACERS, Trajectory, summary
from .pictures.surface import Surface
from .training import pool
from .training.optimizers import entrants, named

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Found = TypeVar("Found")

RACERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
"""The optimizers that race unless others are asked for."""

INSIDE = ("momentum", "nesterov", "adagrad", "adam")
INSIDE_ON, INSIDE_STEPS = "ravine", 40
"""The optimizers whose state is shown unless others are asked for; on which surface, and for how many steps."""

LONG, LONGEST = 2_000, 100_000
"""A race of more steps is run in several processes; and the most steps that a race can have."""


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0, or 1 if some pictures could not be drawn.

    Raises:
        UsageError: something is wrong with what was asked for.
    """
    asked = _parser().parse_args(_joined(argv, "--start", "--range"))
    folder = report.results_folder(Path(asked.results) / "surfaces")
    drawings = _drawings(asked, folder)
    report.results_folder(folder, *(name for drawing in drawings for name in drawing.files))
    out = report.console()
    jobs = options.jobs_for(asked.jobs, "numpy")

    # Run everything once before anything is drawn: that takes milliseconds, and finds errors in a user's file at once.
    tables = _run(drawings, jobs, out)
    for drawing, table in zip(drawings, tables, strict=True):
        if not drawing.inside:
            report.show(table, out)

    # Draw, in several processes.
    parts = [part for drawing in drawings for part in drawing.split()]
    written: list[Path] = []
    failed = 0
    for part, paths in _in_processes(draw, parts, jobs, out):
        if isinstance(paths, list):
            written += paths
            report.wrote(paths)
            for path in paths:
                out.print(f"{path}  {path.stat().st_size / 1e3:.0f} kB", markup=False, soft_wrap=True)
        else:
            failed += 1
            out.print(f"failed: {part.label}: {paths}", style="red", markup=False, soft_wrap=True)
    out.print(f"{len(written)} pictures and files of numbers in {folder}", markup=False, soft_wrap=True)
    return 1 if failed else 0


def _run(drawings: Sequence[Drawing], jobs: int, out: Console) -> list[Table]:
    """Run all races, without drawing anything; returns a table of results for each.

    Raises:
        UsageError: something is wrong with a user's own surface or optimizer.
    """
    tables: dict[Drawing, Table] = {}
    slow = any(drawing.own or (drawing.steps or 0) > LONG for drawing in drawings)
    for drawing, table in _in_processes(run_drawing, drawings, jobs if slow else 1, out):
        if isinstance(table, str):
            raise UsageError(table)
        tables[drawing] = table
    return [tables[drawing] for drawing in drawings]


def _in_processes(
    work: Callable[[Drawing, pool.Tick], Found | str], drawings: Sequence[Drawing], jobs: int, out: Console
) -> Iterator[tuple[Drawing, Found | str]]:
    """Do ``work(drawing, tick)`` for every drawing; yields each with its result, or with what is wrong."""
    for number, found in pool.in_parallel(
        work,
        drawings,
        labels=[drawing.label for drawing in drawings],
        steps=[1000] * len(drawings),
        jobs=jobs,
        out=out,
        apart=any(drawing.own for drawing in drawings),
    ):
        yield drawings[number], drawings[number].why(found) if isinstance(found, pool.Died) else found


def run_drawing(drawing: Drawing, tick: pool.Tick) -> Table | str:
    """Run a race; returns the table of its results, or what is wrong with a user's file."""
    try:
        return _table(*drawing.run(tick))
    except UsageError as error:
        return str(error)


def _table(surface: Surface, trajectories: Sequence[Trajectory]) -> Table:
    """Where each optimizer ended."""
    known = surface.minimum is not None
    columns = ["", "hyperparameters", "loss at the end", "at"]
    columns += ["from the minimum", "first within 0.1 of it"] * known + ["left"] * any(one.fate for one in trajectories)
    start = f"from ({surface.start[0]:g}, {surface.start[1]:g}), {surface.steps} steps"
    gone = any(one.fate == "left" for one in trajectories) and not surface.falls_away
    caption = "left: it went out of the picture, downhill; see --range" if gone else None
    made = report.table(f"{surface.title}, {start}", columns, caption=caption)
    for one in trajectories:
        numbers = summary(surface, one)
        cells = [one.entrant.label, one.caption, f"{numbers['loss']:.3g}", "({:.3f}, {:.3f})".format(*numbers["end"])]
        if known:
            first = numbers["first_within_a_tenth"]
            cells += [f"{numbers['distance_to_minimum']:.3f}", "" if first is None else f"step {first}"]
        made.add_row(*cells, *([f"{one.fate}, step {one.steps}"] if one.fate else []))
    return made


# What is asked for.


def _parser() -> options.Parser:
    parser = options.Parser("surfaces", "Optimizers racing on surfaces, and what each keeps in its state.")
    parser.add_argument(
        "--surface",
        action="append",
        metavar="NAME",
        help=f"race on this one: {', '.join(SURFACES)}, FILE.py:FUNCTION, or a formula as 'x**2 + 10*y**2' "
        "(may be given again)",
    )
    parser.add_argument("--optimizers", default=",".join(RACERS), metavar="NAME,...", help="(default: %(default)s)")
    parser.add_own_optimizer()
    parser.add_named("--lr", options.rate, "RATE", "another learning rate for one of them")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME:HYPERPARAMETER=VALUE",
        help="another hyperparameter for one of them, as adam:betas=0.8/0.99 (may be given again)",
    )
    parser.add_argument(
        "--noise",
        type=options.rate,
        default=0.0,
        metavar="LEVEL",
        help="noise of the gradients, as a multiple of the gradient's length at the start (default: 0)",
    )
    parser.add_argument("--seed", type=options.seed, default=0, help="of the noise (default: 0)")
    parser.add_argument("--start", type=_start, metavar="X,Y", help="where the race starts")
    parser.add_argument("--steps", type=_steps, metavar="N", help=f"how many steps it has (at most {LONGEST})")
    parser.add_argument("--range", type=_range, metavar="X0,X1,Y0,Y1", help="the part of the surface that is drawn")
    parser.add_argument(
        "--inside",
        metavar="NAME,...",
        help=f"draw only what these keep in their state, on --surface (default: {INSIDE_ON})",
    )
    parser.add_argument("--stills", action="store_true", help="no animations")
    parser.add_jobs()
    parser.add_results()
    return parser


def _joined(argv: Sequence[str], *flags: str) -> list[str]:
    """`argv` with "--start -2,2" as "--start=-2,2", since argparse takes "-2,2" for another option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in flags:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _steps(text: str) -> int:
    steps = options.positive(text)
    if steps > LONGEST:
        raise ArgumentTypeError(
            f"must be at most {LONGEST}, not {text!r}: for each optimizer a million steps take about two minutes, "
            "twice, a gigabyte of memory, and a file of 60 megabytes"
        )
    return steps


def _setting(text: str) -> tuple[tuple[str, str], Any]:
    """adam:betas=0.8/0.99 as (("adam", "betas"), (0.8, 0.99))."""
    place, _, given = text.rpartition("=")
    name, _, hyperparameter = place.rpartition(":")
    try:
        values = tuple(int(part) if part.isdigit() else float(part) for part in given.split("/"))
    except ValueError:
        values = ()
    if not name or not hyperparameter or not values or not all(map(math.isfinite, values)):
        raise ArgumentTypeError(f"must be NAME:HYPERPARAMETER=VALUE, as adam:betas=0.8/0.99, not {options.shown(text)}")
    return (name, hyperparameter), values if len(values) > 1 else values[0]


def _start(text: str) -> tuple[float, float]:
    x, y = _numbers(text, 2, "X,Y, as -2,2")
    return x, y


def _range(text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    wanted = "X0,X1,Y0,Y1 with X0 < X1 and Y0 < Y1, as -2,2,-1,3"
    x0, x1, y0, y1 = _numbers(text, 4, wanted)
    if not (x0 < x1 and y0 < y1):
        raise ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return (x0, x1), (y0, y1)


def _numbers(text: str, count: int, wanted: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return numbers


def _drawings(asked: Namespace, folder: Path) -> list[Drawing]:
    """The races and the pictures of states that were asked for.

    Raises:
        UsageError: there is no such optimizer, or two drawings would write the same files.
    """
    common: dict[str, Any] = {"folder": folder, "animated": not asked.stills}
    settings: dict[str, Any] = {
        "ranges": asked.range,
        "start": asked.start,
        "rates": tuple(asked.lr),
        "settings": tuple(asked.set),
        "noise": asked.noise,
        "seed": asked.seed,
    }
    drawings = []
    if asked.inside is not None:
        names, steps = tuple(options.split([asked.inside])), asked.steps or INSIDE_STEPS
        for surface in asked.surface or [INSIDE_ON]:
            drawings.append(Drawing(surface, steps=steps, optimizers=names, inside=True, **settings, **common))
        if len(drawings) > 1:
            raise UsageError("--inside takes one --surface: the drawings on two would be written to the same files")
    else:
        racers = (*racing(options.split([asked.optimizers])), *asked.optimizer)
        for surface in asked.surface or RACES:
            drawings.append(Drawing(surface, steps=asked.steps, optimizers=racers, **settings, **common))
        raced = [drawing.name for drawing in drawings]
        for name in raced:
            if raced.count(name) > 1:
                raise UsageError(f"two surfaces are called {name}, and would be written to the same files: rename one")
        if asked.surface is None:  # the pictures of states too; the options are those of the races
            drawings.append(Drawing(INSIDE_ON, None, None, INSIDE_STEPS, INSIDE, (), inside=True, **common))
    for drawing in drawings:
        _check(drawing)
    return drawings


def racing(specs: Iterable[str]) -> list[str]:
    """The names of the optimizers that `specs` stand for; of "all" and "notebook", only those that can race."""
    specs = list(specs)
    return [name for name in named(specs) if name in specs or name not in NO_RACERS]


def _check(drawing: Drawing) -> None:
    names = [one.name for one in entrants(drawing.optimizers)]
    if not names:
        raise UsageError("no optimizer is to race: name some with --optimizers or --optimizer")
    named = [("--lr", name) for name, _ in drawing.rates] + [("--set", name) for (name, _), _ in drawing.settings]
    for option, name in named:
        if name not in names:
            raise UsageError(f"{option}: {name} is not among {', '.join(names)}")
