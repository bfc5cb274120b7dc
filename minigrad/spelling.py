"""NumPy's names of arguments, which PyTorch accepts too: ``axis=`` for ``dim=`` and ``keepdims=`` for ``keepdim=``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that takes `dim`, so that it takes NumPy's names as well.

    ``out=None``, which ``numpy.sum(tensor)`` and the like pass on to the method, is ignored.

    Raises:
        TypeError: an argument is given under both names.
    """

    @functools.wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        if named:
            if named.get("out", 0) is None:
                del named["out"]
            for name in _NAMES.keys() & named.keys():
                if _NAMES[name] in named:
                    raise TypeError(f"{function.__name__}: {name} and {_NAMES[name]} are the same argument: give one")
                named[_NAMES[name]] = named.pop(name)
        return function(*args, **named)

    return called
