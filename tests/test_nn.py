"""Modules: parameters, state, modes, and each layer's own. Their gradients are in test_ops.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, float32, float64, int64, nn
from minigrad.nn import functional


class Net(nn.Module):
    """The notebook's kind of model: layers as attributes, one of them twice, and a parameter of its own."""

    def __init__(self) -> None:
        self.linear1 = nn.Linear(4, 3)
        self.scale = nn.Parameter([1.0, 2.0, 3.0])
        self.relu = nn.ReLU()
        self.head = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 2, bias=False))
        self.again = self.linear1
        self.note = "no module"
        self.constant = minigrad.ones(3)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.relu(self.linear1(x)) * self.scale)


NAMES = ["scale", "linear1.weight", "linear1.bias", "head.0.weight", "head.0.bias", "head.2.weight"]
SHAPES = [(3,), (3, 4), (3,), (3, 3), (3,), (2, 3)]

# --- Parameters --------------------------------------------------------------------------------------


def test_parameters_come_in_order_and_once() -> None:
    net = Net()
    named = list(net.named_parameters())
    assert [name for name, _ in named] == NAMES
    assert [p.shape for _, p in named] == SHAPES
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in named]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for _, p in named)
    assert [name for name, _ in net.named_parameters("net")] == [f"net.{name}" for name in NAMES]


def test_a_shared_parameter_comes_once() -> None:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    names = [name for name, _ in nn.Sequential(a, b).named_parameters()]
    assert names == ["0.weight", "0.bias", "1.bias"]
    assert len(list(nn.Sequential(a, a).parameters())) == 2


def test_children_and_modules() -> None:
    net = Net()
    assert [name for name, _ in net.named_children()] == ["linear1", "relu", "head", "again"]
    kinds = [type(module).__name__ for module in net.modules()]
    assert kinds == ["Net", "Linear", "ReLU", "Sequential", "Linear", "Dropout", "Linear"]


def test_gradients_reach_all_parameters() -> None:
    net = Net().eval()
    net(minigrad.rand(5, 4) + 1).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_frozen_parameters_get_no_gradient() -> None:
    net = Net().eval()
    assert net.linear1.requires_grad_(False) is net.linear1
    net(minigrad.rand(5, 4) + 1).sum().backward()
    assert net.linear1.weight.grad is None
    assert net.scale.grad is not None
    net.requires_grad_()
    assert all(p.requires_grad for p in net.parameters())


def test_a_module_must_define_forward() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define forward\(\)"):
        Empty()(1)


def test_arguments_reach_forward() -> None:
    class Sum(nn.Module):
        def forward(self, a: Any, *, b: Any) -> Any:
            return a + b

    assert Sum()(1, b=2) == 3


# --- State -------------------------------------------------------------------------------------------


def test_state_dict_has_copies() -> None:
    net = Net()
    state = net.state_dict()
    # A layer under two names is in it under both, as in PyTorch.
    assert set(state) == {*NAMES, "again.weight", "again.bias"}
    before = state["scale"].tolist()
    net.scale.data[...] = 9
    assert state["scale"].tolist() == before
    state["linear1.bias"].data[...] = 8
    assert 8 not in net.linear1.bias.tolist()
    assert all(type(value) is Tensor and not value.requires_grad for value in state.values())


def test_loading_what_was_saved() -> None:
    net, other = Net().eval(), Net().eval()
    x = minigrad.rand(5, 4)
    assert net(x).tolist() != other(x).tolist()
    other.load_state_dict(net.state_dict())
    assert net(x).tolist() == other(x).tolist()
    net.scale.data[...] = 0
    assert 0 not in other.scale.tolist()


def test_loading_arrays_of_another_dtype_keeps_the_parameters_dtype() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.5, 2.5]]), "bias": minigrad.tensor([3.0], dtype=float64)})
    assert layer.weight.dtype == layer.bias.dtype == float32
    assert layer.weight.tolist() == [[1.5, 2.5]]
    assert layer.bias.tolist() == [3]


def test_loading_reaches_the_optimizers_vector() -> None:
    layer = nn.Linear(2, 1)
    optimizer = minigrad.optim.SGD(layer.parameters(), lr=1.0)
    layer.load_state_dict({"weight": minigrad.full((1, 2), 5.0), "bias": minigrad.full((1,), 7.0)})
    assert optimizer.theta.tolist() == [5, 5, 7]
    layer(minigrad.ones(1, 2)).sum().backward()
    optimizer.step()
    assert layer.weight.tolist() == [[4, 4]]
    assert layer.bias.tolist() == [6]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("scale"), "another model than Net: missing scale$"),
        (lambda s: [s.pop("scale"), s.pop("head.0.bias")], "missing scale, head.0.bias$"),
        (lambda s: s.update({"head.7.weight": s["scale"]}), "unknown head.7.weight$"),
        (lambda s: s.update({"scales": s.pop("scale")}), "missing scale; unknown scales$"),
        (
            lambda s: s.update({"head.2.weight": minigrad.ones(3, 2)}),
            r"head\.2\.weight has shape \(2, 3\) in Net, but \(3, 2\) in this state",
        ),
        (lambda s: s.update({"scale": minigrad.ones(())}), r"scale has shape \(3,\) in Net, but \(\) in this state"),
    ],
)
def test_the_state_of_another_model(change: Any, told: str) -> None:
    net, state = Net(), Net().state_dict()
    change(state)
    before = {name: value.tolist() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=told):
        net.load_state_dict(state)
    assert {name: value.tolist() for name, value in net.state_dict().items()} == before


def test_to_another_dtype() -> None:
    net = Net().eval()
    x = minigrad.rand(5, 4)
    single = net(x)
    net(x).sum().backward()
    ids = [id(p) for p in net.parameters()]
    assert net.to(float64) is net
    assert [id(p) for p in net.parameters()] == ids
    assert {p.dtype for p in net.parameters()} == {float64}
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert {p.grad.dtype for p in net.parameters() if p.grad is not None} == {float64}
    double = net(x.double())
    assert double.dtype == float64
    np.testing.assert_allclose(double.data, single.data, rtol=1e-5)
    net.zero_grad()
    double = net(x.double())
    double.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == float64 for p in net.parameters())
    assert net.cpu() is net


def test_parameters_must_stay_floating_point() -> None:
    net = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"float.*int64"):
        net.to(int64)
    assert net.weight.dtype == float32


def test_training_and_evaluation() -> None:
    net = Net()
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    net.train(False)
    assert not net.head[1].training
    assert Net().training  # another one is not touched


def test_repr() -> None:
    assert repr(nn.Linear(784, 100)) == "Linear(in_features=784, out_features=100, bias=True)"
    assert repr(nn.Linear(3, 2, bias=False)) == "Linear(in_features=3, out_features=2, bias=False)"
    assert repr(nn.ReLU()) == "ReLU()"
    assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25)"
    assert repr(nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.Tanh()))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): Tanh()\n"
        "  )\n"
        ")"
    )


# --- Linear ------------------------------------------------------------------------------------------


def test_linear_draws_within_its_bound() -> None:
    for n in (1, 25, 400):
        layer = nn.Linear(n, 50)
        assert layer.weight.shape == (50, n)
        assert layer.bias.shape == (50,)
        bound = 1 / math.sqrt(n)
        for parameter in layer.parameters():
            assert parameter.dtype == float32
            assert np.abs(parameter.data).max() <= bound
            assert np.abs(parameter.data).max() > 0.9 * bound
            assert parameter.data.min() < -0.8 * bound


def test_linear_is_drawn_by_the_seed() -> None:
    def drawn(seed: int) -> list[Any]:
        minigrad.manual_seed(seed)
        return [p.tolist() for p in nn.Linear(3, 2).parameters()]

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_linear_without_bias() -> None:
    layer = nn.Linear(3, 2, bias=False)
    assert layer.bias is None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    x = minigrad.rand(4, 3)
    np.testing.assert_allclose(layer(x).data, x.data @ layer.weight.data.T, rtol=1e-6)


def test_linear_takes_arrays_and_any_leading_axes() -> None:
    layer = nn.Linear(3, 2, dtype=float64)
    x = np.random.default_rng(0).normal(size=(5, 4, 3))
    y = layer(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, x @ layer.weight.data.T + layer.bias.data, rtol=1e-13)
    assert layer(x[0, 0]).shape == (2,)


def test_inputs_are_not_changed() -> None:
    layer = nn.Linear(3, 2)
    x = minigrad.rand(4, 3)
    kept = [x.data.copy(), *(p.data.copy() for p in layer.parameters())]
    layer(x).sum().backward()
    for now, before in zip([x.data, *(p.data for p in layer.parameters())], kept, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (-1, 2)])
def test_linear_of_no_features(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"Linear: features must be positive, not {n} in and {m} out"):
        nn.Linear(n, m)


@pytest.mark.parametrize("shape", [(5, 4), (3, 5), (4,), ()])
def test_linear_of_an_input_that_does_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        nn.Linear(3, 2)(minigrad.ones(shape))
    assert str(shape) in str(caught.value)
    assert "(2, 3)" in str(caught.value)


# --- Sequential and Flatten --------------------------------------------------------------------------


def test_sequential() -> None:
    chain = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU())
    assert len(chain) == 3
    assert isinstance(chain[1], nn.Linear)
    assert [type(m).__name__ for m in chain] == ["Flatten", "Linear", "ReLU"]
    assert [name for name, _ in chain.named_parameters()] == ["1.weight", "1.bias"]
    x = minigrad.rand(5, 2, 3)
    expected = np.maximum(x.data.reshape(5, 6) @ chain[1].weight.data.T + chain[1].bias.data, 0)
    np.testing.assert_allclose(chain(x).data, expected, rtol=1e-5, atol=1e-6)
    assert nn.Sequential()(x) is x


def test_sequential_of_something_else() -> None:
    with pytest.raises(TypeError, match="Sequential: argument 1 must be a module, not function"):
        nn.Sequential(nn.ReLU(), lambda x: x)


def test_flatten() -> None:
    x = minigrad.zeros(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0)(x).shape == (120,)
    assert nn.Flatten(2, 3)(x).shape == (2, 3, 20)
    assert nn.Flatten(start_dim=-3, end_dim=-2)(x).shape == (2, 12, 5)
    assert nn.Flatten()(minigrad.zeros(0, 3, 4)).shape == (0, 12)


# --- Dropout -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_that_part_and_scales_the_rest(p: float) -> None:
    n = 40_000
    y = nn.Dropout(p)(minigrad.ones(n, dtype=float64)).data
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / (1 - p), rtol=1e-12)
    assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / n)
    assert abs(y.mean() - 1) < 5 * math.sqrt(p / (1 - p) / n)
    # No element's fate depends on its neighbour's.
    assert abs(np.corrcoef(kept[:-1], kept[1:])[0, 1]) < 5 / math.sqrt(n)


def test_dropout_does_nothing_in_evaluation() -> None:
    layer, x = nn.Dropout(0.9), minigrad.rand(100)
    assert layer.eval()(x) is x
    assert functional.dropout(x, 0.9, training=False) is x
    assert nn.Dropout(0)(x).tolist() == x.tolist()
    assert (layer.train()(x).data == 0).sum() > 50


def test_dropout_is_drawn_by_the_seed() -> None:
    x = minigrad.ones(100)

    def dropped(seed: int) -> list[float]:
        minigrad.manual_seed(seed)
        return nn.Dropout()(x).tolist()

    assert dropped(3) == dropped(3)
    assert dropped(3) != dropped(4)
    minigrad.manual_seed(3)
    assert nn.Dropout()(x).tolist() != nn.Dropout()(x).tolist()


def test_dropout_drops_the_gradient_of_what_it_dropped() -> None:
    x = minigrad.ones(1000, requires_grad=True)
    y = nn.Dropout(0.25)(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, y.data)
    assert x.grad.dtype == float32


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_dropout_of_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match=rf"probability must be in \[0, 1\), not {p}"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match=rf"probability must be in \[0, 1\), not {p}"):
        functional.dropout(minigrad.ones(3), p)


# --- Losses ------------------------------------------------------------------------------------------


def test_cross_entropy_takes_labels_of_any_integer_kind() -> None:
    logits = minigrad.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], dtype=float64)
    p = np.exp(logits.data) / np.exp(logits.data).sum(1, keepdims=True)
    expected = -(np.log(p[0, 2]) + np.log(p[1, 1])) / 2
    labels = [2, 1]
    for target in (
        labels,
        tuple(labels),
        np.array(labels),
        minigrad.tensor(labels),
        *(np.array(labels, kind) for kind in (np.uint8, np.int8, np.int32, np.uint64)),
        np.array([2, 9, 1, 9])[::2],  # not contiguous
        *(np.array(labels, kind) for kind in (">i8", ">u2", ">i4")),
        [minigrad.tensor(2), minigrad.tensor(1)],
        [np.uint8(2), 1],
        range(2, 0, -1),
    ):
        assert nn.CrossEntropyLoss()(logits, target).item() == pytest.approx(expected, rel=1e-14)


def test_losses_of_no_rows() -> None:
    logits, labels = minigrad.zeros(0, 3), np.zeros(0, np.int64)
    assert functional.cross_entropy(logits, [], reduction="sum").item() == 0
    assert functional.cross_entropy(logits, labels, reduction="sum").item() == 0
    assert functional.cross_entropy(logits, labels, reduction="none").shape == (0,)
    with pytest.raises(ShapeError, match="cross_entropy: no rows"):
        functional.cross_entropy(logits, labels)
    with pytest.raises(ShapeError, match=r"mean: .*\(0,\) has nothing"):
        functional.mse_loss(minigrad.zeros(0), minigrad.zeros(0))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("labels", "wrong"), [([0, 3], 3), ([-1, 0], -1), ([0, 255], 255), (np.array([0, -128], np.int8), -128)]
)
def test_labels_that_are_no_class(labels: Any, wrong: int, reduction: str) -> None:
    for target in (labels, np.array(labels), minigrad.tensor(labels)):
        with pytest.raises(ValueError, match=f"cross_entropy: label {wrong} is none of the 3 classes 0 to 2"):
            nn.CrossEntropyLoss(reduction)(minigrad.zeros(2, 3), target)


def test_negative_labels_of_one_byte_among_many_classes() -> None:
    """-1 has the bits of 255, which is a class here: it must not be taken for it."""
    for classes in (200, 256, 300):
        with pytest.raises(ValueError, match=f"label -1 is none of the {classes} classes"):
            functional.cross_entropy(minigrad.zeros(2, classes), np.array([0, -1], np.int8))
        loss = functional.cross_entropy(minigrad.zeros(2, classes), np.array([127, 0], np.int8))
        assert loss.item() == pytest.approx(math.log(classes), rel=1e-6)


@pytest.mark.parametrize(("labels", "kind"), [([0.0, 1.0], "float"), ([True, False], "bool")])
def test_labels_that_are_no_integers(labels: Any, kind: str) -> None:
    for target in (labels, np.array(labels), minigrad.tensor(labels)):
        with pytest.raises(TypeError, match=f"cross_entropy: labels must be integers, not {kind}"):
            functional.cross_entropy(minigrad.zeros(2, 3), target)


@pytest.mark.parametrize(
    "labels", ["ab", ["a", "b"], None, [None, 1], np.array([0, 1], object), {0, 1}, [0, 1j], [[0], [0, 1]]], ids=repr
)
def test_labels_that_are_no_numbers(labels: Any) -> None:
    with pytest.raises((TypeError, ShapeError), match=r"cross_entropy: a target (holds|is made)"):
        functional.cross_entropy(minigrad.zeros(2, 3), labels)


def test_labels_that_are_masked() -> None:
    with pytest.raises(ValueError, match="cross_entropy: a target holds numbers, and 1 of the 2 elements"):
        functional.cross_entropy(minigrad.zeros(2, 3), np.ma.masked_array([0, 1], [0, 1]))


def test_logits_that_are_lists_or_arrays() -> None:
    for logits in ([[1.0, 2.0]], np.array([[1.0, 2.0]], np.float32), np.array([[1.0, 2.0]], ">f4")):
        assert functional.cross_entropy(logits, [0]).item() == pytest.approx(math.log(1 + math.e), rel=1e-6)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), ()), ((6,), (6,)), ((2, 3, 4), (2,)), ((2, 3), (0,))],
)
def test_labels_of_another_shape(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        functional.cross_entropy(minigrad.zeros(logits), np.zeros(labels, np.int64))
    message = str(caught.value)
    assert message.startswith("cross_entropy: logits (N, C) and labels (N,) are wanted")
    assert message.endswith(f"not shapes {logits} and {labels}")


@pytest.mark.parametrize(("a", "b"), [((2, 3), (3,)), ((2, 3), (2, 1)), ((3,), (3, 1)), ((2, 3), (3, 2)), ((1,), ())])
def test_squared_errors_do_not_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    for target in (minigrad.zeros(b), np.zeros(b)):
        with pytest.raises(ShapeError) as caught:
            nn.MSELoss()(minigrad.zeros(a), target)
        assert str(caught.value) == f"mse_loss: shapes {a} and {b} must be equal"


def test_squared_errors_against_lists() -> None:
    assert functional.mse_loss(minigrad.tensor([1.0, 2.0]), [0.0, 0.0]).item() == 2.5
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\) must be equal"):
        functional.mse_loss(minigrad.tensor([1.0, 2.0]), [0.0, 0.0, 0.0])


@pytest.mark.parametrize("kind", ["uint8", "int8", "int64", "bool"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_squared_errors_of_integers(kind: str, reduction: str) -> None:
    """In uint8 the square of 16 is 0: PyTorch refuses integers too, unless the other side is floating point."""
    whole = minigrad.tensor([0, 16, 1]).to(kind)
    for target in (whole, whole.data, [0, 1, 16]):
        with pytest.raises(TypeError, match="mse_loss: takes a floating-point tensor, not one of"):
            functional.mse_loss(whole, target, reduction)
    for dtype in (minigrad.float32, float64):
        x = minigrad.tensor([16.0, 0.0, 1.0], dtype=dtype, requires_grad=True)
        expected = functional.mse_loss(x, whole.to(dtype), reduction)
        for found in (functional.mse_loss(x, whole, reduction), functional.mse_loss(whole, x, reduction)):
            assert found.dtype == dtype
            np.testing.assert_array_equal(found.data, expected.data)
            assert found.requires_grad


def test_squared_errors_take_lists_for_the_dtype_of_the_other_side() -> None:
    x = minigrad.tensor([0.1, 3.0], dtype=float64)
    assert functional.mse_loss(x, [0.1, 3]).item() == 0
    assert functional.mse_loss([1.0, 2.0], minigrad.tensor([2.0, 2.0])).item() == 0.5
    assert functional.mse_loss(x.to(minigrad.float32), [1, 3]).dtype == minigrad.float32


@pytest.mark.parametrize("reduction", ["average", "", None, "Mean"])
def test_reductions_that_are_none(reduction: Any) -> None:
    x, labels = minigrad.zeros(2, 3), [0, 1]
    for ask in (
        lambda: nn.CrossEntropyLoss(reduction),
        lambda: nn.MSELoss(reduction),
        lambda: functional.cross_entropy(x, labels, reduction=reduction),
        lambda: functional.mse_loss(x, x, reduction=reduction),
    ):
        with pytest.raises(ValueError, match=f"reduction must be one of mean, sum, none, not {reduction!r}"):
            ask()
