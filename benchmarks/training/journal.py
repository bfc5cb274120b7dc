"""Results that outlive the process that computed them: a SQLite file of keys and results.

A result is on the disk when `Journal.add` returns, whenever the process is killed afterwards, and a process that is
killed while it adds one leaves the file as it was before. Several processes may read and write the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from .. import UsageError

Key = Mapping[str, Any]
"""Everything that decides a result, in the types that JSON has."""


class Journal:
    """Results by their keys, in the file `path`; use it in a ``with``.

    Raises:
        UsageError: the file cannot be opened, or is not a journal. It is then as it was before.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is not a regular file, as a journal of results must be")
            if self.path.exists() and not _could_be_sqlite(self.path):
                raise UsageError(f"{self.path} is not a journal of results (it is no SQLite file): move it away")
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        except (OSError, ValueError, sqlite3.Error) as error:  # ValueError: a null character in the path
            raise UsageError(f"{self.path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._database.execute("CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, result TEXT NOT NULL)")
            self._database.execute("SELECT key, result FROM results LIMIT 1")
        except sqlite3.Error as error:
            self.close()
            raise UsageError(f"{self.path} is not a journal of results ({error}): move it away") from None

    def get(self, key: Key) -> dict[str, Any] | None:
        """The result that was added last for `key`, or None."""
        with closing(self._database.execute("SELECT result FROM results WHERE key = ?", [canonical(key)])) as found:
            row = found.fetchone()
        return None if row is None else json.loads(row[0])

    def add(self, key: Key, result: Mapping[str, Any]) -> dict[str, Any]:
        """Add a result, in place of another one of the same key. Returns it as `get` will.

        Raises:
            ValueError: key or result hold an infinity or a nan, which JSON has not.
            OSError: the disk is full, say; the file is then as it was before.
        """
        text = canonical(result)
        try:
            self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", [canonical(key), text])
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: a result cannot be written: {error}") from None
        added: dict[str, Any] = json.loads(text)
        return added

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM results").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _could_be_sqlite(path: Path) -> bool:
    """SQLite itself takes a file of a few bytes for an empty one."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def canonical(value: Any) -> str:
    """`value` as JSON, the same text for equal values: names in order, no spaces, plain ASCII.

    Raises:
        ValueError: there is an infinity or a nan in it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
