"""``python -m benchmarks`` lists the benchmarks; ``python -m benchmarks NAME`` runs one of them."""

from __future__ import annotations

import ast
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from . import PROGRAM, UsageError, columns

BENCHMARKS = ("mnist", "batch_size", "speed", "replay", "seeds", "surfaces", "explain", "explore")
"""The modules of this package that can be run. Each has ``main(argv) -> exit status`` and says in the first line
of its docstring what it shows."""

EXTRAS = {
    "joblib": "joblib",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "rich": "rich",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "threadpoolctl": "threadpoolctl",
}
"""The packages that benchmarks need, by the name that Python imports: setup.cfg's extra `bench`, and NumPy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark that `argv` names, or list them all.

    Returns the exit status: 0, or 1 when a part of the benchmark failed, 2 when the command was wrong or something is
    not installed, 130 when it was interrupted. None of these shows a traceback.
    """
    _adapt()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except BaseException as error:
        _end_workers()
        if (status := _status(error)) is None:
            raise
        return status


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing())
        return 0
    name = arguments[0]
    if name not in BENCHMARKS:
        raise UsageError(f"there is no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
    if not {"-h", "--help"} & set(arguments):
        check_extras()
    status: int = importlib.import_module(f".{name}", __package__).main(arguments[1:])
    return status


def _status(error: BaseException) -> int | None:
    """Print in a sentence what is wrong. Returns the exit status, or None for a bug of ours, which is raised."""
    if isinstance(error, UsageError):
        _complain(str(error))
        return 2
    if isinstance(error, KeyboardInterrupt):
        _complain("interrupted")
        return 130
    if isinstance(error, BrokenPipeError):  # the reader has closed the pipe, as `head` does
        _give_up_output()
        return 1
    if isinstance(error, MemoryError):
        _complain("there is not enough memory for that")
        return 1
    if isinstance(error, OSError) and error.filename is None and error.errno is not None:  # files have names
        _give_up_output()
        _complain(f"the output cannot be written: {error.strerror}")
        return 1
    if isinstance(error, OSError):
        _complain(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
        return 1
    return None


def command() -> int:
    """`main`, as the whole program: at its end it flushes its output, and reports if that fails."""
    try:
        status = main()
    except SystemExit as error:  # --help, or rich, when its reader has closed the pipe
        status = error.code if isinstance(error.code, int) else 0
    try:
        sys.stdout.flush()
    except OSError as error:
        status = status or _status(error) or 1
    return status


def _adapt() -> None:
    """Adapt to the surroundings: ignore a wrong COLUMNS, open closed streams, escape what cannot be printed."""
    if columns() is None:
        os.environ.pop("COLUMNS", None)
    os.environ["MPLBACKEND"] = "agg"  # no window is ever opened
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the parent process has closed it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(sentence: str) -> None:
    with suppress(OSError):  # standard error may be closed, too
        print(f"{PROGRAM.rpartition(' ')[2]}: {' '.join(sentence.split())}", file=sys.stderr, flush=True)


def _give_up_output() -> None:
    """Discard what has not been written yet: Python would try again, and fail again, when it ends."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # no file of this process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _end_workers() -> None:
    """End the worker processes, if there are any: Python would wait for them when it ends."""
    if (pool := sys.modules.get(f"{__package__}.training.pool")) is not None:
        pool.end()


def check_extras() -> None:
    """Check now that all packages are there, not when one is first needed, at the end of a long run.

    Raises:
        UsageError: some are not installed.
    """
    missing = [package for name, package in EXTRAS.items() if find_spec(name) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        packages = "-e '.[bench]'" if PROGRAM.startswith("python") else " ".join(missing)
        raise UsageError(f"{', '.join(missing)} {are} not installed: python -m pip install {packages}")


def listing() -> str:
    """The benchmarks, a line each: the first line of each module's docstring, which is read, not imported."""
    width = max(map(len, BENCHMARKS))
    lines = [f"  {name:{width}}  {_first_line(name)}" for name in BENCHMARKS]
    return "\n".join([f"{PROGRAM} NAME [--help]", "", *lines])


def _first_line(name: str) -> str:
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(command())
