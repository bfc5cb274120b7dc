"""What pre-commit runs is what `make lint` and CI run."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_pre_commit_has_the_versions_of_the_extra_lint():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    pinned = dict(line.split("==") for line in settings["options.extras_require"]["lint"].split())
    assert set(pinned) == {"mypy", "ruff"}
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    found = re.findall(r"\b(mypy|ruff)==([\d.]+)", hooks)
    assert {name for name, _ in found} == set(pinned)
    assert all(version == pinned[name] for name, version in found)
