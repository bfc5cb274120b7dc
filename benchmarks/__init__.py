"""The benchmarks: a module for each question, run with ``python -m benchmarks NAME``.

Installed, this package is minigrad.benchmarks, and is run with ``minigrad NAME``.
"""

from __future__ import annotations

import os

PROGRAM = "minigrad" if __name__.startswith("minigrad.") else "python -m benchmarks"
"""What the user types to run the benchmarks: the installed command, or in a checkout Python with this package."""


class UsageError(Exception):
    """What is wrong with what the user asked for, in one sentence: shown without a traceback, exit status 2."""


def columns() -> int | None:
    """The width that the environment's COLUMNS asks for; None if it is not set, or to no width that can be meant."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) > 0 else None
