"""Nothing public is left out of the tables in operations.py, and the tables reach every backward there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import FUNCTIONAL, METHODS, MODULES, OPERATIONS, VALUES, Case

import minigrad
from minigrad import Tensor, nn, ops
from minigrad.nn import functional
from minigrad.tensor import Operation


def test_every_public_operation_is_in_a_table() -> None:
    public = {name for name in minigrad.__all__ if getattr(getattr(minigrad, name), "__module__", None) == ops.__name__}
    assert len(public) > 20
    assert public <= set(OPERATIONS) | set(VALUES)


def test_every_function_of_ops_is_in_a_table() -> None:
    own = {
        name
        for name, found in vars(ops).items()
        if getattr(found, "__module__", None) == ops.__name__ and callable(found) and not name.startswith("_")
    }
    assert {"add", "where", "mean", "matmul"} <= own
    assert own <= set(OPERATIONS) | set(VALUES)


def test_every_function_of_functional_is_in_its_table() -> None:
    assert set(functional.__all__) == set(FUNCTIONAL)
    public = {name for name, found in vars(functional).items() if inspect.isfunction(found) and name[0] != "_"}
    assert public <= set(functional.__all__)


def test_every_module_is_in_its_table() -> None:
    public = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)} - {"Parameter"}
    assert all(issubclass(getattr(nn, name), nn.Module) for name in public)
    assert public == set(MODULES)


def test_every_operator_and_method_of_a_tensor_is_in_a_table() -> None:
    def comes_from_ops(found: Any) -> bool:
        found = found.fget if isinstance(found, property) else found
        return getattr(found, "__module__", None) == ops.__name__

    installed = {name for name, found in vars(Tensor).items() if comes_from_ops(found)}
    assert {"__add__", "T", "log_softmax", "__eq__"} <= installed
    # `cuda` is in test_backend.py; `clone` is defined with the class.
    assert installed - {"cuda"} == (set(METHODS) | set(VALUES)) - {"clone", "sign"}


def test_the_tables_reach_every_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going through the tables runs each operation's vector-Jacobian products: on arrays and on tensors."""
    found = {name: op for name, op in vars(ops).items() if isinstance(op, Operation)}
    assert len(found) > 25
    reached: set[tuple[str, int, str]] = set()

    def noting(name: str, i: int, vjp: Callable[..., Any]) -> Callable[..., Any]:
        def noted(g: Any, *rest: Any, **options: Any) -> Any:
            reached.add((name, i, "tensors" if isinstance(g, Tensor) else "arrays"))
            return vjp(g, *rest, **options)

        return noted

    wanted = set()
    for name, op in found.items():
        wanted |= {(name, i, kind) for i, _, _ in op.vjps for kind in ("arrays", "tensors")}
        monkeypatch.setattr(op, "vjps", tuple((i, noting(name, i, vjp), writes) for i, vjp, writes in op.vjps))

    def run(case: Case) -> None:
        inputs = [Tensor(array, requires_grad=True) for array in case.arrays]
        y = case.function(*inputs)
        ones = np.ones(y.shape)
        minigrad.grad(y, inputs, ones, retain_graph=True, allow_unused=True)
        minigrad.grad(y, inputs, ones, create_graph=True, allow_unused=True)

    for cases in (*OPERATIONS.values(), *FUNCTIONAL.values(), *MODULES.values()):
        settings(max_examples=10)(given(cases)(run))()
    assert reached == wanted


@pytest.mark.parametrize("table", [OPERATIONS, FUNCTIONAL, MODULES])
def test_the_tables_draw_broadcasting_empty_and_one_element_axes(table: dict[str, st.SearchStrategy[Case]]) -> None:
    seen: set[str] = set()

    def look(case: Case) -> None:
        shapes = [array.shape for array in case.arrays]
        seen.update(
            kind
            for kind, there in {
                "broadcast": len({s for s in shapes if s}) > 1,
                "empty": any(0 in s for s in shapes),
                "one element": any(1 in s for s in shapes),
                "scalar": () in shapes,
                "three axes": any(len(s) == 3 for s in shapes),
            }.items()
            if there
        )

    for cases in table.values():
        given(cases)(look)()
    assert seen == {"broadcast", "empty", "one element", "scalar", "three axes"}
