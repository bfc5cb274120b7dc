"""Modules: buffers, what is registered by name, states that are not complete, containers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, nn


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("mean", minigrad.tensor([1.0, 2.0]))
        self.register_buffer("count", minigrad.tensor(3))
        self.register_buffer("scratch", minigrad.zeros(1), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("scale", nn.Parameter(minigrad.ones(1)))
        self.register_parameter("none", None)

    def forward(self, x: Tensor) -> Any:
        return self.linear(x - self.mean) * self.scale


def test_buffers_are_saved_and_move_but_are_not_learned() -> None:
    model = Counting()
    assert list(model.state_dict()) == ["scale", "mean", "count", "linear.weight", "linear.bias"]
    assert [name for name, _ in model.named_buffers()] == ["mean", "count", "scratch"]
    assert [name for name, _ in model.named_parameters()] == ["scale", "linear.weight", "linear.bias"]
    assert [name for name, _ in model.named_parameters(recurse=False)] == ["scale"]
    model.double()
    assert (model.mean.dtype, model.count.dtype, model.linear.weight.dtype) == ("float64", "int64", "float64")
    model.float()
    other = Counting()
    model.mean += 5
    other.load_state_dict(model.state_dict())
    assert other.mean.tolist() == [6, 7]
    twin = copy.deepcopy(model)
    twin.mean.zero_()
    assert model.mean.tolist() == [6, 7]
    model.mean = minigrad.zeros(2)  # assigned, it is the buffer still
    assert model.state_dict()["mean"].tolist() == [0, 0]


def test_a_state_that_is_not_complete() -> None:
    model, state = Counting(), Counting().state_dict()
    del state["scale"]
    state["more"] = minigrad.ones(1)
    with pytest.raises(ValueError, match="missing scale; unknown more"):
        model.load_state_dict(state)
    keys = model.load_state_dict(state, strict=False)
    assert (keys.missing_keys, keys.unexpected_keys) == (["scale"], ["more"])
    np.testing.assert_array_equal(model.linear.weight.detach().numpy(), state["linear.weight"].numpy())


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda m: m.register_buffer("linear", minigrad.ones(1)), KeyError, "has an attribute linear already"),
        (lambda m: m.linear.register_buffer("weight", minigrad.ones(1)), KeyError, "has an attribute weight already"),
        (lambda m: m.register_buffer("forward", minigrad.ones(1)), KeyError, "has an attribute forward already"),
        (lambda m: m.register_buffer("a.b", minigrad.ones(1)), KeyError, "a string without a dot"),
        (lambda m: m.register_buffer("b", 3.0), TypeError, "b must be a Tensor, not a float"),
        (lambda m: m.register_parameter("p", minigrad.ones(1)), TypeError, "p must be a Parameter, not a Tensor"),
        (lambda m: m.register_module("m", 3), TypeError, "m must be a Module, not a int"),
        (lambda m: m.get_submodule("linear.weight"), AttributeError, "linear.weight is a Parameter, not a module"),
        (lambda m: m.get_parameter("linear"), AttributeError, "linear is a Linear, not a parameter"),
        (lambda m: nn.ModuleDict({"keys": nn.ReLU()}), KeyError, "no name of the class"),
        (lambda m: nn.ModuleDict({"a": 3}), TypeError, "a must be a module, not int"),
        (lambda m: nn.ModuleList([nn.ReLU(), 3]), TypeError, "argument 1 must be a module, not int"),
        (lambda m: nn.ParameterList([3]), TypeError, "must be a parameter or a tensor, not int"),
        (lambda m: nn.ModuleList([nn.ReLU()])(1), NotImplementedError, "ModuleList must define forward"),
        (
            lambda m: nn.MSELoss(size_average=False),
            TypeError,
            "MSELoss: size_average is not in minigrad: say reduction=",
        ),
        (lambda m: nn.functional.l1_loss(m.mean, m.mean, reduce=True), TypeError, "l1_loss: reduce is not in minigrad"),
        (lambda m: nn.Embedding(3, 2, max_norm=1.0), TypeError, "Embedding: max_norm is not in minigrad"),
        (lambda m: nn.Embedding(3, 2)(minigrad.tensor([3])), IndexError, "a table of 3 rows has no row 3"),
        (lambda m: nn.LayerNorm(3)(minigrad.ones(2, 4)), ValueError, r"shape \(2, 4\) are not \(3,\)"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        call(Counting())


def test_registered_again() -> None:
    model = Counting()
    model.register_buffer("mean", minigrad.zeros(2), persistent=False)
    assert "mean" not in model.state_dict()
    model.register_parameter("none", nn.Parameter(minigrad.ones(2)))
    assert "none" in model.state_dict()
    model.add_module("act", nn.ReLU())
    assert isinstance(model.get_submodule("act"), nn.ReLU)
    assert model.get_submodule("") is model
    assert model.get_parameter("linear.bias") is model.linear.bias
    seen: list[str] = []
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "ReLU", "Counting"]


def test_gradients_set_to_zero_or_none() -> None:
    model = nn.Linear(2, 1)
    model(minigrad.ones(1, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [[0, 0]]
    model.zero_grad()
    assert model.weight.grad is None


def test_containers_are_edited_like_lists_and_dictionaries() -> None:
    row = nn.ModuleList(nn.Linear(i + 1, 1) for i in range(3))
    row.append(nn.Tanh()).insert(0, nn.ReLU())
    assert [type(m).__name__ for m in row] == ["ReLU", "Linear", "Linear", "Linear", "Tanh"]
    assert isinstance(row[1:3], nn.ModuleList)
    del row[0]
    assert [name for name, _ in row.named_children()] == ["0", "1", "2", "3"]
    assert len(row + nn.ModuleList([nn.ReLU()])) == 5
    named = nn.ModuleDict({"a": nn.Linear(1, 1)})
    named["b"] = nn.ReLU()
    named.update({"a": nn.Tanh()})
    assert (list(named), len(named), "b" in named, "c" in named) == (["a", "b"], 2, True, False)
    assert isinstance(named.pop("a"), nn.Tanh)
    with pytest.raises(KeyError):
        del named["a"]
    named.clear()
    assert not len(named)
    listed = nn.ParameterList([minigrad.ones(2), nn.Parameter(minigrad.zeros(1))])
    listed[1] = minigrad.full((3,), 2.0)
    assert [p.shape for p in listed] == [(2,), (3,)]
    assert all(isinstance(p, nn.Parameter) for p in listed[:2])
    assert [name for name, _ in nn.ParameterDict({"p": minigrad.ones(1)}).named_parameters()] == ["p"]
