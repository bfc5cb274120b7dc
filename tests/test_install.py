"""A wheel built from the tree works without the checkout: in an empty folder, with no path that leads back here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel({folder!r}))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built from a copy of the tree, so that nothing is left behind in the tree itself."""
    copy, folder = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in ("minigrad", "datasets", "benchmarks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    built = subprocess.run(
        [sys.executable, "-c", BUILD.format(folder=str(folder))], cwd=copy, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("minigrad-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder where the wheel's content lies, as an installer puts it there."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def python(installed, tmp_path):
    """Run Python in an empty folder, where the wheel is found first."""

    def run(*arguments: str, status: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [sys.executable, "-W", "error", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_every_module_and_the_data_are_in_it_inside_one_package(wheel):
    there = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (("minigrad", ""), ("datasets", "minigrad/"), ("benchmarks", "minigrad/")):
        modules = {inside + path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert modules <= there, f"not in setup.cfg: {sorted(modules - there)}"
    images = {f"minigrad/datasets/mnist/{path.name}" for path in (ROOT / "datasets" / "mnist").iterdir()}
    assert images <= there
    assert {"minigrad/py.typed", "minigrad/optim/__init__.pyi"} <= there
    assert {name.partition("/")[0] for name in there} == {
        "minigrad",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }


def test_the_readmes_ten_lines_run(python, installed):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"## Ten lines\n\n```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len([line for line in lines.splitlines() if line]) <= 14
    where = "import sys; print(*(sys.modules[name].__file__ for name in ('minigrad', 'minigrad.datasets')))\n"
    loss, files = python("-c", lines + where).splitlines()
    assert 0 < float(loss) < 0.5  # after one epoch of Adam; a network that has learnt nothing has 2.3
    assert all(file.startswith(str(installed)) for file in files.split())


def test_a_benchmark_runs_and_resumes(python, tmp_path):
    asked = ["--data", "digits", "--iterations", "20", "--every", "10", "--optimizers", "sgd,adam", "--jobs", "2"]
    said = python("-m", "minigrad.benchmarks", "mnist", *asked)
    assert "64-100-10 with ReLU" in said
    record = json.loads((tmp_path / "results" / "mnist.json").read_text())
    assert [run["name"] for run in record["runs"]] == ["sgd", "adam"]
    assert record["environment"]["commit"] is None
    assert "2 trainings, all of them kept" in python("-m", "minigrad.benchmarks", "mnist", *asked)


def test_the_timings_worker_processes_start(python):
    asked = ["--quick", "--part", "step", "--peers", "minigrad", "--threads", "1", "--optimizers", "sgd"]
    assert "A training step, 1 thread" in python("-m", "minigrad.benchmarks", "speed", *asked)


def test_the_command_is_called_minigrad(wheel, python):
    texts = zipfile.ZipFile(wheel)
    (points,) = [texts.read(name).decode() for name in texts.namelist() if name.endswith("entry_points.txt")]
    assert "minigrad = minigrad.benchmarks.__main__:command" in points
    call = (
        "import sys; from minigrad.benchmarks.__main__ import command; "
        "sys.argv = ['minigrad', {!r}]; sys.exit(command())"
    )
    assert python("-c", call.format("--help")).startswith("minigrad NAME [--help]\n")
    assert python("-c", call.format("nothing"), status=2).startswith("minigrad: there is no benchmark 'nothing'")
    assert "usage: minigrad mnist" in python("-m", "minigrad.benchmarks", "mnist", "--help")
