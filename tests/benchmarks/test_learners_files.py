"""A learner's file may do anything: one sentence with file and line, the others' results kept, nobody left behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process_tools import stored

from benchmarks import UsageError
from benchmarks.training import pool
from benchmarks.training.user_code import in_a_sentence

ROOT = Path(__file__).resolve().parents[2]

DEEDS = {
    "raises a BaseException": ("raise Own('mine')", "Own: mine (line {line})"),
    "raises GeneratorExit": ("raise GeneratorExit", "GeneratorExit (line {line})"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt (line {line})"),
    "calls sys.exit": ("sys.exit('bye')", "SystemExit: bye (line {line})"),
    "calls sys.exit(0)": ("sys.exit(0)", "SystemExit: 0 (line {line})"),
    "has an error whose str raises": ("raise Rude", "Rude: (its message cannot be shown: RuntimeError) (line {line})"),
    "has many lines and markup": (
        r"raise ValueError('[red]a\n\nb[/x]\x1b[31m \ud83d')",
        r"ValueError: [red]a b[/x]\x1b[31m \ud83d (line {line})",
    ),
    "recurses for ever": ("forever()", "RecursionError: maximum recursion depth exceeded"),
    "calls os._exit": ("os._exit(0)", "its process has ended: os._exit(0) (line {line})"),
    "crashes": ("ctypes.string_at(0)", "its process has ended: Segmentation fault (line {line})"),
    "aborts": ("os.abort()", "its process has ended: Aborted (line {line})"),
    "kills itself": ("os.kill(os.getpid(), 9)", "its process has ended: it sent itself the signal 9 (line {line})"),
}
"""What a file does, and how that is told."""

HEAD = """\
import ctypes, os, sys
from minigrad.optim import Optimizer
class Own(BaseException): pass
class Rude(Exception):
    def __str__(self): raise RuntimeError("no")
def forever(): forever()
"""

RULE = """\
class Mine(Optimizer):
    def rule(self, theta, g, *, lr=0.1, t):
        if t == {step}:
            {deed}
        theta -= lr * g
"""

MADE = """\
class Mine(Optimizer):
    def __init__(self, params):
        {deed}
"""

SURFACE = """\
def f(x, y):
    {deed}
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)


def written(folder: Path, name: str, body: str, deed: str) -> tuple[Path, int]:
    """A file that does a deed, and the line where it does."""
    file = folder / f"{name}.py"
    text = HEAD + body.replace("{deed}", deed)
    file.write_text(text)
    return file, next(n for n, line in enumerate(text.splitlines(), 1) if deed in line)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_whatever_a_rule_does_the_others_are_run(tmp_path, jobs):
    """All deeds at once, after the rehearsal, beside two optimizers that do their work, before and after."""
    arguments, sentences = [], {}
    for number, (deed, told) in enumerate(DEEDS.values()):
        name = f"Mine{number}"
        body = RULE.replace("{step}", str(8 + number % 2)).replace("Mine", name)
        file, line = written(tmp_path, f"mine{number}", body, deed)
        arguments += ["--optimizer", f"{file}:{name}"]
        sentences[name] = f"failed: {name}, seed 0: {told.format(line=line)}", f" in {file}\n"
    closer, _ = written(tmp_path, "closer", RULE.replace("{step}", "8"), "sys.stdout.close(); os.close(1)")
    asked = ["--data", "digits", "--iterations", "10", "--every", "10", "--optimizers", "sgd,adam", "--jobs", jobs]
    done = run("mnist", *asked, *arguments, "--optimizer", f"{closer}:Mine", "--results", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, "")
    for start, end in sentences.values():
        (line,) = [line for line in done.stdout.splitlines(keepends=True) if line.startswith(start)]
        assert line.endswith(end)
    runs = {one["name"]: one for one in json.loads((tmp_path / "out" / "mnist.json").read_text())["runs"]}
    assert {name for name, one in runs.items() if "error" in one} == set(sentences)
    alone = run("mnist", *asked, "--results", str(tmp_path / "alone"))
    assert alone.returncode == 0
    for one in json.loads((tmp_path / "alone" / "mnist.json").read_text())["runs"]:
        assert runs[one["name"]]["figures"] == one["figures"]
    assert runs["Mine"]["figures"] == runs["sgd"]["figures"]  # who closes standard output trains on


def test_the_comparison_over_seeds_keeps_what_ended(tmp_path):
    body = RULE.replace("{step}", "8")
    killer, line = written(tmp_path, "killer", body, "os.kill(os.getpid(), 9)")
    asked = ["--data", "digits", "--iterations", "10", "--seeds", "2", "--optimizers", "sgd", "--jobs", "2"]
    done = run("seeds", *asked, "--optimizer", f"{killer}:Mine", "--results", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, "")
    how = f"its process has ended: it sent itself the signal 9 (line {line})"
    assert f"failed: Mine, seed 0 and 1 more: {how} in {killer}\n" in done.stdout
    kept = stored(tmp_path / "out" / "trials.sqlite")
    assert [result["failed"] for _, result in kept if "failed" in result] == [how, how]
    assert len(kept) == 4


@pytest.mark.parametrize(("deed", "told"), DEEDS.values(), ids=DEEDS)
@pytest.mark.parametrize("when", ["imported", "made"])
def test_a_file_that_cannot_even_be_looked_at(tmp_path, capfd, when, deed, told):
    from benchmarks.__main__ import main

    file, line = written(tmp_path, "mine", "{deed}\n" if when == "imported" else MADE, deed)
    assert main(["mnist", "--data", "digits", "--optimizer", f"{file}:Mine", "--results", str(tmp_path / "out")]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"benchmarks: {file}")
    assert " ".join(told.format(line=line).split()) in err


@pytest.mark.parametrize(("deed", "told"), DEEDS.values(), ids=DEEDS)
def test_a_surface_that_does_anything(tmp_path, capfd, deed, told):
    from benchmarks.__main__ import main

    file, line = written(tmp_path, "mine", SURFACE, deed)
    asked = ["--surface", f"{file}:f", "--optimizers", "sgd", "--stills", "--jobs", "1"]
    assert main(["surfaces", *asked, "--results", str(tmp_path / "out")]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"benchmarks: {file}")
    assert told.format(line=line) in err


ENDLESS = """\
while {condition}:
    try:
        if not reported:
            reported = True
            open({fifo!r}, "w").write(str(os.getpid()))
        while True: pass
    except BaseException: pass
"""
"""A loop that no exception ends; before, it says through a pipe which process it is in."""


def endless(fifo: Path, condition: str, indent: str) -> str:
    text = "reported = False\n" + ENDLESS.format(condition=condition, fifo=str(fifo))
    return "".join(indent + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize("command", ["mnist", "seeds", "surfaces", "speed"])
@pytest.mark.parametrize("where", ["imported", "rule"])
def test_ctrl_c_ends_an_endless_loop_at_once(tmp_path, command, where):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    body = "class Mine(Optimizer):\n    def rule(self, theta, g, *, lr=1e-4, t):\n"
    if where == "imported":
        text = endless(fifo, "True", "") + body + "        pass\n"
    else:
        text = body + endless(fifo, "t == 8", " " * 8) + "        theta -= lr * g\n"
    (tmp_path / "mine.py").write_text(HEAD + text)
    asked = {
        "mnist": ["--data", "digits", "--iterations", "10", "--jobs", "1"],
        "seeds": ["--data", "digits", "--iterations", "10", "--jobs", "1", "--seeds", "2"],
        "surfaces": ["--surface", "beale", "--stills", "--jobs", "1"],
        "speed": ["--quick", "--part", "step", "--peers", "minigrad", "--threads", "1"],
    }[command]
    mine = ["--optimizers", "sgd", "--optimizer", f"{tmp_path}/mine.py:Mine", "--results", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", command, *asked, *mine],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with open(fifo, "r+b", buffering=0) as reading:
        assert select.select([reading], [], [], 60)[0], process.kill()  # waits until it loops
        looping = int(reading.read(20))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "benchmarks: interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.kill(looping, 0)
    if where == "rule" and command in ("mnist", "seeds"):
        assert "what was done is kept" in out
        assert "sgd" in [key["optimizer"] for key, _ in stored(tmp_path / "out" / "trials.sqlite")]


# The processes.


def half(task):
    if task == "die":
        os._exit(3)
    return task / 2


def test_a_process_that_dies_spoils_its_own_task_alone():
    tasks = [1, "die", 2, 3, "die", 4, 5]
    found = dict(pool.outcomes(half, tasks, 2))
    assert {number: found[number] for number in (0, 2, 3, 5, 6)} == {0: 0.5, 2: 1.0, 3: 1.5, 5: 2.0, 6: 2.5}
    assert [str(found[number]) for number in (1, 4)] == ["its process has ended: os._exit(3)"] * 2
    assert found[1].at(__file__).endswith(f"(line {half.__code__.co_firstlineno + 2})")


def vanish(task):
    if task == "die":
        os.execv("/bin/false", ["false"])  # of which nothing is written down: it has to be found out
    return task / 2


def test_who_died_is_found_out_where_nothing_is_written_down():
    found = dict(pool.outcomes(vanish, [1, "die", 2, 3], 2))
    assert {number: found[number] for number in (0, 2, 3)} == {0: 0.5, 2: 1.0, 3: 1.5}
    assert str(found[1]) == "its process has ended: killed, perhaps for want of memory"


def test_what_work_raises_ends_it():
    with pytest.raises(TypeError):
        list(pool.outcomes(half, [None], 2))
    assert dict(pool.outcomes(half, [1], 1)) == {0: 0.5}


# The sentences.


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("", "ValueError"),
        ("a\n b\r\n\tc", "ValueError: a b c"),
        ("x" * 400, f"ValueError: {'x' * 300}..."),
        ("é", "ValueError: é"),
    ],
)
def test_an_error_is_one_line(message, told):
    assert in_a_sentence(ValueError(message), "sgd") == told


@pytest.mark.parametrize("name", ["", "[red]", "../../x", "a b", "a.b"])
def test_a_name_that_is_none(tmp_path, name):
    from benchmarks.training.optimizers import entrant

    with pytest.raises(UsageError, match="is no name of a class"):
        entrant(f"{tmp_path}/mine.py:{name}")
