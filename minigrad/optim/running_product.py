"""Products over all steps so far, as functions of the number of steps t.

Some rules have a factor that is a product over all steps so far. As an attribute of the optimizer it would be missing
from checkpoints, and wrong for a parameter with its own t. Computed from scratch it would need t multiplications.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable


def running_product(factor: Callable[..., float]) -> Callable[..., float]:
    """Turn ``factor(t, ...)`` into the function factor(1, ...) * factor(2, ...) * ... * factor(t, ...).

    The products are cached for each set of further arguments, so the next step needs one multiplication::

        @running_product
        def decayed(t, beta):
            return beta * (1 - 0.5**t)

        decayed(3, 0.9)  # 0.45 * 0.675 * 0.7875

    Args:
        factor: a function of t = 1, 2, ... and further hashable arguments, and of nothing else.
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
