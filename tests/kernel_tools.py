"""CUDA source without a GPU: compiled by NVRTC, which needs none, and run on a CPU by way of the C++ compiler."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

CPP = {"float32": "float", "float64": "double"}
COMPILER = next((found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), None)
Parameter = Sequence[str]
"""The dtype of a kernel's parameter, and its name."""


def framed(given: Sequence[Parameter], changed: Sequence[Parameter], body: str, cuda: bool) -> str:
    """A whole function around the body of an elementwise kernel.

    As in CuPy's own, a parameter that starts with v is an array, of which the body sees one element, and one that
    starts with n is a number.
    """
    arguments, elements = ["long long size"], []
    for kind, name in (*given, *changed):
        fixed = "const " if [kind, name] in [list(one) for one in given] else ""
        if name.startswith("v"):
            arguments.append(f"{fixed}{CPP[kind]}* all_{name}")
            elements.append(f"{fixed}{CPP[kind]}& {name} = all_{name}[i];")
        else:
            arguments.append(f"const {CPP[kind]} {name}")
    if cuda:
        head = 'extern "C" __global__ void formula'
        each = "long long i = (long long)blockDim.x * blockIdx.x + threadIdx.x; if (i < size)"
    else:
        head = '#include <cmath>\nusing namespace std;\nextern "C" void formula'
        each = "for (long long i = 0; i < size; ++i)"
    inside = "\n".join((*elements, body))
    return f"{head}({', '.join(arguments)}) {{\n{each} {{\n{inside}\n}}\n}}\n"


@functools.cache
def _library(source: str) -> Any:
    assert COMPILER is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "formula.cpp"
        file.write_text(source)
        made = file.with_suffix(".so")
        flags = ["-O2", "-std=c++11", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wno-unused-variable"]
        subprocess.run([COMPILER, *flags, "-Werror", "-o", str(made), str(file)], check=True)
        return ctypes.CDLL(str(made))


def cpp_loop(given: Sequence[Parameter], changed: Sequence[Parameter], body: str) -> Callable[..., None]:
    """The body of an elementwise kernel as a loop on a CPU: its arguments are NumPy's arrays, and numbers."""
    function = _library(framed(given, changed, body, cuda=False)).formula
    kinds = [kind for kind, _ in (*given, *changed)]

    def run(*args: Any) -> None:
        size = next(a.size for a in args if isinstance(a, numpy.ndarray))
        ready = [
            ctypes.c_void_p(a.ctypes.data)
            if isinstance(a, numpy.ndarray)
            else (ctypes.c_float if kind == "float32" else ctypes.c_double)(a)
            for kind, a in zip(kinds, args, strict=True)
        ]
        function(ctypes.c_longlong(size), *ready)

    return run


@functools.cache
def nvrtc() -> Any:
    """NVIDIA's compiler for CUDA source, as a library; None if it is not there."""
    spec = importlib.util.find_spec("nvidia.cuda_nvrtc") if importlib.util.find_spec("nvidia") else None
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        for file in sorted(Path(place).glob("lib/libnvrtc.so.*")):
            return ctypes.CDLL(str(file))
    found = ctypes.util.find_library("nvrtc")
    return ctypes.CDLL(found) if found else None


def ptx(source: str) -> str:
    """CUDA source, compiled by NVRTC for sm_90 as CuPy does it.

    Raises:
        ValueError: it does not compile; with the compiler's messages.
    """
    library, program = nvrtc(), ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"formula.cu", 0, None, None) == 0
    options = [b"--gpu-architecture=sm_90", b"--fmad=false", b"--std=c++17"]
    status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if status:
        return _text(library, program, "ProgramLog", fails=True)
    return _text(library, program, "PTX")


def _text(library: Any, program: Any, what: str, fails: bool = False) -> str:
    size = ctypes.c_size_t()
    assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    text = ctypes.create_string_buffer(size.value)
    assert getattr(library, f"nvrtcGet{what}")(program, text) == 0
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if fails:
        raise ValueError(text.value.decode())
    return text.value.decode()
