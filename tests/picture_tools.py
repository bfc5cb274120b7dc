"""What tests of tables and pictures share: the cells of a rich table, and what a matplotlib figure draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image


def rows(made: Any) -> list[list[str]]:
    """The cells of a table, row by row."""
    return [list(row) for row in zip(*(column.cells for column in made.columns), strict=True)]


def heads(made: Any) -> list[str]:
    """The headings of a table's columns."""
    return [column.header for column in made.columns]


def data_of(line: Any) -> tuple[list[float], list[float]]:
    """The points of a line of a picture: (x, y)."""
    return list(line.get_xdata()), list(line.get_ydata())


def labels(ticks: Any) -> list[str]:
    """The words at the ticks of an axis (``axes.get_yticklabels()``), or in a legend (``legend.get_texts()``)."""
    return [text.get_text() for text in ticks]


def assert_png(path: Path, size: tuple[int, int]) -> None:
    """The file is a PNG of this size in pixels, can be decoded to its end, and is not all of one colour."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == size
        assert len(image.convert("RGB").getcolors(image.width * image.height)) > 10
