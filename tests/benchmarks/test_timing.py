"""Fair timings: what many rounds say, whose turn it is, and worker processes that fail."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.timing import bench, workers
from benchmarks.timing.rounds import Measurement, Sample, Timing
from benchmarks.timing.workers import Worker, WorkerError, Workplace
from benchmarks.timing.workload import Workload

SGD = {"name": "sgd", "spec": "sgd", "settings": {"lr": 0.1}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(5)
    layers = [
        (random.normal(0, 0.1, (n, m)).astype(np.float32), np.zeros(n, np.float32)) for n, m in ((8, 16), (10, 8))
    ]
    pixels = random.integers(0, 256, (60, 4, 4)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("work")
    Workload(pixels, random.integers(0, 10, 60), random.permutation(60).reshape(6, 10), layers).save(folder)
    return folder


# What the rounds say.


def test_a_timing_is_median_and_quartiles_of_microseconds_for_doing_it_once():
    samples = [Sample(10, ms * 1e-3, ms * 1e-3, 20) for ms in (3, 1, 2, 5, 4)]
    made = Timing.of(samples)
    assert (made.low, made.median, made.high) == pytest.approx((200, 300, 400))
    assert made.cores == pytest.approx(1)
    assert made.faults == 2
    assert (made.rounds, made.disturbed) == (5, 0)


def test_one_round_is_its_own_median():
    made = Timing.of([Sample(4, 0.002, 0.004, 0)])
    assert (made.low, made.median, made.high) == pytest.approx((500, 500, 500))
    assert made.cores == pytest.approx(2)


def test_disturbed_rounds_are_left_out():
    quiet, disturbed = Sample(1, 0.001, 0.001, 0), Sample(1, 0.009, 0.002, 7)
    made = Timing.of([quiet, disturbed, quiet, disturbed])
    assert (made.low, made.median, made.high) == pytest.approx((1000, 1000, 1000))
    assert (made.rounds, made.disturbed, made.faults) == (4, 2, 0)


def test_disturbed_rounds_are_kept_when_there_is_little_else():
    quiet, disturbed = Sample(1, 0.001, 0.001, 0), Sample(1, 0.009, 0.002, 0)
    made = Timing.of([quiet, disturbed, disturbed, disturbed])
    assert made.median == pytest.approx(9000)
    assert (made.rounds, made.disturbed) == (4, 3)


def test_how_often_makes_a_round_about_as_long_as_asked(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(workers.time, "perf_counter", lambda: now[0])

    def run(n: int) -> float:
        now[0] += 0.001 * n
        return 0.0

    assert bench._how_often(run, 1, 0.024) == 24
    assert bench._how_often(run, 100, 0.41) == 4  # of a hundred each: 0.1 s
    assert bench._how_often(run, 100, 0.01) == 1


# Whose turn it is.


class Scripted:
    """In the place of a worker: notes what it is asked, and fails where told."""

    log: list[tuple[str, int, str, Any]] = []
    failing: dict[tuple[str, str], str] = {}

    def __init__(self, peer: str, threads: int, folder: Path, own: str = "") -> None:
        self.peer, self.threads = peer, threads

    def ask(self, question: str, **arguments: Any) -> Any:
        Scripted.log.append((self.peer, self.threads, question, arguments.get("key")))
        if (self.peer, question) in Scripted.failing:
            raise WorkerError(Scripted.failing[self.peer, question])
        return 0.5 if question == "prepare" else (10, 0.02, 0.02, 0) if question == "round" else None

    def close(self, at_once: bool = False) -> None:
        Scripted.log.append((self.peer, self.threads, "close", None))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str, Any]]:
    monkeypatch.setattr(workers, "Worker", Scripted)
    monkeypatch.setattr(workers, "REST", 0)
    monkeypatch.setattr(Scripted, "log", [])
    monkeypatch.setattr(Scripted, "failing", {})
    return Scripted.log


def rounds_of(log: list[tuple[str, int, str, Any]]) -> list[tuple[str, int, Any]]:
    return [(peer, threads, key) for peer, threads, question, key in log if question == "round"]


def test_workers_take_turns_to_and_fro(scripted):
    tasks = [
        Measurement("torch", 1, "training"),
        Measurement("minigrad", 2, "training"),
        Measurement("minigrad", 1, "training"),
    ]
    with Workplace(Path("."), 3, 0.01) as place:
        outcomes = place.measure(tasks, "")
    there = [("minigrad", 1, 2), ("torch", 1, 0), ("minigrad", 2, 1)]
    assert rounds_of(scripted) == there + there[::-1] + there
    assert [outcome.task for outcome in outcomes] == tasks
    assert [len(outcome.samples) for outcome in outcomes] == [3, 3, 3]
    assert outcomes[0].loss == 0.5
    assert outcomes[0].timing is not None
    assert outcomes[0].timing.median == pytest.approx(2000)


def test_each_round_begins_with_another_task_of_a_process(scripted):
    tasks = [
        Measurement("minigrad", 1, "training"),
        Measurement("torch", 1, "training"),
        *[Measurement("minigrad", 1, "update")] * 2,
    ]
    with Workplace(Path("."), 4, 0.01) as place:
        place.measure(tasks, "")
    keys = [key for *_, key in rounds_of(scripted)]
    assert keys == [0, 2, 3, 1, 1, 2, 3, 0, 3, 0, 2, 1, 1, 0, 2, 3]


def test_everything_is_prepared_before_anything_is_timed_and_forgotten_afterwards(scripted):
    with Workplace(Path("."), 2, 0.01) as place:
        place.measure([Measurement("torch", 1, "training"), Measurement("minigrad", 1, "update")], "")
    questions = [question for *_, question, _ in scripted]
    assert sorted(questions[:2]) == ["prepare", "prepare"]
    to, fro = ["wake", "round", "wake", "round"], ["round", "wake", "round"]  # torch has the last turn and the next
    assert questions[2:] == [*to, *fro, "forget", "forget", "close", "close"]


def test_what_is_rare_takes_part_in_every_fifth_round(scripted):
    tasks = [Measurement("torch", 1, "training"), Measurement("jax", 1, "training", unit=600, rare=True)]
    with Workplace(Path("."), 11, 0.01) as place:
        outcomes = place.measure(tasks, "")
    assert [len(outcome.samples) for outcome in outcomes] == [11, 3]
    with Workplace(Path("."), 11, 0.01) as place:
        assert len(place.measure(tasks, "", rounds=2)[1].samples) == 1


@pytest.mark.parametrize("question", ["prepare", "round"])
def test_what_goes_wrong_in_one_does_not_stop_the_others(question, scripted):
    Scripted.failing["torch", question] = "torch, 1 thread: it is broken"
    with Workplace(Path("."), 2, 0.01) as place:
        bad, good = place.measure([Measurement("torch", 1, "training"), Measurement("minigrad", 1, "training")], "")
    assert bad.error == "torch, 1 thread: it is broken"
    assert bad.timing is None
    assert good.error is None
    assert len(good.samples) == 2
    assert [key for *_, asked, key in scripted if asked == "forget"] == [1]
    assert [(peer, key) for peer, _, asked, key in scripted if asked == "round" and peer == "torch"] == (
        [] if question == "prepare" else [("torch", 0)]
    )


def test_a_worker_that_ends_after_its_rounds_costs_no_figures(scripted):
    Scripted.failing["torch", "forget"] = "torch, 1 thread: the process has ended"
    with Workplace(Path("."), 2, 0.01) as place:
        outcomes = place.measure([Measurement("torch", 1, "training"), Measurement("minigrad", 1, "training")], "")
    assert [len(outcome.samples) for outcome in outcomes] == [2, 2]
    assert [outcome.error for outcome in outcomes] == [None, None]


# Worker processes.


def test_a_worker_prepares_times_and_forgets(folder):
    with Worker("minigrad", 1, folder) as worker:
        first = worker.ask("prepare", key=3, what="training", rule=SGD)
        assert first == pytest.approx(2.3, abs=0.2)  # ten classes, nothing learned yet
        sample = Sample(*worker.ask("round", key=3, seconds=0.003))
        assert sample.count >= 1
        assert 0 < sample.seconds < 1
        assert worker.ask("repeat", key=3, count=7)[0] == 7
        assert worker.ask("prepare", key=4, what="training", rule=SGD, hidden=[5, 5], batch=60) > 0
        assert set(worker.ask("memory")) == {"resident", "peak", "blocks"}
        assert worker.ask("versions")["minigrad"]
        worker.ask("forget", key=3)
        with pytest.raises(WorkerError, match="minigrad, 1 thread: KeyError: 3"):
            worker.ask("round", key=3, seconds=0.003)
        assert worker.ask("round", key=4, seconds=0.003)[0] >= 1  # it goes on after an error


def test_a_rare_task_is_done_one_unit_a_round(folder):
    asked = bench.Bench("floor", 1, folder)
    asked.prepare(key=0, what="training", unit=6, rare=True, rule=SGD)
    assert asked.round(key=0, seconds=1.0)[0] == 6


def test_the_training_set_goes_with_the_last_task(folder):
    asked = bench.Bench("floor", 1, folder)
    for key in (0, 1):
        asked.prepare(key=key, what="training", rule=SGD)
    asked.forget(0)
    assert asked._work is not None
    asked.forget(1)
    assert asked._work is None


def test_a_worker_that_cannot_start_says_why(folder):
    with Worker("no such library", 2, folder) as worker:
        with pytest.raises(WorkerError, match="no such library, 2 threads: the process has ended with status 1: KeyE"):
            worker.ask("versions")
        with pytest.raises(WorkerError, match="has ended"):
            worker.ask("versions")


def test_the_number_of_threads_is_in_the_environment_and_the_checkout_on_the_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    there = workers.surroundings(2)
    for library in ("OPENBLAS", "OMP", "MKL"):
        assert there[f"{library}_NUM_THREADS"] == "2"
    root, elsewhere = there["PYTHONPATH"].split(os.pathsep)
    assert (Path(root) / "benchmarks" / "timing" / "workers.py").is_file()
    assert elsewhere == "/elsewhere"
    assert there["PATH"] == os.environ["PATH"]


def test_peers_processes_do_not_import_minigrad(folder):
    """Importing it changes how the C library keeps memory, for everything in the process."""
    with Worker("floor", 1, folder) as worker:
        worker.ask("prepare", key=0, what="training", rule=SGD)
        maps = Path(f"/proc/{worker._process.pid}/environ")
        assert worker.ask("loaded", names=["numpy", "minigrad"]) == ["numpy"]
        assert not maps.exists() or b"OPENBLAS_NUM_THREADS=1\0" in maps.read_bytes()


def test_questions_are_answered_line_by_line_and_errors_too():
    class Fake:
        spec = ""

        def double(self, x: int) -> int:
            return 2 * x

        def fail(self) -> None:
            raise ValueError("no")

    answers = io.StringIO()
    bench.serve(Fake(), io.StringIO('["double", {"x": 4}]\n["fail", {}]\n["nothing", {}]\n'), answers)
    double, fail, nothing = map(json.loads, answers.getvalue().splitlines())
    assert double == {"result": 8}
    assert fail == {"error": "ValueError: no"}
    assert nothing["error"].startswith("AttributeError")
