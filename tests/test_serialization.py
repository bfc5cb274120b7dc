"""Checkpoints: what comes back is what was saved, or an error that names the file."""

from __future__ import annotations

import builtins
import io
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
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_and_tensors(name: str, tmp_path: Path) -> None:
    array = ARRAYS[name]
    back = round_trip({"array": array, "tensor": mg.Tensor(array)}, tmp_path)
    assert equal(back, {"array": np.array(array), "tensor": mg.Tensor(np.array(array))})
    assert type(back["array"]) is np.ndarray
    assert back["array"].ndim == array.ndim
    assert type(back["tensor"]) is mg.Tensor
    assert not back["tensor"].requires_grad


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


def refused(path: Path, foreign: bool = False) -> str:
    """Loading must say that this is damaged, or if `foreign` that it is none of ours, and name the file; no more."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as error:
            mg.load(path)
    if foreign:
        assert str(error.value) == f"{path} is not a checkpoint written by minigrad.save"
    else:
        assert str(error.value).startswith(f"{path} is cut short, damaged, or no checkpoint of minigrad's (")
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
    refused(path, foreign=True)
    npz(path, weights=np.arange(3))
    refused(path, foreign=True)
    path.write_text("weights: 1, 2, 3\n")
    refused(path)
    path.write_bytes(b"")
    refused(path)
    path.write_bytes(bytes(1000))
    refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, foreign=True)


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
