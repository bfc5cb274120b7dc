"""Losses and activations against what PyTorch 2.13 computed in float64 (recorded by record_torch.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor
from minigrad.nn import functional

with np.load(Path(__file__).parent / "data" / "torch_functions.npz") as _recorded:
    RECORDED: dict[str, np.ndarray] = {name: _recorded[name] for name in _recorded.files}
CASES: dict[str, dict[str, Any]] = json.loads(str(RECORDED["about"]))["cases"]


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    case = CASES[name]
    inputs = [RECORDED[f"{name}/in/{key}"] for key in case["inputs"]]
    tensors = [minigrad.tensor(array, requires_grad=array.dtype.kind == "f") for array in inputs]
    out = getattr(functional, case["function"])(*tensors, **case["arguments"])
    assert out.shape == RECORDED[f"{name}/out"].shape
    assert out.dtype == np.float64
    close(out.data, RECORDED[f"{name}/out"])
    out.backward(Tensor(RECORDED[f"{name}/upstream"]))
    for key, x in zip(case["inputs"], tensors, strict=True):
        if x.requires_grad:
            assert x.grad is not None
            close(x.grad.data, RECORDED[f"{name}/grad/{key}"])
    assert {f"{name}/grad/{k}" for k, x in zip(case["inputs"], tensors, strict=True) if x.requires_grad} == {
        key for key in RECORDED if key.startswith(f"{name}/grad/")
    }


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["function"] == "cross_entropy"])
def test_cross_entropy_is_log_softmax_and_a_choice(name: str) -> None:
    """The layer as users build it from its parts: the same figures once more."""
    logits = minigrad.tensor(RECORDED[f"{name}/in/input"], requires_grad=True)
    labels = RECORDED[f"{name}/in/target"]
    losses = -functional.log_softmax(logits, dim=1)[np.arange(len(labels)), labels]
    reduction = CASES[name]["arguments"].get("reduction", "mean")
    out = losses if reduction == "none" else getattr(losses, reduction)()
    close(out.data, RECORDED[f"{name}/out"])
    out.backward(RECORDED[f"{name}/upstream"])
    assert logits.grad is not None
    close(logits.grad.data, RECORDED[f"{name}/grad/input"])


def test_every_function_was_recorded() -> None:
    assert {case["function"] for case in CASES.values()} <= set(functional.__all__)  # the others: test_nn_vs_torch.py
