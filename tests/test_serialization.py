"""Checkpoints: what comes back is what was saved, or an error that names the file."""

from __future__ import annotations

import builtins
import hashlib
import io
import itertools
import json
import os
import pickle
import stat
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import CheckpointError, nn


def equal(a: Any, b: Any) -> bool:
    """The same values in the same kinds of containers, bit for bit, and not a number equals itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, mg.Tensor):
        return equal(a.data, b.data)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and [type(k) for k in a] == [type(k) for k in b] and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    return bool(a == b)


def round_trip(obj: Any, folder: Path) -> Any:
    mg.save(obj, folder / "it.npz")
    return mg.load(folder / "it.npz")


# --- There and back ------------------------------------------------------------------------------------

OBJECTS: dict[str, Any] = {
    "nothing": None,
    "booleans": [True, False],
    "integers": [0, -1, 2**40, -(2**200), 7],
    "floats": [0.1, -0.0, 1e-320, 1.7976931348623157e308, 2.0],
    "not finite": [float("nan"), float("inf"), -float("inf")],
    "strings": ["", "a", "Grüße, 世界", 'quotes " and \\ and \n', "\x00", "structure", "0"],
    "empty containers": [[], (), {}, [()], {"a": {}}],
    "tuples and lists": ([1, (2, [3, ()])], (4,), [[5]]),
    "integer keys": {0: "a", 1: "b", -5: "c", 2**70: "d"},
    "both 1 and '1'": {1: "integer", "1": "string", "": "empty"},
    "the order of keys": {"z": 1, "a": 2, "m": 3, 0: 4},
    "deep": {"a": [{"b": ({"c": [None, {"d": (1.5,)}]},)}]},
    "nested arrays": {"x": [np.arange(3.0), (np.arange(2), {"y": mg.tensor([1.0, 2.0])})]},
    "many arrays": [np.full(2, i) for i in range(25)],
}


@pytest.mark.parametrize("name", OBJECTS)
def test_nested_structures(name: str, tmp_path: Path) -> None:
    assert equal(round_trip(OBJECTS[name], tmp_path), OBJECTS[name])


def test_the_comparison_here_can_tell_things_apart() -> None:
    for a, b in ((1, 1.0), (1, True), ([1], (1,)), ({1: 2}, {"1": 2}), ({1: 2, 3: 4}, {3: 4, 1: 2}), (0.0, -0.0)):
        assert not equal(a, b)
        assert equal(a, a)
        assert equal(b, b)
    x = np.arange(3.0)
    for y in (x.astype(np.float32), x + 1e-16 + 1e-15, x[:, None], mg.tensor(x)):
        assert not equal(x, y)


ARRAYS = {
    **{dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in ("int8", "int64", "uint16", "uint64", "bool")},
    **{dtype: np.linspace(-1, 1, 6).astype(dtype) for dtype in ("float16", "float32", "float64", "complex64")},
    "big endian": np.arange(4, dtype=">f4"),
    "a number": np.array(2.5),
    "a float32 number": np.array(2.5, dtype=np.float32),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "not finite": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(20.0)[::3],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "strings": np.array(["a", "bcd"]),
    "empty and strided": np.zeros((4, 0, 2))[::2],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_and_tensors(name: str, tmp_path: Path) -> None:
    array = ARRAYS[name]
    numbers = array if array.dtype.kind in "biuf" else np.zeros(2)  # a tensor holds numbers, an array may hold others
    back = round_trip({"array": array, "tensor": mg.Tensor(numbers)}, tmp_path)
    assert equal(back, {"array": np.array(array), "tensor": mg.Tensor(np.array(numbers))})
    assert type(back["array"]) is np.ndarray
    assert back["array"].ndim == array.ndim
    assert type(back["tensor"]) is mg.Tensor
    assert not back["tensor"].requires_grad


@pytest.mark.parametrize(
    "array",
    [
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.array([b"ab", b""]),
        np.zeros(2, dtype="V5"),
        np.array([(1, [2.0, 3.0])], dtype=[("a", "i1"), ("b", ">f8", (2,))]),
        np.zeros((2, 1), dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros(3, dtype=[("a\\'b", "i4")])[::2],
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")])[["b"]],
    ],
    ids=str,
)
def test_arrays_of_other_things(array: np.ndarray, tmp_path: Path) -> None:
    back = round_trip([array], tmp_path)[0]
    assert (back.dtype, back.shape, str(back.tolist())) == (array.dtype, array.shape, str(array.tolist()))


def test_a_large_array_comes_back(tmp_path: Path) -> None:
    array = np.arange(3 * 2**20 + 7, dtype=np.uint8).reshape(-1, 1)  # more than is read at a time
    assert equal(round_trip(array, tmp_path), array)


def test_loaded_arrays_can_be_changed(tmp_path: Path) -> None:
    back = round_trip({"a": np.zeros(3), "t": mg.zeros(3)}, tmp_path)
    back["a"][0] = 1.0
    back["t"].data[0] = 1.0
    assert back["a"][0] == back["t"].data[0] == 1.0


def test_parameters_come_back_as_tensors(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    back = round_trip(dict(layer.named_parameters()), tmp_path)
    assert {name: type(value) for name, value in back.items()} == {"weight": mg.Tensor, "bias": mg.Tensor}
    assert equal(back["weight"].data, layer.weight.data)


def test_numpys_numbers_come_back_as_pythons(tmp_path: Path) -> None:
    back = round_trip([np.float32(0.5), np.int64(3), np.bool_(True), np.float64(0.1), np.str_("s")], tmp_path)
    assert equal(back, [0.5, 3, True, 0.1, "s"])


def test_a_model_comes_back(tmp_path: Path) -> None:
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    mg.save(model.state_dict(), tmp_path / "model.npz")
    other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = mg.rand(5, 3)
    assert not equal(other(x).data, model(x).data)
    other.load_state_dict(mg.load(tmp_path / "model.npz"))
    assert equal(other(x).data, model(x).data)


@pytest.mark.parametrize("name", ["model", "model.pt", "a b.npz", "ünïcode.npz", ".hidden"])
def test_the_file_has_the_name_that_was_asked_for(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / name, str(tmp_path / name)):
        mg.save({"x": 1}, path)
        assert [p.name for p in tmp_path.iterdir()] == [name]
        assert mg.load(path) == {"x": 1}


def test_a_name_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mg.save([1], "here")
    assert mg.load("here") == [1]


def test_saving_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "it"
    mg.save(np.arange(10000.0), path)
    mg.save("short", path)
    assert mg.load(path) == "short"
    assert [p.name for p in tmp_path.iterdir()] == ["it"]


def test_a_checkpoint_is_a_plain_numpy_archive(tmp_path: Path) -> None:
    # So that it can be read without minigrad: the structure is JSON, the arrays are NumPy's.
    mg.save({"x": np.arange(3)}, tmp_path / "it.npz")
    with np.load(tmp_path / "it.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["0", "structure"]
        assert archive["0"].tolist() == [0, 1, 2]
        json.loads(archive["structure"].tobytes())


@pytest.mark.skipif(os.name == "nt", reason="permissions are another matter there")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_file_is_as_readable_as_any_other(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        mg.save(1, tmp_path / "it")
        (tmp_path / "other").write_text("")
        assert os.umask(umask) == umask  # and saving leaves the umask as it is
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "it").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


# --- What cannot be saved ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({1, 2}, "the object is a set, which cannot be saved"),
        ({"a": [1, 2j]}, r"the object\['a'\]\[1\] is a complex, which cannot be saved"),
        ({"lr": abs}, r"the object\['lr'\] is a builtin_function_or_method"),
        ([b"bytes"], r"the object\[0\] is a bytes"),
        ({"m": {3: nn.ReLU()}}, r"the object\['m'\]\[3\] is a ReLU"),
        ({"x": {1.5: 0}}, r"the object\['x'\] has the key 1.5, which is neither a string nor an integer"),
        ({True: 0}, "the object has the key True, which is neither"),
        ({None: 0}, "the object has the key None, which is neither"),
        ({(1, 2): 0}, r"the object has the key \(1, 2\), which is neither"),
        ([np.array([None, 1])], r"the object\[0\] is an array of Python objects"),
        ([np.array([(None, 1)], dtype=[("a", object), ("b", int)])], r"the object\[0\] is an array of Python objects"),
    ],
)
def test_what_cannot_be_saved(obj: Any, message: str, tmp_path: Path) -> None:
    mg.save("old", tmp_path / "it")
    with pytest.raises(TypeError, match="save: " + message):
        mg.save(obj, tmp_path / "it")
    assert [p.name for p in tmp_path.iterdir()] == ["it"]
    assert mg.load(tmp_path / "it") == "old"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        mg.save(1, tmp_path / "missing" / "it")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        mg.save(1, tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    with pytest.raises((OSError, CheckpointError), match="folder"):
        mg.load(tmp_path / "folder")


def holding_itself() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["a"] = [1, (inner,)]
    return inner


def nested(depth: int, kind: Any) -> Any:
    obj: Any = 1
    for _ in range(depth):
        obj = kind(obj)
    return obj


KINDS = {"list": lambda x: [x], "tuple": lambda x: (x,), "dict": lambda x: {"key": x}, "integer key": lambda x: {5: x}}


def test_what_holds_itself_is_refused(tmp_path: Path) -> None:
    alone: list[Any] = []
    alone.append(alone)
    inner = holding_itself()
    for obj, where in (
        (alone, r"the object\[0\] is a list"),
        ({"x": alone}, r"the object\['x'\]\[0\] is a list"),
        (inner, r"the object\['a'\]\[1\]\[0\] is a dict"),
        ([0, inner["a"]], r"the object\[1\]\[1\]\[0\]\['a'\] is a list"),
    ):
        with pytest.raises(ValueError, match=f"^save: {where} that holds itself$"):
            mg.save(obj, tmp_path / "it")
    assert list(tmp_path.iterdir()) == []
    twice = [1]
    assert round_trip([twice, twice, {"a": twice}], tmp_path) == [[1], [1], {"a": [1]}]  # but that is none


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_nested_as_deeply_as_allowed_comes_back(kind: str, tmp_path: Path) -> None:
    depth = mg.serialization.MAX_DEPTH
    assert equal(round_trip(nested(depth, KINDS[kind]), tmp_path), nested(depth, KINDS[kind]))
    for deeper in (depth + 1, 5000):
        with pytest.raises(ValueError, match=r"^save: the object.*\.\.\. is nested more than 100 deep$") as caught:
            mg.save(nested(deeper, KINDS[kind]), tmp_path / "other")
        assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        ([10**5000], ValueError, r"the object\[0\] is an integer of 16610 bits"),
        ({-(10**5000): 1}, ValueError, "the object has a key of 16610 bits"),
        ([np.ma.masked_array([1, 2], [True, False])], TypeError, r"the object\[0\] is a masked array"),
        ([np.zeros(3, dtype="V0")], TypeError, r"the object\[0\] is an array whose dtype cannot be saved: "),
        ([np.zeros(3, {"names": "ab", "formats": ["i4", "i4"], "offsets": [0, 2]})], TypeError, "cannot be saved: "),
        ([np.zeros(3, {"names": "ab", "formats": ["i4", "i4"], "offsets": [4, 0]})], TypeError, "cannot be saved: "),
        ([np.zeros(1, [(f"{i:0>1000}", int) for i in range(64)])], TypeError, "whose dtype cannot be saved: "),
    ],
)
def test_what_could_not_be_loaded_cannot_be_saved(obj: Any, error: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=f"^save: .*{message}"):
        mg.save(obj, tmp_path / "it")
    assert list(tmp_path.iterdir()) == []


def test_large_integers_come_back(tmp_path: Path) -> None:
    assert round_trip({2**13_999: -(2**13_999)}, tmp_path) == {2**13_999: -(2**13_999)}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_and_a_device(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(OSError, match=f"cannot take the place of a pipe or a device: '{path}'"):
            mg.save(1, path)
        assert "is cut short, damaged" in refused(path)  # and nobody waits for someone to write
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    (tmp_path / "link").symlink_to(tmp_path)
    assert "directory" in refused(tmp_path / "link").lower()


# --- Interruptions -------------------------------------------------------------------------------------


class Interruption(BaseException):
    """Not an Exception, as a KeyboardInterrupt is none."""


def half_a_savez(file: Any, **arrays: Any) -> None:
    file.write(b"PK\x03\x04 half a file")
    raise Interruption


def interrupted(*args: Any, **options: Any) -> None:
    raise Interruption


@pytest.mark.parametrize(
    ("owner", "name", "how"),
    [(np, "savez", half_a_savez), (os, "fsync", interrupted), (os, "chmod", interrupted), (os, "replace", interrupted)],
)
@pytest.mark.parametrize("old", [True, False])
def test_an_interrupted_save_leaves_the_old_file(
    owner: Any, name: str, how: Callable[..., None], old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.npz"
    if old:
        mg.save({"weights": np.arange(5.0)}, path)
    before = path.read_bytes() if old else None
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, how)
        with pytest.raises(Interruption):
            mg.save({"weights": np.zeros(5)}, path)
    assert [p.name for p in tmp_path.iterdir()] == (["it.npz"] if old else [])  # and nothing half done beside it
    if old:
        assert path.read_bytes() == before
    mg.save({"weights": np.ones(5)}, path)
    assert mg.load(path)["weights"].tolist() == [1.0] * 5


def test_the_new_file_is_whole_before_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.npz"
    mg.save("old", path)
    seen = []
    replace, fsync = os.replace, os.fsync

    def look(source: Any, target: Any) -> None:
        assert Path(target) == path
        assert Path(source).parent == path.parent
        seen.append((mg.load(source), mg.load(target)))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("on the disk"), fsync(handle))[1])
    mg.save("new", path)
    assert seen == ["on the disk", ("new", "old")]
    assert mg.load(path) == "new"


# --- Damage --------------------------------------------------------------------------------------------

SMALL: Any = {"w": [mg.tensor([1.0, -2.0])], "t": (7, None)}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("small") / "it.npz"
    mg.save(SMALL, path)
    return path.read_bytes()


def refused(path: Path) -> str:
    """Loading must say that this is no (whole) checkpoint, and name the file; nothing else may happen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as error:
            mg.load(path)
    assert str(path) in str(error.value)
    assert "damaged" in str(error.value) or "not a checkpoint" in str(error.value)
    return str(error.value)


def test_cut_at_every_length(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    for length in range(len(small)):
        path.write_bytes(small[:length])
        refused(path)
    path.write_bytes(small)
    assert equal(mg.load(path), SMALL)


def test_cut_at_the_front(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    for start in (1, 2, 3, 4, 10, 100, len(small) // 2, len(small) - 1):
        path.write_bytes(small[start:])
        refused(path)


@pytest.mark.parametrize("mask", [0x01, 0x08, 0xFF])
def test_a_damaged_byte_anywhere_is_told_or_does_no_harm(mask: int, small: bytes, tmp_path: Path) -> None:
    # Some bytes mean nothing here (times, permissions): then what comes back is what was saved.
    path = tmp_path / "damaged.npz"
    harmless = 0
    for i in range(len(small)):
        path.write_bytes(small[:i] + bytes([small[i] ^ mask]) + small[i + 1 :])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                back = mg.load(path)
        except CheckpointError as error:
            told = str(error)
            assert str(path) in told
        else:
            harmless += 1
            assert equal(back, SMALL), f"byte {i}"
    assert harmless < len(small) / 2


def test_bytes_overwritten_with_zeros(small: bytes, tmp_path: Path) -> None:
    # As a disk may leave a file after a crash: all of its length, and nothing in a part of it.
    path = tmp_path / "damaged.npz"
    for start in range(0, len(small), 64):
        damaged = small[:start] + bytes(len(small[start : start + 64])) + small[start + 64 :]
        path.write_bytes(damaged)
        if damaged != small:
            refused(path)


def test_bytes_that_were_swapped_for_another_array(small: bytes, tmp_path: Path) -> None:
    # A whole archive in which an array is missing.
    path = tmp_path / "less.npz"
    with zipfile.ZipFile(io.BytesIO(small)) as archive, zipfile.ZipFile(path, "w") as less:
        for name in archive.namelist():
            if name != "0.npy":
                less.writestr(name, archive.read(name))
    refused(path)


def npz(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def structure(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "3",
        "[]",
        '["value"]',
        '["value", 1, 2]',
        '["unknown", 1]',
        '["array", 0]',
        '["array", 1e400]',
        '["tensor", null]',
        '["dict", [[1]]]',
        '["dict", [[[], ["value", 1]]]]',
        '["dict", 3]',
        '["list", 3]',
        '["list", [1]]',
        '["tuple", {"a": 1}]',
        '["array", "structure"]]',
        "\x00\x01",
    ],
)
def test_a_structure_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    npz(path, structure=structure(text))
    refused(path)


def test_a_structure_nested_too_deeply(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    npz(path, structure=structure('["list", [' * 100_000 + "]]" * 100_000))
    refused(path)


# --- Files that were made to do harm -------------------------------------------------------------------


def forge(path: Path, content: Any, entries: dict[str, bytes], arrays: Any = None, compress: bool = False) -> None:
    """A checkpoint with this JSON (text, or what becomes it), and these bytes as entries: all checksums are right.

    With `arrays` it is of the present format, and these are what it says of its arrays; else of the first.
    """
    text = content if isinstance(content, str) else json.dumps(content)
    if arrays is not None:
        rest = f'"arrays": {json.dumps(arrays)}, "object": {text}}}'
        text = f'{{"format": 2, "sha256": "{hashlib.sha256(rest.encode()).hexdigest()}", ' + rest
    packed = io.BytesIO()
    np.save(packed, structure(text))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, data in {"structure.npy": packed.getvalue(), **entries}.items():
            archive.writestr(name, data)


def npy(array: Any) -> bytes:
    packed = io.BytesIO()
    np.save(packed, np.asarray(array))
    return packed.getvalue()


def headed(header: str | bytes, data: bytes = bytes(8), version: bytes = b"\x01\x00") -> bytes:
    """The bytes of an array with this header."""
    text = header.encode() if isinstance(header, str) else header
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + text + data


def described(array: np.ndarray) -> list[Any]:
    data = np.ascontiguousarray(array).tobytes()
    return [array.dtype.str, list(array.shape), hashlib.sha256(data).hexdigest()]


ONE: list[Any] = ["array", 0]


@pytest.mark.parametrize("present", [False, True])
def test_a_forged_file_that_is_right(present: bool, tmp_path: Path) -> None:
    # So that what is refused below is refused for its fault.
    a = np.arange(3.0)
    for content, entries, right in (
        (ONE, {"0.npy": npy(a)}, a),
        (["list", [ONE, ["tensor", 1]]], {"1.npy": npy(a), "0.npy": npy(a)}, [a, mg.Tensor(a)]),
        (ONE, {"0.npy": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", a.tobytes())}, a),
        (ONE, {"0.npy": headed("{'descr':'<f8','shape':(3,),'fortran_order':True}\n", a.tobytes(), b"\x02\x00")}, a),
    ):
        forge(tmp_path / "it", content, entries, [described(a)] * len(entries) if present else None)
        assert equal(mg.load(tmp_path / "it"), right)


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"

HEADERS: dict[str, bytes] = {
    "nothing": b"",
    "no magic": b"NUMPY" + npy(1.0),
    "the magic only": b"\x93NUMPY",
    "an unknown version": headed(GOOD, version=b"\x04\x00"),
    "cut in the length": b"\x93NUMPY\x01\x00\x76",
    "cut in the header": headed(GOOD)[:30],
    "a length beyond the entry": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + GOOD.encode(),
    "a long header": headed(GOOD + " " * 2**17, version=b"\x02\x00"),
    "zeros": headed(bytes(118)),
    "not ASCII": headed(b"\xff\xfe" * 59),
    "not UTF-8": headed(b"\xff\xfe" * 59, version=b"\x03\x00"),
    "an open bracket": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (1,"),
    "an open string": headed("{'descr': " + "'" * 3 + "<f8"),
    "a wrong indentation": headed("  1\n 2\n"),
    "a continued line": headed(GOOD + "\\"),
    "an invalid escape": headed(GOOD.replace("<f8", "\\d")),
    "a number and a word": headed(GOOD.replace("(1,)", "(1if 1else 2,)")),
    "integers of Python 2": headed(GOOD.replace("(1,)", "(1L,)")),
    "code": headed(GOOD.replace("(1,)", "(print(1),)")),
    "a name": headed(GOOD.replace("(1,)", "shape")),
    "many brackets": headed("(" * 60_000),
    "many brackets that are closed": headed("[" * 190 + "]" * 190),
    "many lists": headed(GOOD.replace("'<f8'", "[" * 5000 + "]" * 5000)),
    "many lists that are no dtype": headed(GOOD.replace("'<f8'", "[" * 150 + "]" * 150)),
    "many signs": headed("-" * 60_000 + "1"),
    "many sums": headed("1" + "+1" * 30_000),
    "a long integer": headed(GOOD.replace("(1,)", "(" + "1" * 60_000 + ",)")),
    "a list": headed("[1, 2]"),
    "a number": headed("3"),
    "None": headed("None"),
    "no shape": headed("{'descr': '<f8', 'fortran_order': False}"),
    "something more": headed(GOOD[:-1] + ", 'more': 1}"),
    "a shape that is a list": headed(GOOD.replace("(1,)", "[1]")),
    "a shape that is a number": headed(GOOD.replace("(1,)", "1")),
    "a shape of strings": headed(GOOD.replace("(1,)", "('1',)")),
    "a shape of floats": headed(GOOD.replace("(1,)", "(1.0,)")),
    "a shape of truths": headed(GOOD.replace("(1,)", "(True,)")),
    "a negative shape": headed(GOOD.replace("(1,)", "(-1, -1)")),
    "a long shape": headed(GOOD.replace("(1,)", "(" + "1," * 100 + ")")),
    "an enormous shape": headed(GOOD.replace("(1,)", "(10000000000000000,)")),
    "an enormous shape of nothing": headed(GOOD.replace("(1,)", "(0, 10000000000000000000000)"), b""),
    "enormous shapes of nothing": headed(GOOD.replace("(1,)", "(0, 4611686018427387904, 4611686018427387904)"), b""),
    "an enormous shape of empty strings": headed(GOOD.replace("<f8", "|S0").replace("(1,)", "(10**15,)")),
    "many empty strings": headed(GOOD.replace("<f8", "|S0").replace("(1,)", "(1000000000000000,)"), b""),
    "much of nothing": headed(GOOD.replace("<f8", "|V0").replace("(1,)", "(1000000000000000,)"), b""),
    "records of nothing": headed(GOOD.replace("'<f8'", "[]").replace("(1,)", "(1000000000000000,)"), b""),
    "an enormous string": headed(GOOD.replace("<f8", "<U500000000")),
    "an enormous subarray": headed(GOOD.replace("'<f8'", "('<f8', (100000, 100000))")),
    "a subarray": headed(GOOD.replace("'<f8'", "('<f4', (2,))")),
    "less than there is": headed(GOOD, bytes(16)),
    "more than there is": headed(GOOD, bytes(4)),
    "objects": headed(GOOD.replace("<f8", "|O")),
    "objects in records": headed(GOOD.replace("'<f8'", "[('a', '|O')]")),
    "an unknown dtype": headed(GOOD.replace("<f8", "<q9")),
    "a dtype that is a number": headed(GOOD.replace("'<f8'", "8")),
    "a dtype that is None": headed(GOOD.replace("'<f8'", "None")),
    "an order that is a number": headed(GOOD.replace("False", "0")),
    "a pickle": pickle.dumps(3),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("present", [False, True])
def test_headers_that_are_none(name: str, present: bool, tmp_path: Path) -> None:
    data = HEADERS[name]
    path = tmp_path / "it.npz"
    forge(path, ONE, {"0.npy": data}, [described(np.zeros(1))] if present else None)
    message = refused(path)
    assert len(message) < 300 + len(str(path))
    assert "\n" not in message
    forge(path, ["list", []], {"structure.npy": data})
    refused(path)


def test_an_array_twice(tmp_path: Path) -> None:
    # A small file that asks for as much memory as one likes.
    path, big = tmp_path / "it.npz", np.zeros(10**6)
    for content in (["list", [ONE] * 2], ["list", [ONE] * 100_000], ["list", [ONE, ["tensor", 0]]]):
        forge(path, content, {"0.npy": npy(big)})
        assert "one after the other" in refused(path)
        forge(path, content, {"0.npy": npy(big)}, [described(big)])
        assert "one after the other" in refused(path)


def test_compressed_entries(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    forge(path, ONE, {"0.npy": npy(np.zeros(10**7))}, compress=True)
    assert path.stat().st_size < 10**6
    assert "compressed" in refused(path)
    with path.open("wb") as file:
        np.savez_compressed(file, structure=structure('["value", 1]'))
    assert "compressed" in refused(path)


def test_entries_that_lie_over_one_another(tmp_path: Path) -> None:
    # The list of entries names the same bytes many times, under lengths that are right.
    path = tmp_path / "it.npz"
    forge(path, ["list", [["array", i] for i in range(300)]], {"0.npy": npy(np.zeros(10**5))})
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("0.npy")
        for i in range(1, 300):
            again = zipfile.ZipInfo(f"{i}.npy")
            for about in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(again, about, getattr(first, about))
            archive.filelist.append(again)
        archive._didModify = True
    assert "longer than the file" in refused(path)


def test_a_structure_that_is_no_row_of_bytes(tmp_path: Path) -> None:
    right = structure('["value", 1]')
    for wrong in (right[None], right.astype(np.int64), right.view(np.int8), right.view("S1"), np.array('["value", 1]')):
        forge(tmp_path / "it", "", {"structure.npy": npy(wrong)})
        refused(tmp_path / "it")
    forge(tmp_path / "it", "", {"structure.npy": npy(right)})
    assert mg.load(tmp_path / "it") == 1


@pytest.mark.parametrize(
    "content",
    [
        '["dict", [[1.5, ["value", 1]]]]',
        '["dict", [[true, ["value", 1]]]]',
        '["dict", [[null, ["value", 1]]]]',
        '["dict", [[NaN, ["value", 1]]]]',
        '["dict", [["a", ["value", 1]], ["a", ["value", 2]]]]',
        '["dict", {"a": ["value", 1]}]',
        '["dict", "ab"]',
        '["list", "ab"]',
        '["list", {"a": 1}]',
        '["value", []]',
        '["value", {"a": [1]}]',
        '["value", ' + "1" * 5000 + "]",
        '["list", [["array", true]]]',
        '["list", [["array", 0.0]]]',
        '["list", [["array", NaN]]]',
        '["list", [["array", -1]]]',
        '["list", [["array", "0"]]]',
        '["list", [["array", [0]]]]',
        '["list", [["array", 1], ["array", 0]]]',
        '[["list"], []]',
        "[null, 1]",
        '{"value": 1}',
        '"value"',
        '\ufeff["value", 1]',
        '["dict", [' + ", ".join(f'[{i * (2**61 - 1)}, ["value", 1]]' for i in range(30_000)) + "]]",
        '{"a":' * 50_000,
    ],
    ids=range(26),
)
@pytest.mark.parametrize("present", [False, True])
def test_structures_that_save_would_not_write(content: str, present: bool, tmp_path: Path) -> None:
    a, path = np.zeros(2), tmp_path / "it.npz"
    text = content.encode("utf-8").decode("latin-1") if "\ufeff" in content else content
    for entries in ({}, {"0.npy": npy(a)}, {"0.npy": npy(a), "1.npy": npy(a)}):
        if content.startswith('["list", [["array", 1]') and len(entries) < 2:
            continue
        forge(path, text, entries, [described(a)] * len(entries) if present else None)
        refused(path)


def test_what_is_said_of_the_arrays_must_be_true(tmp_path: Path) -> None:
    a, path = np.arange(6.0), tmp_path / "it.npz"
    right = described(a)
    wrong: list[Any] = [[], [right] * 2, [right[:2]], [None], 3, None, {"0": right}, [[*right, 1]]]
    wrong += [[[">f8", *right[1:]]], [["<f8", [2, 3], right[2]]], [["<f8", [6.5], right[2]]], [["<f8", [6], "0" * 64]]]
    for arrays in wrong:
        forge(path, ONE, {"0.npy": npy(a)}, arrays if arrays is not None else 0)
        refused(path)
    forge(path, ONE, {"0.npy": npy(a)}, [right])
    assert equal(mg.load(path), a)


def test_more_and_less_than_the_structure_names(tmp_path: Path) -> None:
    a, path = np.arange(2.0), tmp_path / "it.npz"
    for present in (None, [described(a)]):
        for more in (
            {"1.npy": npy(a)},
            {"readme.txt": b"hello"},
            {"0": npy(a)},
            {"folder/": b""},
            {"../0.npy": npy(a)},
        ):
            forge(path, ONE, {"0.npy": npy(a), **more}, present)
            assert "does not use" in refused(path)
        for less in ({}, {"1.npy": npy(a)}, {"0": npy(a)}, {"00.npy": npy(a)}):
            forge(path, ONE, less, present)
            refused(path)
    forge(path, ONE, {"0.npy": npy(a)})
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("0.npy", npy(a + 1))
    assert "two entries of one name" in refused(path)


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_swapped_and_altered_entries_are_told(tmp_path: Path) -> None:
    # The checksums of the archive are right in all of these: whoever repacked it computed them anew.
    path = tmp_path / "it.npz"

    def layers(seed: int) -> dict[str, bytes]:
        mg.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
        mg.save({"model": model.state_dict(), "lr": 0.1 * seed}, path)
        return entries_of(path)

    one, other = layers(1), layers(2)
    pack(path, one)
    assert mg.load(path)["lr"] == 0.1
    for a, b in itertools.combinations(one, 2):  # two entries of one file
        pack(path, {**one, a: one[b], b: one[a]})
        refused(path)
    for name in one:  # an entry of another file
        pack(path, {**one, name: other[name]})
        refused(path)
    for name, data in one.items():  # a byte of the values, and one byte less
        for altered in (data[:-1] + bytes([data[-1] ^ 1]), data[:-1], data + b" "):
            pack(path, {**one, name: altered})
            refused(path)
    array = np.load(io.BytesIO(one["0.npy"]))
    for changed in (
        array.astype(">f4"),
        array.reshape(9),
        array.view(np.int32),
        array.astype(float),
        array.T,
        array[:2],
    ):
        pack(path, {**one, "0.npy": npy(changed)})
        refused(path)
    pack(path, {**one, "0.npy": npy(np.asfortranarray(array))})  # the same values
    assert mg.load(path)["model"]["0.weight"].tolist() == array.tolist()
    text = one["structure.npy"]
    for old, new in ((b"0.1", b"0.2"), (b"1.weight", b"1.Weight"), (b'"format": 2', b'"format": 3'), (b", ", b",  ")):
        assert old in text
        pack(path, {**one, "structure.npy": npy(np.frombuffer(text[128:].replace(old, new), np.uint8))})
        refused(path)


def test_files_of_the_first_format_still_load() -> None:
    # Written by minigrad 0.1.0, before there were digests: a model, an optimizer, and one of everything else.
    back = mg.load(Path(__file__).parent / "data" / "checkpoint_0.1.0.npz")
    assert list(back) == ["model", "optimizer", "generator", "values", 1, "1", -5, "arrays"]
    values = [None, True, -(2**200), 0.1, -0.0, float("inf"), float("nan"), "Grüße\n", ""]
    assert equal(back["values"], values)
    assert equal([back[1], back["1"], back[-5]], [("one", ()), {}, []])
    arrays = [
        np.arange(6).reshape(2, 3),
        np.arange(6.0).reshape(2, 3),
        np.array(2.5),
        np.zeros((0, 3), np.float32),
        np.array(["a", "bcd"]),
        np.arange(4, dtype=">f4"),
        np.array([True, False]),
        np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
    ]
    assert equal(back["arrays"], arrays)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    model.load_state_dict(back["model"])
    assert model[2].bias.tolist() == [np.float32(-0.4461371)]
    generator = mg.random.Generator()
    generator.set_state(back["generator"])
    assert generator.seed == 7
    assert back["optimizer"]["state"][3]["m"].tolist() == [pytest.approx(0.76)]


def test_an_array_that_claims_to_be_enormous(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    path = tmp_path / "it.npz"
    npz(path, structure=structure('["array", 0]'))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("0.npy", header.getvalue() + bytes(64))
    refused(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        np.save(file, np.arange(3))
    refused(path)
    npz(path, weights=np.arange(3))
    assert "not a checkpoint written by minigrad.save" in refused(path)
    path.write_text("weights: 1, 2, 3\n")
    refused(path)
    path.write_bytes(b"")
    refused(path)
    path.write_bytes(bytes(1000))
    refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path)


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("import builtins; builtins.minigrad_trap_sprung = True",)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "minigrad_trap_sprung", False, raising=False)
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Trap()))
    refused(path)
    objects = np.array([Trap()], dtype=object)
    with path.open("wb") as file:
        np.save(file, objects, allow_pickle=True)
    refused(path)
    npz(path, structure=structure('["array", 0]'), **{"0": objects})
    refused(path)
    npz(path, structure=objects)
    refused(path)
    assert builtins.minigrad_trap_sprung is False  # type: ignore[attr-defined]
    pickle.loads(pickle.dumps(Trap()))
    assert builtins.minigrad_trap_sprung is True  # type: ignore[attr-defined]  # it would have sprung


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*nothing\.npz"):
        mg.load(tmp_path / "nothing.npz")


def test_a_failed_load_leaves_no_file_open(small: bytes, tmp_path: Path) -> None:
    # In a process of its own, where every unclosed file is an error.
    path = tmp_path / "cut.npz"
    path.write_bytes(small[:-10])
    code = (
        "import gc, sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "told = []\n"
        "sys.unraisablehook = lambda what: told.append(what.exc_value)\n"
        "import minigrad as mg\n"
        f"try: mg.load({str(path)!r})\n"
        "except mg.CheckpointError: pass\n"
        "else: sys.exit('it was loaded')\n"
        "gc.collect()\n"
        "sys.exit(repr(told) if told else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(mg.__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
