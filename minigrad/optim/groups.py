"""Parameter groups and hyperparameters of an optimizer: checking them, and access to them as attributes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minigrad.optim.hyperparameters import REQUIRED, Range, checked, rate_of, unknown
from minigrad.tensor import Tensor

Rate = float | Callable[[int], float]
"""A learning rate: a number, or a function of the number of steps already taken (see `minigrad.optim.lr`)."""

COMMON: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.0}
"""The hyperparameters of every rule, with their defaults, unless the rule has others."""

Group = dict[str, Any]
"""Parameters, under "params", and the hyperparameters they are trained with, each under its name."""


class Grouped:
    """The part of `Optimizer` that has the parameter groups and hyperparameters."""

    param_groups: list[Group]
    defaults: dict[str, Any]
    t: int  # steps taken
    _names: tuple[str, ...]  # the names of the hyperparameters
    _ranges: Mapping[str, Range]
    _in_force: tuple[Group, float] | None  # while the rule is being called: its group and learning rate

    def _groups(self, params: Iterable[Any]) -> list[Group]:
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name} needs an iterable of tensors: write [tensor] for a single one")
        listed = list(params)
        if not listed:
            raise ValueError(f"{name} was given no parameters")
        if not isinstance(listed[0], dict):
            listed = [{"params": listed}]
        groups = []
        for given in listed:
            if not isinstance(given, dict) or "params" not in given:
                raise TypeError(f"{name}: a group is a dictionary with 'params' in it, not {given!r}")
            group = self._completed(dict(given))
            if not group["params"]:
                raise ValueError(f"{name} was given a group without parameters")
            groups.append(group)
        return groups

    def _completed(self, group: Group) -> Group:
        """The group itself, with missing hyperparameters added, and all of them checked and converted."""
        for given in group:
            if given not in self._names and given != "params":
                raise TypeError(unknown(type(self).__name__, given, self._names))
        tensors = group["params"]
        values = {n: self._checked(n, group.get(n, self.defaults.get(n, REQUIRED))) for n in self._names}
        group.update(values)
        if not isinstance(tensors, list):
            group["params"] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        return group

    def _checked(self, name: str, value: Any) -> Any:
        return checked(type(self).__name__, name, value, self._ranges)

    def hyperparameters(self) -> tuple[str, ...]:
        """The names of the hyperparameters."""
        return self._names

    @property
    def lr(self) -> float:
        """The current learning rate (of the first group): that of the next step, or, inside a rule, of this step."""
        if self._in_force is not None:
            return self._in_force[1]
        return float(rate_of(type(self).__name__, self.param_groups[0]["lr"], self.t))

    @lr.setter
    def lr(self, rate: Rate) -> None:
        """Never called, since `__setattr__` sets hyperparameters. Type checkers need it, to allow assignment."""

    def __getattr__(self, name: str) -> Any:
        """Inside a rule, ``self.mu`` is the hyperparameter mu of the current group; outside, of the first group."""
        groups = self.__dict__.get("param_groups")
        if groups is not None:
            group = self._in_force[0] if self._in_force is not None else groups[0]
            if name in group:
                return group[name]
        raise AttributeError(f"{type(self).__name__} has no attribute or hyperparameter {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a hyperparameter sets it in every group.

        Raises:
            ValueError, TypeError: the value is out of range, or not a number.
            AttributeError: there is no such hyperparameter (user-defined classes may have further attributes, but
                none with nearly the name of a hyperparameter, which is most likely a typing error).
        """
        held = self.__dict__
        if held.get("_in_force") is not None and name != "_in_force":
            raise AttributeError(
                f"{type(self).__name__}.rule sets self.{name}: a rule may be called several times in a step, and its "
                "attributes are not saved; keep vectors in `state`, and write numbers as functions of t "
                "(running_product)"
            )
        if name in held or "param_groups" not in held:
            object.__setattr__(self, name, value)
        elif name in self._names:
            value = self._checked(name, value)
            for group in self.param_groups:
                group[name] = value
        else:
            check_attribute(self, name, self._names)
            object.__setattr__(self, name, value)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.param_groups[0].items() if name != "params")
        count = sum(p.numel() for group in self.param_groups for p in group["params"])
        return f"{type(self).__name__}({count} parameters, {shown})"


def check_attribute(owner: Grouped, name: str, names: Iterable[str]) -> None:
    """Raise an AttributeError if a new attribute is most likely a misspelt hyperparameter, without any effect."""
    kind = type(owner)
    if name.startswith("_") or name in owner.__dict__ or hasattr(kind, name) or _is_declared(kind, name):
        return
    ours = kind.__module__.partition(".")[0] == "minigrad"
    if ours or difflib.get_close_matches(name, list(names), n=1, cutoff=0.85):
        raise AttributeError(unknown(kind.__name__, name, names))


def _is_declared(kind: type, name: str) -> bool:
    """Whether a class or one of its bases declares an attribute, as ``name: int``."""
    return any(name in getattr(c, "__annotations__", {}) for c in kind.__mro__)
