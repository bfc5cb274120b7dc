"""What `python -m benchmarks surfaces` draws: a race on a surface, or what optimizers keep in their state there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import UsageError
from ..console import report
from ..training import pool
from ..training.optimizers import entrant_name, entrants
from ..training.user_code import is_own, path_of
from .landscapes import SURFACES
from .race import Trajectory, noise_of, race, summary, with_room
from .surface import Range, Surface
from .user_formula import looks_like_one
from .user_surface import FORMULA, find_surface, prepared

INSIDE_STILL = 4
"""The step that the still of the states shows."""

FRAMES = 200
"""About as many frames an animation has at most: of a longer race, it shows every second step, or every third."""


@dataclass(frozen=True)
class Drawing:
    """A race, or a picture of states, that is computed and drawn in any process.

    It has the specs of the surface and the optimizers, since a user's own cannot be pickled. The position of an
    optimizer among `optimizers` decides its colour.

    Attributes:
        surface: its spec: a name, ``path/to/mine.py:function`` or a formula.
        ranges, start, steps: those of the surface, unless they are None.
        optimizers: their specs.
        rates: learning rates in place of the surface's, as pairs (name, rate).
        settings: other hyperparameters, as pairs ((name, hyperparameter), value).
        noise, seed: see `race.noise_of`.
        folder: where the pictures are written.
        inside: whether it is a picture of states instead of a race.
        only: of a picture of states, draw only the animation of this optimizer.
        animated: whether to draw animations too.
    """

    surface: str
    ranges: tuple[Range, Range] | None
    start: tuple[float, float] | None
    steps: int | None
    optimizers: tuple[str, ...]
    rates: tuple[tuple[str, float], ...]
    folder: Path
    settings: tuple[tuple[tuple[str, str], Any], ...] = ()
    noise: float = 0.0
    seed: int = 0
    inside: bool = False
    only: str | None = None
    animated: bool = True

    @property
    def own(self) -> list[str]:
        """The specs of what is the user's own: the surface or optimizers."""
        return [spec for spec in (self.surface, *self.optimizers) if is_own(spec)]

    @property
    def name(self) -> str:
        """The name of the surface."""
        return FORMULA if looks_like_one(self.surface) else self.surface.rpartition(":")[2]

    @property
    def label(self) -> str:
        """The name of its progress bar."""
        return f"inside {self.only or 'all'}" if self.inside else self.name

    @property
    def files(self) -> list[str]:
        """The names of the files that it writes."""
        moving = ("gif", "mp4") if self.animated else ()
        if self.inside:
            names = [entrant_name(spec) for spec in self.optimizers]
            return ["inside-the-state.png", *(f"inside-{name}.{end}" for name in names for end in moving)]
        stills = [f"{self.name}.json", f"{self.name}.png", f"{self.name}-loss.png"]
        return [*stills, *(f"{self.name}.{end}" for end in moving)]

    def split(self) -> list[Drawing]:
        """Parts that can be drawn at the same time: the animation of each optimizer's state is one."""
        if not (self.inside and self.animated):
            return [self]
        return [replace(self, animated=False), *(replace(self, only=entrant_name(spec)) for spec in self.optimizers)]

    def run(self, tick: pool.Tick = lambda done: None) -> tuple[Surface, list[Trajectory]]:
        """The surface with the settings asked for, and the trajectories on it. `tick` counts up to 1000.

        Raises:
            UsageError: something is wrong with a user's own surface or optimizer.
        """
        surface = find_surface(self.surface, *(self.ranges or ()))
        if self.ranges is not None:
            surface = replace(surface, x_range=self.ranges[0], y_range=self.ranges[1])
        surface = prepared(replace(surface, start=self.start or surface.start, steps=self.steps or surface.steps))
        chosen, rates, steps = entrants(self.optimizers), dict(self.rates), surface.steps
        settings: dict[str, dict[str, Any]] = {}
        for (name, hyperparameter), value in self.settings:
            settings.setdefault(name, {})[hyperparameter] = value
        noise = noise_of(surface, self.noise, self.seed, steps)
        if self.ranges is None and self.surface not in SURFACES:
            surface = with_room(surface, chosen, steps, rates, noise, settings)
        tenths = lambda part: tick(int(1000 * part))  # noqa: E731
        return surface, race(surface, chosen, steps, rates, tenths, noise, settings)

    def why(self, died: pool.Died) -> str:
        """How the process of this drawing has ended, and in which of the user's files, if that is known."""
        files = [path_of(spec) for spec in self.own]
        file = next((file for file, _ in died.places if file in files), ", ".join(files))
        return f"{file}: {died.at(file)}" if file else str(died)


def draw(drawing: Drawing, tick: pool.Tick) -> list[Path] | str:
    """Run and draw it; returns the files written, or what is wrong with a user's file. `tick` counts up to 1000."""
    try:
        surface, trajectories = drawing.run()
        written = (_draw_states if drawing.inside else _draw_race)(drawing, surface, trajectories, tick)
    except UsageError as error:
        return str(error)
    tick(1000)
    return written


def _draw_race(drawing: Drawing, surface: Surface, trajectories: Sequence[Trajectory], tick: pool.Tick) -> list[Path]:
    from ..console import style
    from . import race_picture
    from .animation import animate
    from .stage import save_png

    folder, name, steps = drawing.folder, surface.name, surface.steps
    still = race_picture.RacePicture(surface, trajectories, steps, 2).frame(steps)
    written = [
        report.write_json(folder / f"{name}.json", _record(drawing, surface, trajectories)),
        save_png(folder / f"{name}.png", still, 200),
        style.save(race_picture.draw_losses(surface, trajectories, steps), folder / f"{name}-loss.png"),
    ]
    if drawing.animated:
        every = -(-steps // FRAMES)  # rounded up
        shown = [*range(every, steps, every), steps]
        frame = race_picture.RacePicture(surface, trajectories, steps).frame
        samples = (shown[len(shown) // 4], steps)
        written += animate(folder / f"{name}.gif", frame, shown, samples, tick=_thousandths(tick, len(shown)))
    return written


def _draw_states(drawing: Drawing, surface: Surface, trajectories: Sequence[Trajectory], tick: pool.Tick) -> list[Path]:
    from . import inside
    from .animation import animate
    from .stage import save_png

    folder = drawing.folder
    if drawing.only is None:
        picture = inside.still(surface, trajectories, min(INSIDE_STILL, surface.steps))
        return [save_png(folder / "inside-the-state.png", picture, 128)]
    (one,) = (each for each in trajectories if each.entrant.name == drawing.only)
    frame, steps = inside.StateAnimation(surface, one).frame, range(1, one.steps + 1)
    path = folder / f"inside-{drawing.only}.gif"
    return animate(path, frame, steps, (1, one.steps), fps=5, tick=_thousandths(tick, one.steps))


def _thousandths(tick: pool.Tick, frames: int) -> pool.Tick:
    """Called with the number of frames drawn, it calls `tick` with thousandths; the last ones are for writing them."""
    return lambda drawn: tick(1000 * drawn // (frames + 1))


def _record(drawing: Drawing, surface: Surface, trajectories: Sequence[Trajectory]) -> dict[str, object]:
    """The numbers of a race, for its result file."""
    names = ("name", "formula", "x_range", "y_range", "start", "minimum", "steps")
    return {
        "environment": report.environment(),
        "noise": {"level": drawing.noise, "seed": drawing.seed},
        "surface": {name: getattr(surface, name) for name in names},
        "runs": [summary(surface, one) for one in trajectories],
    }
