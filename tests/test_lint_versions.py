"""What pre-commit runs is what `make lint` and CI run."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def hooks() -> dict[str, str]:
    """The text of each hook, by its id."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    _, *parts = re.split(r"- id: (\S+)\n", text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def pinned() -> dict[str, str]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return dict(line.split("==") for line in settings["options.extras_require"]["lint"].split())


def test_the_extra_lint_pins_both():
    assert set(pinned()) == {"mypy", "ruff"}


@pytest.mark.parametrize("hook", ["ruff-check", "ruff-format"])
def test_pre_commit_has_the_ruff_of_the_extra_lint(hook):
    assert re.findall(r"additional_dependencies: \[(.*)\]", hooks()[hook]) == [f"ruff=={pinned()['ruff']}"]


def test_pre_commit_runs_the_mypy_of_make_lint():
    assert "entry: make types\n" in hooks()["mypy"]
    assert "\nlint: types\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(hooks()) == {"ruff-check", "ruff-format", "mypy"}
