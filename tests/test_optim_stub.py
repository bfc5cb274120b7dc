"""Type checkers are told what the constructors take."""

from __future__ import annotations

import optim_stub

from minigrad import optim


def test_the_stub_is_up_to_date() -> None:
    assert optim_stub.STUB.read_text(encoding="utf-8") == optim_stub.text(), "run python tests/optim_stub.py"


def test_the_stub_has_every_public_name() -> None:
    text = optim_stub.text()
    for name in optim.__all__:
        assert f"class {name}(" in text or f" as {name}\n" in text, name
    assert "        betas: tuple[float, float] = (0.9, 0.999),\n" in text
    assert "        base_optimizer: Optimizer,\n        k: int = 5,\n        alpha: float = 0.5,\n" in text
