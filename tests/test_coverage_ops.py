"""Nothing public is left out of the tables in operations.py, and the tables reach every backward there is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import FUNCTIONAL, METHODS, MODULES, OPERATIONS, VALUES, Case

import minigrad
from minigrad import Tensor, functions, nn, ops
from minigrad.nn import functional
from minigrad.operation import Operation

ALL: dict[str, Any] = {
    name: found
    for module in (importlib.import_module(f"minigrad.ops.{one.name}") for one in pkgutil.iter_modules(ops.__path__))
    for name, found in vars(module).items()
    if getattr(found, "__module__", None) == module.__name__ and callable(found)
}
"""Everything that the modules of minigrad.ops define."""


def is_of_ops(found: Any) -> bool:
    return str(getattr(found, "__module__", "")).startswith(f"{ops.__name__}.")


def test_every_public_operation_is_in_a_table() -> None:
    public = {name for name in minigrad.__all__ if is_of_ops(getattr(minigrad, name))}
    assert len(public) > 15
    assert public - {"concat", "concatenate"} <= set(OPERATIONS) | set(VALUES)  # these two are other names of cat


def test_every_function_of_ops_is_in_a_table() -> None:
    helpers = {name for name, found in ALL.items() if found.__module__ == "minigrad.ops.arguments"}
    own = {name for name in ALL if not name.startswith("_")} - helpers
    assert {"add", "where", "mean", "matmul"} <= own
    assert own <= set(OPERATIONS) | set(VALUES)


def test_every_function_of_functional_is_in_its_table() -> None:
    assert set(functional.__all__) - {"one_hot"} == set(FUNCTIONAL)  # one_hot has no gradient: test_nn_vs_torch.py
    public = {
        name
        for name, found in vars(functional).items()
        if inspect.isfunction(found) and name[0] != "_" and found.__module__ != "minigrad.missing"
    }
    assert public <= set(functional.__all__)


def test_every_module_is_in_its_table() -> None:
    public = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)} - {"Parameter"}
    assert all(issubclass(getattr(nn, name), nn.Module) for name in public)
    assert public == set(MODULES)


def test_every_operator_and_method_of_a_tensor_is_in_a_table() -> None:
    def comes_from_ops(found: Any) -> bool:
        found = found.fget if isinstance(found, property) else found
        return is_of_ops(found)

    installed = {name for name, found in vars(Tensor).items() if comes_from_ops(found)}
    assert {"__add__", "T", "log_softmax", "__eq__"} <= installed
    # `cuda` is in test_backend.py; `clone` is defined with the class; those of functions are in record_tensors.py too.
    assert installed - {"cuda"} == (set(METHODS) | set(VALUES)) - {"clone", "sign"} - set(functions.METHODS)


def test_the_tables_reach_every_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going through the tables runs each operation's vector-Jacobian products: on arrays and on tensors."""
    found = {name: op for name, op in ALL.items() if isinstance(op, Operation)}
    assert len(found) > 25
    reached: set[tuple[str, int, str]] = set()

    def noting(name: str, i: int, vjp: Callable[..., Any]) -> Callable[..., Any]:
        def noted(g: Any, *rest: Any, **options: Any) -> Any:
            reached.add((name, i, "tensors" if isinstance(g, Tensor) else "arrays"))
            return vjp(g, *rest, **options)

        return noted

    wanted = set()
    for name, op in found.items():
        wanted |= {(name, i, kind) for i, *_ in op.vjps for kind in ("arrays", "tensors")}
        monkeypatch.setattr(op, "vjps", tuple((i, noting(name, i, vjp), *rest) for i, vjp, *rest in op.vjps))

    def run(case: Case) -> None:
        inputs = [Tensor(array, requires_grad=True) for array in case.arrays]
        y = case.function(*inputs)
        ones = np.ones(y.shape)
        minigrad.grad(y, inputs, ones, retain_graph=True, allow_unused=True)
        minigrad.grad(y, inputs, ones, create_graph=True, allow_unused=True)

    for cases in (*OPERATIONS.values(), *FUNCTIONAL.values(), *MODULES.values()):
        settings(max_examples=10)(given(cases)(run))()
    assert reached == wanted


def test_a_vjp_uses_no_values_that_its_names_say_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments whose name begins with an underscore may change in place before backward: nan in them is not seen."""
    unused: set[tuple[str, int, int]] = set()

    def spoiling(name: str, i: int, vjp: Callable[..., Any], needs: Any) -> Callable[..., Any]:
        def spoiled(g: Any, y: Any, *inputs: Any, **options: Any) -> Any:
            right = vjp(g, y, *inputs, **({"out": np.empty_like(options["out"])} if options else {}))
            result, used = needs
            args = [y, *inputs]
            for k, a in enumerate(args):
                seen = result if k == 0 else used is None or k - 1 in used
                if not seen and isinstance(a, np.ndarray) and a.dtype.kind == "f":
                    args[k] = np.full_like(a, np.nan)
                    unused.add((name, i, k))
            np.testing.assert_array_equal(vjp(g, *args, **options), right)
            return right

        return spoiled

    for name, op in ALL.items():
        if isinstance(op, Operation):
            spoilt = tuple((i, spoiling(name, i, vjp, needs), writes, needs) for i, vjp, writes, needs in op.vjps)
            monkeypatch.setattr(op, "vjps", spoilt)

    def run(case: Case) -> None:
        inputs = [Tensor(array, requires_grad=True) for array in case.arrays]
        y = case.function(*inputs)
        minigrad.grad(y, inputs, np.ones(y.shape), allow_unused=True)

    for cases in (*OPERATIONS.values(), *FUNCTIONAL.values()):
        settings(max_examples=10)(given(cases)(run))()
    assert len(unused) > 40
    assert {("add", 0, 1), ("mul", 0, 1), ("exp", 0, 1), ("log", 0, 0), ("linear", 2, 1)} <= unused


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
