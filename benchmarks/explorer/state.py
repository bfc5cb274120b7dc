"""The state of a page: all that decides what it shows. It is in the page's address, and makes the same command line."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from .. import PROGRAM, UsageError
from ..pictures.landscapes import SURFACES
from ..pictures.race import NO_RACERS
from ..pictures.user_formula import formula, looks_like_one
from ..training.optimizers import BEYOND, ENTRANTS
from ..training.user_code import is_own

Settings = Mapping[str, Any]
"""The hyperparameters of one optimizer that are not its usual ones."""

MOST_STEPS, MOST_NOISE = 1000, 5.0
FASTEST = 60
"""Steps a second when playing."""

KNOWN = [name for name in (*ENTRANTS, *BEYOND) if name not in NO_RACERS]
"""The built-in optimizers that can race."""


@dataclass(frozen=True)
class Offer:
    """What there is to choose from besides the built-in: the learner's files, given on the command line.

    Attributes:
        optimizers, surfaces: their specs, ``path/to/mine.py:Mine``, by name.
    """

    optimizers: Mapping[str, str] = field(default_factory=dict)
    surfaces: Mapping[str, str] = field(default_factory=dict)

    def optimizer(self, name: str) -> str:
        """The spec of an optimizer."""
        return self.optimizers.get(name, name)

    def surface(self, name: str) -> str:
        """The spec of a surface."""
        return self.surfaces.get(name, name)


@dataclass(frozen=True)
class State:
    """What a page shows.

    Attributes:
        surface: a name, or a formula.
        start: where all start; None for the surface's own start.
        view: the part of the plane that the map shows, (x0, x1, y0, y1); None for the surface's own.
        steps, at: how many there are, and how many have been made.
        speed: steps a second.
        noise, seed: of the gradients, see `benchmarks.pictures.race.noise_of`.
        racers: the settings of each optimizer that takes part, by its name.
        follow: the one whose state and arithmetic are shown.
        tab: "surface" or "train".
        data, train, rates, iterations: what the tab "train" trains, with which optimizers, at which rates (empty:
            their usual ones), and how long.
    """

    surface: str = "beale"
    start: tuple[float, float] | None = None
    view: tuple[float, float, float, float] | None = None
    steps: int = 200
    at: int = 60
    speed: int = 20
    noise: float = 0.0
    seed: int = 0
    racers: Mapping[str, Settings] = field(
        default_factory=lambda: {name: {} for name in ("sgd", "momentum", "rmsprop", "adam")}
    )
    follow: str = "adam"
    tab: str = "surface"
    data: str = "digits"
    train: tuple[str, ...] = ("sgd", "momentum", "adam")
    rates: tuple[float, ...] = ()
    iterations: int = 500

    def with_setting(self, name: str, hyperparameter: str, value: Any) -> State:
        """With another value of a hyperparameter."""
        return replace(self, racers={**self.racers, name: {**self.racers[name], hyperparameter: value}})

    # In the address.

    def query(self) -> str:
        """The state as the part of an address after the question mark: what is not as usual, and the optimizers."""
        usual = State()
        pairs: list[tuple[str, str]] = [("surface", self.surface)]
        for name in ("start", "view", "rates", "train"):
            value = getattr(self, name)
            if value != getattr(usual, name):
                pairs.append((name, ",".join(part if isinstance(part, str) else f"{part:.6g}" for part in value)))
        for name in ("steps", "at", "speed", "noise", "seed", "follow", "tab", "data", "iterations"):
            if getattr(self, name) != getattr(usual, name):
                pairs.append((name, _short(getattr(self, name))))
        for name, settings in self.racers.items():
            words = "".join(f":{key}={in_full(value)}" for key, value in settings.items())
            pairs.append(("o", name + words))
        return urlencode(pairs, safe=":=,/")

    @classmethod
    def from_query(cls, query: str, offer: Offer) -> State:
        """Read an address.

        Raises:
            UsageError: something in it is not what an address of a page can have.
        """
        state = cls()
        racers: dict[str, Settings] = {}
        for key, text in parse_qsl(query):
            if key == "o":
                name, settings = _racer(text, offer)
                racers[name] = settings
            elif key in READ:
                state = replace(state, **{key: READ[key](key, text, offer)})
            else:
                raise UsageError(f"the address has {key[:40]!r} in it, which is nothing that a page shows")
        if racers:
            state = replace(state, racers=racers)
        if state.follow not in state.racers:
            state = replace(state, follow=next(iter(state.racers)))
        return replace(state, at=min(state.at, state.steps))

    # On the command line.

    def command(self, offer: Offer, view: tuple[float, float, float, float], start: tuple[float, float]) -> str:
        """The command that draws the same race with ``surfaces``, on the part `view` of the plane, from `start`."""
        (x0, x1, y0, y1), (x, y) = view, start
        seen = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        words = [*PROGRAM.split(), "surfaces", "--surface", offer.surface(self.surface)]
        known = [name for name in self.racers if not is_own(offer.optimizer(name))]
        words += ["--optimizers", ",".join(known) or ","]
        for name in self.racers:
            if is_own(offer.optimizer(name)):
                words += ["--optimizer", offer.optimizer(name)]
        for name, settings in self.racers.items():
            for key, value in settings.items():
                words += (
                    ["--lr", f"{name}={in_full(value)}"] if key == "lr" else ["--set", f"{name}:{key}={in_full(value)}"]
                )
        words += [f"--start={_list((x, y))}", f"--range={_list(seen)}", "--steps", str(self.steps)]
        if self.noise:
            words += ["--noise", _short(self.noise), "--seed", str(self.seed)]
        return shlex.join(words)


def in_full(value: Any) -> str:
    """The value of a hyperparameter, as the command line and the address have it: 0.9, or 0.9/0.999 for a pair."""
    return "/".join(map(in_full, value)) if isinstance(value, tuple) else _short(value)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else repr(value) if isinstance(value, int) else f"{value:.10g}"


def _list(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:.6g}" for number in numbers)


# Reading an address. It may come from anyone, so everything in it is checked.


def _racer(text: str, offer: Offer) -> tuple[str, Settings]:
    name, *settings = text.split(":")
    if name not in KNOWN and name not in offer.optimizers:
        raise UsageError(f"the address names an optimizer {name[:40]!r}, which is not here")
    found: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if not key.isidentifier():
            raise UsageError(f"the address has a setting {setting[:40]!r}, which is none")
        parts = tuple(int(part) if part.isdigit() else _number(key, part) for part in value.split("/"))
        found[key] = parts if len(parts) > 1 else parts[0]
    return name, found


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"the address has {key}={text[:40]}, which is no number")
    return number


def _numbers(count: int) -> Any:
    def read(key: str, text: str, offer: Offer) -> tuple[float, ...]:
        numbers = tuple(_number(key, part) for part in text.split(","))
        if len(numbers) != count and count:
            raise UsageError(f"the address has {key}={text[:40]}, which must be {count} numbers")
        if count == 4 and not (numbers[0] < numbers[1] and numbers[2] < numbers[3]):
            raise UsageError(f"the address has {key}={text[:40]}, whose ends are the wrong way round")
        return numbers

    return read


def _between(low: float, high: float, whole: bool = True) -> Any:
    def read(key: str, text: str, offer: Offer) -> float:
        number = _number(key, text)
        if not low <= number <= high or (whole and number != int(number)):
            raise UsageError(f"the address has {key}={text[:40]}, which must be from {low:g} to {high:g}")
        return int(number) if whole else number

    return read


def _one_of(*names: str) -> Any:
    def read(key: str, text: str, offer: Offer) -> str:
        if text not in names:
            raise UsageError(f"the address has {key}={text[:40]}, which must be one of {', '.join(names)}")
        return text

    return read


def _surface(key: str, text: str, offer: Offer) -> str:
    if text not in SURFACES and text not in offer.surfaces:
        if not looks_like_one(text):
            raise UsageError(f"the address names a surface {text[:40]!r}, which is not here")
        formula(text)
    return text


def _names(key: str, text: str, offer: Offer) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in TRAINABLE and name not in offer.optimizers:
            raise UsageError(f"the address names an optimizer {name[:40]!r}, which is not here")
    return names


def _follow(key: str, text: str, offer: Offer) -> str:
    return _names(key, text, offer)[0]


TRAINABLE = [*ENTRANTS, *BEYOND]
"""The built-in optimizers that can train a network."""

READ = {
    "surface": _surface,
    "start": _numbers(2),
    "view": _numbers(4),
    "steps": _between(1, MOST_STEPS),
    "at": _between(0, MOST_STEPS),
    "speed": _between(1, FASTEST),
    "noise": _between(0, MOST_NOISE, whole=False),
    "seed": _between(0, 2**32 - 1),
    "follow": _follow,
    "tab": _one_of("surface", "train"),
    "data": _one_of("digits", "mnist"),
    "train": _names,
    "rates": _numbers(0),
    "iterations": _between(1, 100_000),
}
"""How each part of an address is read."""
