"""The base class of `Tensor`, whose methods that are operations are declared in methods.pyi for type checkers.

`minigrad.ops` and `minigrad.functions` define them, and make them methods of `Tensor`. tests/test_methods.py compares
the signatures.
"""

from __future__ import annotations


class Methods:
    """The methods that `Tensor` has besides those in its own class."""

    __slots__ = ()
