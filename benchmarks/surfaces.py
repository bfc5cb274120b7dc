"""Optimizers racing on surfaces: Beale's function, a valley, a saddle, Rosenbrock; and what each keeps in its state.

``python -m benchmarks surfaces`` writes to ``results/surfaces``, for each surface: an animation of the race
(beale.gif, and beale.mp4 where ffmpeg is installed), a still of the whole paths (beale.png), a panel of the loss
against the step (beale-loss.png) and the numbers (beale.json). And, on a ravine, what some optimizers keep:
inside-the-state.png, and an animation for each (inside-momentum.gif).

The README's docs/beale.gif and docs/inside-the-state.png are results/surfaces/beale.gif and
results/surfaces/inside-the-state.png of that very command.

A learner's optimizer races along with ``--optimizer path/to/mine.py:Mine``, and a learner's surface is raced on
with ``--surface path/to/mine.py:f``, where f is a function of two tensors: see `benchmarks.pictures.landscapes`.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from numpy import ndarray

from . import UsageError
from .console import options, report
from .pictures.landscapes import RACES, Surface, prepared, surface
from .pictures.race import NO_RACERS, Run, race, summary
from .training import pool
from .training.optimizers import Entrant, entrant_name, entrants, named
from .training.user_code import path_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RACERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
"""Who races unless others are asked for."""

INSIDE = ("momentum", "nesterov", "adagrad", "adam")
INSIDE_ON, INSIDE_STEPS, INSIDE_STILL = "ravine", 40, 4
"""Whose state is shown unless others are asked for; on what, for how many steps, and at which step the still is."""

LONG, LONGEST = 2_000, 100_000
"""A race of more steps is run in several processes; and the most steps that a race can have."""

FRAMES = 200
"""About as many frames an animation has at most: of a longer race, it shows every second step, or every third."""


@dataclass(frozen=True)
class Task:
    """A race, or (if `inside`) a look into states, to be run and drawn, in whatever process.

    The surface and the optimizers are named by their specs, since a learner's cannot be pickled. An optimizer's
    place among `optimizers` decides its colour.
    """

    surface: str
    ranges: tuple[tuple[float, float], tuple[float, float]] | None
    start: tuple[float, float] | None
    steps: int | None
    optimizers: tuple[str, ...]
    rates: tuple[tuple[str, float], ...]
    folder: Path
    inside: bool = False
    only: str | None = None
    animated: bool = True

    @property
    def own(self) -> bool:
        """Whether a learner's code is part of it."""
        return any(".py:" in spec for spec in (self.surface, *self.optimizers))

    @property
    def name(self) -> str:
        """The name of the surface."""
        return self.surface.rpartition(":")[2]

    def run(self, tick: pool.Tick = lambda done: None) -> tuple[Surface, list[Run]]:
        """The surface as it was asked for, and everybody's run on it. `tick` counts up to 1000.

        Raises:
            UsageError: whatever is wrong with a learner's surface or optimizer.
        """
        place = surface(self.surface, *(self.ranges or ()))
        if self.ranges is not None:
            place = replace(place, x_range=self.ranges[0], y_range=self.ranges[1])
        place = prepared(replace(place, start=self.start or place.start, steps=self.steps or place.steps))
        return place, race(
            place, entrants(self.optimizers), place.steps, dict(self.rates), lambda part: tick(int(1000 * part))
        )


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0.

    Raises:
        UsageError: something is wrong with what was asked for.
    """
    asked = _parser().parse_args(_joined(argv, "--start", "--range"))
    folder = report.results_folder(Path(asked.results) / "surfaces")
    tasks = _tasks(asked, folder)
    report.results_folder(folder, *(name for task in tasks for name in _files(task)))
    out = report.console()
    jobs = options.jobs_for(asked.jobs, "numpy")
    tables = _raced(tasks, jobs, out)  # mostly a few milliseconds each; and a fault of the learner's is found at once
    for task, table in zip(tasks, tables, strict=True):
        if not task.inside:
            report.show(table, out)
    parts = [part for task in tasks for part in _split(task)]
    written: list[Path] = []
    failed = 0
    for number, paths in pool.in_parallel(
        draw,
        parts,
        labels=[_label(part) for part in parts],
        steps=[1000] * len(parts),
        jobs=jobs,
        out=out,
        apart=any(part.own for part in parts),
    ):
        if isinstance(paths, list):
            written += paths
            for path in paths:
                out.print(f"{path}  {path.stat().st_size / 1e3:.0f} kB", markup=False, soft_wrap=True)
        else:
            failed += 1
            why = _blame(parts[number], paths) if isinstance(paths, pool.Died) else paths
            out.print(f"failed: {_label(parts[number])}: {why}", style="red", markup=False, soft_wrap=True)
    out.print(f"{len(written)} pictures and files of numbers in {folder}", markup=False, soft_wrap=True)
    return 1 if failed else 0


def _files(task: Task) -> list[str]:
    """The names of the files that come of a task."""
    moving = ("gif", "mp4") if task.animated else ()
    if task.inside:
        return ["inside-the-state.png", *(f"inside-{entrant_name(o)}.{end}" for o in task.optimizers for end in moving)]
    return [f"{task.name}.json", f"{task.name}.png", f"{task.name}-loss.png", *(f"{task.name}.{end}" for end in moving)]


def _raced(tasks: Sequence[Task], jobs: int, out: Console) -> list[Table]:
    """Run all tasks; the tables of who got where.

    Raises:
        UsageError: whatever is wrong with a learner's surface or optimizer.
    """
    tables: dict[int, Table] = {}
    for number, table in pool.in_parallel(
        run_task,
        tasks,
        labels=[_label(task) for task in tasks],
        steps=[1000] * len(tasks),
        jobs=jobs if any(task.own for task in tasks) or any((task.steps or 0) > LONG for task in tasks) else 1,
        out=out,
        apart=any(task.own for task in tasks),
    ):
        if isinstance(table, pool.Died):
            raise UsageError(_blame(tasks[number], table))
        if isinstance(table, str):
            raise UsageError(table)
        tables[number] = table
    return [tables[number] for number in range(len(tasks))]


def run_task(task: Task, tick: pool.Tick) -> Table | str:
    """The table of who got where, or what is wrong with a learner's file; done in a process of its own."""
    try:
        return _table(*task.run(tick))
    except UsageError as error:
        return str(error)


def _blame(task: Task, died: pool.Died) -> str:
    """The learner's file in which the process of a task has died, if one is known, and how."""
    files = [path_of(spec) for spec in (task.surface, *task.optimizers) if ".py:" in spec]
    file = next((file for file, _ in died.places if file in files), ", ".join(files))
    return f"{file}: {died.at(file)}" if file else str(died)


def _parser() -> options.Parser:
    parser = options.Parser("surfaces", "Optimizers racing on surfaces, and what each keeps in its state.")
    parser.add_argument(
        "--surface",
        action="append",
        metavar="NAME",
        help=f"race on this one: {', '.join(RACES)}, {INSIDE_ON}, or FILE.py:FUNCTION (may be given again)",
    )
    parser.add_argument("--optimizers", default=",".join(RACERS), metavar="NAME,...", help="(default: %(default)s)")
    parser.add_own_optimizer()
    parser.add_named("--lr", options.rate, "RATE", "another learning rate for one of them")
    parser.add_argument("--start", type=_start, metavar="X,Y", help="where the race starts")
    parser.add_argument("--steps", type=_steps, metavar="N", help=f"how long it is (at most {LONGEST})")
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
    """`argv` with "--start -2,2" as "--start=-2,2": argparse takes a leading minus for another option's."""
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
            "twice, half a gigabyte of memory, and a file of 60 megabytes"
        )
    return steps


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


def _tasks(asked: Namespace, folder: Path) -> list[Task]:
    """The races and the looks inside that were asked for."""
    common = {
        "ranges": asked.range,
        "start": asked.start,
        "rates": tuple(asked.lr),
        "folder": folder,
        "animated": not asked.stills,
    }
    tasks = []
    if asked.inside is None:
        racers = (*racing(options.split([asked.optimizers])), *asked.optimizer)
        tasks += [Task(name, steps=asked.steps, optimizers=racers, **common) for name in asked.surface or RACES]
    if asked.inside is not None or asked.surface is None:
        names = INSIDE if asked.inside is None else tuple(options.split([asked.inside]))
        steps = asked.steps or INSIDE_STEPS
        if asked.inside is None:
            common |= {"ranges": None, "start": None, "rates": ()}  # those were meant for the races
            steps = INSIDE_STEPS
        tasks += [
            Task(name, steps=steps, optimizers=names, inside=True, **common) for name in asked.surface or [INSIDE_ON]
        ]
    raced = [task.name for task in tasks if not task.inside]
    for name in raced:
        if raced.count(name) > 1:
            raise UsageError(f"two surfaces are called {name}, and would be written to the same files: rename one")
    if asked.inside is not None and len(tasks) > 1:
        raise UsageError("--inside takes one --surface: what is drawn on two would be written to the same files")
    for task in tasks:
        _check(entrants(task.optimizers), asked.lr if task.rates else ())
    return tasks


def racing(specs: Iterable[str]) -> list[str]:
    """The names of who races; of a whole set only those that can."""
    specs = list(specs)
    return [name for name in named(specs) if name in specs or name not in NO_RACERS]


def _check(chosen: list[Entrant], rates: Iterable[tuple[str, float]]) -> None:
    names = [one.name for one in chosen]
    if not names:
        raise UsageError("nobody is to race: name some with --optimizers or --optimizer")
    for name, _ in rates:
        if name not in names:
            raise UsageError(f"--lr: {name} is not among {', '.join(names)}")


def _split(task: Task) -> list[Task]:
    """A look inside has an animation for each optimizer: they can be drawn apart."""
    if not (task.inside and task.animated):
        return [task]
    return [replace(task, animated=False), *(replace(task, only=entrant_name(spec)) for spec in task.optimizers)]


def _label(task: Task) -> str:
    """What its progress bar is called."""
    return f"inside {task.only or 'all'}" if task.inside else task.name


def draw(task: Task, tick: pool.Tick) -> list[Path] | str:
    """Run it, draw it, and say what was written, or what went wrong. `tick` counts up to 1000."""
    try:
        place, runs = task.run()
        return _draw_inside(task, place, runs, tick) if task.inside else _draw_race(task, place, runs, tick)
    except UsageError as error:
        return str(error)


def _draw_race(task: Task, place: Surface, runs: list[Run], tick: pool.Tick) -> list[Path]:
    from .console import style
    from .pictures import racing
    from .pictures.animation import animate
    from .pictures.stage import save_png

    folder, name = task.folder, place.name
    written = [
        report.write_json(folder / f"{name}.json", _record(place, runs)),
        save_png(folder / f"{name}.png", racing.Scene(place, runs, place.steps, 2).frame(place.steps), 200),
        style.save(racing.draw_losses(place, runs, place.steps), folder / f"{name}-loss.png"),
    ]
    if task.animated:
        every = -(-place.steps // FRAMES)
        shown = [*range(every, place.steps, every), place.steps]
        scene = racing.Scene(place, runs, place.steps)
        samples = [scene.frame(step) for step in (shown[len(shown) // 4], place.steps)]
        frames = _ticking((scene.frame(step) for step in shown), len(shown), tick)
        written += animate(folder / f"{name}.gif", frames, samples)
    tick(1000)
    return written


def _draw_inside(task: Task, place: Surface, runs: list[Run], tick: pool.Tick) -> list[Path]:
    from .pictures import inside
    from .pictures.animation import animate
    from .pictures.stage import save_png

    written = []
    if task.only is None:
        picture = inside.still(place, runs, min(INSIDE_STILL, place.steps))
        written.append(save_png(task.folder / "inside-the-state.png", picture, 128))
    for run in runs:
        if task.only == run.entrant.name:
            film = inside.Film(place, run)
            frames = _ticking(film.frames(), run.steps, tick)
            samples = [film.frame(1), film.frame(run.steps)]
            written += animate(task.folder / f"inside-{run.entrant.name}.gif", frames, samples, fps=5)
    tick(1000)
    return written


def _ticking(frames: Iterable[ndarray], count: int, tick: pool.Tick) -> Iterator[ndarray]:
    """The frames; `tick` is told what part of the `count` has been taken."""
    for i, frame in enumerate(frames):
        yield frame
        tick(1000 * i // count)


def _record(place: Surface, runs: Sequence[Run]) -> dict[str, object]:
    """The numbers of a race, for its result file."""
    return {
        "environment": report.environment(),
        "surface": {
            "name": place.name,
            "formula": place.formula,
            "x_range": place.x_range,
            "y_range": place.y_range,
            "start": place.start,
            "minimum": place.minimum,
            "steps": place.steps,
        },
        "runs": [summary(place, run) for run in runs],
    }


def _table(place: Surface, runs: Sequence[Run]) -> Table:
    """Who got where."""
    known = place.minimum is not None
    columns = ["", "parameters", "loss at the end", "at"]
    columns += ["from the minimum", "first within 0.1 of it"] * known + ["left"] * any(run.fate for run in runs)
    start = f"from ({place.start[0]:g}, {place.start[1]:g}), {place.steps} steps"
    made = report.table(f"{place.title}, {start}", columns)
    for run in runs:
        told = summary(place, run)
        cells = [run.entrant.label, run.caption, f"{told['loss']:.3g}", "({:.3f}, {:.3f})".format(*told["end"])]
        if known:
            first = told["first_within_a_tenth"]
            cells += [f"{told['distance_to_minimum']:.3f}", "" if first is None else f"step {first}"]
        made.add_row(*cells, *([f"{run.fate}, step {run.steps}"] if run.fate else []))
    return made
