"""Many trainings: the same bits with one process, two, on a cluster, or killed on the way; and what goes wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from process_tools import stored, wait_until

from benchmarks import UsageError
from benchmarks.console.report import console
from benchmarks.training import key, optimizers, trials
from benchmarks.training.journal import Journal
from benchmarks.training.trial import Trial
from benchmarks.training.trials import Runner

ROOT = Path(__file__).resolve().parents[2]
COMPARISON = ["seeds", "--data", "digits", "--iterations", "40", "--seeds", "3", "--optimizers", "sgd,momentum"]
TRAININGS = 9  # two optimizers, one of them with a schedule as well, three seeds

QUICK = Trial("sgd", data="digits", iterations=20, every=10)


def command(results, *more):
    return [sys.executable, "-W", "error", "-m", "benchmarks", *COMPARISON, "--results", str(results), *more]


def finished(results, *more, status=0):
    """Run the comparison to its end; its record without what no two runs have the same, and what it printed."""
    done = subprocess.run(command(results, *more), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    record = json.loads((Path(results) / "seeds-notebook.json").read_text())
    del record["timing"], record["environment"]
    return record, done.stdout


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the comparison gives in one process that nothing disturbs."""
    record, told = finished(tmp_path_factory.mktemp("one"), "--jobs", "1")
    assert f"{TRAININGS} trainings\n" in told
    assert len(record["optimizers"]) == 2
    return record


def test_two_processes_give_the_same_bits(tmp_path):
    trials = [replace(QUICK, optimizer=name, seed=seed) for seed in range(3) for name in ("sgd", "adam", "ranger")]
    results = []
    for jobs in (1, 2):
        with Journal(tmp_path / f"{jobs}.jsonl") as journal, Runner(journal, console(), jobs) as here:
            found = here.run(trials, "it")
            assert list(found) == trials  # in the order in which they were asked for
            results.append([{**result, "timing": None} for result in found.values()])
    assert results[0] == results[1]
    assert len({result["loss"] for result in results[0]}) == len(trials)


HELD = """
import os
import sys
import time
from pathlib import Path

from minigrad.optim import Optimizer


def done():
    sys.path.append(os.environ["TOOLS"])
    from process_tools import stored

    return len(stored(Path(os.environ["JOURNAL"])))


class Held(Optimizer):
    def rule(self, theta, g, *, lr=0.1, t):
        if t == 20 and done() == int(os.environ.get("HOLD_AT", -1)):
            Path(os.environ["HOLDS"]).touch()
            while True:
                time.sleep(1)
        theta -= lr * g


class Marks(Optimizer):
    def rule(self, theta, g, *, lr=0.1):
        Path(os.environ["HOLDS"], str(os.getpid())).touch()
        theta -= lr * g
"""
"""One that waits in the middle of a training to be killed, once the journal has so many results; and one that marks
which process trains."""


def test_killed_in_the_middle_of_a_training_it_goes_on_and_gives_the_same_bits(tmp_path, monkeypatch):
    own, results, holds = tmp_path / "held.py", tmp_path / "results", tmp_path / "holds"
    own.write_text(HELD)
    journal = results / "trials.sqlite"
    arguments = ("--jobs", "1", "--optimizers", "momentum", "--optimizer", f"{own}:Held")
    monkeypatch.setenv("JOURNAL", str(journal))
    monkeypatch.setenv("TOOLS", str(ROOT / "tests"))
    uninterrupted, told = finished(tmp_path / "other", *arguments)
    assert f"{TRAININGS} trainings\n" in told
    for kept in (2, 5):  # Momentum with and without a schedule, and then Held, seed by seed
        started = subprocess.Popen(
            command(results, *arguments),
            cwd=ROOT,
            env={**os.environ, "HOLD_AT": str(kept), "HOLDS": str(holds)},
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until(holds.exists, started)
        finally:
            started.kill()
            started.wait()
        holds.unlink()
        assert len(stored(journal)) == kept  # nothing that was done is lost, and nothing else is there
    record, told = finished(results, *arguments)
    assert record == uninterrupted
    assert f"{TRAININGS} trainings, 5 of them kept" in told
    assert len(stored(journal)) == TRAININGS


def test_killing_it_ends_its_processes_too(tmp_path):
    """They would go on training for nobody."""
    own, marks = tmp_path / "held.py", tmp_path / "marks"
    own.write_text(HELD)
    marks.mkdir()
    more = ("--jobs", "2", "--iterations", "1000000", "--optimizers", f"{own}:Marks")
    started = subprocess.Popen(
        command(tmp_path / "results", *more),
        cwd=ROOT,
        env={**os.environ, "HOLDS": str(marks)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    orphans = []
    try:
        wait_until(lambda: len(list(marks.iterdir())) == 2, started)
        orphans = [int(mark.name) for mark in marks.iterdir()]
        assert started.pid not in orphans
        assert all(map(running, orphans))
    finally:
        started.kill()
        started.wait()
    wait_until(lambda: not any(map(running, orphans)))


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# On a cluster.


@contextmanager
def cluster(folder, threshold="67108864"):
    """A scheduler and two workers on this machine, started as --help says."""
    pytest.importorskip("distributed")
    environment = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": threshold,
        "PYTHONPATH": ".",
        "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "0",
    }
    file = folder / "scheduler.json"
    starts = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file],
        [
            "worker",
            "--scheduler-file",
            file,
            "--nworkers",
            "2",
            "--nthreads",
            "1",
            "--no-dashboard",
            "--host",
            "127.0.0.1",
        ],
    ]
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dask",
                *map(str, start),
                *(["--local-directory", str(folder)] * (start[0] == "worker")),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for start in starts
    ]
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), started[0])  # it is not written at once
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(20)


def test_a_cluster_of_two_workers_gives_the_same_bits(uninterrupted, tmp_path):
    with cluster(tmp_path) as address:
        record, told = finished(tmp_path / "results", "--dask", address)
    assert record == uninterrupted
    assert "will be slow" not in told
    assert len(stored(tmp_path / "results" / "trials.sqlite")) == TRAININGS


class Client:
    """What `trials` asks a cluster's client."""

    def __init__(self, threshold="67108864", threads=1, **there):
        self.threshold, self.threads, self.there = threshold, threads, there

    def nthreads(self):
        return {"tcp://one": self.threads, "tcp://two": 1}

    def run(self, function, *arguments):
        return {"tcp://one": self.threshold, "tcp://two": self.threshold}

    def submit(self, function, *arguments):
        self.answer = {**function(*arguments), **self.there}
        return self

    def result(self):
        return self.answer

    def close(self):
        pass


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "trials.sqlite") as journal:
        yield journal


def test_slow_workers_are_warned_of(journal, monkeypatch, capsys):
    monkeypatch.setattr(trials.cluster, "connect", lambda address: Client("65536", 4))
    with Runner(journal, console(), dask="tcp://x:1") as there:
        assert there.jobs == 5
    told = capsys.readouterr().out
    assert "2 workers have MALLOC_TRIM_THRESHOLD_=65536 and will be slow" in told
    assert "1 workers have several threads" in told
    for threshold in (None, str(2**20), "67108864"):
        monkeypatch.setattr(trials.cluster, "connect", lambda address, threshold=threshold: Client(threshold))
        with Runner(journal, console(), dask="tcp://x:1") as there:
            assert there.jobs == 2
        assert capsys.readouterr().out == ""
    monkeypatch.setattr(trials.cluster, "connect", lambda address: Client(str(2**20 - 1)))
    with Runner(journal, console(), dask="tcp://x:1"):
        pass
    assert "MALLOC_TRIM_THRESHOLD_=1048575 and will be slow" in capsys.readouterr().out


def test_workers_with_other_code_are_refused(journal, monkeypatch):
    monkeypatch.setattr(trials.cluster, "connect", lambda address: Client(code="0123"))
    with Runner(journal, console(), dask="tcp://x:1") as other, pytest.raises(UsageError, match="other code"):
        other.run([QUICK], "it")


def test_a_cluster_that_is_not_there_is_told(journal):
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no Dask scheduler answers at carrier-pigeon://7"):
        Runner(journal, console(), dask="carrier-pigeon://7")


def test_a_cluster_without_workers_is_told(journal, monkeypatch):
    distributed = pytest.importorskip("distributed")

    class Empty(distributed.Client):
        def __init__(self, address, **options):
            pass

        def wait_for_workers(self, count, timeout):
            assert (count, timeout) == (1, 30)
            raise TimeoutError

        def close(self, *arguments, **options):
            closed.append(True)

        def __del__(self):
            pass

    closed = []
    monkeypatch.setattr(distributed, "Client", Empty)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # somebody answers there
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"the Dask scheduler at {address} has no workers: start them as --help"):
            Runner(journal, console(), dask=address)
    assert closed == [True]


# What decides a result, and what goes wrong.


def test_a_result_is_used_again_only_if_all_is_the_same(journal, monkeypatch, capsys):
    def done(asked):
        with Runner(journal, console()) as here:
            result = here.run([asked], "it")[asked]
        return result, "kept" in capsys.readouterr().out

    first, kept = done(QUICK)
    assert not kept
    assert done(QUICK) == (first, True)  # its timing, too: it was not done again
    for change in (
        {"seed": 1},
        {"member": 1},
        {"rate": 0.1},
        {"iterations": 19},
        {"batch_size": 50},
        {"optimizer": "adam"},
    ):
        assert done(replace(QUICK, **change))[1] is False
    circumstances = key.circumstances("digits")
    assert set(circumstances) == {"code", "images", "numpy", "blas", "simd", "machine"}
    for name in circumstances:
        other = {**circumstances, name: "other"}
        for module in (key, trials):
            monkeypatch.setattr(module, "circumstances", lambda data, device="cpu", other=other: other)
        assert done(QUICK)[1] is False


def test_the_code_that_decides_is_in_the_key(monkeypatch):
    before = key._digest_of_sources()
    assert before == key._digest_of_sources()
    named = {
        path.relative_to(ROOT).as_posix()
        for root, patterns in key.SOURCES.items()
        for pattern in patterns
        for path in root.glob(pattern)
    }
    assert {"minigrad/optim/adam.py", "minigrad/random.py", "datasets/idx.py"} < named
    assert {f"benchmarks/training/{name}.py" for name in ("network", "trial", "optimizers", "cell14")} < named
    assert "benchmarks/mnist.py" not in named
    folder, *_ = key.SOURCES
    monkeypatch.setattr(key, "SOURCES", {**key.SOURCES, folder: ("*.py",)})
    assert key._digest_of_sources() != before


def test_a_pattern_of_sources_that_matches_nothing_is_an_error(monkeypatch):
    *_, folder = key.SOURCES
    monkeypatch.setattr(key, "SOURCES", {**key.SOURCES, folder: ("training/*.py", "trainings/*.py")})
    with pytest.raises(FileNotFoundError, match=r"no source file matches .*trainings"):
        key._digest_of_sources()


def test_of_an_installed_minigrad_other_packages_in_its_folder_do_not_count(monkeypatch, tmp_path):
    (tmp_path / "minigrad" / "benchmarks").mkdir(parents=True)
    for name in ("tensor", "benchmarks/mnist"):
        (tmp_path / "minigrad" / f"{name}.py").write_text("1")
    monkeypatch.setattr(key, "SOURCES", {tmp_path / "minigrad": ("**/*.py",)})
    before = key._digest_of_sources()
    (tmp_path / "minigrad" / "benchmarks" / "mnist.py").write_text("2")
    assert key._digest_of_sources() == before
    (tmp_path / "minigrad" / "tensor.py").write_text("2")
    assert key._digest_of_sources() != before


RULES = """
from minigrad.optim import Optimizer

class Good(Optimizer):
    def rule(self, theta, g, *, lr=0.1):
        theta -= lr * g

class Bad(Optimizer):
    def rule(self, theta, g, *, lr=0.1, t):
        if t == 8:
            raise ArithmeticError("no eighth step")
        theta -= lr * g
"""


def test_a_run_that_raises_is_told_and_takes_no_other_down(tmp_path, capsys):
    from benchmarks import seeds

    file = tmp_path / "mine.py"
    file.write_text(RULES)
    arguments = [
        *COMPARISON[1:],
        "--optimizers",
        "sgd",
        "--iterations",
        "10",
        "--jobs",
        "1",
        "--results",
        str(tmp_path),
    ]
    mine = ["--optimizer", f"{file}:Good", "--optimizer", f"{file}:Bad"]
    assert seeds.main([*arguments, *mine]) == 1
    told = capsys.readouterr().out
    assert "failed: Bad, seed 0 and 2 more: ArithmeticError: no eighth step (line 11)" in told
    record = json.loads((tmp_path / "seeds-notebook.json").read_text())
    good, sgd = sorted(record["optimizers"], key=lambda one: one["name"])
    assert (good["name"], sgd["name"]) == ("Good", "sgd")
    assert good["seeds"] == sgd["seeds"]  # the same rule
    failed = [result["failed"] for _, result in stored(tmp_path / "trials.sqlite") if "failed" in result]
    assert failed == ["ArithmeticError: no eighth step (line 11)"] * 3

    # Mended, it is another file, and is run; what did not fail before is kept.
    file.write_text(RULES.replace("t == 8", "t == 80"))
    assert seeds.main([*arguments, *mine]) == 0
    assert "9 trainings, 3 of them kept" in capsys.readouterr().out


def test_what_failed_is_tried_again(journal, monkeypatch):
    tried = []

    def fails_once(asked, tick):
        tried.append(asked)
        if len(tried) == 1:
            raise MemoryError
        return {"accuracy": 90.0}

    monkeypatch.setattr(trials, "run", fails_once)
    with Runner(journal, console()) as here:
        assert here.run([QUICK], "it") == {}
        assert here.failed == {QUICK: "MemoryError"}
    with Runner(journal, console()) as here:
        assert here.run([QUICK], "it") == {QUICK: {"accuracy": 90.0}}
        assert here.failed == {}
    assert len(tried) == 2


def test_a_worker_that_differs_from_the_others_is_not_believed():
    wanted = key.key(QUICK, {**key.circumstances("digits"), "numpy": "1.0"})
    assert "differs from the others: numpy" in trials._work((QUICK, wanted))["failed"]


def test_fresh_runs_anew_and_keeps_the_new_results(journal, capsys):
    with Runner(journal, console()) as here:
        first = here.run([QUICK], "it")[QUICK]
    with Runner(journal, console(), fresh=True) as here:
        again = here.run([QUICK], "it")[QUICK]
    assert again["timing"] != first["timing"]
    assert {**again, "timing": None} == {**first, "timing": None}
    with Runner(journal, console()) as here:
        assert here.run([QUICK], "it")[QUICK] == again
    assert f"all of them kept in {journal.path} (--fresh runs them anew)" in capsys.readouterr().out


def test_what_is_done_now_is_reported_as_it_ends_and_what_is_kept_is_not(journal):
    ended = []
    with Runner(journal, console()) as here:
        for trainings in ([QUICK], [QUICK, replace(QUICK, seed=1)]):
            here.run(trainings, "it", lambda training, result: ended.append((training, result["accuracy"])))
            assert [training for training, _ in ended] == trainings


def test_an_optimizer_is_described_once_however_many_trainings_it_has(journal, tmp_path, monkeypatch):
    file, runs = tmp_path / "mine.py", tmp_path / "runs"
    runs.mkdir()
    file.write_text(f"import tempfile\ntempfile.mkstemp(dir={str(runs)!r})\n{RULES}")
    rehearsals = []
    rehearsed = optimizers.rehearsed
    monkeypatch.setattr(optimizers, "rehearsed", lambda make: rehearsals.append(make) or rehearsed(make))
    optimizers._usual_of_known.cache_clear()
    trainings = [
        replace(QUICK, optimizer=spec, seed=seed) for spec in ("sgd", "adam", f"{file}:Good") for seed in range(4)
    ]
    with Runner(journal, console(), 2) as here:
        assert len(here.run(trainings, "it")) == 12
        assert here.run(trainings, "it")
    assert len(rehearsals) == 2  # of the built-in ones; the other is tried in a process of its own
    assert len(list(runs.iterdir())) == 1 + 4  # so its file is run once for that, and at each training
