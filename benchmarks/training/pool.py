"""Independent pieces of work in several processes, each with one BLAS thread and its progress shown.

A result must not depend on how many pieces are done at a time. So each has its process (or its turn in this one) to
itself, seeds the generator anew, and multiplies matrices in a single thread.

A user's own code runs in such a process only. It may crash, end its process or never end: that fails its own piece of
work and no other.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy

from ..console.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

Item = TypeVar("Item")
Found = TypeVar("Found")
Tick = Callable[[int], None]
"""Called by a piece of work with the number of its steps that are done."""


@dataclass(frozen=True)
class Died:
    """The outcome of a piece of work whose process has ended in the middle of it.

    Attributes:
        how: what ended the process, as far as that is known.
        places: the (file, line) it was at, the innermost first, as far as they are known.
    """

    how: str
    places: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"its process has ended: {self.how}"

    def at(self, file: str) -> str:
        """The same, with the line of `file`, if it is known."""
        return f"{self}{self.line_in(file)}"

    def line_in(self, file: str) -> str:
        """(line 3), or nothing if it is not known."""
        return next((f" (line {line})" for path, line in self.places if path == file), "")


_in_worker = False
_workers = 0


def in_worker() -> bool:
    """Whether this is one of the processes that `outcomes` has started (or a cluster's)."""
    return _in_worker


def be_worker() -> None:
    """Note that this is a worker process, where a user's own code may be run."""
    global _in_worker
    _in_worker = True


def outcomes(
    work: Callable[[Item], Found], tasks: Sequence[Item], jobs: int, apart: bool = False
) -> Iterator[tuple[int, Found | Died]]:
    """Do ``work(task)`` for every task in `jobs` processes, and yield (number of the task, what it returned).

    With one job everything is done in this process, unless it is to be done `apart`. If a process dies, only the task
    that it died of fails: those that ran beside it are done once more, one by one if need be. What `work` raises ends
    everything.
    """
    if jobs == 1 and (not apart or in_worker()):
        yield from ((number, work(task)) for number, task in enumerate(tasks))
        return
    with tempfile.TemporaryDirectory(prefix="minigrad-") as folder:
        try:
            yield from _outcomes(work, tasks, jobs, Path(folder))
        except BaseException:
            end()
            raise


def _outcomes(
    work: Callable[[Item], Found], tasks: Sequence[Item], jobs: int, folder: Path
) -> Iterator[tuple[int, Found | Died]]:
    """As `outcomes`, in processes that write to a file in `folder` how they died."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait
    from concurrent.futures.process import BrokenProcessPool

    waiting, suspects = deque(range(len(tasks))), deque[int]()
    running: dict[Future[Found], int] = {}
    while waiting or suspects or running:
        # Hand out work. After a death the suspects, which ran at that time, are done one at a time.
        queue = suspects or waiting
        while queue and len(running) < (1 if suspects else jobs):
            number = queue.popleft()
            running[_submit(jobs, _apart, os.getpid(), str(folder / str(number)), work, tasks[number])] = number
            if queue is suspects:
                break
        # Pass on what has ended.
        wait(running, return_when=FIRST_COMPLETED)
        dead = []
        for future in [future for future in running if future.done()]:
            number = running.pop(future)
            try:
                yield number, future.result()
            except BrokenProcessPool:
                dead.append(number)
        # If a process has died, all others were ended with it. Which one it was is in its file, or else unknown.
        if dead:
            for future, number in list(running.items()):
                wait([future])
                dead.append(number)
            running.clear()
            words = {number: _last_words(folder / str(number)) for number in sorted(dead)}
            guilty = [number for number in words if words[number] is not None or len(dead) == 1]
            for number in guilty:
                yield number, words[number] or Died("killed, perhaps for want of memory")
            suspects.extend(number for number in words if number not in guilty)


def _submit(jobs: int, function: Callable[..., Found], *arguments: Any) -> Any:
    """Have the worker processes call a function. They are started if need be, and kept for what comes next."""
    global _workers
    from joblib.externals.loky import get_reusable_executor

    _workers = max(_workers, jobs)
    with _ignoring_ctrl_c():
        executor = get_reusable_executor(max_workers=_workers, timeout=None)
        return executor.submit(function, *arguments)


def end() -> None:
    """End the worker processes at once, whatever they are doing."""
    global _workers
    if _workers:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(max_workers=_workers, timeout=None).shutdown(wait=True, kill_workers=True)
        _workers = 0


def _apart(parent: int, words: str, work: Callable[[Item], Found], task: Item) -> Found:
    """Do a task in a worker process. If the process dies of it, the file `words` says how."""
    be_worker()
    end_with(parent)
    _open_streams()
    with open(words, "w", encoding="utf-8") as file:
        leave_word(file)
        try:
            return work(task)
        finally:
            leave_word(None)
            file.truncate(0)


def _open_streams() -> None:
    """Open standard output and error again, if what this process did before has closed them."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if getattr(sys, name) is None or getattr(sys, name).closed:
            setattr(sys, name, os.fdopen(number, "w", closefd=False, errors="backslashreplace"))


MARK = "Ended by: "
"""Begins the line that says how a process has ended, where `faulthandler` does not write one."""

_words: IO[str] | None = None


def leave_word(file: IO[str] | None) -> None:
    """If this process dies from now on, write to `file` how, and where in the code; None ends this."""
    global _words
    _words = file
    if file is None:
        faulthandler.disable()
    else:
        faulthandler.enable(file, all_threads=False)
        _watch_exits()


@functools.cache
def _watch_exits() -> None:
    """Note what `faulthandler` does not: a process that calls os._exit, or that sends itself a signal."""
    leave = os._exit

    def noted(status: int) -> NoReturn:
        _note(f"os._exit({status})")
        leave(status)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.kill" and arguments[0] == os.getpid() and arguments[1]:
            _note(f"it sent itself the signal {int(arguments[1])}")

    os._exit = noted
    sys.addaudithook(hear)


def _note(how: str) -> None:
    if _words is not None:
        print(f"{MARK}{how}", file=_words, flush=True)
        faulthandler.dump_traceback(_words, all_threads=False)


def _last_words(path: Path) -> Died | None:
    """What a process has written to the file `path`; None if there is nothing."""
    return died(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else None


def died(words: str) -> Died | None:
    """How a process died that has written `words` (see `leave_word`); None if it has written nothing."""
    if not words.strip():
        return None
    marked = re.search(f"^(?:Fatal Python error: |{MARK})(.*)", words, re.MULTILINE)
    how = marked[1] if marked else words.strip().splitlines()[0]
    places = re.findall(r'^  File "(.*)", line (\d+)', words, re.MULTILINE)
    return Died(how, tuple((file, int(line)) for file, line in places))


@functools.cache
def end_with(parent: int) -> None:
    """End this process soon after its parent has ended, even if that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    threading.Thread(target=watch, daemon=True).start()


def in_parallel(
    work: Callable[[Item, Tick], Found],
    tasks: Sequence[Item],
    *,
    labels: Sequence[str],
    steps: Sequence[int],
    jobs: int,
    out: Console,
    title: str = "all",
    apart: bool = False,
) -> Iterator[tuple[int, Found | Died]]:
    """Do ``work(task, tick)`` for every task in `jobs` processes, and yield (number of the task, what it returned).

    Results come as they are ready. On a terminal `out` shows a bar for each task that is running, and one for all.

    Args:
        work: a function at the top of a module. It and the tasks are pickled, and so is what it returns.
        tasks: what it is called with.
        labels: what the bars are called, for each task.
        steps: what `tick` counts up to, for each task.
        jobs: how many processes; with 1, everything is done in this one.
        out: where the bars are drawn.
        title: of the bar for all tasks.
        apart: with one job, too, do it in another process, since it runs a user's own code.
    """
    jobs = min(jobs, len(tasks))
    with tempfile.TemporaryDirectory(prefix="minigrad-") as folder:
        counters = numpy.memmap(Path(folder) / "counters", numpy.int64, "w+", shape=(len(tasks),))
        calls = list(enumerate(tasks))
        with bars(out, labels, steps, counters, title):
            yield from outcomes(functools.partial(_do, work, str(counters.filename)), calls, jobs, apart)


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C. This process reacts to it, and ends them."""
    if threading.current_thread() is not threading.main_thread():  # which gets no Ctrl-C either
        yield
        return
    # Blocked, so that a Ctrl-C of just now is not lost: Linux keeps a signal that is blocked, ignored or not.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _do(work: Callable[[Item, Tick], Found], counters: str, numbered: tuple[int, Item]) -> Found:
    """Do one task, with one BLAS thread."""
    from threadpoolctl import threadpool_limits

    counts = numpy.memmap(counters, numpy.int64, "r+")
    number, task = numbered

    def tick(done: int) -> None:
        counts[number] = done

    with threadpool_limits(1, user_api="blas"):
        return work(task, tick)
