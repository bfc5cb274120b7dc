"""What a rule needs to know of the steps before, when that is a number: a function of t, which need not be saved.

Some rules have a factor that is a product over all steps so far. Kept on the optimizer it would be missing from
checkpoints, and wrong for a parameter that has its own t; computed anew each time it would cost t multiplications.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable


def running_product(factor: Callable[..., float]) -> Callable[..., float]:
    """Make of ``factor(t, ...)`` the function that gives factor(1, ...) times factor(2, ...) up to factor(t, ...).

    What has been multiplied is remembered for each set of further arguments, so the next step costs one
    multiplication::

        @running_product
        def decayed(t, beta):
            return beta * (1 - 0.5**t)

        decayed(3, 0.9)  # 0.45 * 0.675 * 0.7875

    Args:
        factor: of t, from 1 on, and further hashable arguments; it must depend on nothing else.
    """

    @functools.lru_cache(maxsize=64)
    def products(*others: float) -> array[float]:
        return array("d", [1.0])  # the products up to t = 0, 1, 2, ...

    @functools.wraps(factor)
    def product(t: int, *others: float) -> float:
        known = products(*others)
        while len(known) <= t:
            known.append(known[-1] * factor(len(known), *others))
        return known[t]

    return product
