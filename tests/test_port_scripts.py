"""Scripts in the manner of PyTorch's tutorials (tests/ports) print the same with minigrad: only their imports change.

Their output with PyTorch 2.13 is recorded (record_scripts.py); where PyTorch is installed, it is compared again.
"""

from __future__ import annotations

import importlib.util
import json
import re
import warnings
from pathlib import Path

import pytest
from record_scripts import DATA, SCRIPTS, printed

RECORDED: dict[str, list[str]] = json.loads(DATA.read_text(encoding="utf-8"))["outputs"]

SWAPS = (
    (r"^import torch$", "import minigrad as torch"),
    (r"^import torch\.(\S+) as (\w+)$", r"import minigrad.\1 as \2"),
    (r"^from torch import (.*)$", r"from minigrad import \1"),
    (r"^from torch\.(\S+) import (.*)$", r"from minigrad.\1 import \2"),
)
"""How a line is changed: the name torch in an import becomes minigrad, and nothing else."""

NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.\d*|\.\d+)(?:e[+-]?\d+)?|-?\d+")

TOLERANCE = {"vae": 2e-3, "gradient_penalty": 2e-3, "digits": 2e-3, "spirals": 2e-3}
"""By how much printed numbers may differ, relatively; by default, one in the third digit after the first."""

SEEN_DIFFERENTLY = (
    (re.compile(r"torch\.Size\((\[.*?\])\)"), lambda m: str(tuple(json.loads(m[1])))),
    (re.compile(r"\btorch\."), lambda m: ""),
    (re.compile(r", (?:grad_fn=<\w+>|made by \w+)"), lambda m: ""),
    (re.compile(r"return_types\.\w+\(|ValuesAndIndices\("), lambda m: "("),
    (re.compile(r"<All keys matched successfully>"), lambda m: "Keys(missing_keys=[], unexpected_keys=[])"),
)
"""What minigrad shows in other words: shapes are tuples, dtypes NumPy's, and a result names its operation."""


def swapped(code: str) -> str:
    lines = code.splitlines()
    for pattern, replacement in SWAPS:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    return "\n".join(lines)


def plain(lines: list[str]) -> str:
    text = "\n".join(lines)
    for pattern, replace in SEEN_DIFFERENTLY:
        text = pattern.sub(replace, text)
    return re.sub(r"\s+", " ", re.sub(r"\(\s+", "(", text))


def compare(found: list[str], wanted: list[str], tolerance: float) -> None:
    ours, theirs = plain(found), plain(wanted)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        digits = len(b.partition(".")[2].partition("e")[0]) if "." in b else 0
        last = 10.0**-digits if digits else 0.0  # one unit of the last printed digit
        assert float(a) == pytest.approx(float(b), rel=tolerance if digits else 0, abs=1.01 * last), (a, b)


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_it_prints_the_same_with_minigrad(path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    compare(printed(path, swapped), RECORDED[path.stem], TOLERANCE.get(path.stem, 1e-3))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_only_import_lines_are_changed(path: Path) -> None:
    before = path.read_text(encoding="utf-8").splitlines()
    after = swapped(path.read_text(encoding="utf-8")).splitlines()
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert changed
    assert all(re.match(r"(from|import) torch\b", line) for line in changed)
    assert not any(re.match(r"(from|import) torch\b", line) for line in after)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed: python -m pip install torch"
)
@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_pytorch_still_prints_what_was_recorded(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = printed(path)
    compare(found, RECORDED[path.stem], TOLERANCE.get(path.stem, 1e-3))


def test_there_is_one_of_each_kind() -> None:
    assert set(RECORDED) == {path.stem for path in SCRIPTS}
    assert len(SCRIPTS) >= 15
