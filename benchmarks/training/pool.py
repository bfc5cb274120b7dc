"""Independent runs in several processes: each with one BLAS thread, its progress shown while it works.

A run's result must not depend on how many of them go on at a time. So each has its process (or its turn in this
one) to itself, seeds the generator anew, and multiplies matrices in a single thread.

A learner's code runs in such a process only: it may crash, end its process or never end, and takes no one else along.
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

if TYPE_CHECKING:
    from rich.console import Console

Task = TypeVar("Task")
Result = TypeVar("Result")
Tick = Callable[[int], None]
"""Told by a run how many of its steps are done."""


@dataclass(frozen=True)
class Died:
    """What comes of a task whose process has ended in the middle of it.

    Attributes:
        how: what it died of, as far as that is known.
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
    """This is a worker process, where a learner's code may be run."""
    global _in_worker
    _in_worker = True


def outcomes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, apart: bool = False
) -> Iterator[tuple[int, Result | Died]]:
    """Do ``work(task)`` for every task, in `jobs` processes; hand out (number of the task, what came of it) as it ends.

    With one job everything is done in this process, unless it is to be done `apart`. A process that dies spoils the
    task that it died of and no other: those that ran beside it are done once more, one by one if need be. What `work`
    raises ends it all.
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
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, folder: Path
) -> Iterator[tuple[int, Result | Died]]:
    """As `outcomes`, in processes that leave word in `folder` of how they died."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait
    from concurrent.futures.process import BrokenProcessPool

    waiting, suspects = deque(range(len(tasks))), deque[int]()
    running: dict[Future[Result], int] = {}
    while waiting or suspects or running:
        queue = suspects or waiting
        while queue and len(running) < (1 if suspects else jobs):
            number = queue.popleft()
            running[_submit(jobs, _apart, os.getpid(), str(folder / str(number)), work, tasks[number])] = number
            if queue is suspects:
                break
        wait(running, return_when=FIRST_COMPLETED)
        dead = []
        for future in [future for future in running if future.done()]:
            number = running.pop(future)
            try:
                yield number, future.result()
            except BrokenProcessPool:
                dead.append(number)
        if dead:  # all of them, at the same time
            for future, number in list(running.items()):
                wait([future])
                dead.append(number)
            running.clear()
            words = {number: _last_words(folder / str(number)) for number in sorted(dead)}
            guilty = [number for number in words if words[number] is not None or len(dead) == 1]
            for number in guilty:
                yield number, words[number] or Died("killed, perhaps for want of memory")
            suspects.extend(number for number in words if number not in guilty)


def _submit(jobs: int, function: Callable[..., Result], *arguments: Any) -> Any:
    """Hand something to the worker processes, which are started if need be, and kept for what comes next."""
    global _workers
    from joblib.externals.loky import get_reusable_executor

    _workers = max(_workers, jobs)
    with _deaf_children():
        executor = get_reusable_executor(max_workers=_workers, timeout=None)
        return executor.submit(function, *arguments)


def end() -> None:
    """End the worker processes at once, whatever they do."""
    global _workers
    if _workers:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(max_workers=_workers, timeout=None).shutdown(wait=True, kill_workers=True)
        _workers = 0


def _apart(parent: int, words: str, work: Callable[[Task], Result], task: Task) -> Result:
    """Do a task in a worker process. Should the process die of it, the file `words` says how."""
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
    """Standard output and error anew, if what this process did before has closed them."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if getattr(sys, name) is None or getattr(sys, name).closed:
            setattr(sys, name, os.fdopen(number, "w", closefd=False, errors="backslashreplace"))


MARK = "Ended by: "
"""What the line begins with that says how a process has ended, if `faulthandler` has none for it."""

_words: IO[str] | None = None


def leave_word(file: IO[str] | None) -> None:
    """From now on, write to `file` how this process dies, and where in the code, if it does."""
    global _words
    _words = file
    if file is None:
        faulthandler.disable()
    else:
        faulthandler.enable(file, all_threads=False)
        _watch_exits()


@functools.cache
def _watch_exits() -> None:
    """What `faulthandler` does not see: a process that leaves by os._exit, or that sends itself a signal."""
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
    """What a process has left in the file `path`; None if it has left nothing."""
    return died(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else None


def died(words: str) -> Died | None:
    """What a process that had been told to `leave_word` has left; None if that is nothing."""
    if not words.strip():
        return None
    marked = re.search(f"^(?:Fatal Python error: |{MARK})(.*)", words, re.MULTILINE)
    how = marked[1] if marked else words.strip().splitlines()[0]
    places = re.findall(r'^  File "(.*)", line (\d+)', words, re.MULTILINE)
    return Died(how, tuple((file, int(line)) for file, line in places))


@functools.cache
def end_with(parent: int) -> None:
    """End this process soon after its parent has been killed, instead of working on for nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    threading.Thread(target=watch, daemon=True).start()


def in_parallel(
    work: Callable[[Task, Tick], Result],
    tasks: Sequence[Task],
    *,
    labels: Sequence[str],
    steps: Sequence[int],
    jobs: int,
    out: Console,
    apart: bool = False,
) -> Iterator[tuple[int, Result | Died]]:
    """Do ``work(task, tick)`` for every task, in `jobs` processes; hand out (number of the task, its result).

    Results come as they are ready. On a terminal `out` shows a bar for each task that is running.

    Args:
        work: a function at the top of a module. It and the tasks are pickled, and so is what it returns.
        tasks: what it is called with.
        labels: what the bars are called, for each task.
        steps: what `tick` counts up to, for each task.
        jobs: how many processes; with 1, everything is done in this one.
        out: where the bars are drawn, and what else is printed meanwhile.
        apart: with one job, too, do it in another process: there is a learner's code in it.
    """
    jobs = min(jobs, len(tasks))
    with tempfile.TemporaryDirectory(prefix="minigrad-") as folder:
        counters = numpy.memmap(Path(folder) / "counters", numpy.int64, "w+", shape=(len(tasks),))
        calls = list(enumerate(tasks))
        with _bars(counters, labels, steps, out):
            yield from outcomes(functools.partial(_do, work, str(counters.filename)), calls, jobs, apart)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C. This one does, tells it in a line, and ends them."""
    if threading.current_thread() is not threading.main_thread():  # where Ctrl-C is not heard either
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


def _do(work: Callable[[Task, Tick], Result], counters: str, numbered: tuple[int, Task]) -> Result:
    """One task, in a process of its own (or not, if there is one job)."""
    from threadpoolctl import threadpool_limits

    counts = numpy.memmap(counters, numpy.int64, "r+")
    number, task = numbered

    def tick(done: int) -> None:
        counts[number] = done

    with threadpool_limits(1, user_api="blas"):
        return work(task, tick)


def _bars(counters: numpy.ndarray, labels: Sequence[str], steps: Sequence[int], out: Console) -> Any:
    """Bars that are drawn anew from the counters, again and again: one for all tasks, one for each that runs."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    totals = [*steps, sum(steps)]

    class Bars(Progress):
        def get_renderables(self) -> Iterator[Any]:
            """Called several times a second by rich."""
            counts = counters.tolist()
            for bar, done, total in zip(self.task_ids, [*counts, sum(counts)], totals, strict=False):
                self.update(bar, completed=done, visible=0 < done < total)
            yield from super().get_renderables()

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=out, transient=True, disable=not out.is_terminal)
    for label, total in zip([*labels, "all"], totals, strict=True):
        bars.add_task(label, total=total, visible=False)
    return bars
