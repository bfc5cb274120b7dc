"""Who computes: this process, or, where a learner's own code is run, a process of its own, which may hang or crash."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .. import UsageError
from ..training import pool
from .core import Core, answer
from .state import Offer

LIMIT = 10.0
"""Seconds that a learner's code may take for an answer."""


class Library:
    """Answers the questions of all pages, and watches the files of the learner's optimizers.

    Args:
        offer: the learner's files.
        limit: see `LIMIT`.

    Raises:
        UsageError: a file is not there, or cannot be read.
    """

    def __init__(self, offer: Offer, limit: float = LIMIT) -> None:
        self.offer, self.limit = offer, limit
        self.stamps = {path: _stamp(path) for path in self.paths}
        self.seen = {path: _content(path) for path in self.paths}
        self.good: dict[str, str] = {}
        self.core = Core(offer, {})
        self.process: Any = None
        self.line: Connection | None = None
        self.version = 0
        """How often a file was taken anew, or was found to be wrong; pages look at it."""
        self.wrong = ""
        """What is wrong with a file as it is now, in a sentence."""

    @property
    def paths(self) -> list[str]:
        """The files of the learner's optimizers."""
        return sorted({spec.rpartition(":")[0] for spec in self.offer.optimizers.values()})

    def begin(self) -> None:
        """Try the learner's optimizers and surfaces for the first time.

        Raises:
            UsageError: one of them is wrong.
        """
        for path in self.paths:
            self._take(path)
        for name in self.offer.surfaces:
            self.ask("place", name)

    def ask(self, method: str, *arguments: Any) -> Any:
        """The answer to a question: see the methods of `Core`.

        Raises:
            UsageError: as they do; or the learner's code has hung, or crashed.
        """
        if not self._own(arguments):
            return getattr(self.core, method)(*arguments)
        return self._ask(method, arguments)

    def _own(self, arguments: tuple[Any, ...]) -> bool:
        """Whether the learner's code is needed: the first arguments are the surface and the optimizers' names."""
        names = {
            name
            for given in arguments
            for name in (given if isinstance(given, Mapping) else [given])
            if isinstance(name, str)
        }
        return bool(names & {*self.offer.optimizers, *self.offer.surfaces})

    def _ask(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if self.line is None:
            self._start()
        assert self.line is not None
        try:
            self.line.send((method, arguments))
            if not self.line.poll(self.limit):
                self.end()
                raise UsageError(f"{self._files()}: its code took longer than {self.limit:g} seconds, and was stopped")
            right, found = self.line.recv()
        except (EOFError, OSError):
            self.end()
            raise UsageError(f"{self._files()}: its code has ended the process that it ran in") from None
        if not right:
            raise UsageError(found)
        return found

    def _files(self) -> str:
        return ", ".join(dict.fromkeys([*self.paths, *(s.rpartition(":")[0] for s in self.offer.surfaces.values())]))

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.offer, self.good), daemon=True)
        self.process.start()
        theirs.close()

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            assert self.line is not None
            self.line.close()
        self.process = self.line = None

    # Watching.

    def look(self) -> None:
        """Take in what has changed in the files. A right one is used from now on; of a wrong one, `wrong` says why."""
        for path in self.paths:
            stamp = _stamp(path)
            if stamp == self.stamps[path]:
                continue
            self.stamps[path] = stamp
            try:
                content = _content(path)
                if content == self.seen[path]:
                    continue
                self.seen[path] = content
                self._take(path)
                self.wrong = ""
            except UsageError as error:
                self.wrong = str(error)
            self.version += 1

    def _take(self, path: str) -> None:
        self._ask("take", (path, self.seen[path]))
        self.good[path] = self.seen[path]


def _serve(line: Connection, offer: Offer, contents: Mapping[str, str]) -> None:
    """What the other process does: answer one question after the other."""
    pool.be_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    core = Core(offer, contents)
    while True:
        try:
            question = line.recv()
        except (EOFError, OSError):
            return
        line.send(answer(core, question))


def _stamp(path: str) -> tuple[int, int]:
    """What changes when a file is written."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
