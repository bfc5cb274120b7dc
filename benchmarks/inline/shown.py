"""What a benchmark found, as a notebook shows it: tables, pictures, animations; and an error of one sentence."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import report

if TYPE_CHECKING:
    from rich.table import Table

IMAGES = {".png": "image/png", ".gif": "image/gif"}
"""What is shown of the files, by suffix."""

LARGEST = 8_000_000
"""Bytes of a picture that are put into a notebook; of a larger one only the path is shown."""


class BenchmarkError(ValueError):
    """What is wrong with a call, in one sentence; a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of showing the traceback."""
        return [f"{type(self).__name__}: {self}"]


class Shown:
    """The results of a benchmark.

    Attributes:
        name: of the benchmark.
        tables: as the command prints them, for rich.
        files: those that were written: figures (.json), pictures (.png), animations (.gif, .mp4).
        failed: whether a part of it failed.
    """

    def __init__(self, name: str, tables: Sequence[Table], files: Sequence[Path], failed: bool = False) -> None:
        self.name = name
        self.tables = list(tables)
        self.files = list(dict.fromkeys(files))
        self.failed = failed

    @property
    def data(self) -> Any:
        """The figures: what the (first) JSON file has."""
        for file in self.files:
            if file.suffix == ".json":
                return json.loads(file.read_text(encoding="utf-8"))
        return None

    @property
    def pictures(self) -> list[Path]:
        """The pictures and animations that a notebook can show."""
        return [file for file in self.files if file.suffix in IMAGES]

    def __repr__(self) -> str:
        tables = [_printed(table)[0] for table in self.tables]
        return "\n".join([*tables, *(f"{file}" for file in self.files)]) or f"<no results of {self.name}>"

    def _ipython_display_(self) -> None:
        """Called by IPython: the tables, and each picture as an image."""
        from IPython.display import HTML, Image, display  # type: ignore[import-not-found, unused-ignore]

        for table in self.tables:
            display(HTML(_printed(table)[1]))
        for file in self.pictures:
            if file.stat().st_size <= LARGEST:
                display(Image(filename=str(file), width=900))

    def _repr_html_(self) -> str:
        """Called by a notebook."""
        return "\n".join([*(_printed(table)[1] for table in self.tables), *map(_image, self.pictures)])


def _printed(table: Table) -> tuple[str, str]:
    """A table as text, and as HTML."""
    from rich.console import Console

    wide = Console(record=True, file=io.StringIO(), width=1000, force_jupyter=False)
    console = Console(
        record=True, file=io.StringIO(), width=max(report.WIDTH, wide.measure(table).maximum), force_jupyter=False
    )
    console.print(table)
    text = console.export_text(clear=False)
    style = "font-family: monospace; line-height: 1.25; white-space: pre; overflow-x: auto"
    return text, console.export_html(inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>')


def _image(file: Path) -> str:
    """A picture inside the notebook, however its files are moved."""
    if file.stat().st_size > LARGEST:
        return f"<p>{file}</p>"
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    return f'<img style="max-width: 100%" alt="{file.name}" src="data:{IMAGES[file.suffix]};base64,{content}">'
