"""Make docs/course.ipynb from docs/course.py, and run it: ``python docs/make_notebook.py``, with the extra [notebook].

The source has a cell after each line ``# %%``, or, after ``# %% [markdown]``, a text in comments.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("course.py")
NOTEBOOK = SOURCE.with_suffix(".ipynb")


def notebook(source: str) -> Any:
    """The notebook of a source, not yet run."""
    from nbformat import v4

    cells: list[Any] = []
    for text in source.split("# %%")[1:]:
        kind, _, body = text.partition("\n")
        body = body.strip("\n")
        if kind.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.splitlines()]
            cells.append(v4.new_markdown_cell("\n".join(lines)))
        else:
            cells.append(v4.new_code_cell(body))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # instead of a random one
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def executed(made: Any, folder: str) -> Any:
    """The notebook with its outputs, run in this folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises.
    """
    from nbclient import NotebookClient

    NotebookClient(made, timeout=600, resources={"metadata": {"path": folder}}, record_timing=False).execute()
    made["metadata"]["language_info"] = {"name": "python"}
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in cell["outputs"] if _is_shown(output)]
    return made


def _is_shown(output: Any) -> bool:
    """Whether an output has something to see, which progress bars have not when they have ended."""
    return output.get("data", {}).get("text/html") != ""


def main() -> int:
    """Make it."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        made = executed(notebook(SOURCE.read_text(encoding="utf-8")), folder)
    NOTEBOOK.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
    print(f"{NOTEBOOK}  {NOTEBOOK.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
