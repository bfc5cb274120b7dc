"""The worker process: it answers questions about one library, a line of JSON each."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ..training import pool
from .libraries import PEERS
from .library import Repeat
from .workload import Rule, Workload


class Bench:
    """What a worker process can be asked for: its methods, by name. What they return is sent back as JSON."""

    def __init__(self, peer: str, threads: int, folder: Path) -> None:
        self.peer = PEERS[peer](threads)
        self.peer.prepare_process()
        self.folder = folder
        self.spec = ""
        self._work: Workload | None = None
        self._runs: dict[int, tuple[Repeat, int]] = {}
        self._counts: dict[int, int] = {}  # how often each is done in a round, once that is known

    @property
    def work(self) -> Workload:
        """What is to be trained, read when it is needed."""
        if self._work is None:
            self._work = Workload.load(self.folder)
        return self._work

    def prepare(
        self, key: int, what: str, way: str = "", unit: int = 1, first: int = 1, rare: bool = False, **arguments: Any
    ) -> float:
        """Make something that can be repeated (see `Measurement`), and return what doing it `first` times returns."""
        if "rule" in arguments:
            arguments["rule"] = Rule(**arguments["rule"])
            self.spec = arguments["rule"].spec
        if what == "training":
            shape = [arguments.pop(name) for name in ("hidden", "batch") if name in arguments]
            arguments["work"] = self.work.reshaped(*shape) if shape else self.work
        run: Repeat = getattr(self.peer, what)(way, **arguments)
        self._runs[key] = (run, unit)
        if rare:
            self._counts[key] = unit
        return run(first)

    def wake(self) -> None:
        """Come back after other processes have worked (see `Library.wake`)."""
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


def _how_often(run: Repeat, unit: int, seconds: float) -> int:
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
    """From Linux's /proc, which is of this process alone; ru_maxrss may be that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {"resident": None, "peak": None}
    found = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return {"resident": 1024 * int(found["VmRSS"][0]), "peak": 1024 * int(found["VmHWM"][0])}


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
        except BaseException as error:  # a user's rule may raise anything
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
