"""The benchmarks as functions: classes from cells, tables and pictures to be shown, errors of one sentence."""

from __future__ import annotations

import importlib.util
import json
import linecache
import math
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from benchmarks import inline
from benchmarks.inline import cells
from minigrad import optim
from minigrad.optim import Optimizer

CELL = '''
from minigrad.optim import Optimizer
import numpy
import numpy as np
from numpy import sqrt

SCALE = 0.5

def scaled(x):
    return SCALE * x * math.copysign(1, SCALE)

class Mine(Optimizer):
    """An optimizer in a cell."""

    state = ("m",)

    def rule(self, theta, g, m, *, lr=0.05, beta=0.5):
        m[:] = beta * m + scaled(g)
        theta -= lr * sqrt(np.abs(m)) * numpy.sign(m)

class Other(Mine):
    def rule(self, theta, g, m, *, lr=0.05):
        theta -= lr * g

class Bound(Optimizer):
    def rule(self, theta, g, *, lr=0.05):
        theta -= lr * opened * g

class Broken(Optimizer):
    def rule(self, theta, g, *, lr=0.05):
        theta -= lr * undefined
'''


@pytest.fixture
def cell() -> dict[str, Any]:
    """The names of a cell that was run, as IPython runs one: its source is in the linecache, its module is __main__."""
    name = "<cell 1>"
    linecache.cache[name] = (len(CELL), None, CELL.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "__main__", "math": math, "opened": sys.stdout}
    exec(compile(CELL, name, "exec"), names)
    return names


def loaded(file: Path) -> Any:
    """A file as a module."""
    described = importlib.util.spec_from_file_location(file.stem, file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


QUICK = {"data": "digits", "iterations": 40, "every": 20, "batch_size": 50, "jobs": 2}


def test_a_class_from_a_cell_is_written_with_what_it_uses(cell: dict[str, Any], tmp_path: Path) -> None:
    spec = cells.spec_of(cell["Other"], str(tmp_path))
    assert spec == f"{tmp_path / 'cells' / 'Other.py'}:Other"
    text = (tmp_path / "cells" / "Other.py").read_text()
    module = loaded(tmp_path / "cells" / "Other.py")
    assert module.Mine.state == ("m",)
    assert module.scaled(3.0) == 1.5
    assert module.np is numpy
    assert text.index("class Mine") < text.index("class Other")
    assert text.index("SCALE = 0.5") < text.index("def scaled") < text.index("class Mine")


def test_names_files_and_classes_of_the_library(tmp_path: Path) -> None:
    assert [cells.spec_of(one, "r") for one in ("adam", optim.Adam, optim.SGD, "a/b.py:C")] == [
        "adam",
        "adam",
        "sgd",
        "a/b.py:C",
    ]
    file = Path(__file__).with_name("signsgd.py")
    assert cells.spec_of(loaded(file).SignSGD, "r") == f"{file}:SignSGD"


def test_classes_train_in_processes_beside_known_ones(
    cell: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inline.mnist(cell["Mine"], "sgd", optim.Adam, lr={cell["Mine"]: 0.01}, results=str(tmp_path), **QUICK)
    assert [run["name"] for run in shown.data["runs"]] == ["sgd", "adam", "Mine"]
    assert shown.data["runs"][2]["lr"] == 0.01
    assert not shown.failed
    assert {path.name for path in shown.files} == {"Mine.py", "mnist.json", "mnist.png", "mnist-loss.png"}
    assert [path.name for path in shown.pictures] == ["mnist.png", "mnist-loss.png"]
    html = shown._repr_html_()
    assert "Mine" in html
    assert 'src="data:image/png;base64,' in html
    assert "Accuracy in percent" in repr(shown)
    assert "Accuracy in percent" not in capsys.readouterr().out  # it is shown once, by the notebook
    capsys.readouterr()
    inline.mnist(cell["Mine"], "sgd", optim.Adam, lr={"Mine": 0.01}, results=tmp_path, **QUICK)
    assert "all of them kept" in capsys.readouterr().out


def test_a_race_and_an_explanation(cell: dict[str, Any], tmp_path: Path) -> None:
    shown = inline.surfaces(cell["Mine"], surface=["beale"], stills=True, steps=20, start=(1, 1), results=tmp_path)
    assert {path.name for path in shown.pictures} == {"beale.png", "beale-loss.png"}
    assert len(shown.tables) == 1
    assert shown.data
    explained = inline.explain("nesterov-step", stills=True, results=tmp_path)
    assert [path.suffix for path in explained.pictures]
    assert "explanations" in explained.data


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda cell, to: inline.mnist("adma", results=to), "did you mean adam"),
        (
            lambda cell, to: inline.mnist(numpy.ndarray, results=to),
            "subclass of minigrad.optim.Optimizer, .* not ndarray",
        ),
        (lambda cell, to: inline.mnist(3, results=to), "or a name, not a int"),
        (lambda cell, to: inline.mnist("adam", iteration=5, results=to), "--iteration"),
        (lambda cell, to: inline.mnist("adam", iterations="many", results=to), "whole number from 1"),
        (lambda cell, to: inline.mnist(cell["Bound"], results=to), "Bound uses opened, a .* of this notebook"),
        (lambda cell, to: inline.mnist(cell["Broken"], results=to), "NameError: name 'undefined' is not defined"),
        (lambda cell, to: inline.surfaces("adam", surface="beal", results=to), "no surface 'beal'"),
        (lambda cell, to: inline.explain("everything", results=to), "no explanation 'everything'"),
        (lambda cell, to: inline.batch_size(epochs={"batch": 0}, results=to), "whole number from 1"),
    ],
)
def test_what_is_wrong_is_one_sentence(cell: dict[str, Any], tmp_path: Path, call: Any, sentence: str) -> None:
    with pytest.raises(inline.BenchmarkError, match=sentence) as caught:
        call(cell, str(tmp_path))
    assert "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [f"BenchmarkError: {caught.value}"]


def test_a_class_without_source(tmp_path: Path) -> None:
    names: dict[str, Any] = {"Optimizer": Optimizer, "__name__": "__main__"}
    exec("class Typed(Optimizer):\n    def rule(self, theta, g, *, lr=1.0):\n        theta -= lr * g", names)
    with pytest.raises(inline.BenchmarkError, match="the source of Typed cannot be found"):
        inline.mnist(names["Typed"], results=tmp_path)


# --- The executed notebook ---------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def making() -> Any:
    pytest.importorskip("nbclient")
    return loaded(DOCS / "make_notebook.py")


def printed(notebook: Any) -> list[str]:
    """What the cells print that is the same on every machine."""
    return [
        "".join(output["text"])
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream"
    ]


def test_the_notebook_is_made_from_its_source_and_runs(making: Any, tmp_path: Path) -> None:
    committed = json.loads((DOCS / "course.ipynb").read_text(encoding="utf-8"))
    made = making.notebook((DOCS / "course.py").read_text(encoding="utf-8"))
    assert [(c["id"], c["cell_type"], "".join(c["source"])) for c in committed["cells"]] == [
        (c["id"], c["cell_type"], c["source"]) for c in made["cells"]
    ]
    run = making.executed(made, str(tmp_path))
    assert printed(run) == printed(committed) == ["Iteration: 500. Loss: 0.2710. Accuracy: 93.10\n"]
    kinds = [kind for cell in run["cells"] for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert kinds.count("image/png") == 4
    assert kinds.count("image/gif") == 1
    assert (tmp_path / "results" / "cells" / "SignMomentum.py").is_file()
    assert not any(output["output_type"] == "error" for cell in run["cells"] for output in cell.get("outputs", []))


def test_an_error_in_a_notebook_is_one_sentence(making: Any, tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    source = '# %%\nfrom minigrad.benchmarks import inline\ninline.mnist("adma")\n'
    with pytest.raises(CellExecutionError) as caught:
        making.executed(making.notebook(source), str(tmp_path))
    assert "BenchmarkError: mnist: there is no optimizer 'adma'" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert ".py" not in str(caught.value).partition("BenchmarkError")[2].partition("path/to/mine.py")[0]
