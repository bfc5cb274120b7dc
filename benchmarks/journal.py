"""A file of results that outlives its process: JSON Lines, each line whole or not there at all.

A line is ``{"key": ..., "result": ...}``. It goes to the file in a single write at the end, followed by fsync, so
that after ``kill -9`` it is there or it is not. Should the machine itself go down in the middle of a write, the
last line may be torn: it is recognised when the file is opened next, and cut away. One process at a time has the
file open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import UsageError

try:
    import fcntl
except ImportError:  # Windows has none: there nobody looks whether two processes write
    fcntl = None  # type: ignore[assignment]

Key = Mapping[str, Any]
"""Everything that decides a result, in the types that JSON has."""


class Journal:
    """Results by their keys, read from the file `path` and added to it; use it in a ``with``.

    Attributes:
        cut: bytes of a torn last line that were cut away when the file was opened.

    Raises:
        UsageError: the file cannot be opened, another process has it open, or a line that is not the last is none
            of a journal's.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from None
        self._results: dict[str, dict[str, Any]] = {}
        try:
            self._lock()
            self.cut = self._read()
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a process that dies lets go of it
        except OSError:
            raise UsageError(f"{self.path}: another run is writing to it; wait, or take another --results") from None

    def _read(self) -> int:
        """Take in the lines that are there, and cut away a torn one at the end. Returns its length in bytes."""
        whole = 0
        content = self.path.read_bytes()
        lines = content.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            record = _parse(line)
            if record is None and number < len(lines):
                raise UsageError(f"{self.path}: line {number} is not a result; mend it, or move the file away")
            if record is not None:
                self._results[canonical(record["key"])] = record["result"]
                whole += len(line)
        if whole < len(content):
            os.ftruncate(self._file, whole)
            os.fsync(self._file)
        return len(content) - whole

    def get(self, key: Key) -> dict[str, Any] | None:
        """The result that was added last for `key`, or None."""
        return self._results.get(canonical(key))

    def add(self, key: Key, result: Mapping[str, Any]) -> dict[str, Any]:
        """Add a result; when this returns, it is on the disk. Returns it as a later `get` in any process will.

        Raises:
            ValueError: key or result hold an infinity or a nan, which JSON has not.
            OSError: the disk is full, say; the file is then as it was before.
        """
        line = canonical({"key": key, "result": result}).encode() + b"\n"
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(f"{self.path}: no room for another result")
            os.fsync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise
        kept: dict[str, Any] = json.loads(line)["result"]
        self._results[canonical(key)] = kept
        return kept

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The keys, in the order in which they came first."""
        return (json.loads(key) for key in self._results)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def canonical(value: Any) -> str:
    """`value` as JSON in the one way that is the same wherever it is written: names sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None if the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"key", "result"} <= record.keys() else None
