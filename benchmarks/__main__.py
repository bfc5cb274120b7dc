"""``python -m benchmarks`` lists the benchmarks; ``python -m benchmarks NAME`` runs one of them."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks import UsageError

BENCHMARKS = ("mnist", "batch_size", "speed", "replay", "seeds", "surfaces", "explain")
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

    Returns the exit status: 0, or 1 when a part of the benchmark failed, 2 when it was not asked for rightly or
    something is not installed, 130 when it was interrupted. None of these shows a traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(listing())
            return 0
        name = arguments[0]
        if name not in BENCHMARKS:
            raise UsageError(f"there is no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
        if not {"-h", "--help"} & set(arguments):
            check_extras()
        status: int = importlib.import_module(f"benchmarks.{name}").main(arguments[1:])
        return status
    except UsageError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130


def check_extras() -> None:
    """Look now whether all packages are there, not when one is first needed, at the end of a long run.

    Raises:
        UsageError: some are not installed.
    """
    missing = [package for name, package in EXTRAS.items() if find_spec(name) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        raise UsageError(f"{', '.join(missing)} {are} not installed: python -m pip install -e '.[bench]'")


def listing() -> str:
    """The benchmarks, a line each: the first line of each module's docstring, which is read, not imported."""
    width = max(map(len, BENCHMARKS))
    lines = [f"  {name:{width}}  {_first_line(name)}" for name in BENCHMARKS]
    return "\n".join(["python -m benchmarks NAME [--help]", "", *lines])


def _first_line(name: str) -> str:
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
