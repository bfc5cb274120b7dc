"""Sliders for hyperparameters: which numbers they go through, from the rule's own signature and ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minigrad.optim import Optimizer
from minigrad.optim.hyperparameters import Range

LOG, NEAR_ONE, LINEAR, WHOLE = "log", "near one", "linear", "whole"
"""The scales of a slider: of powers of ten; of 1 - 10**-s, which has 0.9, 0.99 and 0.999 as far apart; even; whole."""

DECADES = 2
"""A logarithmic slider goes so many powers of ten to either side, and one more down."""

NINES = 4.0
"""The end of a slider of the scale `NEAR_ONE`: 0.9999."""


@dataclass(frozen=True)
class Knob:
    """A slider for one number.

    Attributes:
        name: of the hyperparameter.
        index: of the number in it, if it is a tuple.
        scale: see `LOG`.
        low, high: the ends of the slider, on its scale.
        zero: whether the left end stands for 0, which has no logarithm.
    """

    name: str
    index: int | None
    scale: str
    low: float
    high: float
    zero: bool = False

    @property
    def label(self) -> str:
        """What the slider is called."""
        return self.name if self.index is None else f"{self.name}[{self.index}]"

    @property
    def step(self) -> float:
        """From one place of the slider to the next."""
        return {LOG: 0.05, NEAR_ONE: 0.05, LINEAR: (self.high - self.low) / 100, WHOLE: 1.0}[self.scale]

    def place(self, value: float) -> float:
        """Where the slider is for a value; at an end for one that lies beyond it."""
        if self.scale == LOG:
            place = math.log10(value) if value > 0 else self.low
        elif self.scale == NEAR_ONE:
            place = -math.log10(1 - value) if value < 1 else self.high
        else:
            place = float(value)
        return min(max(place, self.low), self.high)

    def value(self, place: float) -> float:
        """The number at a place of the slider, to three significant digits."""
        if self.scale == WHOLE:
            return round(place)
        if self.zero and place <= self.low + self.step / 2:
            return 0.0
        if self.scale == LOG:
            return float(f"{10**place:.3g}")
        if self.scale == NEAR_ONE:
            return 1 - float(f"{10**-place:.3g}") if place else 0.0
        return float(f"{place:.3g}")


def knobs(values: Mapping[str, Any], ranges: Mapping[str, Range]) -> list[Knob]:
    """The sliders for hyperparameters with these values; what is no number, or not of one, has none."""
    found = []
    for name, value in values.items():
        parts = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        found += [_knob(name, i, part, ranges.get(name)) for i, part in parts if _is_number(part)]
    return found


def _knob(name: str, index: int | None, value: float, allowed: Range | None) -> Knob:
    if isinstance(value, int) or (allowed and allowed.whole):
        low = int(allowed.low) if allowed else min(0, value)
        return Knob(name, index, WHOLE, low, max(20, 4 * value))
    fraction = allowed is not None and allowed.high <= 1
    if name != "lr" and 0.8 <= value < 1:
        return Knob(name, index, NEAR_ONE, 0.0, NINES)
    if fraction:
        return Knob(name, index, LINEAR, 0.0, 1.0)
    if value < 0:
        return Knob(name, index, LINEAR, 2 * value, -2 * value)
    if value == 0:
        return Knob(name, index, LOG, -5.0, 0.0, zero=True)
    middle = round(math.log10(value))
    return Knob(name, index, LOG, middle - DECADES - 1.0, middle + float(DECADES))


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
    """The ranges of all hyperparameters, those of the optimizers inside included."""
    found: dict[str, Range] = {}
    waiting: list[Any] = [optimizer]
    while waiting:
        one = waiting.pop()
        found = {**_own_ranges(type(one).__mro__), **found}
        inside = getattr(one, "base_optimizer", None) if "base_optimizer" in vars(one) else None
        waiting += [] if inside is None else [inside]
    return found


def _own_ranges(classes: Iterable[type]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for each in classes:
        found = {**vars(each).get("ranges", {}), **found}
    return found
