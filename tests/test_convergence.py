"""Every optimizer runs three surfaces down to their minimum, on minigrad's own gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from optimizer_tools import (
    UNUSUAL,
    beale,
    beale_gradient,
    flat,
    optimizer,
    parameters,
    quadratic,
    quadratic_gradient,
    reference,
    rosenbrock,
    rosenbrock_gradient,
)
from reference_rules import descend

from minigrad.optim import lr as schedules


class Surface(NamedTuple):
    f: Callable[[Any, Any], Any]
    gradient: Callable[[list[float], int], list[float]]
    start: tuple[float, float]
    minimum: tuple[float, float]


SURFACES = {
    "quadratic": Surface(quadratic, quadratic_gradient, (-2.0, 2.0), (1.0, -0.5)),
    "rosenbrock": Surface(rosenbrock, rosenbrock_gradient, (-1.0, 1.0), (1.0, 1.0)),
    "beale": Surface(beale, beale_gradient, (1.0, -0.5), (3.0, 0.5)),
}
STEPS = {"quadratic": 500, "rosenbrock": 6000, "beale": 2000}


def decaying(start: float) -> schedules.Schedule:
    """RMSprop's steps do not shrink by themselves, so near a minimum it dances unless the rate does."""
    return schedules.exponential(start, 0.998)


# For each optimizer and surface the hyperparameters, and how near to the minimum it must come in STEPS steps:
# a few times the distance it does come to. The coverage test wants every public optimizer here.
CONVERGENCE: dict[str, dict[str, tuple[dict[str, Any], float]]] = {
    "SGD": {
        "quadratic": ({"lr": 0.3}, 1e-10),
        "rosenbrock": ({"lr": 0.002}, 0.02),
        "beale": ({"lr": 0.02}, 1e-5),
    },
    "Momentum": {
        "quadratic": ({"lr": 0.1}, 1e-8),
        "rosenbrock": ({"lr": 0.002}, 1e-8),
        "beale": ({"lr": 0.01}, 1e-12),
    },
    "Nesterov": {
        "quadratic": ({"lr": 0.2}, 1e-10),
        "rosenbrock": ({"lr": 0.001}, 1e-6),
        "beale": ({"lr": 0.01}, 1e-12),
    },
    "Adagrad": {
        "quadratic": ({"lr": 2.0}, 1e-10),
        "rosenbrock": ({"lr": 0.5}, 0.01),
        "beale": ({"lr": 0.5}, 1e-8),
    },
    "RMSprop": {
        "quadratic": ({"lr": decaying(0.05)}, 1e-4),
        "rosenbrock": ({"lr": decaying(0.1)}, 0.01),
        "beale": ({"lr": decaying(0.02)}, 1e-3),
    },
    "Adam": {
        "quadratic": ({"lr": 1.0}, 1e-6),
        "rosenbrock": ({"lr": 0.003}, 1e-5),
        "beale": ({"lr": 0.05}, 1e-10),
    },
    # The decay pulls towards (0, 0): it would keep AdamW off the minimum, by 0.01 or so at its default.
    "AdamW": {
        "quadratic": ({"lr": 1.0, "weight_decay": 1e-5}, 2e-4),
        "rosenbrock": ({"lr": 0.003, "weight_decay": 1e-5}, 1e-3),
        "beale": ({"lr": 0.05, "weight_decay": 1e-5}, 2e-4),
    },
    "Adadelta": {
        "quadratic": ({"lr": 0.3, "eps": 1e-2}, 1e-8),
        "rosenbrock": ({"lr": 0.002, "eps": 1e-2}, 0.05),
        "beale": ({"lr": 0.02, "eps": 1e-2}, 1e-4),
    },
    "Adamax": {
        "quadratic": ({"lr": 1.0}, 1e-7),
        "rosenbrock": ({"lr": 0.01}, 1e-3),
        "beale": ({"lr": 0.1}, 1e-10),
    },
    "AMSGrad": {
        "quadratic": ({"lr": 1.0}, 1e-10),
        "rosenbrock": ({"lr": 0.1}, 1e-12),
        "beale": ({"lr": 0.1}, 1e-12),
    },
    "NAdam": {
        "quadratic": ({"lr": 0.3}, 1e-12),
        "rosenbrock": ({"lr": 0.003}, 1e-3),
        "beale": ({"lr": 0.02}, 0.003),
    },
    # All of Lion's steps are as long as the rate, so it must fall far.
    "Lion": {
        "quadratic": ({"lr": schedules.exponential(0.2, 0.98), "betas": (0.0, 0.5)}, 1e-3),
        "rosenbrock": ({"lr": schedules.exponential(0.01, 0.998)}, 1e-6),
        "beale": ({"lr": schedules.exponential(0.02, 0.99)}, 1e-7),
    },
    # What is trained; the average comes later.
    "ScheduleFreeAdamW": {
        "quadratic": ({"lr": 1.0}, 1e-6),
        "rosenbrock": ({"lr": 0.1}, 0.1),
        "beale": ({"lr": 0.1}, 0.03),
    },
    "RAdam": {
        "quadratic": ({"lr": 0.5}, 1e-6),
        "rosenbrock": ({"lr": 0.005}, 1e-6),
        "beale": ({"lr": 0.1}, 1e-12),
    },
    "Lookahead": {
        "quadratic": ({"inner": ("Momentum", {"lr": 0.2})}, 1e-9),
        "rosenbrock": ({"inner": ("Momentum", {"lr": 0.002})}, 1e-6),
        "beale": ({"inner": ("Momentum", {"lr": 0.02})}, 1e-12),
    },
    "Ranger": {
        "quadratic": ({"lr": 0.5, "betas": (0.9, 0.99)}, 1e-9),
        "rosenbrock": ({"lr": 0.005}, 1e-4),
        "beale": ({"lr": 0.2}, 1e-12),
    },
}


def run_down(name: str, hyper: dict[str, Any], surface: Surface, steps: int) -> np.ndarray:
    """The path (steps, 2) on minigrad's gradients, each of which is held against the one worked out by hand."""
    x, y = params = parameters(np.array(surface.start), [(), ()])
    run = optimizer(name, params, hyper)
    path = []
    for _ in range(steps):
        run.zero_grad()
        surface.f(x, y).backward()
        found, expected = (x.grad.item(), y.grad.item()), surface.gradient([x.item(), y.item()], 0)
        # Near the minimum the gradient is a small difference of large numbers, hence the absolute part.
        assert all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(found, expected, strict=True))
        run.step()
        path.append(flat(params))
    return np.array(path)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", CONVERGENCE)
def test_reaches_the_minimum(name: str, surface: str) -> None:
    hyper, distance = CONVERGENCE[name][surface]
    chosen = SURFACES[surface]
    assert math.dist(chosen.start, chosen.minimum) > 1
    path = run_down(name, hyper, chosen, STEPS[surface])
    reached = math.dist(path[-1], chosen.minimum)
    assert reached <= distance, f"{name} is {reached:.1e} away from the minimum of {surface} after {len(path)} steps"


@pytest.mark.parametrize("name", CONVERGENCE)
def test_follows_its_transcription_on_beale(name: str) -> None:
    # Here the gradient depends on where the run is, so that an error would feed upon itself.
    hyper, surface = UNUSUAL[name], SURFACES["beale"]
    path = run_down(name, hyper, surface, 50)
    expected = np.array(descend(lambda: reference(name, hyper), surface.start, surface.gradient, 50))
    assert np.abs(expected - surface.start).max() > 0.3
    np.testing.assert_allclose(path, expected, rtol=1e-11, atol=1e-11)
