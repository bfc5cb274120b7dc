"""Sliders for hyperparameters: which numbers they go through, from the rule's own signature and ranges."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minigrad.optim import Optimizer
from minigrad.optim.hyperparameters import Range

DOWN, UP = 3, 2
"""A logarithmic slider goes so many powers of ten down from the usual value, and up."""

PER_DECADE = 20
"""Places of a slider for each power of ten."""

NINES = 4
"""A slider for a fraction near 1 goes to 0.9999: 0.9, 0.99 and 0.999 are as far apart as 1e-1, 1e-2 and 1e-3."""


@dataclass(frozen=True)
class Knob:
    """A slider for one number.

    Attributes:
        name: of the hyperparameter.
        index: of the number in it, if it is a tuple.
        values: the numbers that it goes through, from low to high; the usual one is among them.
    """

    name: str
    index: int | None
    values: tuple[float, ...]

    @property
    def label(self) -> str:
        """What the slider is called; the two betas are called as in the formulas."""
        if self.index is None:
            return self.name
        return f"beta{self.index + 1}" if self.name == "betas" else f"{self.name}[{self.index}]"

    @property
    def words(self) -> list[str]:
        """The numbers as they are shown."""
        return [shown(value) for value in self.values]

    def nearest(self, value: float) -> str:
        """The number nearest to `value` that the slider has, as it is shown."""
        after = bisect_left(self.values, value)
        near = self.values[max(after - 1, 0) : after + 1]
        return shown(min(near, key=lambda one: abs(one - value)))

    def number(self, words: str) -> float:
        """The number that is shown so."""
        return self.values[self.words.index(words)]


def shown(value: float) -> str:
    """A number, short: to six digits, which are all that the sliders' numbers have."""
    return f"{value:.6g}"


def knobs(values: Mapping[str, Any], ranges: Mapping[str, Range]) -> list[Knob]:
    """The sliders for hyperparameters whose usual values are these; what is no number, or not of them, has none."""
    found = []
    for name, value in values.items():
        parts = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        found += [Knob(name, i, _places(name, part, ranges.get(name))) for i, part in parts if _is_number(part)]
    return found


def _places(name: str, usual: float, allowed: Range | None) -> tuple[float, ...]:
    if isinstance(usual, int) or (allowed is not None and allowed.whole):
        low = int(allowed.low) if allowed is not None else min(0, usual)
        return tuple(range(int(low), int(max(20, 4 * usual)) + 1))
    if name != "lr" and 0.8 <= usual < 1:
        places = [0.0, *(1 - gap for gap in _powers(-1, NINES - 1, down=True)), *(i / 20 for i in range(1, 18))]
    elif allowed is not None and allowed.high <= 1:
        places = [i / 50 for i in range(51)]
    elif usual < 0:
        places = [2 * usual * (1 - i / 50) for i in range(101)]
    elif usual == 0:
        places = [0.0, *_powers(-5, 5)]
    else:
        places = list(_powers(round(math.log10(usual)) - DOWN, DOWN + UP))
    kept = {shown(place): float(shown(place)) for place in places}
    return tuple(sorted({**kept, shown(usual): usual}.values()))


def _powers(exponent: int, decades: int, down: bool = False) -> Iterable[float]:
    """Numbers from 10**exponent up to 10**(exponent + decades), or down from it, at equal ratios."""
    sign = -1 if down else 1
    return (float(f"{10 ** (exponent + sign * i / PER_DECADE):.3g}") for i in range(decades * PER_DECADE + 1))


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def with_value(values: Mapping[str, Any], knob: Knob, value: float) -> Any:
    """The hyperparameter of `knob`, after its slider was moved: a number, or the tuple with that number in it."""
    if knob.index is None:
        return value
    parts = list(values[knob.name])
    parts[knob.index] = value
    return tuple(parts)


def number_at(values: Mapping[str, Any], knob: Knob) -> float:
    """The number of `knob` among the hyperparameters."""
    value = values[knob.name]
    return float(value if knob.index is None else value[knob.index])


def ranges_of(optimizer: Optimizer) -> dict[str, Range]:
    """The ranges of all hyperparameters, those of the optimizer inside included."""
    found: dict[str, Range] = {}
    one: Any = optimizer
    while one is not None:
        found = {**_own_ranges(type(one).__mro__), **found}
        one = vars(one).get("base_optimizer")
    return found


def _own_ranges(classes: Iterable[type]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for each in classes:
        found = {**vars(each).get("ranges", {}), **found}
    return found
