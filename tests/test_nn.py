"""Modules: parameters, state, modes, and each layer's own. Their gradients are in test_ops.py."""

from __future__ import annotations

import copy
import io
import itertools
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
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
    assert [name for name, _ in net.named_children()] == ["linear1", "relu", "head"]  # each once, as in PyTorch
    assert list(net.children()) == [net.linear1, net.relu, net.head]
    names = [name for name, _ in net.named_modules()]
    assert names == ["", "linear1", "relu", "head", "head.0", "head.1", "head.2"]
    assert [name for name, _ in net.head.named_modules("x")] == ["x", "x.0", "x.1", "x.2"]
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


# --- Modules that hold one another ---------------------------------------------------------------------


class Cell(nn.Module):
    """A parameter, and whatever is assigned."""

    def __init__(self, value: float = 0.0) -> None:
        self.w = nn.Parameter([value])

    def forward(self, x: Any) -> Any:
        return x * self.w


def itself() -> Cell:
    root = Cell()
    root.me = root
    return root


def child_and_parent() -> Cell:
    root = Cell(1.0)
    root.child, root.other = Cell(2.0), Cell(3.0)
    root.child.parent = root.other.parent = root
    return root


def ring() -> Cell:
    cells = [Cell(float(i)) for i in range(5)]
    for cell, following in itertools.pairwise([*cells, cells[0]]):
        cell.following = following
    return cells[0]


def neighbours() -> Cell:
    root, cells = Cell(9.0), [Cell(float(i)) for i in range(4)]
    for i, cell in enumerate(cells):
        setattr(root, f"cell{i}", cell)
    for a, b in itertools.pairwise(cells):
        a.right, b.left = b, a
    return root


def in_a_sequential() -> nn.Module:
    root = nn.Sequential(Cell(1.0), nn.Sequential(Cell(2.0)))
    root[1][0].root = root
    root[1].above = nn.Sequential(root)
    return root


def everyone_holds_everyone() -> Cell:
    cells = [Cell(float(i)) for i in range(7)]
    for a, b in itertools.permutations(cells, 2):
        setattr(a, f"c{int(b.w.item())}", b)
    return cells[0]


CYCLES: list[Callable[[], Any]] = [
    itself,
    child_and_parent,
    ring,
    neighbours,
    in_a_sequential,
    everyone_holds_everyone,
]


@pytest.mark.parametrize("make", CYCLES)
def test_modules_that_hold_one_another(make: Callable[[], Any]) -> None:
    root, other = make(), make()
    cells = [module for module in root.modules() if isinstance(module, Cell)]
    assert len({id(module) for module in root.modules()}) == len(list(root.modules()))
    assert {id(p) for p in root.parameters()} == {id(cell.w) for cell in cells}
    assert len(list(root.parameters())) == len(cells)
    assert dict(root.named_parameters()).keys() <= root.state_dict().keys()
    root.eval()
    assert not any(module.training for module in root.modules())
    assert root.train() is root
    assert all(module.training for module in root.modules())
    root.requires_grad_(False)
    assert not any(cell.w.requires_grad for cell in cells)
    root.requires_grad_().zero_grad()
    assert {p.dtype for p in root.to(float64).parameters()} == {float64}
    for p in root.parameters():
        p.data = p.data + 10
    other.load_state_dict(root.state_dict())
    assert [p.tolist() for p in other.parameters()] == [p.tolist() for p in root.parameters()]
    assert "..." in repr(root)
    for twin in (copy.deepcopy(root), pickle.loads(pickle.dumps(root))):
        assert {n: v.tolist() for n, v in twin.state_dict().items()} == {
            n: v.tolist() for n, v in root.state_dict().items()
        }
        assert not {id(m) for m in twin.modules()} & {id(m) for m in root.modules()}
        assert len(list(twin.modules())) == len(list(root.modules()))


def test_names_and_repr_of_a_child_that_holds_its_parent() -> None:
    root = child_and_parent()
    assert list(root.state_dict()) == [name for name, _ in root.named_parameters()] == ["w", "child.w", "other.w"]
    assert list(root.child.state_dict()) == ["w", "parent.w", "parent.other.w"]
    assert repr(root) == "Cell(\n  (child): Cell(\n    (parent): ...\n  )\n  (other): Cell(\n    (parent): ...\n  )\n)"


def test_a_shared_block_is_in_the_state_under_all_names() -> None:
    # What PyTorch 2.13 gives for the same modules.
    root = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Tanh())
    root.append(root[0])
    assert list(root.state_dict()) == ["0.0.weight", "0.0.bias", "2.0.weight", "2.0.bias"]
    assert [name for name, _ in root.named_parameters()] == ["0.0.weight", "0.0.bias"]
    assert [name for name, _ in root.named_children()] == ["0", "1"]
    assert len(root) == 3
    assert repr(root).count("Linear(in_features=2, out_features=2, bias=True)") == 2
    root.load_state_dict({name: minigrad.ones(*v.shape) for name, v in root.state_dict().items()})
    assert root[2][0].weight.tolist() == [[1, 1], [1, 1]]


# --- Copies ------------------------------------------------------------------------------------------


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda model: pickle.loads(pickle.dumps(model, protocol))


def through_a_file(model: Any) -> Any:
    file = io.BytesIO()
    pickle.dump(model, file)
    file.seek(0)
    return pickle.load(file)


COPIES = {
    "deepcopy": copy.deepcopy,
    "a file": through_a_file,
    **{str(p): pickled(p) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("laid", [False, True])
def test_copies_of_a_model(how: str, laid: bool) -> None:
    net = Net().eval()
    optimizer = minigrad.optim.SGD(net.parameters(), lr=1.0) if laid else None
    net.linear1.bias.requires_grad_(False)
    x = minigrad.rand(5, 4)
    before = net(x).tolist()
    twin = COPIES[how](net)
    assert type(twin) is Net
    assert twin(x).tolist() == before
    assert not twin.training
    assert not twin.head[1].training
    assert twin.again is twin.linear1
    assert repr(twin) == repr(net)
    assert [(n, type(p), p.requires_grad) for n, p in twin.named_parameters()] == [
        (n, nn.Parameter, n != "linear1.bias") for n in NAMES
    ]
    # The copy trains by itself, and the original goes on with its optimizer.
    steps = minigrad.optim.SGD([p for p in twin.parameters() if p.requires_grad], lr=1.0)
    twin(x).sum().backward()
    steps.step()
    assert twin(x).tolist() != before
    assert net(x).tolist() == before
    if optimizer is not None:
        kept = twin(x).tolist()
        net(x).sum().backward()
        optimizer.step()
        assert net(x).tolist() != before
        assert twin(x).tolist() == kept


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


MANY = 20

BAD_ENTRIES: dict[str, tuple[Any, type[Exception]]] = {
    "another shape": (minigrad.ones(3), ValueError),
    "one axis more": (np.ones((1, 2)), ValueError),
    "a number": (1.0, TypeError),
    "NumPy's number": (np.float32(1), TypeError),
    "None": (None, TypeError),
    "a list": ([1.0, 2.0], TypeError),
    "a string": ("12", TypeError),
    "strings": (np.array(["1", "2"]), TypeError),
    "objects": (np.array([1.0, None], dtype=object), TypeError),
    "objects that are numbers": (np.array([1.0, 2.0], dtype=object), TypeError),
    "complex": (np.array([1.0, 2j]), TypeError),
    "dates": (np.array(["2020", "2021"], dtype="M8[Y]"), TypeError),
    "records": (np.zeros(2, dtype=[("a", float)]), TypeError),
    "masked": (np.ma.masked_array([1.0, 2.0], [True, False]), TypeError),
    "a dictionary": ({"data": 1}, TypeError),
}


@pytest.mark.parametrize("bad", BAD_ENTRIES)
@pytest.mark.parametrize("laid", [False, True])
@pytest.mark.parametrize("place", [0, 9, MANY - 1])
def test_a_failed_load_changes_nothing(bad: str, laid: bool, place: int) -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            for i in range(MANY):
                setattr(self, f"p{i}", nn.Parameter(minigrad.rand(2)))

    model = Wide()
    model.p3.data[0] = np.nan
    optimizer = minigrad.optim.SGD(model.parameters(), lr=1.0) if laid else None
    arrays = [p.data for p in model.parameters()]
    before = [a.tobytes() for a in arrays]
    state: dict[str, Any] = {name: value * 0 + 7 for name, value in model.state_dict().items()}
    value, error = BAD_ENTRIES[bad]
    with pytest.raises(error, match=f"^p{place} .*Wide"):
        model.load_state_dict({**state, f"p{place}": value})
    assert [p.data is a for p, a in zip(model.parameters(), arrays, strict=True)] == [True] * MANY
    assert [p.data.tobytes() for p in model.parameters()] == before
    if optimizer is not None:
        assert optimizer.theta.tobytes() == b"".join(before)


@pytest.mark.parametrize("state", [None, [("p", 1)], 3, "weight", nn.Linear(2, 2)])
def test_a_state_that_is_no_dictionary(state: Any) -> None:
    with pytest.raises(TypeError, match="the state of Linear is a dictionary of tensors by name, not a "):
        nn.Linear(2, 2).load_state_dict(state)


def test_names_that_are_no_strings() -> None:
    layer = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"another model than Linear: unknown 3$"):
        layer.load_state_dict({**layer.state_dict(), 3: minigrad.ones(1)})  # type: ignore[dict-item]


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f8", "int64", "uint8", "bool"])
def test_values_of_other_dtypes_are_converted(dtype: str) -> None:
    layer = nn.Linear(2, 1)
    state = {"weight": np.array([[1, 0]], dtype=dtype), "bias": np.array([1], dtype=dtype)}
    layer.load_state_dict(state)
    assert (layer.weight.tolist(), layer.bias.tolist()) == ([[1.0, 0.0]], [1.0])
    assert layer.weight.data.dtype.isnative
    assert layer.weight.dtype == layer.bias.dtype == float32


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
    assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25, inplace=False)"
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


class Plus(nn.Module):
    """Adds a number: so the order of application and who takes part can be read off the result."""

    def __init__(self, digit: int) -> None:
        self.digit = digit

    def forward(self, x: int) -> int:
        return 10 * x + self.digit

    def extra_repr(self) -> str:
        return str(self.digit)


def chain(*digits: int) -> nn.Sequential:
    return nn.Sequential(*map(Plus, digits))


def names(sequential: nn.Sequential) -> list[str]:
    return [name for name, _ in sequential.named_children()]


CHANGES: dict[str, tuple[Callable[[Any], Any], int, list[str]]] = {
    "setattr": (lambda s: setattr(s, "0", Plus(9)), 9234, ["0", "1", "2", "3"]),
    "setattr of the last": (lambda s: setattr(s, "3", Plus(9)), 1239, ["0", "1", "2", "3"]),
    "setattr of a new one": (lambda s: setattr(s, "4", Plus(9)), 12349, ["0", "1", "2", "3", "4"]),
    "setattr of a named one": (lambda s: setattr(s, "head", Plus(9)), 12349, ["0", "1", "2", "3", "head"]),
    "delattr": (lambda s: delattr(s, "1"), 134, ["0", "2", "3"]),
    "assignment": (lambda s: s.__setitem__(1, Plus(9)), 1934, ["0", "1", "2", "3"]),
    "assignment from the end": (lambda s: s.__setitem__(-1, Plus(9)), 1239, ["0", "1", "2", "3"]),
    "assignment at NumPy's index": (lambda s: s.__setitem__(np.int64(2), Plus(9)), 1294, ["0", "1", "2", "3"]),
    "append": (lambda s: s.append(Plus(9)), 12349, ["0", "1", "2", "3", "4"]),
    "extend": (lambda s: s.extend([Plus(8), Plus(9)]), 123489, ["0", "1", "2", "3", "4", "5"]),
    "extend by a generator": (lambda s: s.extend(Plus(i) for i in (8, 9)), 123489, ["0", "1", "2", "3", "4", "5"]),
    "insert": (lambda s: s.insert(1, Plus(9)), 19234, ["0", "1", "2", "3", "4"]),
    "insert in front": (lambda s: s.insert(0, Plus(9)), 91234, ["0", "1", "2", "3", "4"]),
    "insert before the last": (lambda s: s.insert(-1, Plus(9)), 12394, ["0", "1", "2", "3", "4"]),
    "insert at the end": (lambda s: s.insert(4, Plus(9)), 12349, ["0", "1", "2", "3", "4"]),
    "del": (lambda s: s.__delitem__(0), 234, ["0", "1", "2"]),
    "del from the end": (lambda s: s.__delitem__(-2), 124, ["0", "1", "2"]),
    "del of a slice": (lambda s: s.__delitem__(slice(1, 3)), 14, ["0", "1"]),
    "del of every other": (lambda s: s.__delitem__(slice(None, None, 2)), 24, ["0", "1"]),
    "pop": (lambda s: s.pop(), 123, ["0", "1", "2"]),
    "pop of the first": (lambda s: s.pop(0), 234, ["0", "1", "2"]),
    "+=": (lambda s: s.__iadd__(chain(8, 9)), 123489, ["0", "1", "2", "3", "4", "5"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_sequential_applies_what_it_shows(change: str) -> None:
    sequential = chain(1, 2, 3, 4)
    how, result, expected = CHANGES[change]
    how(sequential)
    assert sequential(0) == result
    assert names(sequential) == expected
    assert len(sequential) == len(str(result))
    assert int("".join(str(module.digit) for module in sequential)) == result
    assert [sequential[i].digit for i in range(len(sequential))] == [int(d) for d in str(result)]
    assert [sequential[i].digit for i in range(-len(sequential), 0)] == [int(d) for d in str(result)]
    assert [line.split("Plus")[1][1] for line in repr(sequential).split("\n")[1:-1]] == list(str(result))
    assert sequential.eval()[-1].training is False
    assert copy.deepcopy(sequential)(0) == result


def test_a_replaced_layer_is_what_is_trained_and_saved() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    old, new = model[1], nn.Linear(2, 3)
    model[1] = new
    assert model(minigrad.ones(1, 2)).shape == (1, 3)
    assert [id(p) for p in model[1:].parameters()] == [id(new.weight), id(new.bias)]
    assert id(old.weight) not in map(id, model.parameters())
    assert model.state_dict()["1.weight"].tolist() == new.weight.tolist()


def test_what_changes_return() -> None:
    sequential = chain(1)
    assert sequential.append(Plus(2)) is sequential.insert(0, Plus(0)) is sequential.extend([]) is sequential
    assert sequential.pop().digit == 2
    before = sequential
    sequential += chain(7)
    assert sequential is before
    sequential.extend(sequential)
    assert sequential(0) == 17017
    both = chain(1, 2) + chain(3)
    assert (both(0), names(both)) == (123, ["0", "1", "2"])


@pytest.mark.parametrize("cut", [slice(1, 3), slice(-2, None), slice(None, None, -1), slice(5, 9), slice(None)])
def test_slices(cut: slice) -> None:
    sequential = chain(1, 2, 3, 4)
    part = sequential[cut]
    assert type(part) is nn.Sequential
    assert list(part) == list(sequential)[cut]  # the same modules
    assert part(0) == int("0" + "".join("1234"[cut]))
    assert names(part) == ["0", "1", "2", "3"][cut]  # which keep their names, as in PyTorch
    part.append(Plus(9))
    assert part(0) == int("".join("1234"[cut]) + "9")
    assert sequential(0) == 1234


def test_slices_of_a_class_of_ones_own() -> None:
    class Twice(nn.Sequential):
        def __init__(self, factor: int, *modules: nn.Module) -> None:
            super().__init__(*modules)
            self.factor = factor

        def forward(self, x: Any) -> Any:
            return self.factor * super().forward(x)

    part = Twice(2, Plus(1), Plus(2), Plus(3)).eval()[1:]
    assert type(part) is Twice
    assert part(0) == 46
    assert not part.training


def test_a_sequential_with_names() -> None:
    for kind in (dict, OrderedDict):
        named = nn.Sequential(kind([("a", Plus(1)), ("b", Plus(2)), ("c", Plus(3))]))
        assert (named(0), names(named)) == (123, ["a", "b", "c"])
        named.insert(1, Plus(9)).b = Plus(8)
        assert (named(0), names(named)) == (1983, ["a", "1", "b", "c"])
        del named[0]
        assert (named(0), names(named)) == (983, ["0", "b", "c"])


@pytest.mark.parametrize("wrong", [None, 3, "ReLU", nn.ReLU, lambda x: x, [nn.ReLU()], minigrad.ones(1)])
def test_what_is_no_module_is_refused_and_changes_nothing(wrong: Any) -> None:
    kind = type(wrong).__name__
    named = nn.Sequential({"a": Plus(1)})
    sequential = chain(1, 2)
    for change, place in (
        (lambda: nn.Sequential(nn.ReLU(), wrong), "1"),
        (lambda: nn.Sequential({"a": wrong}), "a"),
        (lambda: setattr(sequential, "0", wrong), "0"),
        (lambda: setattr(sequential, "7", wrong), "7"),
        (lambda: setattr(named, "a", wrong), "a"),
        (lambda: sequential.__setitem__(1, wrong), "1"),
        (lambda: sequential.append(wrong), "2"),
        (lambda: sequential.insert(0, wrong), "0"),
        (lambda: sequential.extend([Plus(3), wrong]), "1"),
    ):
        with pytest.raises(TypeError, match=f"^Sequential: (argument )?{place} must be a module, not {kind}$"):
            change()
    assert (sequential(0), named(0)) == (12, 1)


@pytest.mark.parametrize("place", [2, -3, 10**30])
def test_places_that_are_not_there(place: int) -> None:
    sequential = chain(1, 2)
    for ask in (
        lambda: sequential[place],
        lambda: sequential.__setitem__(place, Plus(3)),
        lambda: sequential.__delitem__(place),
        lambda: sequential.pop(place),
        lambda: sequential.insert(place + (place > 0), Plus(3)),
    ):
        with pytest.raises(IndexError, match=r"index -?\d+ is out of range for a Sequential of 2 modules"):
            ask()
    assert sequential(0) == 12
    for index in ("0", 1.0, None):
        with pytest.raises(TypeError):
            sequential[index]  # type: ignore[call-overload]


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


def test_dropout_drops_half_unless_told_otherwise() -> None:
    for drop in (functional.dropout, nn.Dropout()):
        y = drop(minigrad.ones(10_000)).data
        assert set(y.tolist()) == {0.0, 2.0}
        assert 0.47 < (y == 0).mean() < 0.53


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


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_dropout_of_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match=rf"probability must be in \[0, 1\], not {p}"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match=rf"probability must be in \[0, 1\], not {p}"):
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
    with pytest.raises(ShapeError, match="cross_entropy: there are no rows"):
        functional.cross_entropy(logits, labels)
    with pytest.raises(ShapeError, match=r"mean: .*\(0,\) has no elements"):
        functional.mse_loss(minigrad.zeros(0), minigrad.zeros(0))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("labels", "wrong"), [([0, 3], 3), ([-1, 0], -1), ([0, 255], 255), (np.array([0, -128], np.int8), -128)]
)
def test_labels_that_are_no_class(labels: Any, wrong: int, reduction: str) -> None:
    for target in (labels, np.array(labels), minigrad.tensor(labels)):
        with pytest.raises(ValueError, match=f"cross_entropy: label {wrong} is none of the 3 classes 0 to 2"):
            nn.CrossEntropyLoss(reduction=reduction)(minigrad.zeros(2, 3), target)


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
    with pytest.raises(ValueError, match="cross_entropy: a target holds numbers, but 1 of the 2 elements"):
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
    assert message.startswith("cross_entropy: logits must be (N, C) and labels (N,)")
    assert message.endswith(f"not of shapes {logits} and {labels}")


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
            functional.mse_loss(whole, target, reduction=reduction)
    for dtype in (minigrad.float32, float64):
        x = minigrad.tensor([16.0, 0.0, 1.0], dtype=dtype, requires_grad=True)
        expected = functional.mse_loss(x, whole.to(dtype), reduction=reduction)
        for found in (
            functional.mse_loss(x, whole, reduction=reduction),
            functional.mse_loss(whole, x, reduction=reduction),
        ):
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
        lambda: nn.CrossEntropyLoss(reduction=reduction),
        lambda: nn.MSELoss(reduction=reduction),
        lambda: functional.cross_entropy(x, labels, reduction=reduction),
        lambda: functional.mse_loss(x, x, reduction=reduction),
    ):
        with pytest.raises(ValueError, match=f"reduction must be one of mean, sum, none, not {reduction!r}"):
            ask()
