"""A file of results that outlives its process: JSON Lines, of which only the last can ever be torn.

A line is ``{"key": {...}, "result": {...}}`` as `canonical` writes it. It is appended in a single write, followed by
fsync, and counts as added only then. So a result that was reported as added is not lost, whenever the process is
killed. A process that is killed, or a machine that goes down, in the middle of a write may leave the beginning of a
line, without its end: it is recognised when the file is opened next, and cut away. Nothing else is ever cut: a file
in which anything else is found is not a journal, and is refused and left as it is. One process at a time has the file
open.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .. import UsageError

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
        UsageError: the file cannot be opened or is not a regular file, another process has it open, or there is
            something in it that no journal has written. The file is then as it was before.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = -1
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is not a regular file, as a journal of results must be")
            # Should a pipe come to lie there just now, opening it does not wait for its other end.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            self._file = os.open(self.path, flags, 0o644)
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            raise UsageError(f"{self.path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
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
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise UsageError(f"{self.path} is not a regular file, as a journal of results must be")
        with open(os.dup(self._file), "rb") as file:
            content = file.read()
        *lines, tail = content.split(b"\n")
        for number, line in enumerate(lines, 1):
            record = _parse(line)
            if record is None:
                raise UsageError(f"{self.path}: line {number} is not a result; mend it, or move the file away")
            self._results[canonical(record["key"])] = record["result"]
        if tail and not _is_torn(tail, bool(lines)):
            raise UsageError(
                f"{self.path}: what stands after line {len(lines)} is not the beginning of a result; "
                "mend it, or move the file away"
            )
        if tail:
            os.ftruncate(self._file, len(content) - len(tail))
            os.fsync(self._file)
        return len(tail)

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
    """The record in a line without its newline, or None if that is not a line as `Journal.add` writes it."""
    try:
        text = line.decode("ascii")
        record = json.loads(text)
        if canonical(record) != text:
            return None
    except (ValueError, RecursionError):  # ValueError: no JSON, not ASCII, a nan, an integer of too many digits
        return None
    whole = isinstance(record, dict) and record.keys() == {"key", "result"}
    return record if whole and all(isinstance(part, dict) for part in record.values()) else None


KEY, RESULT = '{"key":', ',"result":'
"""What stands before the key and before the result in every line."""

LAST = r"\udbff\udfff"
"""The last character there is, as JSON: a name that goes on with it comes after all names that begin alike."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*("?)')
_IN_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\bfnrt]|\\u[0-9a-f]{4})*')
_IN_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{0,3})?")
_IN_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:e[+-]?[0-9]*)?)?")


def _is_torn(tail: bytes, follows: bool) -> bool:
    """Whether `tail` can be what is left of a line that was torn before its newline.

    After a power failure a file system may have kept the length of a line and not all of its content, which is zeros
    then; that is believed only if the tail `follows` a whole line.
    """
    try:
        text = (tail.rstrip(b"\0") if follows else tail).decode("ascii")
        if len(text) <= len(KEY):
            return KEY.startswith(text)
        if not text.startswith(KEY):
            return False
        key, rest = _taken(text[len(KEY) :])
        if rest is None:
            return _begins_object(key)
        if len(rest) <= len(RESULT):
            return RESULT.startswith(rest)
        if not rest.startswith(RESULT):
            return False
        result, rest = _taken(rest[len(RESULT) :])
        return _begins_object(result) if rest is None else rest in ("", "}")
    except (ValueError, RecursionError):
        return False


def _taken(text: str) -> tuple[str, str | None]:
    """The canonical object that `text` begins with, and what follows it; or `text` and None, if it is not whole."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return text, None
    if not isinstance(value, dict) or canonical(value) != text[:end]:
        raise ValueError("no journal writes such an object")
    return text[:end], text[end:]


def _begins_object(text: str) -> bool:
    """Whether `text` is the beginning of a canonical object: whether it can be completed to one."""
    if not text.startswith("{"):
        return False
    strings = list(_STRING.finditer(text))
    if strings and not strings[-1][1]:  # it ends within a string
        part = _IN_STRING.match(text, strings[-1].start())
        assert part is not None
        if part.end() < len(text) and not _IN_ESCAPE.fullmatch(text, part.end()):
            return False
        text = text[: part.end()] + LAST + '"'
    else:
        scalar = re.split(r'[\[\]{}:,"]', text)[-1]
        if scalar:
            literal = next((word for word in ("true", "false", "null") if word.startswith(scalar)), None)
            if literal is None and not _IN_NUMBER.fullmatch(scalar):
                return False
            text = text.removesuffix(scalar) + (literal or "0")
    closing: list[str] = []
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        if bracket in "[{":
            closing.append("]" if bracket == "[" else "}")
        elif not closing or closing.pop() != bracket:
            return False
    end = "".join(reversed(closing))
    return any(_is_canonical(text + more + end) for more in ("", "0", ":0", f'"{LAST}":0'))


def _is_canonical(text: str) -> bool:
    try:
        return canonical(json.loads(text)) == text
    except ValueError:
        return False
