"""The stand-in for CuPy, and the code that uses CuPy, held against CuPy itself, which imports without a GPU.

Kernels do not run without one; names, signatures, views and most refusals can be seen. Where CuPy is not installed
what needs it is skipped, and the refusals are asked of the stand-in alone.
"""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import re
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cupy_stand_in
import numpy as np
import pytest

from minigrad import cuda

REPOSITORY = Path(__file__).parent.parent


@functools.cache
def sources() -> dict[Path, ast.Module]:
    """All the project's own code, by file."""
    return {
        path.relative_to(REPOSITORY): ast.parse(path.read_text(encoding="utf-8"), str(path))
        for folder in ("minigrad", "datasets", "benchmarks")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    }


@pytest.fixture(scope="session")
def cupy() -> types.ModuleType:
    """CuPy itself, with or without a GPU."""
    try:
        import cupy
    except ImportError as error:
        pytest.skip(f"CuPy is not there to be compared with ({error}); pip install cupy-cuda13x, no GPU is needed")
    return cupy


@pytest.fixture(params=["stand-in", "CuPy"])
def library(request: pytest.FixtureRequest) -> types.ModuleType:
    """The stand-in, and then CuPy."""
    return cupy_stand_in.module if request.param == "stand-in" else request.getfixturevalue("cupy")


def runs(library: types.ModuleType) -> bool:
    """Whether kernels run: on the stand-in always."""
    return library is cupy_stand_in.module or cuda.is_available()


@pytest.fixture
def a(library: types.ModuleType) -> Any:
    """An array of shape (4, 6) in float32; without a GPU one whose memory nobody can look at."""
    if runs(library):
        return library.zeros((4, 6), dtype="f4")
    memory = library.cuda.MemoryPointer(library.cuda.UnownedMemory(0x1000, 4 * 6 * 4, None, 0), 0)
    return library.ndarray((4, 6), dtype="f4", memptr=memory)


# --- What both refuse, and what both do -------------------------------------------------------------------

HOST = np.ones(6, np.float32)
Act = Callable[[Any, Any], Any]

# What is refused before a kernel would run, and so without a GPU as well: (library, array) and the exception.
REFUSED: dict[str, tuple[Act, type[Exception]]] = {
    "conversion to NumPy": (lambda xp, a: np.asarray(a), TypeError),
    "conversion with a dtype": (lambda xp, a: np.asarray(a, dtype=np.float64), TypeError),
    "take with a mode": (lambda xp, a: a.take(0, mode="clip"), TypeError),
    "a ufunc with where": (lambda xp, a: np.exp(a, where=True), TypeError),
    "a sum with where": (lambda xp, a: a.sum(where=True), TypeError),
    "a sum with initial": (lambda xp, a: a.sum(initial=0), TypeError),
    "maximum.reduce": (lambda xp, a: np.maximum.reduce(a), NotImplementedError),
    "a host array assigned": (lambda xp, a: operator.setitem(a, Ellipsis, HOST), ValueError),
    "a host array to fill with": (lambda xp, a: a.fill(HOST), ValueError),
    "astype with casting": (lambda xp, a: a.astype("i4", casting="unsafe"), TypeError),
    "a product with a host array": (lambda xp, a: a @ np.ones((6, 2), np.float32), TypeError),
    "where with a Python condition": (lambda xp, a: xp.where(True, a, a), AttributeError),
    "an index": (lambda xp, a: operator.index(a), TypeError),
    "a hash": (lambda xp, a: hash(a), TypeError),
    "one number of many": (lambda xp, a: a.item(), ValueError),
    "the truth of many": (lambda xp, a: bool(a), ValueError),
}
# What is refused on the way to a kernel.
REFUSED_THERE: dict[str, tuple[Act, type[Exception]]] = {
    "array + host array": (lambda xp, a: a + HOST, TypeError),
    "host array + array": (lambda xp, a: HOST + a, TypeError),
    "host number in an array * array": (lambda xp, a: np.array(0.5) * a, TypeError),
    "array += host array": (lambda xp, a: operator.iadd(a, HOST), TypeError),
    "a ufunc of both": (lambda xp, a: np.maximum(a, HOST), TypeError),
    "where of both": (lambda xp, a: xp.where(a > 0, a, HOST), TypeError),
    "out is a host array": (lambda xp, a: np.exp(a, out=np.ones((4, 6), np.float32)), TypeError),
    "joining a host array": (lambda xp, a: xp.concatenate([HOST, HOST], axis=0), TypeError),
    "joining numbers": (lambda xp, a: xp.concatenate([a.sum(), a.sum()], axis=0), TypeError),
    "array + object": (lambda xp, a: a + object(), TypeError),
    "shapes that do not fit": (lambda xp, a: a + a[:, :5], ValueError),
    "add.at with a host array": (lambda xp, a: xp.add.at(a, slice(None), HOST), TypeError),
}
# What views are, which the optimizers build upon.
DONE: dict[str, Act] = {
    "the base is the array": lambda xp, a: a.base is None and a[1:].base is a,
    "of a view of a view too": lambda xp, a: a[1:3].reshape(12)[2:].base is a,
    "all of it is another view": lambda xp, a: a[...] is not a and a[...].base is a,
    "the same shape is another view": lambda xp, a: a.reshape(4, 6) is not a and a.reshape(4, 6).base is a,
    "a shape may be a list": lambda xp, a: a.reshape([6, 4]).shape == (6, 4),
    "an axis of length 1 is a view": lambda xp, a: a[:, None].base is a and a[:, None].shape == (4, 1, 6),
    "transposed": lambda xp, a: a.T.base is a and a.T.shape == (6, 4) and a.T.strides == (4, 24),
    "transposed without axes to swap": lambda xp, a: a[0].T.shape == (6,),
    "axes swapped": lambda xp, a: a.swapaxes(-1, -2).base is a,
    "broadcast": lambda xp, a: xp.broadcast_to(a, (2, 4, 6)).base is a,
    "expanded": lambda xp, a: xp.expand_dims(a, 1).shape == (4, 1, 6),
    "a row number is a view": lambda xp, a: a[-1].base is a and a[-1].shape == (6,),
    "a place is a view without axes": lambda xp, a: a[1, 2].shape == () and a[1, 2].base is a,
    "nothing to cast": lambda xp, a: a.astype("f4", copy=False) is a,
    "read as unsigned": lambda xp, a: a.view("u4").dtype == np.uint32 and a.view("u4").base is a,
    "the length": lambda xp, a: len(a) == 4 and (a.ndim, a.size, a.nbytes) == (2, 24, 96),
    "the device": lambda xp, a: a.device.id == 0,
    "each view holds its base": lambda xp, a: references_are_counted(a),
    "gives way to a tensor": lambda xp, a: a.__add__(types.SimpleNamespace(__array_ufunc__=None)) is NotImplemented,
}


def references_are_counted(a: Any) -> bool:
    """An optimizer tells by them whether somebody keeps a gradient."""
    before = sys.getrefcount(a)
    kept = a[1:3].reshape(2, 3, 2)
    during = sys.getrefcount(a)
    del kept
    return (during - before, sys.getrefcount(a) - before) == (1, 0)


@pytest.mark.parametrize("what", [*REFUSED, *REFUSED_THERE])
def test_refused(library: types.ModuleType, a: Any, what: str) -> None:
    if what in REFUSED_THERE and not runs(library):
        pytest.skip("needs a GPU: CuPy asks for the device before it looks at the arguments")
    act, error = {**REFUSED, **REFUSED_THERE}[what]
    with pytest.raises(error):
        act(library, a)


@pytest.mark.parametrize("what", DONE)
def test_views(library: types.ModuleType, a: Any, what: str) -> None:
    assert DONE[what](library, a)


def test_indices_out_of_range_wrap_around() -> None:
    xp = cupy_stand_in.module
    x = xp.array(np.arange(4))
    assert x[xp.array([4, -5, 3])].tolist() == x.take(xp.array([4, -5, 3])).tolist() == [0, 3, 3]
    x[xp.array([5])] = 7
    assert x.tolist() == [0, 7, 2, 3]
    with pytest.raises(IndexError):
        x[4]


# --- Names and signatures ---------------------------------------------------------------------------------


def parameters(function: Any) -> list[str] | None:
    """The names of a function's parameters, `self` left out; None if they cannot be had."""
    try:
        found = list(inspect.signature(function).parameters)
    except ValueError:  # compiled: the signature is the first line of the docstring
        first = (function.__doc__ or "").partition("\n")[0]
        match = re.fullmatch(r"[\w.]+\((.*)\)(?: ->.*)?", first)
        if match is None:
            return None
        found = [re.split("[=:]", part)[0].split()[-1].lstrip("*") for part in match[1].split(",") if part.strip(" /*")]
    return [name for name in found if name != "self"]


def public(namespace: Any) -> Iterator[tuple[str, Any]]:
    for name, thing in vars(namespace).items():
        if not name.startswith("_"):
            yield name, thing


def test_cupy_has_all_the_functions_of_the_stand_in(cupy: types.ModuleType) -> None:
    compared = []
    for name, ours in public(cupy_stand_in.module):
        theirs = getattr(cupy, name)
        if isinstance(ours, cupy_stand_in.ufunc):
            assert isinstance(theirs, cupy.ufunc)
        elif isinstance(ours, types.FunctionType) and name != "matmul":  # a gufunc there, which takes any number
            names, known = parameters(ours), parameters(theirs)
            assert names is not None
            assert known is not None
            assert names == [n for n in known if n in names], f"cupy.{name} takes {known}"
            compared.append(name)
    assert "out" in inspect.signature(cupy.matmul.__call__).parameters
    assert {"zeros", "arange", "concatenate", "where"} <= set(compared)
    for path in ("runtime.getDeviceCount", "runtime.getDeviceProperties", "Device", "get_current_stream"):
        assert callable(operator.attrgetter(path)(cupy.cuda))
    assert callable(cupy.cuda.Stream.synchronize)
    # What the tests use on a GPU alone.
    assert callable(cupy.get_default_memory_pool().total_bytes)


def test_cupy_has_all_the_methods_of_the_stand_in(cupy: types.ModuleType) -> None:
    compared = []
    for name, ours in vars(cupy_stand_in.ndarray).items():
        own = re.fullmatch(r"_[a-z]\w*", name) or name in ("__module__", "__slots__", "__weakref__", "__annotations__")
        if own or name in ("__del__", "__static_attributes__", "__firstlineno__"):
            continue
        theirs = getattr(cupy.ndarray, name)
        if isinstance(ours, types.FunctionType) and not name.startswith("__"):
            names, known = parameters(ours), parameters(theirs)
            assert known is not None, f"the signature of cupy.ndarray.{name}"
            assert names == [n for n in known if n in (names or ())], f"cupy.ndarray.{name} takes {known}"
            compared.append(name)
    assert {"take", "sum", "astype", "reshape", "argmax", "view"} <= set(compared)
    assert not hasattr(cupy.ndarray, "__index__")


def dotted(node: ast.expr) -> tuple[str, str] | None:
    """What an expression like ``xp.add.at`` asks of a library: ("xp", "add.at"). Also "cupy" and "numpy"; else None."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    root = getattr(node, "id", "")
    if isinstance(node, ast.Call):
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        root = {"get_array_module": "xp", "import_cupy": "cupy"}.get(called, "")
    library = {"xp": "xp", "cupy": "cupy", "numpy": "numpy", "np": "numpy"}.get(root)
    return (library, ".".join(names)) if library and names else None


def used() -> Iterator[tuple[str, str, Path]]:
    """(library, name, file) of all that may be asked to work on arrays of CuPy; of NumPy's that is the ufuncs."""
    for path, tree in sources().items():
        for node in ast.walk(tree):
            asked = []
            if isinstance(node, ast.Attribute):
                asked = [dotted(node)]
            elif isinstance(node, ast.ImportFrom) and node.module == "numpy":
                asked = [("numpy", alias.name) for alias in node.names]
            for library, name in filter(None, asked):
                if library != "numpy":
                    yield library, name, path
                elif str(path) not in ON_THE_HOST and path.parts[0] not in ON_THE_HOST:
                    found = getattr(np, name.partition(".")[0], None)
                    if isinstance(found, np.ufunc):
                        yield library, found.__name__, path  # NumPy hands over by this name: np.abs is "absolute"


# Where NumPy is only ever given arrays of its own.
ON_THE_HOST = {
    "benchmarks",
    "minigrad/creation.py",
    "minigrad/gradcheck.py",
    "minigrad/printing.py",
    "minigrad/random.py",
}


def test_cupy_has_all_that_the_code_uses(cupy: types.ModuleType) -> None:
    seen = set()
    for library, name, path in used():
        try:
            found = operator.attrgetter(name)(cupy)
        except AttributeError:
            pytest.fail(f"{path}: cupy has no {name}")
        assert library != "numpy" or found is cupy.matmul or isinstance(found, cupy.ufunc), f"{path}: {name}"
        seen.add((library, name))
    assert {("xp", "zeros"), ("xp", "add.at"), ("cupy", "cuda.runtime.getDeviceCount"), ("numpy", "maximum")} <= seen


def test_the_stand_in_has_all_that_the_engine_uses() -> None:
    for _, name, path in used():
        if path.parts[0] != "benchmarks":
            try:
                operator.attrgetter(name)(cupy_stand_in.module)
            except AttributeError:
                pytest.fail(f"{path}: {name} is not in the stand-in, so no test without a GPU runs it")


def test_the_keywords_of_methods_are_cupys(cupy: types.ModuleType) -> None:
    """Keywords that the code passes to a method that arrays have are CuPy's, or a tensor's own (dim and keepdim)."""
    checked = set()
    for path, tree in sources().items():
        if path.parts[0] == "benchmarks":  # those work on the host
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or dotted(node.func):
                continue
            name, keywords = node.func.attr, {k.arg for k in node.keywords if k.arg}
            if (
                keywords
                and hasattr(np.ndarray, name)
                and not name.startswith("__")
                and not keywords & {"dim", "keepdim"}
            ):
                known = parameters(getattr(cupy.ndarray, name))
                assert known is not None
                assert keywords <= set(known), f"{path}:{node.lineno}: cupy.ndarray.{name} takes {known}"
                checked.add(name)
    assert {"take", "sum", "max", "astype"} <= checked


KERNELS = ("RawKernel", "RawModule", "ElementwiseKernel", "ReductionKernel", "rawkernel")


def test_no_kernel_source_goes_uncompiled() -> None:
    """All CUDA source is that of noted formulas, and test_compiled.py compiles it with NVRTC for sm_90."""
    assert {
        f"{path.name}: {node.attr}"
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in KERNELS
    } == {"compiled.py: ElementwiseKernel"}
