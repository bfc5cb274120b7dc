"""The options that benchmarks share, and a parser that says in one sentence what is wrong with them."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .. import PROGRAM, UsageError

CLUSTER_HELP = """\
a cluster:
  --dask needs the extra [cluster] here and on the cluster's machines, and the same checkout on each of them.
  Dask's nanny makes the C library return free memory to the system at once (MALLOC_TRIM_THRESHOLD_=65536), which
  makes a step of Adam take 1.9 ms instead of 0.7. So set both thresholds where the workers start, before they start,
  and give each worker one thread; then run this command with --dask:

    PYTHONPATH=. dask scheduler --port 8786                             # in the checkout, as all of these
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=67108864 PYTHONPATH=. \\
        dask worker tcp://SCHEDULER:8786 --nworkers 2 --nthreads 1      # on every machine
    COMMAND --dask tcp://SCHEDULER:8786
"""
"""How to start the workers, for the --help of the commands that have --dask."""


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` for ``python -m benchmarks NAME``.

    Long options are not abbreviated. Raises UsageError instead of leaving Python.
    """

    def __init__(self, name: str, description: str, **options: Any) -> None:
        super().__init__(f"{PROGRAM} {name}", description=description, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Called by argparse, which would ignore that the message cannot be written."""
        print(message, end="", file=file, flush=True)

    def add_named(self, flag: str, kind: Callable[[str], Any], value: str, help: str) -> None:
        """An option that takes NAME=`value` and may be given again: a list of pairs (name, value)."""
        help = f"{help} (may be given again)"
        self.add_argument(flag, action=_Pairs, default=[], type=named(kind), metavar=f"NAME={value}", help=help)

    def add_own_optimizer(self) -> None:
        """--optimizer: a list of FILE.py:CLASS."""
        help = "another one beside them: a class of your own (may be given again)"
        self.add_argument("--optimizer", action="append", default=[], metavar="FILE.py:CLASS", help=help)

    def add_seed(self) -> None:
        """--seed."""
        self.add_argument("--seed", type=seed, default=0, help="of weights and mini-batches (default: 0)")

    def add_results(self) -> None:
        """--results."""
        self.add_argument(
            "--results", type=folder, default="results", metavar="DIR", help="where to write (default: results)"
        )

    def add_length(self, iterations: int, batch_size: int) -> None:
        """--iterations and --batch-size, with their defaults."""
        self.add_argument("--iterations", type=up_to(ITERATIONS), default=iterations, help="(default: %(default)s)")
        self.add_argument("--batch-size", type=positive, default=batch_size, help="(default: %(default)s)")

    def add_running(self, gpu: bool = False) -> None:
        """What the commands that train have in common: --jobs, --dask, --fresh, --results, with help on clusters."""
        self.epilog = CLUSTER_HELP.replace("COMMAND", self.prog)
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        if gpu:
            self.add_backend()
        self.add_jobs()
        self.add_argument("--dask", metavar="ADDRESS", help="scheduler of a cluster that does it: tcp://HOST:PORT")
        self.add_argument("--fresh", action="store_true", help="run everything anew, even what has been done already")
        self.add_results()

    def add_jobs(self) -> None:
        """--jobs: None unless it is given; see `jobs_for`."""
        self.add_argument(
            "--jobs", type=up_to(512), metavar="N", help="processes at a time (default: one for each core)"
        )

    def add_backend(self) -> None:
        """--backend."""
        self.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="(default: numpy)")

    def add_data(self) -> None:
        """--data and --download."""
        self.add_argument("--data", choices=("mnist", "fashion", "digits"), default="mnist", help="(default: mnist)")
        self.add_argument("--download", action="store_true", help="fetch the data if it is not here (fashion)")


class _Pairs(argparse.Action):
    """Collects pairs (name, value). Two pairs with one name are an error."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, value: Any, flag: str | None = None) -> None:
        pairs = getattr(namespace, self.dest)
        if value[0] in (name for name, _ in pairs):
            raise argparse.ArgumentError(self, f"{shown(value[0])} has two values")
        setattr(namespace, self.dest, [*pairs, value])


ITERATIONS = 10_000_000
"""The most that a training can have, since its losses are kept."""


def shown(text: str) -> str:
    """What was given, as a message shows it: in quotes, and shortened if it is long."""
    return repr(text) if len(text) <= 60 else f"{text[:40]!r}... ({len(text)} characters)"


def folder(text: str) -> str:
    """A type for the name of a folder, which must not be empty."""
    if not text:
        raise argparse.ArgumentTypeError("must name a folder, not ''")
    return text


def up_to(most: int) -> Callable[[str], int]:
    """A type for a whole number from 1 to `most`."""
    return functools.partial(_whole, least=1, most=most)


def positive(text: str) -> int:
    """A type for a whole number from 1 on."""
    return _whole(text, 1, None)


def seed(text: str) -> int:
    """A type for a whole number from 0 to 2**32 - 1."""
    return _whole(text, 0, 2**32 - 1)


def _whole(text: str, least: int, most: int | None) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        to = f" to {most}" if least == 0 else " on"
        raise argparse.ArgumentTypeError(f"must be a whole number from {least}{to}, not {shown(text)}")
    if most is not None and number > most:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {shown(text)}")
    return number


def rate(text: str) -> float:
    """A type for a learning rate: a finite number from 0 on."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, not {shown(text)}")
    return number


def named(kind: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    """A type for NAME=VALUE, where `kind` is the type of the value; gives (name, value)."""

    def pair(text: str) -> tuple[str, Any]:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise argparse.ArgumentTypeError(f"must be NAME=VALUE, as sgd=1, not {shown(text)}")
        return name, kind(value)

    return pair


def jobs_for(given: int | None, backend: str) -> int:
    """How many processes: as many as `given`, or one for each core that may be used, or one for a GPU."""
    if given is not None:
        return given
    if backend == "cupy":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(specs: Sequence[str]) -> list[str]:
    """The names in "sgd,adam"."""
    return [name for text in specs for name in text.split(",") if name]
