"""The reader of IDX files: every fault is found, and its message names the file."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets import idx
from datasets.idx import DataFileError

LABELS = b"\0\0\x08\x01" + b"\0\0\0\x05" + bytes([5, 0, 4, 1, 9])
MATRIX = b"\0\0\x0b\x02" + b"\0\0\0\x02\0\0\0\x03" + struct.pack(">6h", 1, -2, 3, 256, -32768, 32767)


def fault(path: Path, **wanted: object) -> str:
    """The message that reading the file ends in; it must be one line that begins with the file's name."""
    with pytest.raises(DataFileError) as caught:
        idx.read(path, **wanted)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def put(path: Path, contents: bytes) -> Path:
    path.write_bytes(contents)
    return path


def test_reads_bytes_written_by_hand(tmp_path: Path) -> None:
    labels = idx.read(put(tmp_path / "labels", LABELS))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [5, 0, 4, 1, 9]
    matrix = idx.read(put(tmp_path / "matrix.gz", gzip.compress(MATRIX)))
    assert matrix.dtype == np.dtype("int16")
    assert matrix.dtype.isnative
    assert matrix.tolist() == [[1, -2, 3], [256, -32768, 32767]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(7,), (2, 3), (3, 1, 2), (2, 1, 3, 2), (0, 28, 28), (0,)])
def test_every_type_and_shape(
    tmp_path: Path, to_idx: Callable[[np.ndarray], bytes], dtype: str, shape: tuple[int, ...], packed: bool
) -> None:
    array = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    contents = to_idx(array)
    path = put(tmp_path / ("a.gz" if packed else "a"), gzip.compress(contents) if packed else contents)
    got = idx.read(path, dtype=dtype, shape=(None, *shape[1:]), sha256=hashlib.sha256(contents).hexdigest())
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    assert got.shape == shape
    assert np.array_equal(got, array)
    assert not got.flags.writeable


@pytest.mark.parametrize("contents", [LABELS, MATRIX])
def test_cut_at_every_length(tmp_path: Path, contents: bytes) -> None:
    for length in range(len(contents)):
        message = fault(put(tmp_path / f"plain{length}", contents[:length]))
        assert "cut short" in message
        assert str(length) in message


def test_gzip_cut_at_every_length(tmp_path: Path) -> None:
    packed = gzip.compress(MATRIX)
    for length in range(len(packed)):
        message = fault(put(tmp_path / f"{length}.gz", packed[:length]))
        assert ("cut short" if length else "is not gzip data") in message


def test_a_cut_file_packed_again(tmp_path: Path) -> None:
    message = fault(put(tmp_path / "a.gz", gzip.compress(LABELS[:-1])))
    assert "cut short" in message
    assert "13 bytes in all, and there are 12" in message


@pytest.mark.parametrize("extra", [b"\0", b"more than that"])
def test_bytes_left_over(tmp_path: Path, extra: bytes) -> None:
    assert "left over at its end" in fault(put(tmp_path / "plain", LABELS + extra))
    assert "left over at its end" in fault(put(tmp_path / "inside.gz", gzip.compress(LABELS + extra)))
    message = fault(put(tmp_path / "after.gz", gzip.compress(LABELS) + extra))
    assert f"{len(extra)} bytes are left over after the gzip data" in message


def test_every_flipped_byte_in_gzip_data_is_noticed(tmp_path: Path) -> None:
    packed = gzip.compress(MATRIX, mtime=0)
    for position in range(len(packed)):
        damaged = bytearray(packed)
        damaged[position] ^= 0x55
        path = put(tmp_path / f"{position}.gz", bytes(damaged))
        if 4 <= position < 10:  # the time, the level and the system in gzip's header say nothing of the data
            assert idx.read(path)[1].tolist() == [256, -32768, 32767]
        else:
            fault(path)


@pytest.mark.parametrize("position", [0, 1])
def test_wrong_magic_number(tmp_path: Path, position: int) -> None:
    contents = bytearray(LABELS)
    contents[position] = 1
    assert "not an IDX file" in fault(put(tmp_path / "a", bytes(contents)))


def test_a_web_page_in_place_of_the_data(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><title>403 Forbidden</title>"
    assert "'<!DOCTYP'" in fault(put(tmp_path / "plain", page))
    message = fault(put(tmp_path / "packed.gz", page))
    assert "is not gzip data" in message
    assert "'<!DOCTYP'" in message


def test_unknown_element_types(tmp_path: Path) -> None:
    for code in set(range(256)) - {0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E}:
        contents = bytes([0, 0, code]) + LABELS[3:]
        assert f"element type {code:#04x}" in fault(put(tmp_path / f"{code}", contents))


def test_impossible_dimensions(tmp_path: Path) -> None:
    assert "no dimensions" in fault(put(tmp_path / "none", b"\0\0\x08\0"))
    many = b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"\x07"
    assert "beyond NumPy's arrays" in fault(put(tmp_path / "many", many))
    huge = b"\0\0\x08\x04" + b"\xff\xff\xff\xff" * 4
    assert "cut short" in fault(put(tmp_path / "huge", huge))
    empty = b"\0\0\x08\x04" + b"\0\0\0\0" + b"\xff\xff\xff\xff" * 3
    assert "beyond NumPy's arrays" in fault(put(tmp_path / "empty", empty))


def test_another_type_than_asked_for(tmp_path: Path) -> None:
    assert "holds int16 data, where uint8 belong" in fault(put(tmp_path / "a", MATRIX), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(None,), (None, 3, 1), (2, 4), (3, None), (None, 2)])
def test_another_shape_than_asked_for(tmp_path: Path, shape: tuple[int | None, ...]) -> None:
    message = fault(put(tmp_path / "a", MATRIX), shape=shape)
    assert "holds data of shape (2, 3), where shape (" in message


def test_the_shape_in_the_message(tmp_path: Path) -> None:
    message = fault(put(tmp_path / "a", LABELS), shape=(None, 28, 28))
    assert message.endswith("holds data of shape (5,), where shape (N, 28, 28) belongs")
    assert fault(put(tmp_path / "b", MATRIX), shape=(None,)).endswith("where shape (N,) belongs")


def test_digest(tmp_path: Path) -> None:
    right, wrong = hashlib.sha256(LABELS).hexdigest(), hashlib.sha256(b"").hexdigest()
    path = put(tmp_path / "a.gz", gzip.compress(LABELS))
    assert idx.read(path, sha256=right.upper()).tolist() == [5, 0, 4, 1, 9]
    message = fault(path, sha256=wrong)
    assert right in message
    assert wrong in message
    assert fault(path, sha256=wrong.upper()) == message


def test_a_known_file_under_another_name(tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    contents = (repository / "datasets" / "mnist" / "t10k-labels-idx1-ubyte.gz").read_bytes()
    path = put(tmp_path / "train-labels-idx1-ubyte.gz", contents)
    message = fault(path, sha256=idx.KNOWN["FashionMNIST"]["train-labels-idx1-ubyte"])
    assert message.endswith("is MNIST's t10k-labels-idx1-ubyte, not FashionMNIST's train-labels-idx1-ubyte")
    wanted = idx.KNOWN["FashionMNIST"]["train-labels-idx1-ubyte"].upper()
    assert fault(path, sha256=wanted) == message
    assert idx.read(path, sha256=idx.KNOWN["MNIST"]["t10k-labels-idx1-ubyte"].upper()).shape == (10_000,)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0,)])
def test_bytes_are_a_view_of_the_contents_and_wider_types_a_copy(shape: tuple[int, ...]) -> None:
    header = b"".join(n.to_bytes(4) for n in shape)
    count = int(np.prod(shape))
    contents = bytes([0, 0, 8, len(shape)]) + header + bytes(range(count))
    array = idx.parse(contents, "it")
    start = np.frombuffer(contents, np.uint8).ctypes.data
    assert array.ctypes.data == start + 4 + 4 * len(shape)  # the mini-batches of 60 000 images need no second 47 MB
    assert array.ravel().tolist() == list(range(count))
    wide = idx.parse(bytes([0, 0, 0x0B, len(shape)]) + header + bytes(2 * count), "it")
    assert wide.dtype.isnative
    assert not array.flags.writeable
    assert not wide.flags.writeable


def test_a_file_that_has_not_changed_is_the_same_array(tmp_path: Path) -> None:
    path = put(tmp_path / "a", LABELS)
    assert idx.read(path) is idx.read(path, shape=(None,), dtype=np.uint8)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing.gz: there is no such file"):
        idx.read(tmp_path / "missing.gz")
    (tmp_path / "folder").mkdir()
    assert "cannot be read (Is a directory)" in fault(tmp_path / "folder")
    put(tmp_path / "file", LABELS)
    assert "cannot be read (Not a directory)" in fault(tmp_path / "file" / "below")


def test_packed_but_not_named_so(tmp_path: Path) -> None:
    assert "does not end in .gz" in fault(put(tmp_path / "a", gzip.compress(LABELS)))
    assert "is not gzip data" in fault(put(tmp_path / "a.gz", LABELS))
    assert "is empty" in fault(put(tmp_path / "b.gz", b""))


def test_a_relative_path_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a", LABELS[:-1])
    with pytest.raises(DataFileError) as caught:
        idx.read("a")
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")


def test_an_unchanged_file_is_unpacked_once(tmp_path: Path) -> None:
    path = put(tmp_path / "a.gz", gzip.compress(LABELS))
    first = idx.read(path)
    assert idx.read(path, dtype=np.uint8, shape=(5,)) is first
    # Same length, other contents and another time: a changed file must not be answered from memory.
    put(path, gzip.compress(LABELS[:-1] + b"\7"))
    os.utime(path, ns=(0, 12345))
    assert idx.read(path).tolist() == [5, 0, 4, 1, 7]


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    path = put(tmp_path / "a", LABELS[:-1])
    fault(path)
    assert idx.read(put(path, LABELS)).tolist() == [5, 0, 4, 1, 9]
