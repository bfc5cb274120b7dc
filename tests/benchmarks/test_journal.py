"""The journal: lines are whole or not there, results come back as they were, and nothing else gets in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import UsageError
from benchmarks.journal import Journal, canonical

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "trials.jsonl"


def test_a_result_comes_back_bit_for_bit(path):
    result = {"losses": [0.1 + 0.2, 5e-324, None], "reached": 12, "name": "Å\n"}
    with Journal(path) as journal:
        given = journal.add({"b": 1, "a": [1.5]}, result)
        assert given == result
    with Journal(path) as journal:
        assert len(journal) == 1
        assert journal.get({"a": [1.5], "b": 1}) == result  # the order of names does not matter
        assert journal.get({"a": [1.5], "b": 2}) is None
        assert list(journal) == [{"a": [1.5], "b": 1}]


def test_what_is_added_later_replaces_what_was_before(path):
    with Journal(path) as journal:
        journal.add({"a": 1}, {"failed": "ValueError"})
        journal.add({"a": 1}, {"loss": 2.0})
        assert journal.get({"a": 1}) == {"loss": 2.0}
    with Journal(path) as journal:
        assert journal.get({"a": 1}) == {"loss": 2.0}


def test_a_line_torn_anywhere_is_cut_away(path):
    with Journal(path) as journal:
        journal.add({"a": 1}, {"loss": 1.0})
        first = path.stat().st_size
        journal.add({"a": 2}, {"loss": 2.0})
    whole = path.read_bytes()
    for length in range(first + 1, len(whole)):
        path.write_bytes(whole[:length])
        with Journal(path) as journal:
            assert journal.cut == length - first
            assert (journal.get({"a": 1}), journal.get({"a": 2})) == ({"loss": 1.0}, None)
            assert path.stat().st_size == first
            journal.add({"a": 2}, {"loss": 2.0})
        assert path.read_bytes() == whole
    for length in range(first):
        path.write_bytes(whole[:length])
        with Journal(path) as journal:
            assert (len(journal), journal.cut, path.stat().st_size) == (0, length, 0)


def test_a_torn_line_of_nothing_but_zeros_is_cut_away(path):
    """What a file system may leave after a power failure: the length is there, the content is not."""
    with Journal(path) as journal:
        journal.add({"a": 1}, {"loss": 1.0})
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 40)
    with Journal(path) as journal:
        assert (len(journal), journal.cut) == (1, 40)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["gibberish", "[1, 2]", '{"key": {}}', '{"key": {}, "result": '])
def test_a_bad_line_in_the_middle_is_not_overlooked(path, line):
    path.parent.mkdir()
    content = f'{{"key":{{"a":1}},"result":{{}}}}\n{line}\n{{"key":{{"a":2}},"result":{{}}}}\n'
    path.write_text(content)
    with pytest.raises(UsageError, match="line 2 is not a result"):
        Journal(path)
    assert path.read_text() == content


def test_numbers_that_json_has_not_are_refused(path):
    with Journal(path) as journal:
        with pytest.raises(ValueError, match="JSON"):
            journal.add({"a": 1}, {"loss": float("nan")})
        assert len(journal) == 0
    assert path.read_bytes() == b""


def test_a_write_that_falls_short_leaves_nothing(path, monkeypatch):
    write = os.write
    with Journal(path) as journal:
        journal.add({"a": 1}, {"loss": 1.0})
        whole = path.read_bytes()
        monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:10]))  # the disk is full
        with pytest.raises(OSError, match="no room"):
            journal.add({"a": 2}, {"loss": 2.0})
        assert path.read_bytes() == whole
        assert journal.get({"a": 2}) is None


def test_a_line_is_one_write_and_on_the_disk_before_it_counts(path, monkeypatch):
    done = []
    write, sync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda file, line: done.append(("write", line)) or write(file, line))
    monkeypatch.setattr(os, "fsync", lambda file: done.append(("sync", None)) or sync(file))
    with Journal(path) as journal:
        journal.add({"a": 1}, {"loss": 1.0})
    assert [what for what, _ in done] == ["write", "sync"]
    assert done[0][1] == b'{"key":{"a":1},"result":{"loss":1.0}}\n'


def test_only_one_process_has_it_open(path):
    with Journal(path), pytest.raises(UsageError, match="another run is writing"):
        Journal(path)
    with Journal(path):
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        Journal(tmp_path / "file" / "trials.jsonl")


def test_canonical_json_is_one_and_the_same():
    assert canonical({"b": [1, 2.5], "a": None}) == '{"a":null,"b":[1,2.5]}' == canonical({"a": None, "b": (1, 2.5)})


WRITER = """
import sys
from benchmarks.journal import Journal
with Journal(sys.argv[1]) as journal:
    for i in range(len(journal), 10**9):
        journal.add({"i": i}, {"filling": "x" * 3000})
"""


def test_killed_at_random_moments_it_has_whole_lines(path):
    for pause in (0.02, 0.05, 0.03):
        before = path.stat().st_size if path.exists() else 0
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT)
        until = time.monotonic() + 20
        while not (path.exists() and path.stat().st_size > before) and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        lines = path.read_bytes().splitlines(keepends=True)
        assert [json.loads(line)["key"]["i"] for line in lines] == list(range(len(lines)))
        assert all(line.endswith(b"\n") for line in lines)
    with Journal(path) as journal:
        assert len(journal) == len(lines)
        assert journal.cut == 0
