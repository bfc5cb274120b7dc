"""The hyperparameters of a rule: their names and defaults, from its signature, and the values they can have."""

from __future__ import annotations

import difflib
import inspect
import math
import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy

from minigrad import backend


class Range(NamedTuple):
    """The values that a hyperparameter can have: from `low` to `high`; `words` says this in error messages.

    `numbers` is the length of a tuple, or 1 for a single number. With `whole` only integers are allowed. A learning
    rate can also be a schedule, unless `schedule` is False.
    """

    low: float
    high: float
    words: str
    numbers: int = 1
    whole: bool = False
    schedule: bool = True


AT_LEAST_0 = Range(0, math.inf, "at least 0")
FRACTION = Range(0, 1, "from 0 to 1")
BETAS = Range(0, math.nextafter(1, 0), "from 0 to below 1", numbers=2)
COUNT = Range(0, math.inf, "an integer, at least 0", whole=True)
POSITIVE_INTEGER = Range(1, math.inf, "a positive integer", whole=True)

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "required"})()
"""Stands for the default of a hyperparameter that has none, so that a value must be given."""


def signature_of(
    rule: Any, owner: str, vectors: tuple[str, ...], called: str = "rule"
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of a rule's arguments after its `*`, and the hyperparameters among them with their defaults.

    Args:
        rule: the bound method.
        owner: the name of the class, for messages.
        vectors: the arguments that the rule must have before the `*`.
        called: the name of the method, for messages.

    Raises:
        TypeError: it has other arguments.
    """
    parameters = list(inspect.signature(rule).parameters.values())
    taken = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    # The first arguments are theta (and g), under any name; those of the state must have the names in `state`.
    leading = len([name for name in vectors if name in ("theta", "g")])
    anything = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if (len(taken) < leading or taken[leading:] != vectors[leading:]) and not anything:
        raise TypeError(
            f"{owner}.{called} must take ({', '.join(vectors)}) and, after a *, its hyperparameters: "
            f"its state is {vectors[leading:]}, its arguments are {inspect.signature(rule)}"
        )
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return tuple(p.name for p in named), {
        p.name: REQUIRED if p.default is p.empty else p.default for p in named if p.name != "t"
    }


def with_common(own: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """All hyperparameters with their defaults, in the order in which they may be given by position.

    Args:
        own: those of the rule, in its order.
        common: those of every rule; the first of them (lr) comes first.
    """
    first = {name: value for name, value in list(common.items())[:1] if name not in own}
    named = {name: common.get(name, REQUIRED) if value is REQUIRED else value for name, value in own.items()}
    return {**first, **named, **{name: value for name, value in common.items() if name not in own}}


def by_name(owner: str, names: Iterable[str], positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters given by position or by name, all by name.

    Raises:
        TypeError: there are too many, or one is given twice.
    """
    names = list(names)
    if len(positional) > len(names):
        raise TypeError(f"{owner} takes {len(names)} hyperparameters ({', '.join(names)}), not {len(positional)}")
    placed = dict(zip(names, positional, strict=False))
    twice = [name for name in placed if name in named]
    if twice:
        raise TypeError(f"{owner} got {twice[0]} twice, by position and by name")
    return {**placed, **named}


def describe(kind: type, base: type, common: Mapping[str, Any], first: str) -> None:
    """Set a class's signature to the hyperparameters of its rule, and, in minigrad, its help to its module's text.

    Args:
        kind: the class.
        base: the class whose constructor takes the hyperparameters of the rule.
        common: the hyperparameters of every rule, with their defaults.
        first: the name of the constructor's first argument.
    """
    kind.__signature__ = None  # type: ignore[attr-defined]
    if kind.__init__ is base.__init__:  # type: ignore[misc]
        rule = list(inspect.signature(kind.rule).parameters.values())  # type: ignore[attr-defined]
        own = {p.name: p for p in rule if p.kind is p.KEYWORD_ONLY and p.name != "t"}
        defaults = with_common({n: REQUIRED if p.default is p.empty else p.default for n, p in own.items()}, common)
        parameters = [inspect.Parameter(first, inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        for name, value in defaults.items():
            note = {"lr": "Rate", "weight_decay": "float"}.get(name) or getattr(own.get(name), "annotation", "Any")
            keyword = value is REQUIRED or any(p.kind is p.KEYWORD_ONLY for p in parameters)
            place = inspect.Parameter.KEYWORD_ONLY if keyword else inspect.Parameter.POSITIONAL_OR_KEYWORD
            default = inspect.Parameter.empty if value is REQUIRED else value
            parameters.append(inspect.Parameter(name, place, default=default, annotation=note))
        kind.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    if vars(kind).get("__doc__") is None and kind.__module__.startswith(f"{__package__}."):
        kind.__doc__ = sys.modules[kind.__module__].__doc__


def checked(owner: str, name: str, value: Any, ranges: Mapping[str, Range]) -> Any:
    """`value`, checked, with real numbers of any kind as Python numbers, which do not change the dtype of arrays.

    Raises:
        TypeError: there is no value, or `ranges` requires a number and it is not a number.
        ValueError: a number is out of range.
    """
    if value is REQUIRED:
        raise TypeError(f"{owner} needs a value for {name}")
    if name == "lr" and callable(value):
        if name in ranges and not ranges[name].schedule:
            raise TypeError(f"{owner}: lr must be a number, not a schedule: averaging the weights replaces a schedule")
        return value
    value = _plain(value)
    if name not in ranges:
        return value
    if isinstance(value, (list, tuple)):
        value = tuple(_plain(one) for one in value)
    low, high, words, count, whole, _ = ranges[name]
    numbers = value if count > 1 and isinstance(value, tuple) else (value,)
    real = len(numbers) == count and all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    if not real and not whole:
        kind = "two numbers" if count == 2 else "a number"
        raise TypeError(f"{owner}: {name} must be {kind}, not {value!r}")
    if not real or not all(low <= n <= high and (isinstance(n, int) or not whole) for n in numbers):
        raise ValueError(f"{owner}: {name} must be {words}, not {value!r}")
    return value


def _plain(value: Any) -> Any:
    """A NumPy scalar, a fraction or a 0-d array as a Python number; anything else unchanged."""
    if type(value) in (int, float, bool, str) or value is None:
        return value
    if isinstance(value, numpy.generic) or (backend.is_array(value) and value.ndim == 0):
        return value.item()
    if isinstance(value, Real) and not isinstance(value, (int, float)):
        return float(value)
    return value


def rate_of(owner: str, lr: Any, taken: int) -> float:
    """The learning rate after `taken` steps: `lr`, or the result of that schedule.

    Raises:
        TypeError: the schedule does not return a number.
        ValueError: the schedule returns a negative number or nan.
    """
    if not callable(lr):
        return lr
    rate = lr(taken)
    try:
        return float(checked(owner, "lr", None if callable(rate) else rate, {"lr": AT_LEAST_0}))
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{owner}: the schedule of lr must return a number that is at least 0, not {rate!r} (after {taken} steps)"
        ) from None


def unknown(owner: str, name: str, names: Iterable[str]) -> str:
    """The error message that there is no hyperparameter `name`, with those that there are."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{owner} has no hyperparameter {name}{hint}; it has {', '.join(names)}"


_HOW = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""PyTorch's arguments that choose how an update is computed. There is nothing to choose here."""

_OTHER_RULES = {
    "amsgrad": "AMSGrad is another rule, with a class of its own: use optim.AMSGrad",
    "centered": "the centered RMSprop is another rule: write it as a class of your own",
    "dampening": "momentum with dampening is another rule: write it as a class of your own",
    "decoupled_weight_decay": "weight decay apart from the gradient is another rule: use optim.AdamW",
    "initial_accumulator_value": "Adagrad's sums start at 0 here",
    "lr_decay": "give lr a schedule of optim.lr instead, such as lr.step_decay",
    "maximize": "maximize by minimizing the negative of the loss",
    "momentum_decay": "the momentum schedule of NAdam is fixed here",
}
"""PyTorch's arguments that turn a rule into another one, and what to use."""


def without_options(owner: str, given: dict[str, Any], own: Iterable[str]) -> dict[str, Any]:
    """The hyperparameters without PyTorch's options that change nothing: those above that are None, False or 0.

    Raises:
        TypeError: an option is used that would turn the rule into another.
    """
    kept = {}
    for name, value in given.items():
        if name in own or (name not in _HOW and name not in _OTHER_RULES):
            kept[name] = value
        elif name in _OTHER_RULES and value:
            raise TypeError(f"{owner} has no {name}: {_OTHER_RULES[name]}")
    return kept
