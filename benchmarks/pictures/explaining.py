"""What an explanation is asked for, and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """Where to write the pictures, whether to make animations, and the seed of weights and mini-batches."""

    folder: Path
    animated: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Explanation:
    """A picture or two, and what they show.

    Attributes:
        title: of the pictures.
        sentences: what there is to see, with the numbers of the run that was drawn.
        numbers: the same and more, for the result file.
        written: the pictures.
    """

    title: str
    sentences: Sequence[str]
    numbers: Mapping[str, Any]
    written: Sequence[Path]
