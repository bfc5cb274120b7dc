"""What each explanation of `python -m benchmarks explain` is asked for, and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """The folder for the pictures, whether to make animations, and the seed of weights and mini-batches."""

    folder: Path
    animated: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Explanation:
    """The pictures of one explanation, and what they show.

    Attributes:
        title: of the pictures.
        sentences: what can be seen, with the numbers of the run that was drawn.
        numbers: the same and more, for the result file.
        written: the files of the pictures.
    """

    title: str
    sentences: Sequence[str]
    numbers: Mapping[str, Any]
    written: Sequence[Path]
