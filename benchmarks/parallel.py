"""Independent runs in several processes: each with one BLAS thread, its progress shown while it works.

A run's result must not depend on how many of them go on at a time. So each has its process (or its turn in this
one) to itself, seeds the generator anew, and multiplies matrices in a single thread.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy

if TYPE_CHECKING:
    from rich.console import Console

Task = TypeVar("Task")
Result = TypeVar("Result")
Tick = Callable[[int], None]
"""Told by a run how many of its steps are done."""


def in_parallel(
    work: Callable[[Task, Tick], Result],
    tasks: Sequence[Task],
    *,
    labels: Sequence[str],
    steps: Sequence[int],
    jobs: int,
    out: Console,
) -> Iterator[tuple[int, Result]]:
    """Do ``work(task, tick)`` for every task, in `jobs` processes; hand out (number of the task, its result).

    Results come as they are ready. On a terminal `out` shows a bar for each task that is running.

    Args:
        work: a function at the top of a module. It and the tasks are pickled, and so is what it returns.
        tasks: what it is called with.
        labels: what the bars are called, for each task.
        steps: what `tick` counts up to, for each task.
        jobs: how many processes; with 1, everything is done in this one.
        out: where the bars are drawn, and what else is printed meanwhile.
    """
    import joblib

    jobs = min(jobs, len(tasks))
    with tempfile.TemporaryDirectory(prefix="minigrad-") as folder:
        counters = numpy.memmap(Path(folder) / "counters", numpy.int64, "w+", shape=(len(tasks),))
        calls = (joblib.delayed(_do)(work, task, i, str(counters.filename)) for i, task in enumerate(tasks))
        with _bars(counters, labels, steps, out):
            with _deaf_children():
                results = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
            yield from results


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C. This one does, tells it in a line, and ends them."""
    if threading.current_thread() is not threading.main_thread():  # where Ctrl-C is not heard either
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _do(work: Callable[[Task, Tick], Result], task: Task, number: int, counters: str) -> tuple[int, Result]:
    """One task, in a process of its own (or not, if there is one job)."""
    from threadpoolctl import threadpool_limits

    counts = numpy.memmap(counters, numpy.int64, "r+")

    def tick(done: int) -> None:
        counts[number] = done

    with threadpool_limits(1, user_api="blas"):
        return number, work(task, tick)


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
