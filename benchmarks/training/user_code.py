"""Optimizers and surfaces in files of the user's own, by ``path/to/mine.py:Name``: loading them, and their errors.

Such a file may do anything. So it is run in worker processes only, and whatever it raises becomes one sentence that
names the file and the line.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from .. import UsageError
from . import pool

LONGEST = 300
"""Characters of an error's message that are shown."""


def file_and_name(spec: str, known: Iterable[str], kind: str, what: str, example: str) -> tuple[Path, str]:
    """The two parts of ``path/to/mine.py:Mine``, which is none of the `known` names.

    Args:
        spec: what was asked for.
        known: the names that there are.
        kind: what they are names of, for the message.
        what, example: what is wanted from the file, and how it may be called.

    Raises:
        UsageError: it is not of that form.
    """
    path, colon, name = spec.rpartition(":")
    if colon and path.endswith(".py"):
        if not name.isidentifier():
            raise UsageError(f"{spec}: {name!r} is no name of a {what}; say which, as {path}:{example}")
        return Path(path).expanduser().absolute(), name
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which {what}, as {spec}:{example}")
    names = list(known)
    near = difflib.get_close_matches(spec.lower(), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"there is no {kind} {spec!r}{hint}: there are {', '.join(names)}, or path/to/mine.py:{example}")


def is_own(spec: str) -> bool:
    """Whether `spec` names something in a file of the user's own."""
    return ".py:" in spec


def path_of(spec: str | Path) -> str:
    """The file in the `spec` of a user's optimizer or surface."""
    return str(spec).partition(".py:")[0].removesuffix(".py") + ".py"


def digest(file: Path) -> str:
    """The SHA-256 of a user's file.

    Raises:
        UsageError: it is not there, or cannot be read.
    """
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def in_a_process(work: Callable[[Any], Any], task: Any, file: Path) -> Any:
    """``work(task)``, which runs a user's `file`, in a process of its own, unless this one is such a process.

    Raises:
        UsageError: the process did not survive it.
    """
    ((_, found),) = pool.outcomes(work, [task], 1, apart=True)
    if isinstance(found, pool.Died):
        raise UsageError(f"{file}: {found.at(str(file))}")
    return found


def load_file(file: Path) -> ModuleType:
    """Run a user's file as a module. It may import what lies beside it, as a script may.

    Raises:
        UsageError: there is no such file, or it raises.
    """
    digest(file)
    described = importlib.util.spec_from_file_location(f"_users_{file.stem}", file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    with errors_of(file, f"{file} raises"), _on_path(file.parent):
        described.loader.exec_module(module)
    return module


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


@contextmanager
def errors_of(file: str | Path, raises: str = "") -> Iterator[None]:
    """Turn whatever the code in a user's `file` (or in the file of a `spec`) raises in this block into a UsageError.

    That may be any exception at all. Ctrl-C is not their error; but a worker process ignores Ctrl-C, so there a
    KeyboardInterrupt was raised by their code.

    Raises:
        UsageError: something was raised. Its message begins with `raises`, or says that `file` does.
    """
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not pool.in_worker():
            raise
        raise UsageError(f"{raises or f'{file} raises'} {in_a_sentence(error, file)}") from None


def in_a_sentence(error: BaseException, file: str | Path) -> str:
    """An error's type, its message, and the last line of `file` that was being run, if any was.

    `file` is a user's, or the `spec` of an entrant.
    """
    path = path_of(file)
    kind = type.__getattribute__(type(error), "__name__")
    message = _message(error)
    if isinstance(error, SyntaxError):
        elsewhere = "" if error.filename in (None, path) else f"{error.filename}, "
        where = f" ({elsewhere}line {error.lineno})" if error.lineno is not None else ""
    else:
        last = _last_line(error, path)
        where = f" (line {last})" if last is not None else ""
    return printable(f"{kind}: {message}{where}" if message else f"{kind}{where}")


def _message(error: BaseException) -> str:
    """The error's message in a line; the `str` of an error may raise another one."""
    try:
        message = str(error.msg if isinstance(error, SyntaxError) and error.msg else error)
    except BaseException as other:
        return f"(its message cannot be shown: {type.__getattribute__(type(other), '__name__')})"
    message = " ".join(printable(message).split())
    return message if len(message) <= LONGEST else message[:LONGEST] + "..."


def printable(text: str) -> str:
    """`text` without what cannot be printed: control characters, lone surrogates, ends of lines."""
    return "".join(c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in str.__str__(text))


def _last_line(error: BaseException, path: str) -> int | None:
    """The line of the file `path` that was being run last."""
    trace: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == path]
    return lines[-1] if lines else None
