"""Fair timings on a machine that is not quiet: worker processes, asked in turn for many short rounds.

Each library (`benchmarks.timing.libraries`) has a process of its own for each number of threads, started once, with
that number in the environment before NumPy or anything else is imported. The processes are asked one after the other,
a few hundredths of a second each, and again and again: so a moment when the machine is busy with
something else falls on all alike, and medians and quartiles over the rounds tell what is left of it. Only one of
them computes at a time, while the others wait at their pipes.

`Worker` starts such a process and talks to it; `Bench` is what answers there.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..training import pool
from .libraries import PEERS, Rule, Run, Work

if TYPE_CHECKING:
    from rich.console import Console

RARELY = 5
"""What takes a whole epoch a round takes part in every so-many-th round."""

QUIET = 0.95
"""A round in which a process got less than that of a core was disturbed by something else on the machine."""

REST = 0.03
"""Seconds to wait after a process with several threads: they look out for more work for a while."""


# One round, and many.


@dataclass(frozen=True)
class Sample:
    """One round: how often something was done, and what that took.

    Attributes:
        count: how often.
        seconds: by the clock.
        cpu_seconds: of all threads of the process together.
        faults: minor page faults (0 where the system does not count them).
    """

    count: int
    seconds: float
    cpu_seconds: float
    faults: int


@dataclass(frozen=True)
class Timing:
    """What many rounds say: microseconds for doing it once, by median and quartiles.

    Attributes:
        median, low, high: the second, first and third quartile of the rounds.
        cores: how many cores were at work on average.
        faults: page faults for doing it once, the median again.
        rounds: how many there were.
        disturbed: how many of them did not have the core to themselves (see `QUIET`). They are left out of all this,
            unless they are more than two thirds.
    """

    median: float
    low: float
    high: float
    cores: float
    faults: float
    rounds: int
    disturbed: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Timing:
        """The summary of at least one sample."""
        quiet = [s for s in samples if s.cpu_seconds >= QUIET * s.seconds]
        used = quiet if 3 * len(quiet) >= len(samples) else samples
        times = [1e6 * s.seconds / s.count for s in used]
        low, median, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
        cores = sum(s.cpu_seconds for s in used) / max(sum(s.seconds for s in used), 1e-9)
        faults = statistics.median(s.faults / s.count for s in used)
        return cls(median, low, high, cores, faults, len(samples), len(samples) - len(quiet))


@dataclass(frozen=True)
class Task:
    """Something to be timed.

    Attributes:
        peer, threads: in which process.
        what: the method of the peer that prepares it: "training", "update" or "operations".
        way: the way of using the library.
        arguments: for that method: a `rule`, a `size`, a `name`, or `hidden` and `batch` for another network.
        unit: it is done a multiple of so many times.
        first: how often it is done once prepared; a training returns the loss of that step.
        rare: a unit is long, and makes a round; it takes part in every `RARELY`-th only.
    """

    peer: str
    threads: int
    what: str
    way: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    unit: int = 1
    first: int = 1
    rare: bool = False

    @property
    def process(self) -> tuple[str, int, str]:
        """Which process does it: a learner's optimizer has one to itself, since it may take the process along."""
        spec = str(self.arguments.get("rule", {}).get("spec", ""))
        return self.peer, self.threads, spec if ".py:" in spec else ""


@dataclass
class Outcome:
    """What came of a task: its samples, what doing it first returned (a training: the loss), or what went wrong."""

    task: Task
    samples: list[Sample] = field(default_factory=list)
    loss: float | None = None
    error: str | None = None

    @property
    def timing(self) -> Timing | None:
        """The summary of its samples; None if something went wrong."""
        return Timing.of(self.samples) if self.samples and self.error is None else None


# The side that asks.


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
runpy.run_module("benchmarks.timing.workers", run_name="__main__", alter_sys=True)
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
        """End the process whatever it does; who waits for its answer is told so."""
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
"""Told when another round of something is over."""


class Workplace:
    """Worker processes, started when they are first asked for, all with the same `Work`. Use it in a ``with`` block.

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
        """The process for that library and number of threads, and for a learner's `own` optimizer."""
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

    def measure(self, tasks: Sequence[Task], title: str, rounds: int | None = None) -> list[Outcome]:
        """Prepare all tasks, time them in turn, round by round, and forget them again.

        What goes wrong in a task is told in its outcome, and does not stop the others.
        """
        rounds = rounds or self.rounds
        outcomes = [Outcome(task) for task in tasks]
        turns = sum(len(range(0, rounds, RARELY if task.rare else 1)) for task in tasks)
        with _bar(self.out, title, len(tasks) + turns) as tick:
            self._prepare(outcomes, tick)
            self._interleave(outcomes, rounds, tick)
        for number, outcome in enumerate(outcomes):
            with suppress(WorkerError):  # it may have ended meanwhile
                if outcome.error is None:
                    self.worker(*outcome.task.process).ask("forget", key=number)
        return outcomes

    def _prepare(self, outcomes: Sequence[Outcome], tick: Tick) -> None:
        """Have everything prepared: in several processes at a time, since nothing is timed yet."""
        by_process: dict[tuple[str, int, str], list[tuple[int, Outcome]]] = {}
        for number, outcome in enumerate(outcomes):
            by_process.setdefault(outcome.task.process, []).append((number, outcome))

        def prepare(worker: Worker, numbered: Sequence[tuple[int, Outcome]]) -> None:
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

    def _interleave(self, outcomes: Sequence[Outcome], rounds: int, tick: Tick) -> None:
        """Round by round, to and fro through the processes, so that nobody always comes after the same one.

        Each round begins with another task of each process, since the first one finds the caches in use by others.
        """
        numbered = sorted(enumerate(outcomes), key=lambda pair: (pair[1].task.threads, pair[1].task.peer, pair[0]))
        processes = [list(those) for _, those in itertools.groupby(numbered, lambda pair: pair[1].task.process)]
        last: Task | None = None
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


@contextmanager
def _bar(out: Console | None, title: str, total: int) -> Iterator[Tick]:
    """A progress bar while something is measured; nothing if `out` is no terminal."""
    if out is None or not out.is_terminal:
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=out, transient=True) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda: progress.advance(bar)


# The side that is asked: what runs in a worker process.


class Bench:
    """What a worker process can be asked for: its methods, by name. What they return is sent back as JSON."""

    def __init__(self, peer: str, threads: int, folder: Path) -> None:
        self.peer = PEERS[peer](threads)
        self.peer.prepare_process()
        self.folder = folder
        self.spec = ""
        self._work: Work | None = None
        self._runs: dict[int, tuple[Run, int]] = {}
        self._counts: dict[int, int] = {}  # how often each is done in a round, once that is known

    @property
    def work(self) -> Work:
        """What is to be trained, read when it is needed."""
        if self._work is None:
            self._work = Work.load(self.folder)
        return self._work

    def prepare(
        self, key: int, what: str, way: str = "", unit: int = 1, first: int = 1, rare: bool = False, **arguments: Any
    ) -> float:
        """Make something that can be repeated (see `Task`), do it `first` times, and tell what that returned."""
        if "rule" in arguments:
            arguments["rule"] = Rule(**arguments["rule"])
            self.spec = arguments["rule"].spec
        if what == "training":
            shape = [arguments.pop(name) for name in ("hidden", "batch") if name in arguments]
            arguments["work"] = self.work.reshaped(*shape) if shape else self.work
        run: Run = getattr(self.peer, what)(way, **arguments)
        self._runs[key] = (run, unit)
        if rare:
            self._counts[key] = unit
        return run(first)

    def wake(self) -> None:
        """Come back after other processes have worked (see `Peer.wake`)."""
        if self._work is not None:
            self.peer.wake(self._work)

    def round(self, key: int, seconds: float) -> tuple[int, float, float, int]:
        """A `Sample` of about so many seconds, after a few repetitions that are not timed."""
        run, unit = self._runs[key]
        if key not in self._counts:
            self._counts[key] = unit * _how_often(run, unit, seconds)
        count = self._counts[key]
        if warm := count // unit // 5:
            run(warm * unit)
        return self.repeat(key, count)

    def repeat(self, key: int, count: int) -> tuple[int, float, float, int]:
        """A `Sample` of doing it so many times."""
        run, _ = self._runs[key]
        faults, cpu, start = _faults(), time.process_time(), time.perf_counter()
        run(count)
        end = time.perf_counter()
        return count, end - start, time.process_time() - cpu, _faults() - faults

    def forget(self, key: int) -> None:
        """Let go of something prepared; with the last, of the training set too."""
        del self._runs[key]
        self._counts.pop(key, None)
        if not self._runs:
            self._work = None

    def memory(self) -> dict[str, int | None]:
        """Bytes of memory now (`resident`) and at most so far (`peak`), and the number of Python's `blocks`."""
        return {**_memory(), "blocks": sys.getallocatedblocks()}

    def loaded(self, names: Sequence[str]) -> list[str]:
        """Which of these modules have been imported."""
        return [name for name in names if name in sys.modules]

    def versions(self) -> dict[str, str]:
        """The version of each module the peer is made of."""
        return {name: _version(name) for name in self.peer.needs}


def _how_often(run: Run, unit: int, seconds: float) -> int:
    """How many units take about `seconds`, at least one."""
    units, spent = 1, 0.0
    while True:
        start = time.perf_counter()
        run(units * unit)
        spent = time.perf_counter() - start
        if spent > seconds / 3:
            return max(1, round(units * seconds / spent))
        units *= 2


def _faults() -> int:
    try:
        import resource
    except ImportError:  # Windows has none
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _memory() -> dict[str, int | None]:
    """From Linux, which tells it of this process alone; ru_maxrss may be that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {"resident": None, "peak": None}
    told = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return {"resident": 1024 * int(told["VmRSS"][0]), "peak": 1024 * int(told["VmHWM"][0])}


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [module])
    try:
        return importlib.metadata.version(names[0])
    except importlib.metadata.PackageNotFoundError:  # run from the checkout
        return str(getattr(__import__(module), "__version__", "unknown"))


def serve(bench: Bench, questions: IO[str], answers: IO[str]) -> None:
    """Answer questions, a line of JSON each, until there are no more."""
    for line in questions:
        question, arguments = json.loads(line)
        try:
            answer = {"result": getattr(bench, question)(**arguments)}
        except BaseException as error:  # a learner's rule may do anything
            answer = {"error": _explained(error, bench.spec)}
        print(json.dumps(answer), file=answers, flush=True)


def _explained(error: BaseException, spec: str) -> str:
    """An error in a sentence; `spec` is the optimizer at work, if there is one."""
    if not spec:
        return f"{type(error).__name__}: {error}"

    from ..training.user_code import in_a_sentence  # it imports minigrad, which a peer's process must not

    return in_a_sentence(error, spec)


def main(argv: Sequence[str]) -> int:
    """The worker process. Answers go where standard output went; what a library prints goes to standard error."""
    peer, threads, folder = argv
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    pool.be_worker()
    pool.end_with(os.getppid())
    pool.leave_word(os.fdopen(os.dup(sys.stderr.fileno()), "w"))
    with answers:
        serve(Bench(peer, int(threads), Path(folder)), sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
