"""Which library owns an array, where arrays live, and how they move.

There is no global setting: the array decides. ``get_array_module(a)`` returns ``numpy`` or ``cupy``; the rest of the
code calls that module ``xp``, and uses it only where an operator or a method of the array does not do. CuPy is
imported when a GPU is first asked for, never before.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy

Array = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``: the engine treats both alike."""

INSTALL_CUPY = "pip install -e '.[cuda13]' (or '.[cuda12]') on a machine with an NVIDIA GPU"


def get_array_module(array: Array) -> ModuleType:
    """The library that owns `array`: ``cupy`` for a CuPy array, ``numpy`` for anything else."""
    if type(array) is numpy.ndarray:
        return numpy
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(array, cupy.ndarray):
        return cupy
    return numpy


def is_array(value: object) -> bool:
    """Whether `value` is an array of either library (a NumPy scalar is not)."""
    if isinstance(value, numpy.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(value, cupy.ndarray)


def import_cupy() -> ModuleType:
    """CuPy, after a check that there is a GPU.

    Raises:
        RuntimeError: CuPy is not installed, or it finds no GPU; the message says what to install.
    """
    try:
        import cupy
    except ImportError:
        raise RuntimeError(f"a GPU was asked for, but CuPy is not installed: {INSTALL_CUPY}") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own classes for a missing driver or library
        raise RuntimeError(f"a GPU was asked for, but CuPy finds no working CUDA driver ({error})") from None
    if not count:
        raise RuntimeError("a GPU was asked for, but CuPy finds none on this machine")
    return cupy


class device:
    """The device that holds a tensor: ``device("cpu")``, ``device("cuda")`` or ``device("cuda:1")``.

    Raises:
        ValueError: the name is not one of those.
    """

    __slots__ = ("index", "type")

    type: str
    index: int

    def __init__(self, name: str | device) -> None:
        if isinstance(name, device):
            self.type, self.index = name.type, name.index
            return
        kind, colon, index = str(name).partition(":")
        if (
            kind not in ("cpu", "cuda")
            or (colon and not index.isdecimal())
            or (kind == "cpu" and index not in ("", "0"))
        ):
            raise ValueError(f"a device is 'cpu', 'cuda' or 'cuda:0', not {name!r}")
        self.type = kind
        self.index = int(index or 0)

    def __str__(self) -> str:
        return "cpu" if self.type == "cpu" else f"cuda:{self.index}"

    def __repr__(self) -> str:
        return f"device('{self}')"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                other = device(other)
            except ValueError:
                return False
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


CPU = device("cpu")


def device_of(array: Array) -> device:
    """The device that holds `array`."""
    if get_array_module(array) is numpy:
        return CPU
    return device(f"cuda:{array.device.id}")


def to_device(array: Array, where: device | str) -> Array:
    """`array` on the device `where`; itself if it is there already.

    Raises:
        RuntimeError: this machine does not have the GPU `where`, or CuPy is not installed.
    """
    where = device(where)
    if device_of(array) == where:
        return array
    if where.type == "cpu":
        return array.get()
    cupy = import_cupy()
    if where.index >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise RuntimeError(f"{where} was asked for, but the GPUs of this machine are cuda:0 to cuda:{count - 1}")
    with cupy.cuda.Device(where.index):
        return cupy.asarray(array)


def to_numpy(array: Array) -> numpy.ndarray:
    """`array` as a NumPy array, copied from the GPU if it lives there."""
    return numpy.asarray(to_device(array, CPU))
