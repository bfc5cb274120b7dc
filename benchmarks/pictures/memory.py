"""How much memory each optimizer's state takes, measured: bytes per parameter.

An optimizer is made for parameters whose vectors theta (the parameters) and g (their gradients) exist already, and
takes two steps. The memory that Python has then allocated in addition is the optimizer's state, whether the optimizer
lists it in `state` or not.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad import optim
from minigrad.optim import compiled

from ..training.optimizers import ENTRANTS
from .explanation import Explanation, Request
from .moves import state_of
from .stage import FAINT, NORMAL, Stage, save_png

PARAMETERS = 1_000_000
"""The number of parameters: float32, 4 bytes each."""


def measured(make: Callable[..., Any]) -> tuple[float, list[str]]:
    """Bytes of state per parameter of the optimizer ``make(params)``, and the names of its state.

    It is the difference between 2 and 1 times `PARAMETERS` parameters, so what does not grow with them is not counted.
    """
    with compiled.without():  # compiling takes memory too
        one, names = _taken(make, PARAMETERS)
        two, _ = _taken(make, 2 * PARAMETERS)
    return (two - one) / PARAMETERS, names


def _taken(make: Callable[..., Any], count: int) -> tuple[int, list[str]]:
    """Bytes that an optimizer of `count` parameters has allocated after two steps, and the names of its state."""
    x = minigrad.zeros(count, requires_grad=True)
    sgd = optim.SGD([x])  # makes the vectors theta and g
    x.grad = minigrad.ones(count)
    sgd.step()  # moves the gradient into g
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        optimizer = make([x])
        for _ in range(2):
            optimizer.step()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before, list(state_of(optimizer))


def draw(request: Request) -> Explanation:
    """Draw memory.png."""
    found = {name: measured(entrant.make) for name, entrant in ENTRANTS.items()}
    written = [save_png(request.folder / "memory.png", still(found), 96)]
    groups: dict[int, list[str]] = {}
    for name, (size, _) in found.items():
        groups.setdefault(round(size), []).append(ENTRANTS[name].label)
    sizes = "; ".join(f"{size} bytes: {', '.join(names)}" for size, names in sorted(groups.items()))
    return Explanation(
        "What the state takes",
        [f"For each float32 parameter (4 bytes, and 4 for its gradient), measured over {PARAMETERS:,}: {sizes}."],
        {name: {"bytes_per_parameter": round(size, 3), "keeps": names} for name, (size, names) in found.items()},
        written,
    )


def still(found: dict[str, tuple[float, list[str]]]) -> ndarray:
    """For each optimizer a bar of its state, after a grey one of the parameter and its gradient.

    The title says what the least and the most are.
    """
    rows = sorted(found, key=lambda name: (round(found[name][0]), list(found).index(name)))
    stage = Stage(800, 96 + 26 * len(rows) + 44, 2)
    (least, low), (most, high) = ((ENTRANTS[name].label, found[name][0]) for name in (rows[0], rows[-1]))
    stage.title(
        f"For each parameter {least} keeps {low:.0f} bytes, {most} {high:.0f}",
        f"measured over {PARAMETERS:,} float32 parameters after two steps; θ and its gradient g take 4 bytes each",
    )
    axes = stage.panel(150, 76, 500, 26 * len(rows), xlim=(0, 21), ylim=(len(rows) - 0.5, -0.5))
    axes.set_axisbelow(True)
    axes.set_yticks([])
    axes.set_xticks(numpy.arange(0, 21, 4))
    axes.set_xlabel("bytes for each parameter", fontsize=NORMAL, color=FAINT)
    for i, name in enumerate(rows):
        size, names = found[name]
        y = 76 + 26 * (i + 0.5) + 4
        axes.barh([i], [8], color="#DADFE5", height=0.62)
        axes.barh([i], [size], left=8, color=ENTRANTS[name].color, height=0.62)
        stage.text(140, y, ENTRANTS[name].label, NORMAL, ha="right")
        stage.text(
            150 + 500 * (8 + size) / 21 + 8,
            y,
            f"{size:.0f}" + (f":  {', '.join(names)}" if names else ":  nothing"),
        )
    stage.text(150 + 500 * 4 / 21, 76 + 26 * 0.5 + 4, "θ and g", NORMAL, ha="center", color=FAINT)
    return stage.frame([])
