"""How tensors are shown: four decimals, and the middle of long tensors left out, as by PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

DECIMALS = 4
LONGEST = 1000  # tensors of more elements are abbreviated ...
AT_EDGES = 3  # ... to so many at both ends of each axis
WIDTH = 80  # characters in a line


def elements(array: numpy.ndarray, prefix: str) -> str:
    """The elements of an array in brackets; the lines after the first are indented by the length of `prefix`."""
    if not array.size:
        return "[]"
    shown = _shown(array).reshape(-1)
    if array.dtype.kind == "f":
        shown = shown[numpy.isfinite(shown) & (shown != 0)]
        show = _float_format(numpy.abs(shown.astype(numpy.float64)))
    else:
        show = str
    width = max(map(len, map(show, shown.tolist())), default=0)
    text = numpy.array2string(
        array,
        max_line_width=WIDTH,
        separator=", ",
        prefix=prefix,
        threshold=LONGEST,
        edgeitems=AT_EDGES,
        formatter={"all": lambda x: show(x.item() if hasattr(x, "item") else x).rjust(width)},
    )
    return text.replace(", ..., ", ",  ..., ")


def _shown(array: numpy.ndarray) -> numpy.ndarray:
    """The elements that are shown."""
    if array.size > LONGEST:
        for axis, n in enumerate(array.shape):
            if n > 2 * AT_EDGES:
                array = array.take([*range(AT_EDGES), *range(n - AT_EDGES, n)], axis)
    return array


def _float_format(sizes: numpy.ndarray) -> Callable[[Any], str]:
    """One format for all elements: whole numbers, four decimals, or scientific if the sizes are too different.

    `sizes` are those of the elements that are finite and not 0.
    """
    largest, smallest = (sizes.max(), sizes.min()) if sizes.size else (1.0, 1.0)
    whole = bool((sizes == numpy.ceil(sizes)).all())
    if largest > 1000 * smallest or largest > 1e8 or (smallest < 1e-4 and not whole):
        return lambda x: f"{x:.{DECIMALS}e}"
    if whole:
        return lambda x: f"{x:.0f}." if math.isfinite(x) else str(x)
    return lambda x: f"{x:.{DECIMALS}f}"
