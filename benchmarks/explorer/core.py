"""What a page computes, by minigrad's rules and engine: surfaces, races on them, and the arithmetic of a step.

A `Core` answers with plain arrays and numbers. So it can do its work in this process, or, where a learner's own code is
run, in another one, which may hang or crash: see `remote`.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import io
import linecache
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy import ndarray

from minigrad.optim import Optimizer

from .. import UsageError
from ..pictures.landscapes import SURFACES
from ..pictures.race import Trajectory, hyperparameters, noise_of, optimize, race, searched, with_room
from ..pictures.surface import Range, Surface, leaves
from ..pictures.user_surface import find_surface, prepared, surface_of_formula
from ..rules.arithmetic import Arithmetic, arithmetic, formula_of_code
from ..rules.mathematics import formulas, tex
from ..training.optimizers import KNOWN, Entrant, _optimizer_class, rehearsed, unchecked
from ..training.user_code import errors_of, is_own
from .knobs import Knob, knobs, ranges_of
from .state import Offer, Settings

FAR = 50.0
"""A path ends where it is so many widths of the surface away from it."""

Window = tuple[Range, Range]


@dataclass(frozen=True)
class Place:
    """What a page has to know of a surface, see `benchmarks.pictures.surface.Surface`."""

    title: str
    formula: str
    x_range: Range
    y_range: Range
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    steps: int
    logarithmic: bool


@dataclass(frozen=True)
class Run:
    """A race of one optimizer: what `benchmarks.pictures.race.Trajectory` has, without the optimizer itself."""

    caption: str
    path: ndarray
    losses: ndarray
    gradients: ndarray
    states: dict[str, ndarray]
    hyperparameters: dict[str, Any]
    fate: str


@dataclass(frozen=True)
class Card:
    """An optimizer on a surface, at its usual hyperparameters: these, its sliders, its formula, and its file."""

    usual: dict[str, Any]
    knobs: list[Knob]
    formula: str
    about: str


class Core:
    """Computes, and keeps what it has computed: of every question as many answers as `KEPT`.

    Args:
        offer: the learner's own files.
        contents: the content of each file of a learner's optimizer that is to be used, by its path. It may be older
            than the file: the last one that was right.
    """

    KEPT = 256

    def __init__(self, offer: Offer, contents: Mapping[str, str]) -> None:
        self.offer, self.contents = offer, dict(contents)
        self.versions: dict[str, int] = {}
        self._surface = functools.lru_cache(self.KEPT)(self._make_surface)
        self._run = functools.lru_cache(self.KEPT)(self._make_run)
        self._card = functools.lru_cache(self.KEPT)(self._make_card)
        self._classes: dict[str, type[Optimizer]] = {}

    # The learner's file.

    def take(self, path: str, content: str) -> None:
        """Use this content of a file of a learner's optimizers from now on, if they are all right.

        Raises:
            UsageError: one of them is not; the sentence says which and, where that is known, in which line. What was
                used before is used further.
        """
        names = {name: spec for name, spec in self.offer.optimizers.items() if spec.rpartition(":")[0] == path}
        found = {}
        for name, spec in names.items():
            module = load(path, content)
            rule = _optimizer_class(module, Path(path), spec.rpartition(":")[2])
            with errors_of(path, f"{path}: {name}, tried on a tiny model, raises"):
                rehearsed(rule)
            found[name] = rule
        self._classes.update(found)
        self.contents[path] = content
        self.versions[path] = self.versions.get(path, 0) + 1

    def entrant(self, name: str) -> Entrant:
        """The optimizer of that name.

        Raises:
            UsageError: there is none here. A name may come from anyone who has the page's address, so no path is one.
        """
        if name not in KNOWN and name not in self.offer.optimizers:
            raise UsageError(f"there is no optimizer {name[:40]!r} on this page")
        spec = self.offer.optimizer(name)
        one = unchecked(spec)
        if not is_own(spec):
            return one
        if name not in self._classes:
            path = spec.rpartition(":")[0]
            linecache.checkcache(path)
            self._classes[name] = _optimizer_class(load(path, self.contents[path]), Path(path), spec.rpartition(":")[2])
        return replace(one, make=self._classes[name])

    def _version(self, name: str) -> int:
        return self.versions.get(self.offer.optimizer(name).rpartition(":")[0], 0)

    # Surfaces.

    def place(self, surface: str) -> Place:
        """What a page has to know of a surface.

        Raises:
            UsageError: it is a formula that cannot be read, or a learner's function that is wrong.
        """
        one = self._surface(surface)
        minima = () if one.minimum is None else (one.minimum, *one.others)
        return Place(one.title, one.formula, one.x_range, one.y_range, one.start, minima, one.steps, one.logarithmic)

    def _make_surface(self, name: str) -> Surface:
        # A name may come from anyone who has the page's address. What is no surface here can only be a formula.
        if name in SURFACES:
            return prepared(find_surface(name))
        own = name in self.offer.surfaces
        surface = prepared(find_surface(self.offer.surface(name)) if own else surface_of_formula(name))
        return with_room(surface, [KNOWN["sgd"], KNOWN["adam"]], surface.steps, {})

    def grid(self, surface: str, window: Window, n: int) -> tuple[ndarray, ndarray, ndarray]:
        """X, Y and f(X, Y) over a window, each (n, n)."""
        return self._surface(surface).grid(*window, n)

    # Optimizers.

    def card(self, surface: str, name: str) -> Card:
        """The optimizer of that name, for a surface.

        Raises:
            UsageError: a learner's own is wrong.
        """
        return self._card(surface, name, self._version(name))

    def _make_card(self, surface: str, name: str, version: int) -> Card:
        optimizer = self._optimizer(surface, name, {})
        own = is_own(self.offer.optimizer(name))
        page = (type(optimizer).__doc__ or "") if own else (inspect.getmodule(type(optimizer)).__doc__ or "")
        blocks = formulas(inspect.cleandoc(page))
        mathematics = "\n".join(map(tex, blocks)) if blocks else formula_of_code(optimizer) if own else ""
        values = {key: getattr(optimizer, key) for key in optimizer.hyperparameters()}
        return Card(values, knobs(values, ranges_of(optimizer)), mathematics, inspect.cleandoc(page).partition("\n")[0])

    def _given(self, surface: str, name: str) -> dict[str, Any]:
        """The usual hyperparameters on a surface; of a learner's own, with a rate that is searched for."""
        place, one = self._surface(surface), self.entrant(name)
        if is_own(one.spec):
            return searched(place, one, place.steps, {})
        return hyperparameters(place, one, {})

    def _optimizer(self, surface: str, name: str, settings: Settings) -> Any:
        optimizer: Any = self.entrant(name).make(list(leaves((0.0, 0.0))))
        for key, value in {**self._given(surface, name), **settings}.items():
            setattr(optimizer, key, value)
        return optimizer

    def run(
        self,
        surface: str,
        name: str,
        settings: tuple[tuple[str, Any], ...],
        start: tuple[float, float],
        steps: int,
        noise: float,
        seed: int,
    ) -> Run:
        """A race of one optimizer; it ends early only where it is far away from the surface, or not finite.

        Raises:
            UsageError: a hyperparameter is out of its range; a learner's own code raises.
        """
        return self._run(surface, name, settings, start, steps, noise, seed, self._version(name))

    def _make_run(
        self,
        surface: str,
        name: str,
        settings: tuple[tuple[str, Any], ...],
        start: tuple[float, float],
        steps: int,
        noise: float,
        seed: int,
        version: int,
    ) -> Run:
        place, given = self._raced(surface, name, settings, start)
        one = optimize(
            place, self.entrant(name), steps, given, noise=noise_of(place, noise, seed, steps), bounds=far(place)
        )
        return Run(
            one.caption, one.path, one.losses, one.gradients, dict(one.states), dict(one.hyperparameters), one.fate
        )

    def _raced(
        self, surface: str, name: str, settings: tuple[tuple[str, Any], ...], start: tuple[float, float]
    ) -> tuple[Surface, dict[str, Any]]:
        return replace(self._surface(surface), start=start), {**self._card_given(surface, name), **dict(settings)}

    def _card_given(self, surface: str, name: str) -> dict[str, Any]:
        """The usual hyperparameters; those of a learner's own are searched for once."""
        if not is_own(self.offer.optimizer(name)):
            return self._given(surface, name)
        rate = self.card(surface, name).usual.get("lr")
        return {"lr": rate} if isinstance(rate, float) else {}

    def arithmetic(
        self, surface: str, name: str, settings: tuple[tuple[str, Any], ...], run: Run, step: int
    ) -> Arithmetic | None:
        """What the lines of the rule compute at `step` of a run, from 1 on."""
        optimizer = self._optimizer(surface, name, dict(settings))
        state = {key: rows[step - 1] for key, rows in run.states.items()}
        with errors_of(self.offer.optimizer(name)):
            return arithmetic(optimizer, run.path[step - 1], run.gradients[step - 1], state, step)

    def picture(
        self,
        kind: str,
        surface: str,
        racers: Mapping[str, Settings],
        start: tuple[float, float],
        view: Window,
        steps: int,
        noise: float,
        seed: int,
    ) -> bytes:
        """The picture that `surfaces` draws of this race, as "png" or "svg"."""
        from ..pictures.race_picture import RacePicture

        (x0, x1), (y0, y1) = view
        seen = (min(x0, start[0]), max(x1, start[0])), (min(y0, start[1]), max(y1, start[1]))
        place = replace(self._surface(surface), start=start, steps=steps, x_range=seen[0], y_range=seen[1])
        settings = {name: {**self._card_given(surface, name), **given} for name, given in racers.items()}
        chosen = looks([self.entrant(name) for name in racers])
        runs = race(place, chosen, steps, {}, noise=noise_of(place, noise, seed, steps), settings=settings)
        drawn = RacePicture(place, runs, steps, 2 if kind == "png" else 1)
        frame = drawn.frame(steps)
        held = io.BytesIO()
        if kind == "png":
            from PIL import Image

            Image.fromarray(frame).save(held, format="PNG")
        else:
            drawn.stage.figure.savefig(held, format="svg")
        return held.getvalue()


def far(surface: Surface) -> Window:
    """The part of the plane within which a path goes on."""
    (x0, x1), (y0, y1) = surface.x_range, surface.y_range
    x, y = FAR * (x1 - x0), FAR * (y1 - y0)
    return (x0 - x, x1 + x), (y0 - y, y1 + y)


def looks(chosen: list[Entrant]) -> list[Entrant]:
    """With a look of its own for each of the learner's."""
    from ..console.style import GUESTS

    own = iter(GUESTS * 8)
    return [replace(one, **next(own)._asdict()) if is_own(one.spec) else one for one in chosen]


def trajectory(run: Run, entrant: Entrant) -> Trajectory:
    """A run as the pictures' functions take it."""
    return Trajectory(
        entrant, run.caption, run.path, run.losses, run.gradients, run.states, run.hyperparameters, run.fate
    )


def load(path: str, content: str) -> ModuleType:
    """Run `content` as the module that stands in the file `path`.

    Raises:
        UsageError: it raises; the sentence says in which line.
    """
    file = Path(path)
    described = importlib.util.spec_from_file_location(f"_users_{file.stem}", file)
    assert described is not None
    module = importlib.util.module_from_spec(described)
    # Python's tools show the source from here, which need not be what is in the file now.
    linecache.cache[path] = (len(content), None, content.splitlines(keepends=True), path)
    sys.path.insert(0, str(file.parent))
    try:
        with errors_of(file, f"{file} raises"):
            exec(compile(content, path, "exec"), vars(module))
    finally:
        sys.path.remove(str(file.parent))
    return module


Question = tuple[str, tuple[Any, ...]]
"""The name of a method of `Core`, and its arguments."""


def answer(core: Core, question: Question) -> tuple[bool, Any]:
    """(True, the answer), or (False, what is wrong, in a sentence)."""
    name, arguments = question
    try:
        method: Callable[..., Any] = getattr(core, name)
        return True, method(*arguments)
    except UsageError as error:
        return False, str(error)
