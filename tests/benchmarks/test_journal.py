"""The journal: what was added is kept, a torn end is mended, results come back as they were, nothing else gets in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import UsageError
from benchmarks.training.journal import Journal, canonical

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


def test_a_file_of_nothing_but_zeros_is_none_of_ours(path):
    path.parent.mkdir()
    path.write_bytes(b"\0" * 40)
    with pytest.raises(UsageError, match="not the beginning of a result"):
        Journal(path)
    assert path.read_bytes() == b"\0" * 40


RICH = {
    "key": {
        "A": {},
        "a": [],
        "aa": [[1, -2.5e-07], {"x": [True, False, None]}],
        "text": 'q"\\\n\x00\x1f\x7fé\u2028😀\ud83d',
    },
    "result": {
        "": 0.1 + 0.2,
        "big": 10**30,
        "e": [1e16, 5e-324, -0.0],
        "nested": {"b": {"c": {"d": "}]{"}}},
        "z": "\\",
    },
}
"""A record with everything that the beginning of a line may end in."""


def test_whatever_a_line_is_torn_in_it_is_recognised(path):
    path.parent.mkdir()
    line = canonical(RICH).encode()
    for length in range(1, len(line) + 1):
        path.write_bytes(line[:length])
        with Journal(path) as journal:
            assert (journal.cut, len(journal)) == (length, 0)
        assert path.read_bytes() == b""


WHOLE = b'{"key":{"a":1},"result":{}}\n'


@pytest.mark.parametrize(
    "line",
    [
        b"gibberish",
        b"",
        b"[1, 2]",
        b"3",
        b"null",
        b'{"key":{}}',
        b'{"key":{},"result":',
        b'{"key": {}, "result": {}}',  # whoever wrote that, it was no journal
        b'{"result":{},"key":{}}',
        b'{"key":{},"more":1,"result":{}}',
        b'{"key":[],"result":{}}',
        b'{"key":{},"result":1}',
        b'{"key":{},"key":{"a":2},"result":{}}',
        b'{"key":{"a":1,"a":2},"result":{}}',
        b'{"key":{"b":1,"a":2},"result":{}}',
        b'{"key":{"a":NaN},"result":{}}',
        b'{"key":{},"result":{"a":Infinity}}',
        b'{"key":{},"result":{"a":1e999}}',
        b'{"key":{},"result":{"a":1.0e0}}',
        b'{"key":{"a":' + b"9" * 5000 + b'},"result":{}}',
        b'{"key":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b'},"result":{}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'\xef\xbb\xbf{"key":{},"result":{}}',
        b'{"key":{},"result":{}}\r',
        b' {"key":{},"result":{}}',
        '{"key":{"a":"é"},"result":{}}'.encode(),
        '{"key":{},"result":{}}'.encode("utf-16"),
        b"\x89PNG\r\x1a",
        b"\0\0\0",
    ],
    ids=lambda line: repr(line[:30]),
)
@pytest.mark.parametrize("before", [b"", WHOLE])
@pytest.mark.parametrize("after", [b"\n", b"\n" + WHOLE])
def test_a_line_that_is_no_result_is_refused_and_left_alone(path, before, line, after):
    path.parent.mkdir()
    content = before + line + after
    path.write_bytes(content)
    number = 2 if before else 1
    with pytest.raises(UsageError, match=f"line {number} is not a result; mend it, or move the file away") as caught:
        Journal(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "tail",
    [
        b"Things to buy: milk",
        b"- [ ] a list",
        b"x",
        b"{}",
        b"{'key': 1}",
        b'{"keys',
        b'{"name": "some other JSON"}',
        b'{"key": {"a"',  # a space that we do not write
        b'{"key":1',
        b'{"key":[',
        b'{"key":{1',
        b'{"key":{a',
        b'{"key":{"a"}',
        b'{"key":{"a",',
        b'{"key":{"a":]',
        b'{"key":{"a":01',
        b'{"key":{"a":+',
        b'{"key":{"a":.5',
        b'{"key":{"a":N',
        b'{"key":{"a":nil',
        b'{"key":{"a":truee',
        b'{"key":{"a":[1}',
        b'{"key":{"a":1 ',
        b'{"key":{"b":1,"a":2',
        b'{"key":{"a":1,"a":2',
        b'{"key":{"a":"\xc3',
        b'{"key":{"a":"\t',
        b'{"key":{"a":"\\x',
        b'{"key":{"a":"\\u00G',
        b'{"key":{"a":1},1',
        b'{"key":{"a":1},"results":',
        b'{"key":{"a":1},"other":{}',
        b'{"key":{"a":1},"result":[',
        b'{"key":{"a":1},"result":1',
        b'{"key":{},"result":{}} ',
        b'{"key":{},"result":{}}}',
        b'{"key":{},"result":{}}\r',
        b'{"key":{},"result":{},',
        b'{"key":{"a":' + b"[" * 100_000,
        b'{"key":{"a":"' + b'\\"' * 200_000 + b"\xff",
        b"\xef\xbb\xbf{",
        b"\x7fELF\x02\x01",
        b'{"key":{"a":\x000',
        b"x\0\0\0",
    ],
    ids=lambda tail: repr(tail[:30]),
)
@pytest.mark.parametrize("before", [b"", WHOLE])
def test_an_end_that_no_torn_line_has_is_refused_and_left_alone(path, before, tail):
    path.parent.mkdir()
    path.write_bytes(before + tail)
    with pytest.raises(UsageError, match="is not the beginning of a result") as caught:
        Journal(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before + tail


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_fifo").symlink_to(tmp_path / "fifo")
    for name in ("fifo", "folder", "to_fifo", "/dev/null", "/dev/zero"):
        with pytest.raises(UsageError, match="is not a regular file"):
            Journal(tmp_path / name)
    for name in ("null\0character", "x" * 300):
        with pytest.raises(UsageError, match="cannot be written"):
            Journal(tmp_path / name)


def test_a_file_that_may_not_be_written_is_refused(path, monkeypatch):
    path.parent.mkdir()
    path.write_bytes(WHOLE)

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")  # as root may write everything, it is not asked

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match="cannot be written: Permission denied"):
        Journal(path)


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
import os, signal, sys
from pathlib import Path
from benchmarks.training.journal import Journal

path = Path(sys.argv[1])
write = os.write

def killed_after(count):
    "A process that adds a result, is killed when `count` bytes of the next are written, and reports what it added."
    def torn(file, line):
        write(file, line[:count])
        os.kill(os.getpid(), signal.SIGKILL)

    reading, writing = os.pipe()
    if not (child := os.fork()):
        with Journal(path) as journal:
            for name in ("whole", "torn"):
                key = {"count": count, "name": name}
                if name == "torn":
                    os.write = torn
                journal.add(key, {"filling": "x" * 10_000})
                write(writing, name.encode())
    os.close(writing)
    with open(reading, "rb") as file:
        reported = file.read()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    return reported

for tries, count in enumerate((0, 1, 2, 7, 8, 20, 60, 61, 4095, 4096, 4097, 8192, 10_000, 10_050), 1):
    assert killed_after(count) == b"whole"
    assert path.stat().st_size == path.read_bytes().rfind(b"\\n") + 1 + count
    with Journal(path) as journal:  # nothing that was reported is lost, and the torn end is mended
        assert journal.cut == count, (journal.cut, count)
        assert len(journal) == tries
        assert journal.get({"count": count, "name": "whole"}) == {"filling": "x" * 10_000}
        assert journal.get({"count": count, "name": "torn"}) is None
    assert path.read_bytes().count(b"\\n") == tries and path.read_bytes().endswith(b"\\n")
print(tries)
"""


def test_killed_in_the_middle_of_a_write_it_keeps_what_was_reported(path):
    """As Linux may do it: it stops a write of more than a page between two pages if the process is to be killed."""
    told = subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert (told.stderr, told.stdout) == ("", "14\n")


FULL = """
import resource, sys
from benchmarks.training.journal import Journal

with Journal(sys.argv[1]) as journal:
    journal.add({"a": 1}, {"loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        journal.add({"a": 2}, {"filling": "x" * 20_000})
    except OSError as error:
        print(error)
    journal.add({"a": 3}, {"loss": 3.0})
"""


def test_a_write_that_the_system_cuts_short_leaves_nothing(path):
    told = subprocess.run([sys.executable, "-c", FULL, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert (told.stderr, told.stdout) == ("", f"{path}: no room for another result\n")
    with Journal(path) as journal:
        assert (list(journal), journal.cut) == ([{"a": 1}, {"a": 3}], 0)
