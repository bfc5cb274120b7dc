"""Waiting for what another process does, without betting on how long it takes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing

HUNG = 120
"""Seconds after which something that has not happened never will: not a measure of how long it should take."""


def wait_until(happened: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    """Return as soon as `happened()`; fail if `process` ends before that, or nothing happens at all."""
    hung = time.monotonic() + HUNG
    while not happened():
        over = process is not None and process.poll() is not None
        assert not over or happened(), f"the process ended first, with {process and process.returncode}"
        assert time.monotonic() < hung, f"it did not happen in {HUNG} seconds"
        time.sleep(0.01)


def stored(journal):
    """What the journal of results at that path holds: a list of pairs (key, result), in the order they were added."""
    if not journal.exists():
        return []
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=60)) as database:
        try:
            rows = database.execute("SELECT key, result FROM results ORDER BY rowid").fetchall()
        except sqlite3.OperationalError:  # the table is just being made
            return []
    return [(json.loads(key), json.loads(result)) for key, result in rows]
