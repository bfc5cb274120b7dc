"""The file of results: what was added is there, whatever ends the process; a file that is no journal is left alone."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from process_tools import wait_until

from benchmarks import UsageError
from benchmarks.training.journal import Journal, canonical

ROOT = Path(__file__).parents[2]
KEY = {"optimizer": "adam", "rate": 0.1, "seed": 3, "tests": [1, 2], "file": None}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "trials.sqlite"


def test_what_was_added_is_there_when_it_is_opened_again(path):
    result = {"accuracy": 97.25, "losses": [0.1, None], "failed": "für ∇ \U0001f600", "exact": 0.1 + 0.2}
    with Journal(path) as journal:
        assert journal.get(KEY) is None
        assert journal.add(KEY, result) == result
        assert journal.get(KEY) == result
    with Journal(path) as journal:
        assert journal.get(KEY) == result
        assert journal.get({**KEY, "seed": 4}) is None
        assert len(journal) == 1


def test_keys_are_equal_whatever_their_order_and_result_whatever_its_types(path):
    with Journal(path) as journal:
        added = journal.add(dict(reversed(KEY.items())), {"pair": (1, 2), "truth": True})
        assert added == {"pair": [1, 2], "truth": True} == journal.get({**KEY, "tests": (1, 2)})


def test_the_last_of_one_key_counts(path):
    with Journal(path) as journal:
        for accuracy in (1.0, 2.0):
            journal.add(KEY, {"accuracy": accuracy})
        assert journal.get(KEY) == {"accuracy": 2.0}
        assert len(journal) == 1


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_does_not_have_are_refused(path, number):
    with Journal(path) as journal:
        for key, result in ((KEY, {"loss": number}), ({**KEY, "rate": number}, {})):
            with pytest.raises(ValueError, match="JSON"):
                journal.add(key, result)
        assert len(journal) == 0


def test_canonical_text_is_json_and_equal_for_equal_values():
    assert canonical({"b": [1, 2.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5]}'
    assert json.loads(canonical(KEY)) == KEY


def test_two_processes_may_add_to_one_file(path):
    with Journal(path) as one, Journal(path) as other:
        one.add(KEY, {"from": "one"})
        other.add({**KEY, "seed": 4}, {"from": "other"})
        assert other.get(KEY) == {"from": "one"}
        assert one.get({**KEY, "seed": 4}) == {"from": "other"}


ADDING = """
import sys
from benchmarks.training.journal import Journal
with Journal(sys.argv[1]) as journal:
    for number in range(10**9):
        journal.add({"number": number}, {"text": "x" * 20_000, "number": number})
        print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill")
@pytest.mark.parametrize("least", [1, 7, 40])
def test_killed_at_any_moment_it_keeps_what_was_reported(path, tmp_path, least):
    reported = tmp_path / "reported"
    with reported.open("wb") as out:
        adding = subprocess.Popen([sys.executable, "-c", ADDING, str(path)], cwd=ROOT, stdout=out)
        wait_until(lambda: reported.read_bytes().count(b"\n") >= least, adding)
        adding.kill()
        adding.wait()
    count = reported.read_bytes().count(b"\n")
    with Journal(path) as journal:
        assert len(journal) in (count, count + 1)  # one may have been written, and not reported any more
        for number in range(len(journal)):
            assert journal.get({"number": number}) == {"text": "x" * 20_000, "number": number}
        journal.add(KEY, {"accuracy": 1.0})
        assert journal.get(KEY) == {"accuracy": 1.0}


@pytest.mark.parametrize("content", [b"Things to buy: milk\n" * 100, b"x", b'{"key":{},"result":{}}\n', b"\0" * 4096])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"trials\.sqlite is not a journal of results .*: move it away"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused(path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE results (name TEXT)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(UsageError, match="is not a journal of results"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_damaged_journal_is_said_to_be_one(path):
    with Journal(path) as journal:
        for number in range(50):
            journal.add({"number": number}, {"text": "x" * 2000})
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(len(content) - 100))
    with pytest.raises(UsageError, match="is not a journal of results"):
        Journal(path)


def test_no_file_can_be_made_there(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "trials.sqlite", tmp_path / "null\0.sqlite"):
        with pytest.raises(UsageError, match=r"is not a regular file|cannot be written"):
            Journal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a regular file"):
        Journal(tmp_path / "pipe")


def test_a_result_that_cannot_be_written_is_an_error_and_changes_nothing(path):
    with Journal(path) as journal:
        journal.add(KEY, {"accuracy": 1.0})
        journal._database.execute("PRAGMA max_page_count = 1")  # as if the disk were full
        with pytest.raises(OSError, match=r"trials\.sqlite: a result cannot be written: .*full"):
            journal.add({**KEY, "seed": 4}, {"text": "x" * 100_000})
    with Journal(path) as journal:
        assert journal.get(KEY) == {"accuracy": 1.0}
        assert len(journal) == 1
