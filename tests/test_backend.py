"""Which library owns an array, devices, and what an import may cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import backend, nn


def test_import_minigrad_needs_numpy_alone() -> None:
    """In a fresh interpreter: nothing heavy, and beside NumPy only the standard library."""
    script = (
        "import sys; import numpy, numpy.random; numpys = {m.split('.')[0] for m in sys.modules};"
        "import minigrad; import minigrad.optim, minigrad.nn, minigrad.utils.data;"
        "print(*sorted({m.split('.')[0] for m in sys.modules} - numpys - set(sys.stdlib_module_names)))"
    )
    root = Path(minigrad.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["minigrad"]


# --- A library that is not there, and one that is but has no GPU -------------------------------------


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import cupy` fail, on whatever machine."""
    monkeypatch.setitem(sys.modules, "cupy", None)


class FakeArray:
    """What the backend asks of a CuPy array."""

    def __init__(self, array: np.ndarray, index: int = 0) -> None:
        self.array = array
        self.device = SimpleNamespace(id=index)
        self.shape, self.dtype = array.shape, array.dtype

    def get(self) -> np.ndarray:
        return self.array

    def astype(self, dtype: Any, copy: bool = True) -> FakeArray:
        return FakeArray(self.array.astype(dtype, copy=copy), self.device.id)


class FakeDevice:
    current: list[int] = [0]

    def __init__(self, index: int) -> None:
        self.index = index

    def __enter__(self) -> None:
        self.current.append(self.index)

    def __exit__(self, *exception: object) -> None:
        self.current.pop()


def fake_cupy(monkeypatch: pytest.MonkeyPatch, count: Any) -> Any:
    module: Any = ModuleType("cupy")
    module.ndarray = FakeArray
    module.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count), Device=FakeDevice)
    module.asarray = lambda array: FakeArray(array, FakeDevice.current[-1])
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def test_the_array_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = fake_cupy(monkeypatch, lambda: 1)
    assert backend.get_array_module(np.ones(2)) is np
    assert backend.get_array_module(np.float64(1)) is np
    assert backend.get_array_module(3.0) is np
    assert backend.get_array_module(FakeArray(np.ones(2))) is cupy
    assert backend.is_array(np.ones(2))
    assert backend.is_array(FakeArray(np.ones(2)))
    assert not backend.is_array(np.float64(1))
    assert not backend.is_array([1.0])


def test_moving_between_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(monkeypatch, lambda: 2)
    array = np.arange(3.0)
    assert backend.to_device(array, "cpu") is array
    there = backend.to_device(array, "cuda:1")
    assert isinstance(there, FakeArray)
    assert backend.device_of(there) == "cuda:1"
    assert backend.to_device(there, "cuda:1") is there
    assert backend.to_device(there, "cpu") is array
    assert backend.to_numpy(there) is array
    x = minigrad.tensor([1.0, 2.0], device="cuda")
    assert isinstance(x.data, FakeArray)
    assert x.device == minigrad.device("cuda:0")
    assert x.cpu().tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"is on cuda:0: use \.cpu\(\)\.numpy\(\)"):
        x.numpy()
    assert minigrad.cuda.is_available()
    assert minigrad.cuda.device_count() == 2


@pytest.mark.usefixtures("no_cupy")
@pytest.mark.parametrize(
    "ask",
    [
        lambda: minigrad.tensor([1.0], device="cuda"),
        lambda: minigrad.zeros(2, device="cuda:0"),
        lambda: minigrad.ones(2).to("cuda"),
        lambda: minigrad.ones(2).cuda(),
        lambda: nn.Linear(2, 2).to("cuda"),
        lambda: nn.Linear(2, 2).cuda(),
        lambda: minigrad.rand(2, device=minigrad.device("cuda:1")),
    ],
)
def test_a_gpu_without_cupy_is_a_sentence(ask: Any) -> None:
    with pytest.raises(RuntimeError, match=r"a GPU was asked for, but CuPy is not installed: pip install .*cuda"):
        ask()


@pytest.mark.usefixtures("no_cupy")
def test_without_cupy_there_is_no_gpu_and_all_else_works() -> None:
    assert minigrad.cuda.is_available() is False
    assert minigrad.cuda.device_count() == 0
    minigrad.cuda.synchronize()
    x = minigrad.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.to("cpu").tolist() == [2, 2]
    assert backend.get_array_module(x.data) is np


def test_cupy_without_a_gpu_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(monkeypatch, lambda: 0)
    with pytest.raises(RuntimeError, match="CuPy finds none on this machine"):
        minigrad.ones(2).to("cuda")
    assert not minigrad.cuda.is_available()


def test_cupy_without_a_driver_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise OSError("no driver")

    fake_cupy(monkeypatch, fail)
    with pytest.raises(RuntimeError, match=r"no working CUDA driver \(no driver\)"):
        minigrad.ones(2).to("cuda")
    assert not minigrad.cuda.is_available()


# --- Names of devices --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "index", "text"),
    [
        ("cpu", "cpu", 0, "cpu"),
        ("cpu:0", "cpu", 0, "cpu"),
        ("cuda", "cuda", 0, "cuda:0"),
        ("cuda:0", "cuda", 0, "cuda:0"),
        ("cuda:12", "cuda", 12, "cuda:12"),
    ],
)
def test_devices(name: str, kind: str, index: int, text: str) -> None:
    device = minigrad.device(name)
    assert (device.type, device.index, str(device)) == (kind, index, text)
    assert repr(device) == f"device('{text}')"
    assert device == name
    assert device == minigrad.device(device)
    assert len({device, minigrad.device(text)}) == 1
    assert device != minigrad.device("cuda:7")
    assert device != 3


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "cuda0", 0, None])
def test_devices_that_are_none(name: Any) -> None:
    with pytest.raises(ValueError, match="a device is 'cpu', 'cuda' or 'cuda:0', not "):
        minigrad.device(name)
    with pytest.raises(ValueError, match=f"not {name!r}$"):
        minigrad.device(name)


def test_an_unknown_device_is_refused_where_it_is_asked_for() -> None:
    for ask in (
        lambda: minigrad.ones(2, device="tpu"),
        lambda: minigrad.ones(2).to(device="tpu"),
        lambda: minigrad.ones(2).to("cuda:x"),
    ):
        with pytest.raises(ValueError, match="a device is"):
            ask()
