"""What a benchmark prints and writes: tables, result files, and what they were measured on."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

import minigrad
from minigrad import backend
from minigrad.optim import compiled

from .. import UsageError, columns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 120
"""The width in columns of what is printed to a file or a pipe."""


def console() -> Console:
    """A rich console on standard output, `WIDTH` columns wide where that is no terminal."""
    from rich.console import Console

    if columns() is None:
        os.environ.pop("COLUMNS", None)  # rich would fail with it
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=columns() or WIDTH)


def table(title: str, heads: Iterable[str], *, caption: str | None = None, text: int = 1) -> Table:
    """An empty rich table. Its first `text` columns are aligned to the left, the others, with numbers, to the right."""
    from rich import box

    from .tables import WideTable

    made = WideTable(
        title=title,
        caption=caption,
        box=box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n"),
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(heads):
        made.add_column(column, justify="left" if i < text else "right", no_wrap=True)
    return made


@dataclass
class Collected:
    """What a benchmark shows and writes, for a notebook."""

    tables: list[Table] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


_collected: Collected | None = None


@contextmanager
def collecting() -> Iterator[Collected]:
    """Collect the tables, instead of printing them, and the paths of the files that are written in this block."""
    global _collected
    before, _collected = _collected, Collected()
    try:
        yield _collected
    finally:
        _collected = before


def wrote(paths: Iterable[Path]) -> None:
    """Note files that another process has written."""
    if _collected is not None:
        _collected.files += paths


def show(made: Table, out: Console) -> None:
    """Print a table in full. A terminal that is too narrow for it wraps the lines, but no figure is left out."""
    from rich.console import Console

    if _collected is not None:
        _collected.tables.append(made)
        return

    needed = out.measure(made, options=out.options.update(width=1000)).maximum
    Console(file=out.file, width=max(out.width, needed), highlight=False, no_color=out.no_color).print(made)


def results_folder(path: str | os.PathLike[str], *names: str) -> Path:
    """The folder `path`, made if need be, and checked before anything is run.

    Raises:
        UsageError: nothing can be written there, or one of the `names` is the name of a folder.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}.part"
        trial.touch()
        trial.unlink()
        taken = [folder / name for name in names if (folder / name).is_dir()]
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UsageError(
            f"results cannot be written to {folder}: {getattr(error, 'strerror', None) or error}"
        ) from None
    if taken:
        raise UsageError(f"results cannot be written to {taken[0]}: it is a folder")
    return folder


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield the name of a file beside `path`, which is renamed to `path` at the end: that is never half a file.

    Raises:
        UsageError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
        wrote([path])
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write `value` to `path` as JSON; `path` is never half a file (see `beside`).

    NumPy's numbers and arrays, paths and tuples are accepted too. Infinity and nan, which JSON does not have, become
    null.
    """
    path = Path(path)
    text = json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with beside(path) as part:
        part.write_bytes(text.encode("utf-8", "backslashreplace"))  # half a character becomes JSON's \\ud800
    return path


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, os.PathLike) else value


def environment(device: str = "cpu", threads: int = 1) -> dict[str, Any]:
    """What a result was measured on. The caller adds the seed.

    Args:
        device: where the arrays were: "cpu" or "cuda".
        threads: of the BLAS, in each process that measured (`benchmarks.training.pool` sets it to 1).
    """
    return {
        "minigrad": minigrad.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "blas": blas(),
        "blas_threads": threads,
        "compiler": compiler(),
        "device": _processor() if device == "cpu" else gpu(),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def compiler() -> str | None:
    """What compiles the optimizers' formulas for the CPU, as "numba 0.68.1"; None where NumPy computes them."""
    if not compiled.WANTED or find_spec("numba") is None:
        return None
    return f"numba {version('numba')}"


def commit() -> str | None:
    """The commit that is checked out, with "+" behind it if the tree has changed since; None if this is no checkout."""
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:  # installed, maybe inside another checkout
        return None
    head = _git("rev-parse", "HEAD")
    return head and head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def blas() -> str:
    """The library that multiplies NumPy's matrices, and its version."""
    built: dict[str, Any] = numpy.show_config(mode="dicts")  # type: ignore[assignment]
    found = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(found[key]) for key in ("name", "version") if key in found) or "unknown"


KERNELS_CHOSEN_BY = (
    "OPENBLAS_CORETYPE",
    "BLIS_ARCH_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
)
"""Variables of the environment that make a library take other kernels than it would."""


def kernels() -> str | None:
    """The kernels that NumPy's BLAS has taken for this processor, as "SkylakeX"; None where it does not say."""
    import threadpoolctl

    found = [lib for lib in threadpoolctl.threadpool_info() if lib.get("user_api") == "blas" and "architecture" in lib]
    own = [lib for lib in found if "numpy" in lib["filepath"]] or found  # SciPy brings another BLAS
    return str(own[0]["architecture"]) if own else None


def kernels_chosen() -> dict[str, str]:
    """Those of `KERNELS_CHOSEN_BY` that are set: figures taken now are figures of that setting."""
    return {name: os.environ[name] for name in KERNELS_CHOSEN_BY if name in os.environ}


def _processor() -> str:
    """The processor's name, from Linux, or elsewhere from Python."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def gpu() -> str:
    """The name of the GPU, and CuPy's version."""
    cupy = backend.import_cupy()
    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"]
    return f"{name.decode()}, CuPy {cupy.__version__}"
