"""Compiled formulas: one loop on a CPU (by numba), or one kernel on a GPU (by CuPy), with the same bits as NumPy.

NumPy computes a formula operation by operation, and each operation goes through memory. The loop here reads each
element of the vectors once, does all operations on it and writes it back. It is restricted to operations whose result
IEEE 754 defines to the last bit (sums, products, quotients, square roots, comparisons, choices). Each is done in the
dtype that NumPy uses, without reordering, and a product and a sum are not fused into one operation. So the result is
the same, bit for bit. Formulas with other functions (`exp`, a general power) are left to NumPy.

Compiling takes time, as does importing numba, so a formula is compiled only after it has been used a while. numba keeps
the compiled code in the user's cache folder (``~/.cache/minigrad``, or under ``$XDG_CACHE_HOME``), where the next
process finds it. ``MINIGRAD_COMPILE=0`` in the environment switches compilation off.

Unlike NumPy, the compiled loop does not warn about overflow and the like.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from minigrad.backend import Array

if TYPE_CHECKING:
    from minigrad.optim.program import Program

WANTED = os.environ.get("MINIGRAD_COMPILE", "1") != "0"
"""Whether formulas are compiled at all."""

COMPILED_AFTER = 5_000_000
"""A formula is compiled after it has changed this many elements. (Compiling takes as long as changing some 1e8.)"""

A_STEP = 1_000
"""Added to the number of elements for each step: NumPy's calls take about as long as this many elements."""

THREADED_FROM = 1_000_000
"""The number of elements from which on a loop is distributed over threads."""

TYPES = {"float32": "float", "float64": "double", "bool": "bool"}
"""The dtypes that can be compiled, and their names in C++."""

# Each operation in Python and in C++, with {0}, {1}, {2} for its operands. As in NumPy, the result of `maximum` is NaN
# if an operand is NaN, and the second operand if both are equal (as 0 and -0 are).
OPERATIONS: dict[str, tuple[str, str]] = {
    name: (form, form)
    for name, form in {
        "copy": "{0}",
        "positive": "{0}",
        "negative": "-{0}",
        "add": "{0} + {1}",
        "subtract": "{0} - {1}",
        "multiply": "{0} * {1}",
        "divide": "{0} / {1}",
        "square": "{0} * {0}",
        "sqrt": "sqrt({0})",
        "less": "{0} < {1}",
        "less_equal": "{0} <= {1}",
        "greater": "{0} > {1}",
        "greater_equal": "{0} >= {1}",
        "equal": "{0} == {1}",
        "not_equal": "{0} != {1}",
        "isnan": "{0} != {0}",
    }.items()
} | {
    "absolute": ("abs({0})", "fabs({0})"),
    "reciprocal": ("one / {0}", "1 / {0}"),
    "sign": (
        "one if {0} > 0 else (-one if {0} < 0 else (one - one if {0} == 0 else {0}))",
        "{0} > 0 ? 1 : ({0} < 0 ? -1 : ({0} == 0 ? 0 : {0}))",
    ),
    "maximum": ("{0} if {0} > {1} or {0} != {0} else {1}", "{0} > {1} || {0} != {0} ? {0} : {1}"),
    "minimum": ("{0} if {0} < {1} or {0} != {0} else {1}", "{0} < {1} || {0} != {0} ? {0} : {1}"),
    "where": ("{1} if {0} else {2}", "{0} ? {1} : {2}"),
    "logical_and": ("{0} and {1}", "{0} && {1}"),
    "logical_or": ("{0} or {1}", "{0} || {1}"),
    "logical_not": ("not {0}", "!{0}"),
}


def possible(program: Program) -> bool:
    """Whether a program can be compiled."""
    return program.dtype.name in TYPES and all(
        s.name in OPERATIONS and all(kind.name in TYPES for kind in (*s.types, s.stored)) for s in program.statements
    )


def python_source(program: Program) -> str:
    """The loop in Python: a function of the vectors v0, v1, ... and the numbers n0, n1, ..."""
    vectors, numbers, constants, body = _parts(program, 0, "{1}({0})", "{0} = {1}")
    lines = [f"def loop({', '.join(vectors + numbers)}):"]
    lines += [f"    {name} = {kind}({number})" for (number, kind), name in constants.items()]
    lines += [f"    one = {program.dtype.name}(1)", f"    for i in range({vectors[0]}.size):"]
    lines += [f"        x{i} = {name}[i]" for i, name in enumerate(vectors)]
    lines += [f"        {statement}" for _, statement in body]
    lines += [f"        v{i}[i] = x{i}" for i in program.written]
    return "\n".join(lines) + "\n"


def cuda_body(program: Program) -> str:
    """The operations on one element in CUDA's C++; v0, v1, ... are the elements of the vectors, n0, n1, ... numbers."""
    vectors, _, constants, body = _parts(program, 1, "({1})({0})", "{0} = {1};")
    lines = [f"const {TYPES[kind]} {name} = ({TYPES[kind]}){number};" for (number, kind), name in constants.items()]
    lines += [f"{TYPES[program.dtype.name]} x{i} = {name};" for i, name in enumerate(vectors)]
    for kind, statement in body:
        lines.append(statement if kind is None else f"{TYPES[kind]} {statement}")
    lines += [f"v{i} = x{i};" for i in program.written]
    return "\n".join(lines)


def _parts(
    program: Program, language: int, converted: str, assigned: str
) -> tuple[list[str], list[str], dict[tuple[str, str], str], list[tuple[str | None, str]]]:
    """The names of the vectors and numbers, a constant for each number in each dtype, and the statements.

    Each statement is a pair with the dtype of its target if the target is new, or None if it is written again. In the
    arguments, `language` is 0 for Python and 1 for C++; `converted` and `assigned` are templates for a conversion and
    an assignment.
    """
    types = dict.fromkeys(range(program.count), program.dtype.name)
    constants: dict[tuple[str, str], str] = {}
    body = []
    for s in program.statements:
        operands = []
        for operand, kind in zip(s.operands, s.types, strict=True):
            if operand < 0:
                key = (f"n{~operand}", kind.name)
                operands.append(constants.setdefault(key, f"c{~operand}_{kind.name}"))
            elif types[operand] == kind.name:
                operands.append(f"x{operand}")
            else:
                name = kind.name if language == 0 else TYPES[kind.name]
                operands.append(converted.format(f"x{operand}", name))
        text = OPERATIONS[s.name][language].format(*operands)
        text = converted.format(text, s.stored.name if language == 0 else TYPES[s.stored.name])
        body.append((None if s.target in types else s.stored.name, assigned.format(f"x{s.target}", text)))
        types[s.target] = s.stored.name
    return (
        [f"v{i}" for i in range(program.count)],
        [f"n{k}" for k in range(program.numbers)],
        constants,
        body,
    )


@contextlib.contextmanager
def without() -> Iterator[None]:
    """Inside the ``with`` block, compile nothing and do not use compiled formulas."""
    global WANTED
    before, WANTED = WANTED, False
    try:
        yield
    finally:
        WANTED = before


class Loop:
    """A program's loop or kernel, compiled after the program has been used a while."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._done = 0
        self._possible = possible(program)
        self._missing = False  # whether numba is not installed
        self._loop: Callable[..., None] | None = None
        self._kernel: Callable[..., None] | None = None

    def run(self, vectors: Sequence[Array], numbers: Sequence[Any]) -> bool:
        """Apply the program to whole vectors, if it is compiled; otherwise return False, with nothing done."""
        # Compile the program if it has been used enough.
        if not (WANTED and self._possible):
            return False
        if not isinstance(vectors[0], numpy.ndarray):
            self._launch(vectors, numbers)
            return True
        loop = self._loop
        if loop is None:
            if self._missing:
                return False
            self._done += vectors[0].size + A_STEP
            if self._done < COMPILED_AFTER:
                return False
            loop = self._loop = compiled_loop(self.program)
            if loop is None:
                self._missing = True
                return False
        # Run the loop here, or on long vectors in several threads.
        size = vectors[0].size
        if size < THREADED_FROM or threads() == 1:
            loop(*vectors, *map(float, numbers))
            return True
        count = threads()
        bounds = [size * i // count // 16 * 16 for i in range(count)] + [size]
        parts = [[v[a:b] for v in vectors] for a, b in itertools.pairwise(bounds)]
        tasks = [_pool(os.getpid(), count - 1).submit(loop, *part, *map(float, numbers)) for part in parts[1:]]
        loop(*parts[0], *map(float, numbers))
        for task in tasks:
            task.result()
        return True

    def _launch(self, vectors: Sequence[Array], numbers: Sequence[Any]) -> None:
        """Run the kernel, on a GPU."""
        if self._kernel is None:
            self._kernel = kernel(self.program)
        written = self.program.written
        read = [v for i, v in enumerate(vectors) if i not in written]
        self._kernel(*read, *map(float, numbers), *(vectors[i] for i in written))


def compiled_loop(program: Program) -> Callable[..., None] | None:
    """The loop, compiled by numba; None if numba is not installed.

    Its arguments are the vectors, contiguous and of the program's dtype, and the numbers, as floats.
    """
    try:
        import numba
    except ImportError:
        return None
    source = python_source(program)
    kept = _kept_source(source)
    space: dict[str, Any] = {name: getattr(numba, name) for name in ("float32", "float64")}
    space |= {"bool": numba.boolean, "sqrt": math.sqrt, "__name__": __name__}
    exec(compile(source, str(kept or "<formula>"), "exec"), space)
    kind = getattr(numba, program.dtype.name)
    vectors = [numba.types.Array(kind, 1, "C", readonly=i not in program.written) for i in range(program.count)]
    signature = numba.void(*vectors, *[numba.float64] * program.numbers)
    compiler = numba.njit(signature, error_model="numpy", nogil=True, cache=kept is not None)
    return compiler(space["loop"])


def _kept_source(source: str) -> Path | None:
    """The file with this source in the user's cache folder; numba keeps the compiled code beside it.

    None if there is no such folder and it cannot be created.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "minigrad" / "formulas"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"loop_{hashlib.sha256(source.encode()).hexdigest()[:24]}.py"
        if not file.exists():
            handle, beside = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(source)
            os.replace(beside, file)
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder):
            return file
    except (OSError, RuntimeError):  # no home folder, or it cannot be written to
        pass
    return None


@functools.cache
def threads() -> int:
    """The number of threads: ``NUMBA_NUM_THREADS``, ``OMP_NUM_THREADS``, or the cores this process may use."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        with contextlib.suppress(KeyError, ValueError):
            return max(1, int(os.environ[name]))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _pool(process: int, count: int) -> Any:
    """A pool of threads of this process; a forked process does not have the threads of its parent."""
    import concurrent.futures

    return concurrent.futures.ThreadPoolExecutor(count, "minigrad")


def kernel(program: Program) -> Callable[..., None]:
    """The kernel, compiled by CuPy: its arguments are the vectors that do not change, the numbers, and the others."""
    import cupy

    kind = program.dtype.name
    fixed = [f"{kind} v{i}" for i in range(program.count) if i not in program.written]
    numbers = [f"float64 n{k}" for k in range(program.numbers)]
    changed = [f"{kind} v{i}" for i in program.written]
    return cupy.ElementwiseKernel(
        ", ".join(fixed + numbers), ", ".join(changed), cuda_body(program), "formula", options=("--fmad=false",)
    )
