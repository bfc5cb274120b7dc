"""What record_others.py recorded, and the reference rules run on the same inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reference_rules import PARAMETER_REFERENCES, REFERENCES, WRAPPER_REFERENCES, ParameterRule, Rule

FILE = Path(__file__).parent / "data" / "other_trajectories.npz"
ELEMENT_REFERENCES = {**REFERENCES, **WRAPPER_REFERENCES}


@dataclass(frozen=True)
class Case:
    """One recorded run: what ran, on what, and where it went. n is the size of all parameters together."""

    rule: str  # the class, by the name it has or is to have in minigrad.optim
    hyper: dict[str, Any]  # its keyword arguments; what is not named is at its default
    inner: tuple[str, dict[str, Any]] | None  # for EMA, the inner rule and its arguments
    rates: list[float] | None  # the learning rate of every step, where it changes
    missing: list[int]  # steps, from 1, at which the second parameter has no gradient
    tolerance: float  # how closely float64 arithmetic can follow
    shapes: list[tuple[int, ...]]
    theta0: np.ndarray  # (n,)
    gradients: np.ndarray  # (steps, n)
    thetas: np.ndarray  # (steps, n), after each step
    averaged: np.ndarray | None  # (steps, n), what is tested in place of theta, if the rule has an average

    def lr(self) -> dict[str, Any]:
        """Return the keyword argument for rates that change, a function of the steps taken, or none."""
        rates = self.rates
        return {"lr": lambda taken: rates[taken]} if rates else {}


def cases() -> dict[str, Case]:
    """Return every recorded run on given gradients, by its name."""
    with np.load(FILE) as arrays:
        about = json.loads(str(arrays["about"]))
        return {
            name: Case(
                rule=case["rule"],
                hyper=case["hyper"],
                inner=(case["inner"]["rule"], case["inner"]["hyper"]) if case["inner"] else None,
                rates=case["rates"],
                missing=case["missing"],
                tolerance=case["tolerance"],
                shapes=[tuple(shape) for shape in about["shapes"][case["inputs"]]],
                theta0=arrays[f"inputs/{case['inputs']}/theta0"],
                gradients=arrays[f"inputs/{case['inputs']}/gradients"],
                thetas=arrays[name],
                averaged=arrays.get(f"{name}/averaged"),
            )
            for name, case in about["cases"].items()
        }


def sam_cases() -> dict[str, dict[str, Any]]:
    """Return every run of SAM on Beale's function: `hyper`, `inner`, `theta0` and `thetas`, (steps, 2)."""
    with np.load(FILE) as arrays:
        about = json.loads(str(arrays["about"]))
        return {name: {**case, "thetas": arrays[name]} for name, case in about["sam"].items()}


def rows(array: np.ndarray) -> list[list[float]]:
    """Return a parameter, or its gradient, as `ParameterRule` wants it: a list of rows, one unless it is a matrix."""
    return (array if array.ndim == 2 else array.reshape(1, -1)).tolist()  # type: ignore[no-any-return]


def reference_run(
    rule: str,
    hyper: dict[str, Any],
    shapes: Sequence[tuple[int, ...]],
    theta0: np.ndarray,
    gradients: np.ndarray,
    *,
    inner: tuple[str, dict[str, Any]] | None = None,
    missing: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Run any reference rule but SAM's: theta after each step, and what is tested then, (steps, n) both.

    Parameters have these shapes and lie end to end in theta0 (n,) and in each row of gradients (steps, n); at the
    steps named in `missing`, from 1, the second has no gradient, and nothing of it moves. Without an average what
    is tested is theta itself.
    """
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    assert ends[-1] == len(theta0)
    thetas = np.empty(gradients.shape)
    averaged = np.empty(gradients.shape)
    for i, shape in enumerate(shapes):
        part = slice(ends[i] - math.prod(shape), ends[i])
        taken = [t - 1 for t in range(1, len(gradients) + 1) if not (i == 1 and t in missing)]
        if rule in PARAMETER_REFERENCES:
            matrix_rule: ParameterRule = PARAMETER_REFERENCES[rule](**hyper)
            theta = rows(theta0[part].reshape(shape))
            for t, g in enumerate(gradients[:, part]):
                if t in taken:
                    theta = matrix_rule.step(theta, rows(g.reshape(shape)))
                thetas[t, part] = averaged[t, part] = np.ravel(theta)
            continue
        for n in range(part.start, part.stop):
            element_rule: Rule = (
                ELEMENT_REFERENCES[rule](ELEMENT_REFERENCES[inner[0]](**inner[1]), **hyper)
                if inner
                else ELEMENT_REFERENCES[rule](**hyper)
            )
            number = float(theta0[n])
            for t, g in enumerate(gradients[:, n].tolist()):
                if t in taken:
                    number = element_rule.step(number, g)
                thetas[t, n], averaged[t, n] = number, element_rule.averaged(number)
    return thetas, averaged
