"""The error function."""

from __future__ import annotations

import math

import numpy

from minigrad.backend import Array, get_array_module
from minigrad.operation import operation
from minigrad.ops import exp
from minigrad.ops.arguments import as_real

_erf = numpy.frompyfunc(math.erf, 1, 1)


@operation(lambda g, _y, a: g * (exp(-(a * a)) * (2 / math.sqrt(math.pi))))
def erf(a: Array) -> Array:
    """2/sqrt(pi) times the integral of exp(-x**2) from 0 to a; NumPy has none, so it is Python's for each number."""
    a = as_real("erf", a)
    if get_array_module(a) is numpy:
        return numpy.asarray(_erf(a)).astype(a.dtype)
    from cupyx.scipy.special import erf as on_gpu  # type: ignore[import-not-found, unused-ignore]

    return on_gpu(a)
