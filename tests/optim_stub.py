"""Writes minigrad/optim/__init__.pyi: python tests/optim_stub.py.

A rule has its hyperparameters in its own signature, and the base class makes the constructor of it. Type checkers and
editors cannot see that, so this stub says it to them. `test_optim_stub.py` fails when it is not up to date.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from minigrad import optim

STUB = Path(__file__).parents[1] / "minigrad" / "optim" / "__init__.pyi"
HEAD = '''"""What the constructors take. Written by tests/optim_stub.py: do not edit."""

from collections.abc import Iterable
from typing import Any

from minigrad.optim import lr as lr
from minigrad.optim import lr_scheduler as lr_scheduler
from minigrad.optim.combined import Combined as Combined
from minigrad.optim.groups import Rate
from minigrad.optim.optimizer import Optimizer as Optimizer
from minigrad.optim.running_product import running_product as running_product
from minigrad.optim.wrapper import Wrapper as Wrapper

__all__: list[str]
'''


def text() -> str:
    """Return what the stub is to be."""
    parts = [HEAD]
    for name in sorted(optim.__all__):
        kind = getattr(optim, name)
        if not inspect.isclass(kind) or name in ("Combined", "Optimizer", "Wrapper"):
            continue
        taken = ["self"]
        for p in inspect.signature(kind).parameters.values():
            if p.kind is p.KEYWORD_ONLY and "*" not in taken:
                taken.append("*")
            note = {"params": "Iterable[Any]", "base_optimizer": "Optimizer"}.get(p.name, p.annotation)
            taken.append(f"{p.name}: {note}" + ("" if p.default is p.empty else f" = {p.default!r}"))
        base = "Wrapper" if issubclass(kind, optim.Wrapper) else "Optimizer"
        arguments = "".join(f"        {one},\n" for one in taken)
        parts.append(f"class {name}({base}):\n    def __init__(\n{arguments}    ) -> None: ...\n")
    return "\n".join(parts)


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
