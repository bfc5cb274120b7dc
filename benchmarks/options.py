"""The options that benchmarks share, and a parser that says in one sentence what is wrong with them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from benchmarks import UsageError


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` for ``python -m benchmarks NAME``.

    Long options are not abbreviated. Raises UsageError instead of leaving Python.
    """

    def __init__(self, name: str, description: str, **options: Any) -> None:
        super().__init__(f"python -m benchmarks {name}", description=description, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def add_named(self, flag: str, kind: Callable[[str], Any], value: str, help: str) -> None:
        """An option that takes NAME=`value` and may be given again: a list of pairs (name, value)."""
        metavar, told = f"NAME={value}", f"{help} (may be given again)"
        self.add_argument(flag, action="append", default=[], type=named(kind), metavar=metavar, help=told)

    def add_own_optimizer(self) -> None:
        """--optimizer: a list of FILE.py:CLASS."""
        told = "another one that joins them: a class of your own (may be given again)"
        self.add_argument("--optimizer", action="append", default=[], metavar="FILE.py:CLASS", help=told)

    def add_seed(self) -> None:
        """--seed."""
        self.add_argument("--seed", type=seed, default=0, help="of weights and mini-batches (default: 0)")

    def add_results(self) -> None:
        """--results."""
        self.add_argument("--results", default="results", metavar="DIR", help="where to write (default: results)")

    def add_jobs(self) -> None:
        """--jobs: None unless it is given; see `jobs_for`."""
        self.add_argument("--jobs", type=positive, metavar="N", help="processes at a time (default: one for each core)")

    def add_backend(self) -> None:
        """--backend."""
        self.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="(default: numpy)")

    def add_data(self) -> None:
        """--data and --download."""
        self.add_argument("--data", choices=("mnist", "fashion", "digits"), default="mnist", help="(default: mnist)")
        self.add_argument("--download", action="store_true", help="fetch the data if it is not here (fashion)")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _whole(text, 1, None)


def seed(text: str) -> int:
    """A whole number from 0 to 2**32 - 1."""
    return _whole(text, 0, 2**32 - 1)


def _whole(text: str, least: int, most: int | None) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        to = f" to {most}" if most is not None else " on"
        raise argparse.ArgumentTypeError(f"must be a whole number from {least}{to}, not {text!r}")
    return number


def rate(text: str) -> float:
    """A learning rate: a number from 0 on, and finite."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, not {text!r}")
    return number


def named(kind: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    """A type for NAME=VALUE, where `kind` is the type of the value; gives (name, value)."""

    def pair(text: str) -> tuple[str, Any]:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise argparse.ArgumentTypeError(f"must be NAME=VALUE, as sgd=1, not {text!r}")
        return name, kind(value)

    return pair


def jobs_for(given: int | None, backend: str) -> int:
    """How many processes: as many as `given`, or one for each core this one may use; for a GPU, one."""
    if given is not None:
        return given
    if backend == "cupy":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(specs: Sequence[str]) -> list[str]:
    """The names in "sgd,adam"."""
    return [name for text in specs for name in text.split(",") if name]
