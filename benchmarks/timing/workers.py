"""Fair timings on a machine that is not quiet: worker processes that are asked in turn for many short rounds.

Each library (`benchmarks.timing.libraries`) has a process of its own for each number of threads, started once, with
that number in the environment before NumPy or anything else is imported. The processes are asked one after the other,
a few hundredths of a second each, and again and again. So a moment in which the machine is busy with something else
affects all alike, and the medians and quartiles over the rounds show how much is left of it. Only one process computes
at a time, while the others wait at their pipes.

`Worker` starts such a process and talks to it; `benchmarks.timing.bench` is what answers there.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..console.progress import bars
from ..training import pool
from .rounds import Measured, Measurement, Sample

if TYPE_CHECKING:
    from rich.console import Console


RARELY = 5
"""What takes a whole epoch a round takes part in every so-many-th round."""


REST = 0.03
"""Seconds to wait after a process with several threads: they look out for more work for a while."""


class WorkerError(RuntimeError):
    """Something went wrong in a worker process; the sentence says what."""


def surroundings(threads: int) -> dict[str, str]:
    """The environment of a process that is to have so many threads, and to find this checkout."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    checkout = "" if (PACKAGE.parent / "__init__.py").exists() else str(PACKAGE.parent)  # or installed in minigrad
    path = os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **dict.fromkeys(names, str(threads)), "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}


PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the benchmarks."""


START = """
import importlib.util, runpy, sys
described = importlib.util.spec_from_file_location("benchmarks", sys.argv[1] + "/__init__.py")
sys.modules["benchmarks"] = package = importlib.util.module_from_spec(described)
described.loader.exec_module(package)
del sys.argv[1]
runpy.run_module("benchmarks.timing.bench", run_name="__main__", alter_sys=True)
"""
"""What a worker process runs. Installed, this package is minigrad.benchmarks; imported by that name it would import
minigrad, which changes how the C library keeps memory, and so the timings of other libraries."""


class Worker:
    """A process for one library and one number of threads. `close` it, or use it in a ``with`` block."""

    def __init__(self, peer: str, threads: int, folder: Path, own: str = "") -> None:
        self.name = own or f"{peer}, {threads} thread{'s' * (threads > 1)}"
        self._file = own.partition(".py:")[0] + ".py" if own else ""
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(PACKAGE), peer, str(threads), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=surroundings(threads),
            text=True,
            start_new_session=True,  # Ctrl-C is for the process that asks
        )

    def ask(self, question: str, **arguments: Any) -> Any:
        """Have a method of `Bench` called over there, and wait for what it returns.

        Raises:
            WorkerError: it raised, or the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps([question, arguments]), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.name}: the process has ended{self._last_words()}")
        try:
            answer = json.loads(line)
        except ValueError:  # not our answer
            raise WorkerError(f"{self.name}: what came from the process is no answer") from None
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer["result"]

    def kill(self) -> None:
        """End the process at once. A thread that waits for its answer gets a WorkerError."""
        self._process.kill()

    def _last_words(self) -> str:
        status = self._process.wait()
        self._complaints.seek(0)
        words = self._complaints.read().decode(errors="replace")
        found = pool.died(words)
        if found is not None and found.places and not words.startswith("Traceback"):
            return f": {found.how}{found.line_in(self._file)}"
        lines = words.strip().splitlines()
        return f" with status {status}" + (f": {lines[-1]}" if lines else "")

    def close(self, at_once: bool = False) -> None:
        """End the process: it ends by itself when its pipe is closed, unless it is to end `at_once`."""
        if at_once:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


Tick = Callable[[], None]
"""Called when another round of something is over."""


class Workplace:
    """Worker processes, started when first asked for, all with the same `Workload`. Use it in a ``with`` block.

    Args:
        folder: where the work has been saved.
        rounds: how often each task is timed.
        seconds: how long, about, a round of one task lasts.
        out: where progress is shown, if that is a terminal.
    """

    def __init__(self, folder: Path, rounds: int, seconds: float, out: Console | None = None) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.out = out
        self._workers: dict[tuple[str, int, str], Worker] = {}

    def worker(self, peer: str, threads: int, own: str = "") -> Worker:
        """The process for that library and number of threads, and for a user's `own` optimizer."""
        if (peer, threads, own) not in self._workers:
            self._workers[peer, threads, own] = Worker(peer, threads, self.folder, own)
        return self._workers[peer, threads, own]

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close(at_once=exception[0] is not None)

    def close(self, at_once: bool = False) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close(at_once)
        self._workers.clear()

    def measure(self, tasks: Sequence[Measurement], title: str, rounds: int | None = None) -> list[Measured]:
        """Prepare all tasks, time them in turn, round by round, and forget them again.

        An error is noted in the measurement it belongs to, and does not stop the others.
        """
        rounds = rounds or self.rounds
        outcomes = [Measured(task) for task in tasks]
        turns = sum(len(range(0, rounds, RARELY if task.rare else 1)) for task in tasks)
        count = np.zeros(1)

        def tick() -> None:
            count[0] += 1

        with bars(self.out, [title], [len(tasks) + turns], count):
            self._prepare(outcomes, tick)
            self._interleave(outcomes, rounds, tick)
        for number, outcome in enumerate(outcomes):
            with suppress(WorkerError):  # it may have ended meanwhile
                if outcome.error is None:
                    self.worker(*outcome.task.process).ask("forget", key=number)
        return outcomes

    def _prepare(self, outcomes: Sequence[Measured], tick: Tick) -> None:
        """Have everything prepared: in several processes at a time, since nothing is timed yet."""
        by_process: dict[tuple[str, int, str], list[tuple[int, Measured]]] = {}
        for number, outcome in enumerate(outcomes):
            by_process.setdefault(outcome.task.process, []).append((number, outcome))

        def prepare(worker: Worker, numbered: Sequence[tuple[int, Measured]]) -> None:
            for number, outcome in numbered:
                task = outcome.task
                try:
                    known = {name: getattr(task, name) for name in ("what", "way", "unit", "first", "rare")}
                    outcome.loss = worker.ask("prepare", key=number, **known, **task.arguments)
                except WorkerError as error:
                    outcome.error = str(error)
                tick()

        started = [(self.worker(*process), numbered) for process, numbered in by_process.items()]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            try:
                for done in [pool.submit(prepare, *each) for each in started]:
                    done.result()
            except BaseException:  # Ctrl-C, while somebody waits for an answer that may never come
                for worker, _ in started:
                    worker.kill()
                raise

    def _interleave(self, outcomes: Sequence[Measured], rounds: int, tick: Tick) -> None:
        """Round by round, to and fro through the processes, so that nobody always comes after the same one.

        Each round begins with another task of each process, since the first one finds the caches in use by others.
        """
        numbered = sorted(enumerate(outcomes), key=lambda pair: (pair[1].task.threads, pair[1].task.peer, pair[0]))
        processes = [list(those) for _, those in itertools.groupby(numbered, lambda pair: pair[1].task.process)]
        last: Measurement | None = None
        for i in range(rounds):
            turned = [those[i % len(those) :] + those[: i % len(those)] for those in processes]
            for number, outcome in itertools.chain.from_iterable(turned if i % 2 == 0 else reversed(turned)):
                task = outcome.task
                if task.rare and i % RARELY:
                    continue
                if outcome.error is None:
                    if last is not None and last.threads > 1 and last.process != task.process:
                        time.sleep(REST)
                    try:
                        if last is None or last.process != task.process:
                            self.worker(*task.process).ask("wake")
                        last = task
                        answer = self.worker(*task.process).ask("round", key=number, seconds=self.seconds)
                        outcome.samples.append(Sample(*answer))
                    except WorkerError as error:
                        outcome.error = str(error)
                tick()
