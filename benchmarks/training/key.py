"""What decides the result of a training. A result is used again only if all of it is the same."""

from __future__ import annotations

import functools
import hashlib
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy

import minigrad

from ..console import report
from . import network
from .network import datasets
from .optimizers import entrant_name, usual
from .trial import Trial
from .user_code import digest

SOURCES = {
    Path(minigrad.__file__).parent: ("**/*.py",),
    Path(datasets.__file__).parent: ("*.py",),
    Path(__file__).parents[1]: tuple(
        f"training/{name}.py" for name in ("cell14", "network", "optimizers", "trial", "user_code")
    ),
}
"""The files whose code decides a result, by folder. A result that other code gave is not used again."""

INSTALLED_THERE = ("benchmarks", "datasets")
"""Folders of an installed minigrad that have their own line in `SOURCES`, or none."""


def key(trial: Trial, circumstances: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides the result of a trial: its configuration, the optimizer, and the `circumstances`."""
    return {
        **asdict(trial),
        "optimizer": entrant_name(trial.optimizer),
        "hyperparameters": usual(trial.optimizer).text,
        **file_of(trial.optimizer),
        **circumstances,
    }


def file_of(spec: str) -> dict[str, str]:
    """For a user's own optimizer the SHA-256 of its file (not of what that imports)."""
    file = spec.rpartition(":")[0]
    return {"file": digest(Path(file))} if file else {}


@functools.lru_cache
def circumstances(data: str, device: str = "cpu") -> dict[str, Any]:
    """What decides a result besides the trial: the code, the data, and the libraries and the processor.

    The result of a floating-point sum depends on the order of its terms, which NumPy and its BLAS choose by the
    processor. So their versions belong to it, the BLAS's choice of kernels, and the processor's vector instructions.
    """
    simd: Any = numpy.show_config(mode="dicts")
    return {
        "code": _digest_of_sources(),
        "images": _digest_of_data(data),
        "numpy": numpy.__version__,
        "blas": f"{report.blas()} {report.kernels()}",
        "simd": " ".join(simd.get("SIMD Extensions", {}).get("found", [])),
        "machine": platform.machine(),
        **({"gpu": report.gpu()} if device == "cuda" else {}),
    }


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for root, patterns in SOURCES.items():
        for pattern in patterns:
            found = [path for path in sorted(root.glob(pattern)) if _counts(path.relative_to(root))]
            if not found:
                raise FileNotFoundError(f"no source file matches {root / pattern}")
            for path in found:
                content = path.read_bytes()
                name = f"{root.name}/{path.relative_to(root).as_posix()}"
                digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _counts(path: Path) -> bool:
    return path.parts[0] not in INSTALLED_THERE


def _digest_of_data(data: str) -> str:
    digest = hashlib.sha256()
    for part in (True, False):
        images = network.load(data, part)
        digest.update(images.data)
        digest.update(images.targets)
    return digest.hexdigest()
