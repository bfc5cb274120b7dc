"""Layers, activations and losses against PyTorch's values and gradients (see record_nn.py)."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from record_nn import DATA, DRAWS, EXPRESSIONS, TEXTS, inputs, names
from record_tensors import evaluated

import minigrad
from minigrad import nn
from minigrad.nn import functional

with np.load(DATA) as _recorded:
    ABOUT: dict[str, Any] = json.loads(str(_recorded["about"]))
    RECORDED = {name: _recorded[f"a{k}"] for k, name in enumerate(ABOUT["names"])}
NAMES = names(minigrad, nn)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_and_gradients_are_pytorchs(expression: str) -> None:
    (value,), gradients = evaluated(expression, minigrad, inputs, NAMES)
    wanted = RECORDED[f"{expression}/0"]
    assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(value, wanted, rtol=1e-6 if wanted.dtype == np.float32 else 1e-11, atol=1e-14)
    assert sorted(gradients) == ABOUT["gradients"][expression]
    for name, g in gradients.items():
        # At 0 and 1 PyTorch's gradient is limited by 1e-12 in float32.
        tolerance = 1e-5 if wanted.dtype == np.float32 else 1e-8 if "(ends" in expression else 1e-9
        np.testing.assert_allclose(g, RECORDED[f"{expression}/grad/{name}"], rtol=tolerance, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("expression", DRAWS)
def test_draws_are_pytorchs_from_the_same_seed(expression: str) -> None:
    minigrad.manual_seed(3)
    found = eval(expression, NAMES).detach().numpy()
    wanted = RECORDED[f"draw/{expression}"]
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    tolerance = 3e-6 if "Embedding" in expression else 0  # logarithms and cosines, whose last bits differ
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance / 3)


@pytest.mark.parametrize("expression", TEXTS)
def test_modules_are_shown_as_by_pytorch(expression: str) -> None:
    assert str(eval(expression, NAMES)) == ABOUT["texts"][expression]


def test_everything_public_is_recorded() -> None:
    assert list(ABOUT["gradients"]) == EXPRESSIONS
    text = "\n".join([*EXPRESSIONS, *DRAWS, *TEXTS])
    assert set(functional.__all__) == set(re.findall(r"F\.(\w+)\(", text))
    containers = {"Module", "Parameter", "ParameterDict", "ParameterList", "functional", "init", "utils"}
    assert set(nn.__all__) - containers == set(re.findall(r"nn\.(\w+)[(.]", text)) - {"functional"}
