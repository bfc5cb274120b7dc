"""The same framework on a GPU: through the stand-in for CuPy, and with ``pytest --device cuda`` on the GPU itself.

On both, results are held against those of the CPU. What is counted (transfers, launches, arrays) is counted on the
stand-in, which makes them as CuPy does.
"""

from __future__ import annotations

import copy
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import operations
import pytest
import record_tensors
from cupy_stand_in import Counts, HiddenTraffic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operations import FUNCTIONAL, METHODS, MODULES, OPERATIONS, VALUES, Case
from optimizer_tools import UNUSUAL, optimizer, public_optimizers, split

import datasets
import minigrad as mg
from minigrad import Tensor, backend, nn
from minigrad.nn import functional
from minigrad.utils.data import DataLoader, Dataset, TensorDataset

OPTIMIZERS = pytest.mark.parametrize("name", UNUSUAL)
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def there(array: Any) -> Any:
    """A copy of the array on the GPU."""
    return backend.to_device(np.array(array), "cuda")


def here(x: Any) -> np.ndarray:
    """The values of a tensor or array, on the host."""
    return backend.to_numpy(x.data if isinstance(x, Tensor) else x)


def on_gpu(x: Any) -> bool:
    return backend.get_array_module(x.data if isinstance(x, Tensor) else x) is sys.modules["cupy"]


# --- Operations, functions, layers: all that is in the tables --------------------------------------------


def moved(thing: Any) -> Any:
    """A function of the tables that finds its labels, conditions and indices on the GPU, where it runs."""
    if isinstance(thing, (np.ndarray, np.bool_)):
        return there(thing)
    if isinstance(thing, tuple):
        return tuple(map(moved, thing))
    if isinstance(thing, types.FunctionType) and thing.__module__ == operations.__name__:
        names = {name: moved(found) for name, found in thing.__globals__.items() if isinstance(found, np.ndarray)}
        cells = tuple(types.CellType(moved(cell.cell_contents)) for cell in thing.__closure__ or ())
        return types.FunctionType(
            thing.__code__, {**thing.__globals__, **names}, thing.__name__, thing.__defaults__, cells
        )
    return thing


def same(ours: Any, theirs: Any, what: str) -> None:
    assert isinstance(ours, Tensor)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(here(ours), theirs.data, rtol=1e-10, atol=1e-12, err_msg=what)


def check(name: str, case: Case) -> None:
    """Value, gradients and gradients of gradients on the GPU against the CPU's."""
    differentiable = name not in VALUES
    function = moved(case.function)
    cpu = [Tensor(a.copy(), requires_grad=differentiable) for a in case.arrays]
    gpu = [Tensor(there(a), requires_grad=differentiable) for a in case.arrays]
    y, expected = function(*gpu), case.function(*cpu)
    assert on_gpu(y) or name in ("to_device", "to", "cpu")
    same(y, expected, f"{name}: the value")
    if not differentiable:
        return
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(x.shape) for x in cpu]
    cotangent = Tensor(rng.standard_normal(y.shape))
    combined = []
    for root, inputs in ((y, gpu), (expected, cpu)):
        start = cotangent.to(root.device)
        root.backward(start, retain_graph=True)
        firsts = mg.grad(root, inputs, start, create_graph=True, allow_unused=True)
        combined.append(sum((g * backend.to_device(w, g.device)).sum() for g, w in zip(firsts, weights, strict=True)))
    for i, (x, reference) in enumerate(zip(gpu, cpu, strict=True)):
        assert (x.grad is None) == (reference.grad is None)
        if reference.grad is not None:
            assert on_gpu(x.grad)
            same(x.grad, reference.grad, f"{name}: the gradient of input {i}")
    if combined[1].requires_grad:
        seconds, references = (
            mg.grad(root, inputs, allow_unused=True) for root, inputs in zip(combined, (gpu, cpu), strict=True)
        )
        for i, (g, reference) in enumerate(zip(seconds, references, strict=True)):
            assert on_gpu(g)
            same(g, reference, f"{name}: the second derivative for input {i}")


DRAWN = {
    **{f"ops.{name}": cases for name, cases in OPERATIONS.items()},
    **{f"functional.{name}": cases for name, cases in FUNCTIONAL.items()},
    **{f"nn.{name}": cases for name, cases in MODULES.items()},
}


@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_operations_and_layers(gpu: str, name: str, data: st.DataObject) -> None:
    check(name.partition(".")[2], data.draw(DRAWN[name]))


@pytest.mark.parametrize("name", [*METHODS, *VALUES])
def test_methods(gpu: str, name: str) -> None:
    check(name, {**METHODS, **VALUES}[name])


def test_float32_stays_float32(gpu: str) -> None:
    x = Tensor(there(np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)), requires_grad=True)
    for y in (x * 2.5, x**2, x**0.5, 1 / x, x.sigmoid(), x.mean(0), x.log_softmax(1), mg.where(x > 0, x, 0.0)):
        assert y.dtype == mg.float32
    loss = functional.cross_entropy(x, there(np.array([0, 2])))
    loss.backward()
    assert loss.dtype == x.grad.dtype == mg.float32


def test_numpy_scalars_are_numbers(device: str) -> None:
    x = mg.tensor([1.0, 2.0], dtype=mg.float64, device=device, requires_grad=True)
    y = (np.float64(3) * x - np.float32(1)) ** np.float32(2) / np.int64(2)
    y.sum().backward()
    assert y.tolist() == [2.0, 12.5]
    assert x.grad.tolist() == [6.0, 15.0]
    x.grad = None
    (x ** np.float32(0)).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_gradcheck(gpu: str) -> None:
    a, b = (mg.tensor(v, dtype=mg.float64, device=gpu, requires_grad=True) for v in ([[0.5, -1.0]], [[2.0], [3.0]]))
    assert mg.gradcheck(lambda a, b: (a @ b).tanh() * a.exp(), [a, b], second=True)


# --- Moving ----------------------------------------------------------------------------------------------


def test_there_and_back(gpu: str) -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    y = x.to(gpu)
    assert on_gpu(y)
    assert y.device == mg.device("cuda:0")
    assert y.to("cuda:0") is y
    assert x.cuda().device == y.device
    assert str(y) == "tensor([[1., 2.],\n        [3., 4.]], device='cuda:0')"
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert (y.sum().item(), float(y.mean()), int(y[0, 1]), bool((y > 0).all())) == (10.0, 2.5, 2, True)
    assert type(y.cpu().numpy()) is np.ndarray
    for made in (mg.zeros(2, device=gpu), mg.ones(2, device=gpu), mg.arange(2, device=gpu), mg.rand(2, device=gpu)):
        assert on_gpu(made)
    twin = copy.deepcopy(y)
    assert on_gpu(twin)
    assert np.array_equal(here(twin), x.data)


def test_a_gradient_finds_its_way_back(gpu: str) -> None:
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x.to(gpu) ** 2).sum().backward()
    assert type(x.grad.data) is np.ndarray
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_modules_move(gpu: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    values = [p.data.copy() for p in model.parameters()]
    model(mg.ones(2, 3)).sum().backward()
    gradients = [p.grad.data.copy() for p in model.parameters()]
    assert model.to(gpu) is model
    for p, value, gradient in zip(model.parameters(), values, gradients, strict=True):
        assert on_gpu(p)
        assert on_gpu(p.grad)
        assert np.array_equal(here(p), value)
        assert np.array_equal(here(p.grad), gradient)
    model.zero_grad()
    model(mg.ones(2, 3, device=gpu)).sum().backward()
    model.cpu()
    for p, value, gradient in zip(model.parameters(), values, gradients, strict=True):
        assert type(p.data) is type(p.grad.data) is np.ndarray
        assert np.array_equal(p.data, value)
        np.testing.assert_allclose(p.grad.data, gradient, rtol=1e-5)


def test_initial_values_and_clipping_are_the_same(gpu: str) -> None:
    norms = []
    for where in ("cpu", gpu):
        mg.manual_seed(3)
        layer = nn.Linear(5, 4).to(where)
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.normal_(layer.bias)
        run = mg.optim.SGD(layer.parameters(), lr=1.0)
        (layer(mg.ones(3, 5, device=where)) ** 2).sum().backward()
        norm = nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
        assert norm.device == mg.device(where)
        nn.utils.clip_grad_value_(layer.parameters(), 0.1)
        run.step()
        norms.append((norm.item(), here(nn.utils.parameters_to_vector(layer.parameters()).detach())))
    (one, values), (other, others) = norms
    assert one == pytest.approx(other, rel=1e-6)
    np.testing.assert_allclose(others, values, rtol=1e-6)


def test_dropout_drops_the_same(gpu: str) -> None:
    x = mg.rand(50, 20)
    results = []
    for where in ("cpu", gpu):
        mg.manual_seed(3)
        results.append(here(functional.dropout(x.to(where), 0.3)))
    assert np.array_equal(results[0], results[1])
    assert 0.2 < (results[0] == 0).mean() < 0.4


# --- Optimizers ------------------------------------------------------------------------------------------

SHAPES = [(2, 3), (4,), (), (1, 2)]
SIZE = 13


def gradients(step: int) -> list[np.ndarray]:
    return split(np.random.default_rng(step).standard_normal(SIZE), SHAPES)


def start(where: str) -> list[Tensor]:
    values = split(np.random.default_rng(99).standard_normal(SIZE), SHAPES)
    return [mg.tensor(v, device=where, requires_grad=True) for v in values]


def take_steps(run: Any, params: list[Tensor], steps: range) -> None:
    """Steps with gradients from the engine; every third without one for the second parameter."""
    for step in steps:
        run.zero_grad()
        loss = sum(
            (p * backend.to_device(g, p.device)).sum()
            for i, (p, g) in enumerate(zip(params, gradients(step), strict=True))
            if step % 3 or i != 1
        )
        loss.backward()
        run.step()


def assert_alike(params: list[Tensor], references: list[Tensor]) -> None:
    for p, reference in zip(params, references, strict=True):
        np.testing.assert_allclose(here(p), here(reference), **CLOSE)


def test_every_optimizer_is_here() -> None:
    assert set(UNUSUAL) == public_optimizers()


@OPTIMIZERS
def test_rules_follow_the_cpu(gpu: str, name: str) -> None:
    cpu, params = start("cpu"), start(gpu)
    theirs, ours = optimizer(name, cpu, UNUSUAL[name]), optimizer(name, params, UNUSUAL[name])
    take_steps(theirs, cpu, range(12))
    take_steps(ours, params, range(12))
    assert_alike(params, cpu)
    assert all(map(on_gpu, (ours.theta, ours.g, *ours.state_vectors.values())))
    for vector, reference in zip(ours.state_vectors.values(), theirs.state_vectors.values(), strict=True):
        np.testing.assert_allclose(here(vector), reference, **CLOSE)
    # Each parameter is a view of theta, and its gradient of g.
    for p in params:
        assert p.data.base is ours.theta
    ours.theta[:] = 7
    assert all((here(p) == 7).all() for p in params)


@OPTIMIZERS
def test_training_goes_on_where_the_parameters_are_moved(gpu: str, name: str) -> None:
    hyper, reference = UNUSUAL[name], start("cpu")
    take_steps(optimizer(name, reference, hyper), reference, range(15))
    module = nn.Module()
    for i, p in enumerate(start("cpu")):
        setattr(module, f"p{i}", nn.Parameter(p))
    params = list(module.parameters())
    run = optimizer(name, params, hyper)
    take_steps(run, params, range(5))
    module.to(gpu)
    take_steps(run, params, range(5, 10))
    assert all(map(on_gpu, (run.theta, *run.state_vectors.values())))
    module.cpu()
    take_steps(run, params, range(10, 15))
    assert type(run.theta) is np.ndarray
    assert_alike(params, reference)


@OPTIMIZERS
@pytest.mark.parametrize("there_first", [True, False])
def test_checkpoints_load_on_the_other_device(gpu: str, tmp_path: Path, name: str, there_first: bool) -> None:
    hyper, reference = UNUSUAL[name], start("cpu")
    take_steps(optimizer(name, reference, hyper), reference, range(14))
    first, second = (gpu, "cpu") if there_first else ("cpu", gpu)
    params = start(first)
    run = optimizer(name, params, hyper)
    take_steps(run, params, range(7))
    mg.save({"optimizer": run.state_dict(), "params": params}, tmp_path / "checkpoint")
    for load_on in ("cpu", gpu):
        state = mg.load(tmp_path / "checkpoint", device=load_on)
        assert all(p.device == mg.device(load_on) for p in state["params"])
        params = [mg.tensor(p, device=second, requires_grad=True) for p in state["params"]]
        run = optimizer(name, params, hyper)
        run.load_state_dict(state["optimizer"])
        take_steps(run, params, range(7, 14))
        assert all(p.device == mg.device(second) for p in params)
        assert_alike(params, reference)


def test_module_states_load_on_the_other_device(gpu: str, tmp_path: Path) -> None:
    model, other = nn.Linear(3, 2).to(gpu), nn.Linear(3, 2)
    mg.save(model.state_dict(), tmp_path / "model")
    other.load_state_dict(mg.load(tmp_path / "model"))
    assert np.array_equal(other.weight.data, here(model.weight))
    twin = nn.Linear(3, 2).to(gpu)
    twin.load_state_dict(other.state_dict())
    assert on_gpu(twin.weight)
    assert np.array_equal(here(twin.weight), other.weight.data)


def test_a_gradient_that_is_kept_does_not_change(gpu: str) -> None:
    params = start(gpu)
    run = mg.optim.SGD(params, lr=0.1)
    take_steps(run, params, range(1, 2))
    kept = params[0].grad
    values = here(kept).copy()
    g = run.g
    take_steps(run, params, range(2, 4))
    assert np.array_equal(here(kept), values)
    assert run.g is g  # what was shown has left it


def test_a_rule_written_out_in_place(device: str) -> None:
    params = start(device)
    run = mg.optim.SGD(params, lr=0.1)
    values = [here(p).copy() for p in params]
    for p in params:
        (p * 3).sum().backward()
        with mg.no_grad():
            p -= 0.5 * p.grad
    for p, value in zip(params, values, strict=True):
        np.testing.assert_allclose(here(p), value - 1.5, **CLOSE)
    run.step()
    for p, value in zip(params, values, strict=True):
        np.testing.assert_allclose(here(p), value - 1.8, **CLOSE)


# --- Data ------------------------------------------------------------------------------------------------


class Pairs(Dataset):
    """A data set as a learner writes it, of tensors on a device."""

    def __init__(self, where: str) -> None:
        self.x = mg.arange(12, device=where).reshape(6, 2).float()

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.x[i], 10 * i


@pytest.mark.parametrize("shuffle", [True, False])
def test_loaders_draw_the_same(gpu: str, shuffle: bool) -> None:
    x, y = mg.rand(10, 3), mg.arange(10)
    batches = []
    for data in (TensorDataset(x, y), TensorDataset(x.to(gpu), y.to(gpu))):
        mg.manual_seed(4)
        batches.append([part for _ in range(2) for batch in DataLoader(data, 4, shuffle) for part in batch])
    assert len(batches[0]) == len(batches[1]) == 12
    for ours, theirs in zip(batches[1], batches[0], strict=True):
        assert on_gpu(ours)
        assert np.array_equal(here(ours), theirs.data)


def test_a_data_set_of_ones_own(gpu: str) -> None:
    (x, y), _ = DataLoader(Pairs(gpu), batch_size=4)
    assert on_gpu(x)
    assert here(x).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert y.tolist() == [0, 10, 20, 30]


def test_indices_out_of_range(device: str) -> None:
    data = TensorDataset(mg.arange(5, device=device))
    assert data.batch(np.array([4, -5]))[0].tolist() == [4, 0]
    for wrong in (5, -6):
        with pytest.raises(IndexError, match=str(wrong)):
            data.batch(np.array([0, wrong]))


def test_the_indices_of_an_epoch_travel_together(stand_in: Counts) -> None:
    images = datasets.MNIST(train=False, transform=datasets.transforms.ToTensor()).to("cuda")
    for data in (images, TensorDataset(mg.rand(100, 3, device="cuda"), mg.arange(100, device="cuda"))):
        stand_in.reset()
        batches = list(DataLoader(data, 25, shuffle=True))
        assert len(batches) == len(data) / 25
        assert stand_in.traffic == (1, 0, 0)


def test_images_on_the_gpu(gpu: str) -> None:
    transform = datasets.transforms.Compose(
        [datasets.transforms.ToTensor(), datasets.transforms.Normalize(0.5, 0.25), datasets.transforms.Flatten()]
    )
    cpu, data = (datasets.MNIST(train=False, transform=transform).to(where) for where in ("cpu", gpu))
    for (x, y), (images, labels) in zip(DataLoader(cpu, 3000), DataLoader(data, 3000), strict=True):
        assert on_gpu(images)
        assert on_gpu(labels)
        assert np.array_equal(here(images), x.data)
        assert np.array_equal(here(labels), y.data)
    assert data[3][1] == cpu[3][1]
    with pytest.raises(IndexError, match="index 10000 is out of range"):
        data.batch([0, 10000])


# --- Labels and other errors -----------------------------------------------------------------------------

WRONG = [(np.int64, 3), (np.int64, -1), (np.int32, -(2**31)), (np.uint8, 255), (np.int8, -1)]


@pytest.mark.parametrize(("dtype", "label"), WRONG)
def test_a_label_that_is_no_class_makes_the_loss_nan(gpu: str, dtype: Any, label: int) -> None:
    logits = mg.tensor([[1.0, 2.0, 3.0]] * 4, device=gpu, requires_grad=True)
    labels = mg.tensor(np.array([0, 2, label, 1], dtype), device=gpu)
    each = here(functional.cross_entropy(logits, labels, reduction="none"))
    assert np.isnan(each).tolist() == [False, False, True, False]
    for reduction in ("mean", "sum"):
        logits.grad = None
        loss = functional.cross_entropy(logits, labels, reduction=reduction)
        assert np.isnan(loss.item())
        loss.backward()
        # The row's gradient is NaN as well: whoever does not look at the loss sees it in the weights.
        assert np.isnan(here(logits.grad)).all(1).tolist() == [False, False, True, False]
    with pytest.raises(ValueError, match=f"label {label} is none of the 3 classes"):
        functional.cross_entropy(logits.cpu(), labels.cpu())


def test_signed_bytes_among_many_classes(device: str) -> None:
    logits = mg.zeros(2, 300, device=device)
    loss = functional.cross_entropy(logits, mg.tensor(np.array([0, 127], np.int8), device=device))
    assert loss.item() == pytest.approx(np.log(300))
    wrong = mg.tensor(np.array([0, -1], np.int8), device=device)
    if device == "cpu":
        with pytest.raises(ValueError, match="label -1 is none of the 300 classes"):
            functional.cross_entropy(logits, wrong)
    else:
        assert np.isnan(functional.cross_entropy(logits, wrong).item())
    fits = mg.tensor(np.array([0, 255], np.uint8), device=device)
    assert functional.cross_entropy(logits, fits).item() == pytest.approx(np.log(300))


def test_labels_that_do_not_fit_the_logits(gpu: str) -> None:
    logits = mg.zeros(2, 3, device=gpu)
    with pytest.raises(TypeError, match="logits on cuda:0 and labels on cpu: move one"):
        functional.cross_entropy(logits, mg.tensor([0, 1]))
    with pytest.raises(TypeError, match="labels must be integers"):
        functional.cross_entropy(logits, mg.zeros(2, device=gpu))
    with pytest.raises(mg.ShapeError):
        functional.cross_entropy(logits, mg.tensor([0], device=gpu))


def test_tensors_of_two_devices_do_not_mix(gpu: str) -> None:
    x, y = mg.ones(2, 2, device=gpu), mg.ones(2, 2)
    mixtures = (
        lambda: x + y,
        lambda: y + x,
        lambda: x * y.data,
        lambda: x @ y,
        lambda: y @ x,
        lambda: mg.cat([x, y]),
        lambda: mg.where(y > 0, x, 0.0),
        lambda: mg.maximum(x, y),
        lambda: functional.linear(x, y),
        lambda: functional.mse_loss(x, y),
    )
    for mixture in mixtures:
        with pytest.raises(TypeError, match=r"its inputs are on cpu and cuda:0: move one of them with \.to\(\)"):
            mixture()
    with pytest.raises(TypeError, match="all parameters must have one dtype and device"):
        mg.optim.SGD([x.requires_grad_(), y.requires_grad_()])


def test_shapes_that_do_not_fit(gpu: str) -> None:
    with pytest.raises(mg.ShapeError, match=r"add: shapes \(2,\) and \(3,\) do not fit"):
        mg.ones(2, device=gpu) + mg.ones(3, device=gpu)
    with pytest.raises(mg.ShapeError, match="matmul"):
        mg.ones(2, 2, device=gpu) @ mg.ones(3, 3, device=gpu)


def test_numpy_is_not_handed_a_gpu_array(gpu: str) -> None:
    x = mg.ones(2, device=gpu)
    for take in (x.numpy, lambda: np.asarray(x)):
        with pytest.raises(TypeError, match=r"is on cuda:0: use \.cpu\(\)\.numpy\(\)"):
            take()


def test_a_gpu_that_is_not_there(gpu: str) -> None:
    with pytest.raises(RuntimeError, match="cuda:99 was asked for, but the GPUs of this machine are cuda:0"):
        mg.ones(1).to("cuda:99")


@pytest.mark.skipif(mg.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_option_fails_with_a_sentence(pytestconfig: pytest.Config) -> None:
    config: Any = types.SimpleNamespace(getoption=lambda name: "cuda")
    plugin = next(p for p in pytestconfig.pluginmanager.get_plugins() if hasattr(p, "nothing_left_behind"))
    with pytest.raises(pytest.UsageError, match=r"^--device cuda: a GPU was asked for, but [^\n]+$"):
        plugin.pytest_configure(config)


# --- A short MNIST run, and what a step costs --------------------------------------------------------------


def network() -> nn.Sequential:
    """The notebook's net."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def training(where: str, name: str, hyper: dict[str, Any]) -> Iterator[Tensor]:
    """The losses of MNIST's first mini-batches, a step each."""
    mg.manual_seed(0)
    data = datasets.MNIST(train=False, transform=datasets.transforms.ToTensor()).to(where)
    model = network().to(where)
    run, criterion = optimizer(name, model.parameters(), hyper), nn.CrossEntropyLoss()
    for images, labels in DataLoader(data, 100, shuffle=True):
        run.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        run.step()
        yield loss


@pytest.mark.parametrize(("name", "hyper"), [("SGD", {"lr": 0.1}), ("Adam", {"lr": 0.001})])
def test_mnist_is_learned_alike(gpu: str, name: str, hyper: dict[str, Any]) -> None:
    ours = [loss.item() for _, loss in zip(range(30), training(gpu, name, hyper), strict=False)]
    theirs = [loss.item() for _, loss in zip(range(30), training("cpu", name, hyper), strict=False)]
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6)
    assert ours[-1] < 0.75 * ours[0]


# Launches of a step of the notebook's net, counted, as bounds that are not to be crossed unawares. Without the
# update: 3 for the mini-batch, 10 for the layers forward (two linear, a ReLU, log_softmax takes 6), 3 to look at the
# labels, 7 for the loss, and 20 backward. For the indices of the labels CuPy takes 5 on either way.
LAYERS_AND_LOSS = 44
UPDATE = dict.fromkeys(UNUSUAL, 1) | {"Lookahead": 2, "Ranger": 2}
"""Of a rule's formula: one, whatever is in it, and another for a wrapper's."""


@OPTIMIZERS
def test_what_a_step_costs(stand_in: Counts, name: str) -> None:
    hyper: dict[str, Any] = {"inner": ("SGD", {"lr": 0.1})} if name == "Lookahead" else {"lr": 0.01}
    if name in ("Lookahead", "Ranger"):
        hyper["k"] = 2
    run = training("cuda", name, hyper)
    for _ in range(6):  # RAdam divides from the sixth step on
        next(run)
    launches, live = [], []
    for _ in range(6):
        with stand_in.no_traffic():
            next(run)
        assert stand_in.traffic == (0, 0, 0)
        assert 0 < stand_in.allocations <= stand_in.launches
        launches.append(stand_in.launches)
        live.append(stand_in.live)
    assert max(launches) <= LAYERS_AND_LOSS + UPDATE[name], stand_in.kernels
    assert launches[:2] * 3 == launches
    assert len(set(live)) == 1  # what is left after a step does not grow
    assert live[0] < 24


@OPTIMIZERS
def test_launches_do_not_depend_on_the_number_of_layers(stand_in: Counts, name: str) -> None:
    launches = []
    for layers in (1, 5):
        params = [mg.ones(3, 4, device="cuda", requires_grad=True) for _ in range(layers)]
        run = optimizer(name, params, UNUSUAL[name])
        for _ in range(2):
            run.zero_grad()
            sum(p.sum() for p in params).backward()
            with stand_in.no_traffic():
                run.step()
        launches.append(stand_in.launches)
    assert launches[0] == launches[1] > 0


def test_labels_are_looked_at_where_they_are(stand_in: Counts) -> None:
    logits = mg.ones(100, 10, device="cuda", requires_grad=True)
    labels = mg.arange(100, device="cuda")
    with stand_in.no_traffic():
        functional.cross_entropy(logits, labels).backward()
    assert np.isnan(here(logits.grad)).all(1).tolist() == [False] * 10 + [True] * 90


@pytest.mark.skipif("config.getoption('--device') != 'cuda'", reason="asks a real GPU: pytest --device cuda")
def test_nothing_is_read_back_and_the_memory_is_used_again() -> None:
    import cupy
    import cupyx

    run = training("cuda", "Adam", {"lr": 0.001})
    for _ in range(5):
        next(run)
    cupy.cuda.get_current_stream().synchronize()
    taken = cupy.get_default_memory_pool().total_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with cupyx.allow_synchronize(False):  # raises where a value is read back
            for _ in range(20):
                next(run)
    assert cupy.get_default_memory_pool().total_bytes() == taken


def test_hidden_traffic_would_be_seen(stand_in: Counts) -> None:
    x = there(np.arange(4.0))
    for hidden in (
        lambda: float(x[0]),
        lambda: x[0].item(),
        lambda: x.tolist(),
        lambda: bool(x.sum() > 0),
        lambda: x[x > 0],
        lambda: x.nonzero(),
        lambda: x[np.array([0, 1])],
        lambda: x.take([0, 1]),
        lambda: there([1, 2]),
        lambda: f"{x[0]:.3f}",
        mg.cuda.synchronize,
    ):
        with pytest.raises(HiddenTraffic), stand_in.no_traffic():
            hidden()
        stand_in.reset()
        hidden()
        assert any(stand_in.traffic)


# --- Functions and methods of tensors -----------------------------------------------------------------

ON_THE_HOST = (
    *("torch.tensor(", "torch.zeros(", "torch.ones(", "torch.full(", "torch.empty(", "as_tensor([", "Tensor"),
    *("arange", "space(", "eye(", "numpy"),
)
"""Expressions with these make tensors on the CPU, or need arrays there."""


@pytest.mark.parametrize(
    "expression", [e for e in record_tensors.EXPRESSIONS if not any(part in e for part in ON_THE_HOST)]
)
def test_functions_of_tensors(gpu: str, expression: str) -> None:
    def there(torch: Any) -> dict[str, Any]:
        return {
            name: x.detach().to(gpu).requires_grad_(x.requires_grad) for name, x in record_tensors.inputs(torch).items()
        }

    names = there(mg)
    found = eval(expression, {"torch": mg, "assigned": record_tensors.assigned}, names)
    wanted = eval(expression, {"torch": mg, "assigned": record_tensors.assigned}, record_tensors.inputs(mg))
    parts = found if isinstance(found, tuple) else (found,)
    for part, reference in zip(parts, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        if isinstance(part, Tensor):
            assert on_gpu(part)
            assert part.dtype == reference.dtype
            np.testing.assert_allclose(here(part.detach()), reference.detach().numpy(), rtol=1e-10, atol=1e-12)
        else:
            assert part == reference
    floats = [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
    if floats:
        mg.grad(
            sum((part.double() * part.double()).sum() for part in floats),
            [x for x in names.values() if x.requires_grad],
            allow_unused=True,
        )
