"""Functions and methods of tensors against PyTorch's values and gradients (see record_tensors.py)."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from record_tensors import DATA, DRAWS, EXPRESSIONS, TEXTS, assigned, evaluated, inputs, weighted_sum

import minigrad
from minigrad import Tensor, creation, functions

with np.load(DATA) as _recorded:
    ABOUT: dict[str, Any] = json.loads(str(_recorded["about"]))
    RECORDED = {name: _recorded[f"a{k}"] for k, name in enumerate(ABOUT["names"])}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_dtypes_and_gradients_are_pytorchs(expression: str) -> None:
    values, gradients = evaluated(expression, minigrad)
    assert len(values) == ABOUT["expressions"][expression]
    for k, value in enumerate(values):
        wanted = RECORDED[f"{expression}/{k}"]
        assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
        near_0 = 5e-8 if "linspace" in expression else 1e-14  # PyTorch counts from the middle of eight numbers
        np.testing.assert_allclose(value, wanted, rtol=1e-6 if wanted.dtype == np.float32 else 1e-12, atol=near_0)
    assert sorted(gradients) == ABOUT["gradients"][expression]
    for name, g in gradients.items():
        np.testing.assert_allclose(g, RECORDED[f"{expression}/grad/{name}"], rtol=1e-10, atol=1e-12)


KINKS = ("ties", "zeros", "floor", "trunc", "amin(1)")
"""Expressions with these are not differentiable at their inputs, or have a derivative of 0 and jumps."""


@pytest.mark.parametrize(
    "expression", [e for e in EXPRESSIONS if ABOUT["gradients"][e] and not any(kink in e for kink in KINKS)]
)
def test_gradients_are_those_of_finite_differences(expression: str) -> None:
    names = inputs(minigrad)
    used = ABOUT["gradients"][expression]

    def function(*tensors: Tensor) -> Any:
        found = eval(
            expression, {"torch": minigrad, "assigned": assigned}, names | dict(zip(used, tensors, strict=True))
        )
        parts = list(found) if isinstance(found, tuple) else [found]
        return weighted_sum([part for part in parts if isinstance(part, Tensor) and part.dtype.kind == "f"], minigrad)

    if function(*(names[name] for name in used)).dtype == np.float64:  # differences of float32 values say nothing
        assert minigrad.gradcheck(function, [names[name] for name in used], second=True)


@pytest.mark.parametrize("expression", DRAWS)
def test_draws_are_pytorchs_from_the_same_seed(expression: str) -> None:
    minigrad.manual_seed(3)
    found, wanted = eval(expression, {"torch": minigrad}).numpy(), RECORDED[f"draw/{expression}"]
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    if "norm" in expression or "randn" in expression:  # logarithms and cosines, whose last bits differ
        np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("expression", TEXTS)
def test_tensors_are_shown_as_by_pytorch(expression: str) -> None:
    wanted = ABOUT["texts"][expression].replace("torch.", "")
    assert str(eval(expression, {"torch": minigrad})) == wanted


def test_what_was_recorded_is_in_the_tables() -> None:
    assert list(ABOUT["expressions"]) == EXPRESSIONS
    assert ABOUT["draws"] == sorted(DRAWS)
    assert list(ABOUT["texts"]) == TEXTS
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS)


TEXT = "\n".join([*EXPRESSIONS, *DRAWS])


def test_every_function_has_an_expression() -> None:
    public = {
        name
        for name in minigrad.__all__
        if str(getattr(getattr(minigrad, name), "__module__", "")).startswith("minigrad.functions")
        or getattr(getattr(minigrad, name), "__module__", "") == creation.__name__
    } - {"tensor"}
    called = set(re.findall(r"torch\.(\w+)\(", TEXT))
    assert len(public) > 120
    assert public <= called, sorted(public - called)


def test_every_method_has_an_expression() -> None:
    called = set(re.findall(r"\.(\w+)\(", "\n".join(line for line in TEXT.replace("torch.", "").splitlines())))
    missing = {name for name in functions.METHODS if not name.startswith("__")} - called - {"mT"}
    assert not missing
