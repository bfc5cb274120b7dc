"""The methods that minigrad/methods.pyi declares for type checkers are those that tensors have."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import minigrad
from minigrad.operation import Operation
from minigrad.tensor import Tensor

DECLARED = {
    node.name: node
    for node in ast.walk(ast.parse((Path(minigrad.__file__).parent / "methods.pyi").read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef)
}
INSTALLED = dict(vars(Tensor))


def operations() -> dict[str, object]:
    """The methods that come from `minigrad.ops`."""
    return {
        name: value
        for name, value in INSTALLED.items()
        if isinstance(value, Operation)
        or str(getattr(value, "__module__", "")).startswith(("minigrad.ops.", "minigrad.functions."))
        or (
            isinstance(value, property)
            and str(value.fget.__module__).startswith(("minigrad.ops.", "minigrad.functions.", "minigrad.operation"))
        )
        or name == "T"
    }


def test_every_operation_that_is_a_method_is_declared_and_nothing_else() -> None:
    in_place = {"__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"}  # for types, Python uses __add__ then
    assert set(DECLARED) == set(operations()) - in_place - {"__array_ufunc__"}


def test_arguments_have_the_declared_names_and_defaults() -> None:
    compared = 0
    for name, node in DECLARED.items():
        value = operations()[name]
        if name.startswith("__") or name in ("T", "mT"):
            continue
        function = value.forward if isinstance(value, Operation) else value
        real = list(inspect.signature(function).parameters.values())[1:]
        declared = [*node.args.args[1:], *([node.args.vararg] if node.args.vararg else []), *node.args.kwonlyargs]
        if real[-1:] and real[-1].kind is inspect.Parameter.VAR_KEYWORD:  # `all` and `any`, which pass on what they get
            continue
        assert [argument.arg for argument in declared] == [p.name for p in real], name
        defaults = [ast.literal_eval(d) for d in [*node.args.defaults, *filter(None, node.args.kw_defaults)]]
        assert defaults == [p.default for p in real if p.default is not p.empty], name
        compared += 1
    assert compared > 150
