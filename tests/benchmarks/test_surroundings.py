"""Odd surroundings, folders in the place of files, and options that cannot be meant: a sentence, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.console.report import columns

ROOT = Path(__file__).resolve().parents[2]

QUICK = ["--data", "digits", "--iterations", "5", "--every", "5", "--optimizers", "sgd", "--jobs", "1"]


def run(arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=180,
    )


@pytest.mark.parametrize("text", ["", "abc", "0", "-5", "1e3", "²", "80 ", "99999999999", "8_0"])
def test_a_width_that_is_none(text, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLUMNS", text)
    assert columns() is None
    assert main(["mnist", *QUICK, "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    assert columns() == 77


@pytest.mark.parametrize(
    "environment",
    [
        {"MPLBACKEND": "nope"},
        {"COLUMNS": "", "LINES": "", "TERM": "dumb"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii:strict"},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_environments(environment, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from minigrad.optim import Optimizer\nclass Mine(Optimizer):\n"
        "    def rule(self, theta, g, *, lr=0.1, t):\n        if t == 8: raise ValueError('für ∇ 😀')\n"
        "        theta -= lr * g\n",
        "utf-8",
    )
    longer = ["--iterations", "10", "--every", "10"]
    arguments = ["mnist", *QUICK, *longer, "--optimizer", f"{file}:Mine", "--results", str(tmp_path / "é")]
    done = run(arguments, **environment)
    assert (done.returncode, done.stderr) == (1, b"")
    message = "für ∇ 😀"
    if "PYTHONIOENCODING" in environment:
        message = message.encode("ascii", "backslashreplace").decode()
    assert f"failed: Mine, seed 0: ValueError: {message} (line 4) in " in done.stdout.decode()
    assert (tmp_path / "é" / "mnist.png").exists()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["mnist", "--help"], ["mnist", *QUICK]], ids=" ".join)
def test_output_that_nobody_takes(arguments, tmp_path):
    if "--iterations" in arguments:
        arguments = [*arguments, "--results", str(tmp_path)]
    reading, writing = os.pipe()
    os.close(reading)
    done = run(arguments, writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
    with open("/dev/full", "wb") as full:
        done = run(arguments, full)
    assert done.returncode == 1
    assert done.stderr == b"benchmarks: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_streams_that_are_closed(closed, tmp_path):
    asked = " ".join(["mnist", *QUICK, "--results", str(tmp_path)])
    command = f"{sys.executable} -W error -m benchmarks {asked} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "mnist.json").exists()


FILES = {
    "mnist": ["mnist.json", "mnist.png", "mnist-loss.png"],
    "batch_size": ["batch_size.json", "batch_size.png"],
    "speed": ["speed.json", "speed.png", "speed_scaling.png"],
    "replay": ["replay.json", "replay.png", "trials.sqlite"],
    "seeds": ["seeds-notebook.json", "seeds-notebook.png", "trials.sqlite"],
    "surfaces": [f"surfaces/{name}" for name in ("beale.json", "beale.png", "beale-loss.png", "beale.gif")],
    "explain": ["explain/explain.json"],
}
"""Files that each benchmark writes."""


@pytest.mark.parametrize(("benchmark", "name"), [(one, name) for one, names in FILES.items() for name in names])
def test_a_folder_in_the_place_of_a_file_is_found_before_anything_runs(benchmark, name, tmp_path, capsys):
    (tmp_path / name).mkdir(parents=True)
    assert main([benchmark, "--results", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert str(tmp_path / name) in err


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_results_that_can_go_nowhere(benchmark, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper", "/dev/null/x", "x" * 300, "/proc/x", "", "\0"):
        assert main([benchmark, "--results", str(folder)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)


HUGE = "9" * 30
SLIPS = {
    "mnist": [
        *(["--iterations", n] for n in (HUGE, "0", "-1", "nan", "1e3", "", "9" * 5000)),
        *(["--batch-size", n] for n in (HUGE, "0", "")),
        ["--jobs", HUGE],
        ["--seed", HUGE],
        ["--lr", "sgd=1", "--lr", "sgd=2"],
        ["--lr", "sgd=nan"],
        ["--lr", "sgd="],
        ["--lr", "=1"],
        ["--lr", "sdg=1"],
        ["--optimizers", ""],
        ["--optimizers", "sgd,sgd"],
        ["--optimizer", ""],
    ],
    "batch_size": [["--lr", "batch=inf"], ["--lr", "big=1"], ["--epochs", f"batch={HUGE}"], ["--epochs", "batch=0"]],
    "speed": [
        ["--part", ""],
        ["--part", "steps"],
        ["--peers", ","],
        ["--threads", ""],
        ["--threads", "²"],
        ["--threads", HUGE],
        ["--rounds", HUGE],
        ["--optimizers", ""],
    ],
    "replay": [["--members", HUGE], ["--widen", HUGE], ["--optimizers", ""], ["--optimizers", ","], ["--dask", ""]],
    "seeds": [
        ["--seeds", HUGE],
        ["--rates", HUGE],
        ["--tuning-seeds", HUGE],
        ["--tuning-iterations", HUGE],
        ["--budget", "nan"],
        ["--budget", "inf"],
        ["--optimizers", ""],
        ["--dask", "nope"],
        ["--dask", "tcp://"],
        ["--dask", "tcp://localhost"],
        ["--dask", "tcp://localhost:99999"],
        ["--dask", "tcp://localhost:1"],
    ],
    "surfaces": [
        ["--steps", "10000000"],
        ["--steps", HUGE],
        ["--start", "nan,1"],
        ["--start", ""],
        ["--range", "0,inf,0,1"],
        ["--range", "0,0,0,1"],
        ["--surface", ""],
        ["--surface", "beale", "--surface", "beale"],
        ["--surface", "beale", "--surface", "saddle", "--inside", "adam"],
        ["--optimizers", ""],
        ["--inside", ""],
    ],
    "explain": [["nothing"], ["--seed", "-1"]],
}


@pytest.mark.parametrize(
    ("benchmark", "slip"),
    [(one, slip) for one, slips in SLIPS.items() for slip in slips],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
def test_what_cannot_be_meant_is_one_sentence(benchmark, slip, tmp_path, capfd):
    data = ["--data", "digits"] if benchmark in ("mnist", "batch_size", "seeds") else []
    assert main([benchmark, *data, *slip, "--results", str(tmp_path)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert 20 < len(err) < 1000
    assert not list(tmp_path.rglob("*.json"))


def test_what_a_long_race_would_cost(tmp_path, capsys):
    assert main(["surfaces", "--steps", "10000000", "--results", str(tmp_path)]) == 2
    assert "at most 100000, not '10000000': for each optimizer a million steps take" in capsys.readouterr().err


def test_surfaces_of_one_name(tmp_path, capsys):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("def f(x, y): return x**2 + y**2\nbeale = f\n")
    for first, second in ((f"{tmp_path}/a.py:f", f"{tmp_path}/b.py:f"), ("beale", f"{tmp_path}/a.py:beale")):
        assert main(["surfaces", "--surface", first, "--surface", second, "--results", str(tmp_path)]) == 2
        assert "two surfaces are called" in capsys.readouterr().err


def test_rates_that_overflow(tmp_path):
    rates = ["--lr", "batch=1e300", "--lr", "mini-batch=1e38", "--epochs", "batch=1", "--epochs", "stochastic=1"]
    done = run(["batch_size", "--data", "digits", "--jobs", "1", *rates, "--results", str(tmp_path)])
    assert (done.returncode, done.stderr) == (0, b"")


def test_folders_with_markup_in_their_names(tmp_path, capsys):
    folder = tmp_path / "[red]a[" / "b]"
    assert main(["mnist", *QUICK, "--results", str(folder)]) == 0
    assert f"{folder}/mnist.json" in capsys.readouterr().out
