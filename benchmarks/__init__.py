"""The benchmarks: one module for each question, run with ``python -m benchmarks NAME``."""

from __future__ import annotations

import os


class UsageError(Exception):
    """What is wrong with what the user asked for, in one sentence: shown without a traceback, exit status 2."""


def columns() -> int | None:
    """The width that the environment's COLUMNS asks for; None if it is not set, or to no width that can be meant."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) > 0 else None
