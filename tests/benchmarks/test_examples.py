"""The files in examples/ are what the README shows, and run in every benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from benchmarks.training.optimizers import entrant
from benchmarks.training.trial import Trial, run
from benchmarks.training.user_code import load_file
from minigrad import optim

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "clipped.py": "Clipped",
    "lars.py": "LARS",
    "average.py": "AveragedAdam",
    "sharpness.py": "SharpnessAware",
}


def test_the_readme_shows_them() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    files = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert files == set(EXAMPLES)
    for name in files:
        code = (ROOT / "examples" / name).read_text(encoding="utf-8").partition('"""\n\n')[2]
        classes = re.split(r"\n\n\n(?=class )", code.strip())[1:]
        assert any(one in block for one in classes[:1] for block in shown), name


@pytest.mark.parametrize("name", EXAMPLES)
def test_they_train(name: str) -> None:
    spec = f"{ROOT / 'examples' / name}:{EXAMPLES[name]}"
    assert entrant(spec).usual.lr > 0
    result = run(Trial(spec, data="digits", iterations=150, every=150))
    assert result["accuracy"] > 60
    assert not result["diverged"]


def one_step(make) -> np.ndarray:  # type: ignore[no-untyped-def]
    start = np.linspace(-1, 1, 6).reshape(2, 3), np.ones(2)
    params = [mg.tensor(values, requires_grad=True) for values in start]
    made = make(params)

    def closure() -> mg.Tensor:
        made.zero_grad()
        loss = ((params[0] ** 3).sum() + (params[1] ** 2).sum()) * 3
        loss.backward()
        return loss

    for _ in range(3):
        if made.needs_closure:
            made.step(closure)
        else:
            closure()
            made.step()
    made.eval()
    return np.concatenate([p.data.ravel() for p in params])


def test_they_are_the_built_in_ones_where_there_are_such() -> None:
    average = load_file(ROOT / "examples" / "average.py").AveragedAdam
    np.testing.assert_allclose(
        one_step(average), one_step(lambda p: optim.EMA(optim.Adam(p, lr=0.001), decay=0.99)), rtol=1e-12
    )
    sam = load_file(ROOT / "examples" / "sharpness.py").SharpnessAware
    np.testing.assert_allclose(one_step(sam), one_step(lambda p: optim.SAM(optim.SGD(p, lr=0.1), rho=0.05)), rtol=1e-12)
