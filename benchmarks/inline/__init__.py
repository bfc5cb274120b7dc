"""The benchmarks as functions, for notebooks: they take optimizer classes, and return tables and pictures.

    from minigrad.benchmarks import inline
    inline.mnist(Mine, "adam", iterations=500)

The functions take what the commands of the same names take (``python -m benchmarks NAME --help``): an option is an
argument with ``_`` in place of ``-``; an option NAME=VALUE is a dictionary; one that may be given again is a list.
Optimizers come first: classes, also those defined in a cell; names, as "adam"; or ``path/to/mine.py:Mine``. A class
that is defined in a cell is written to a file in ``results/cells``, which the command takes, too.

They raise `BenchmarkError`, with one sentence, and never leave Python. What they return shows itself in a notebook.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from .. import UsageError
from ..console import report
from .cells import spec_of
from .shown import BenchmarkError, Shown

__all__ = ["BenchmarkError", "Shown", "batch_size", "explain", "mnist", "replay", "seeds", "speed", "surfaces"]


def mnist(*optimizers: Any, **settings: Any) -> Shown:
    """The notebook's comparison on MNIST: see ``python -m benchmarks mnist --help``."""
    return _run("mnist", optimizers, settings)


def batch_size(**settings: Any) -> Shown:
    """Batch, stochastic and mini-batch gradient descent: see ``python -m benchmarks batch_size --help``."""
    return _run("batch_size", (), settings)


def replay(*optimizers: Any, **settings: Any) -> Shown:
    """The notebook's figures on their branches: see ``python -m benchmarks replay --help``."""
    return _run("replay", optimizers, settings)


def seeds(*optimizers: Any, **settings: Any) -> Shown:
    """The comparison over many seeds: see ``python -m benchmarks seeds --help``."""
    return _run("seeds", optimizers, settings)


def speed(*optimizers: Any, **settings: Any) -> Shown:
    """Training steps, timed: see ``python -m benchmarks speed --help``."""
    return _run("speed", optimizers, settings)


def surfaces(*optimizers: Any, **settings: Any) -> Shown:
    """Optimizers racing on surfaces: see ``python -m benchmarks surfaces --help``."""
    return _run("surfaces", optimizers, settings)


def explain(*names: str, **settings: Any) -> Shown:
    """What each optimizer's idea does, in pictures: see ``python -m benchmarks explain --help``."""
    return _run("explain", (), settings, names)


def _run(name: str, optimizers: tuple[Any, ...], settings: dict[str, Any], names: tuple[str, ...] = ()) -> Shown:
    """Call a command with these arguments, and collect its tables and the files that it writes.

    Raises:
        BenchmarkError: whatever the command would have complained of.
    """
    from ..__main__ import check_extras

    with report.collecting() as collected:
        try:
            check_extras()
            arguments = [*names, *_arguments(optimizers, settings)]
            status = importlib.import_module(f"..{name}", __name__).main(arguments)
        except UsageError as error:
            raise BenchmarkError(f"{name}: {' '.join(str(error).split())}") from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename is not None else ""
            raise BenchmarkError(f"{name}: {where}{error.strerror or error}") from None
    return Shown(name, collected.tables, collected.files, failed=bool(status))


def _arguments(optimizers: tuple[Any, ...], settings: dict[str, Any]) -> list[str]:
    """What would be written on the command line."""
    folder = str(settings.get("results", "results"))
    specs = [spec_of(one, folder) for one in optimizers]
    own = [spec for spec in specs if ".py:" in spec]
    known = [spec for spec in specs if ".py:" not in spec]
    found = []
    if known or own:
        found.append(f"--optimizers={','.join(known)}")
    found += [f"--optimizer={spec}" for spec in own]
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if name == "lr" and isinstance(value, (int, float)) and specs:
            value = {spec.rpartition(":")[2]: value for spec in specs}
        if value is True:
            found.append(option)
        elif isinstance(value, Mapping):
            found += [f"{option}={_named(key)}={number}" for key, number in value.items()]
        elif isinstance(value, list):
            found += [f"{option}={_named(each)}" for each in value]
        elif isinstance(value, tuple):
            found.append(f"{option}={','.join(map(_named, value))}")
        elif value is not None and value is not False:
            found.append(f"{option}={_named(value)}")
    return found


def _named(value: Any) -> str:
    """A value as on the command line; a class is called by the name that it has there."""
    if isinstance(value, type):
        return spec_of(value, "results").rpartition(":")[2]
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
