"""The tape: what backward() leaves where, when the graph goes, and gradients of gradients."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from finite_differences import check_second
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad import Tensor, float64, no_grad, ops
from minigrad.operation import operation


def leaf(data: Any) -> Tensor:
    return minigrad.tensor(data, dtype=float64, requires_grad=True)


def gradient(x: Tensor) -> np.ndarray:
    assert x.grad is not None
    assert x.grad.shape == x.shape
    return x.grad.data


# --- Where gradients go ------------------------------------------------------------------------------


def test_a_leaf_used_many_times() -> None:
    x = leaf([2.0, 3.0])
    y = x * x + 3 * x - x / 2 + x[0] * x[1]
    y.sum().backward()
    # x*x + 2.5 x, and twice x0 x1 because it is broadcast over two elements
    np.testing.assert_allclose(gradient(x), [2 * 2 + 2.5 + 2 * 3, 2 * 3 + 2.5 + 2 * 2])


def test_both_inputs_the_same_tensor() -> None:
    x = leaf([2.0, -3.0])
    (x * x).sum().backward()
    np.testing.assert_array_equal(gradient(x), [4, -6])
    y = leaf([[2.0, 1.0], [0.0, 3.0]])
    (y @ y).sum().backward()
    ones = np.ones((2, 2))
    np.testing.assert_array_equal(gradient(y), ones @ y.data.T + y.data.T @ ones)


def test_diamonds() -> None:
    """The result of b is wanted twice, at different depths: both parts must be in before b is gone through."""
    x = leaf(0.7)
    b = x.sin()
    c = b * b
    d = c.exp() + b
    e = d * b * c
    e.backward()
    s, co = np.sin(0.7), np.cos(0.7)
    # e = (exp(s^2) + s) s^3
    slope = (2 * s * np.exp(s * s) + 1) * s**3 + 3 * s * s * (np.exp(s * s) + s)
    assert gradient(x) == pytest.approx(slope * co, rel=1e-14)


def test_every_operation_is_gone_through_once() -> None:
    calls = []

    def vjp(g: Any, y: Any, a: Any) -> Any:
        calls.append(minigrad.is_grad_enabled())
        return g * 2

    @operation(vjp)
    def twice(a: Any) -> Any:
        return a * 2

    x = leaf(1.0)
    y = x
    for _ in range(40):  # 2**40 paths
        y = twice(y) + y
    y.backward()
    assert gradient(x) == 3.0**40
    assert calls == [False] * 40  # and nothing is recorded meanwhile


def test_gradients_add_up_over_calls() -> None:
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(gradient(x), [5, 7])
    x.grad = None
    (3 * x).sum().backward()
    np.testing.assert_array_equal(gradient(x), [3, 3])


def test_a_gradient_kept_is_not_changed_by_what_comes_later() -> None:
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    kept = x.grad
    assert kept is not None
    x.grad = None
    (3 * x).sum().backward()
    np.testing.assert_array_equal(kept.data, [2, 4])
    np.testing.assert_array_equal(gradient(x), [3, 3])


def test_a_gradient_kept_across_zero_grad_is_not_changed() -> None:
    """The optimizer writes gradients into memory that it uses again; what someone holds is spared."""
    model = minigrad.nn.Linear(3, 2)
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.1)
    kept, values = [], []
    for n in range(4):
        optimizer.zero_grad()
        model(minigrad.full((5, 3), n + 1.0)).sum().backward()
        assert model.weight.grad is not None
        kept.append(model.weight.grad)
        values.append(np.full((2, 3), 5.0 * (n + 1)))
        optimizer.step()
    for tensor, value in zip(kept, values, strict=True):
        np.testing.assert_array_equal(tensor.data, value)


@pytest.mark.parametrize("x_dtype", [minigrad.float32, float64])
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3), (3,)])
def test_gradients_are_the_same_inside_an_optimizer(shape: tuple[int, ...], x_dtype: Any) -> None:
    """There they are written straight into its vector g: by one operation, by a second use, by a second backward."""
    plain = minigrad.nn.Sequential(minigrad.nn.Linear(3, 3), minigrad.nn.Tanh(), minigrad.nn.Linear(3, 3))
    packed = copy.deepcopy(plain)
    optimizer = minigrad.optim.SGD(packed.parameters(), lr=0.1)
    x = minigrad.tensor(np.random.default_rng(0).normal(size=shape), dtype=x_dtype)

    def gradients(model: Any) -> list[np.ndarray]:
        (model(model(x)) ** 2).sum().backward()
        (model[0](x) * model[0].bias).sum().backward()
        return [gradient(p) for p in model.parameters()]

    for _ in range(2):
        expected, found = gradients(plain), gradients(packed)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
            assert b.dtype == minigrad.float32
        np.testing.assert_array_equal(optimizer.g, np.concatenate([b.ravel() for b in found]))
    optimizer.zero_grad()
    plain.zero_grad()
    np.testing.assert_allclose(gradients(packed)[0], gradients(plain)[0], rtol=1e-5, atol=1e-6)


def test_only_leaves_that_require_gradients_get_them() -> None:
    x, fixed = leaf([1.0, 2.0]), minigrad.tensor([3.0, 4.0])
    middle = x * fixed
    middle.sum().backward()
    assert fixed.grad is None
    assert middle.grad is None
    np.testing.assert_array_equal(gradient(x), [3, 4])


def test_gradients_of_several_leaves_are_memory_of_their_own() -> None:
    for combine in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a.reshape(3) + b.reshape(3)):
        a, b = leaf([1.0, 2.0, 3.0]), leaf([4.0, 5.0, 6.0])
        start = np.ones(3)
        combine(a, b).backward(Tensor(start))
        gradient(a)[0] = 99
        assert gradient(b)[0] in (1, -1)
        assert start.tolist() == [1, 1, 1]


def test_gradients_of_sums_can_be_written_to() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    x.sum().backward()
    gradient(x)[0, 0] = 7
    np.testing.assert_array_equal(gradient(x), [[7, 1], [1, 1]])


def test_gradients_of_transposed_and_broadcast_leaves() -> None:
    x, b = leaf(np.ones((2, 3))), leaf([1.0, 2.0])
    weights = np.arange(6.0).reshape(3, 2)
    ((x.T + b) * weights).sum().backward()
    np.testing.assert_array_equal(gradient(x), weights.T)
    np.testing.assert_array_equal(gradient(b), weights.sum(0))


def test_backward_from_a_leaf() -> None:
    x = leaf(3.0)
    x.backward()
    assert gradient(x) == 1
    x.backward(Tensor(np.array(2.0)))
    assert gradient(x) == 3


def test_backward_from_a_chosen_gradient() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    y.backward(minigrad.tensor([1.0, 10.0], dtype=float64), retain_graph=True)
    np.testing.assert_array_equal(gradient(x), [2, 40])
    y.backward(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(gradient(x), [4, 40])


def test_backward_from_a_tensor_with_one_element_of_any_shape() -> None:
    x = leaf([[3.0]])
    (x * x).backward()
    np.testing.assert_array_equal(gradient(x), [[6]])


def test_the_gradient_of_the_input() -> None:
    """images.requires_grad_(): what a picture would have to change by (and no parameter's gradient is lost for it)."""
    model = minigrad.nn.Sequential(minigrad.nn.Linear(4, 3), minigrad.nn.Tanh(), minigrad.nn.Linear(3, 2))
    images = minigrad.randn(5, 4)
    assert images.requires_grad_() is images
    loss = minigrad.nn.CrossEntropyLoss()(model(images), [0, 1, 0, 1, 1])
    loss.backward()
    assert images.grad is not None
    assert images.grad.shape == (5, 4)
    assert all(p.grad is not None for p in model.parameters())
    moved = minigrad.tensor(images.data - 0.1 * images.grad.data)
    assert minigrad.nn.CrossEntropyLoss()(model(moved), [0, 1, 0, 1, 1]).item() < loss.item()


def test_assigning_a_gradient() -> None:
    x = leaf([1.0, 2.0])
    x.grad = minigrad.tensor([5.0, 6.0], dtype=float64)
    np.testing.assert_array_equal(gradient(x), [5, 6])
    (x * 1).sum().backward()
    np.testing.assert_array_equal(gradient(x), [6, 7])
    x.grad = np.array([1.0, 1.0])
    assert isinstance(x.grad, Tensor)
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) .* tensor of shape \(2,\)"):
        x.grad = np.ones(3)


# --- What is recorded --------------------------------------------------------------------------------


def test_nothing_is_recorded_under_no_grad() -> None:
    x = leaf([1.0])
    with no_grad():
        assert not minigrad.is_grad_enabled()
        y = x * 2
    assert not y.requires_grad
    assert y.is_leaf
    assert minigrad.is_grad_enabled()
    assert (x * 2).requires_grad


def test_no_grad_nests_decorates_and_survives_exceptions() -> None:
    with no_grad():
        with no_grad():
            pass
        assert not minigrad.is_grad_enabled()
    assert minigrad.is_grad_enabled()

    @no_grad()
    def double(x: Tensor, *, times: int = 2) -> Tensor:
        """Doubles."""
        if times < 0:
            raise ValueError("negative")
        return x * times

    assert not double(leaf(1.0), times=3).requires_grad
    assert double.__name__ == "double"
    with pytest.raises(ValueError, match="negative"):
        double(leaf(1.0), times=-1)
    assert minigrad.is_grad_enabled()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert minigrad.is_grad_enabled()


def test_one_no_grad_can_be_entered_twice() -> None:
    quiet = no_grad()
    with quiet, quiet:
        assert not minigrad.is_grad_enabled()
    assert minigrad.is_grad_enabled()


def test_no_grad_is_the_threads_own() -> None:
    seen = []
    inside, go_on = threading.Event(), threading.Event()

    def other() -> None:
        seen.append((leaf(1.0) * 2).requires_grad)
        with no_grad():
            inside.set()
            go_on.wait(10)

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
    assert (leaf(1.0) * 2).requires_grad  # though the other thread is still inside its own
    go_on.set()
    thread.join()
    assert seen == [True]


def test_a_thread_of_its_own_differentiates() -> None:
    found = {}

    def work(n: int) -> None:
        x = leaf(np.full(50, float(n)))
        for _ in range(20):
            x.grad = None
            y = x
            for _ in range(20):
                y = y * 1.01 + x
            y.sum().backward()
        found[n] = gradient(x).copy()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slope = 1.0
    for _ in range(20):
        slope = slope * 1.01 + 1
    for n in range(4):
        np.testing.assert_allclose(found[n], slope)


def test_backward_does_not_record_itself() -> None:
    x = leaf([2.0])
    (x**3).sum().backward()
    assert x.grad is not None
    assert not x.grad.requires_grad
    assert minigrad.is_grad_enabled()
    with pytest.raises(RuntimeError):
        minigrad.tensor([1.0, 2.0], requires_grad=True).backward()
    assert minigrad.is_grad_enabled()


def test_backward_works_under_no_grad() -> None:
    x = leaf([2.0])
    y = (x * x).sum()
    with no_grad():
        y.backward()
        assert not minigrad.is_grad_enabled()
    np.testing.assert_array_equal(gradient(x), [4])


def test_detach_cuts_and_shares() -> None:
    x = leaf([2.0, 3.0])
    y = x * x
    d = y.detach()
    assert d.is_leaf
    assert not d.requires_grad
    assert np.shares_memory(d.data, y.data)
    (d * x).sum().backward()
    np.testing.assert_array_equal(gradient(x), [4, 9])


def test_what_needs_no_gradient_is_not_recorded() -> None:
    y = minigrad.ones(3) * 2 + 1
    assert y.is_leaf
    assert not y.requires_grad
    x = leaf([1.0])
    assert x.is_leaf
    assert not (x + 1).is_leaf


# --- When the graph goes -----------------------------------------------------------------------------


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Run a test without the garbage collector: what is freed is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(*references: Any) -> list[bool]:
    return [reference() is not None for reference in references]


@pytest.mark.usefixtures("no_collector")
def test_the_graph_is_freed_by_backward() -> None:
    x = leaf(np.ones(1000))
    h = x * 2
    root = (h * h).sum()
    tensor, array = weakref.ref(h), weakref.ref(h.data)
    del h
    assert alive(tensor, array) == [True, True]
    root.backward()
    assert alive(tensor, array) == [False, False]
    assert root.item() == 4000  # its value stays
    np.testing.assert_array_equal(gradient(x), np.full(1000, 8.0))


@pytest.mark.usefixtures("no_collector")
def test_the_graph_is_freed_by_grad() -> None:
    x = leaf(np.ones(10))
    h = x * 2
    root = (h * h).sum()
    tensor, array = weakref.ref(h), weakref.ref(h.data)
    del h
    minigrad.grad(root, x)
    assert alive(tensor, array) == [False, False]


@pytest.mark.usefixtures("no_collector")
def test_the_graph_is_freed_without_backward() -> None:
    x = leaf(np.ones(10))
    h = x * 2
    root = (h * h).sum()
    tensor, array = weakref.ref(h), weakref.ref(h.data)
    del h
    assert alive(tensor, array) == [True, True]
    del root
    assert alive(tensor, array) == [False, False]


@pytest.mark.usefixtures("no_collector")
def test_the_graph_is_freed_operation_by_operation() -> None:
    """While the first operation is differentiated, the later ones' arrays are gone: memory falls on the way."""
    seen = []

    def vjp(g: Any, y: Any, a: Any) -> Any:
        seen.append(alive(*references))
        return g

    @operation(vjp)
    def first(a: Any) -> Any:
        return a + 0

    y = first(leaf(np.ones(10)))
    references = []
    for _ in range(5):
        y = y * y
        references.append(weakref.ref(y.data))
    root = y.sum()
    del y
    assert alive(*references) == [True] * 5
    root.backward()
    assert seen[0][1:] == [False] * 4


@pytest.mark.usefixtures("no_collector")
def test_a_graph_that_failed_is_freed() -> None:
    x = leaf(np.ones(3))
    h = x * 2
    root = h * h
    tensor, array = weakref.ref(h), weakref.ref(h.data)
    del h
    with pytest.raises(RuntimeError, match="scalar"):
        root.backward()
    del root
    assert alive(tensor, array) == [False, False]


@pytest.mark.usefixtures("no_collector")
def test_graphs_of_gradients_are_freed() -> None:
    x = leaf(np.ones(10))
    h = x * x
    y = (h * h).sum()
    (g,) = minigrad.grad(y, x, create_graph=True)
    (second,) = minigrad.grad((g * g).sum(), x)
    tensor, array, slope = weakref.ref(h), weakref.ref(h.data), weakref.ref(g)
    del h, y, g, second
    assert alive(tensor, array, slope) == [False, False, False]


@pytest.mark.usefixtures("no_collector")
def test_training_leaves_nothing_for_the_collector() -> None:
    model = minigrad.nn.Sequential(minigrad.nn.Linear(4, 3), minigrad.nn.ReLU(), minigrad.nn.Linear(3, 2))
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = minigrad.nn.CrossEntropyLoss()
    gc.collect()
    for _ in range(3):
        optimizer.zero_grad()
        loss = criterion(model(minigrad.randn(6, 4)), np.array([0, 1, 0, 1, 0, 1]))
        loss.backward()
        optimizer.step()
    assert gc.collect() == 0


LONG = 100_000


def test_a_chain_of_a_hundred_thousand_operations() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(LONG // 2):
        y = y + x
        y = y * 0.5
    y.backward()
    # y <- (y + x) / 2 has slope 1 for ever
    assert y.item() == 1
    assert gradient(x) == pytest.approx(1, rel=1e-12)


def test_a_long_chain_is_dropped_without_backward() -> None:
    y = leaf(1.0)
    for _ in range(LONG):
        y = -y
    middle = weakref.ref(y)
    del y
    assert middle() is None


def test_a_long_chain_that_is_kept_and_then_dropped() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(LONG):
        y = -y
    y.backward(retain_graph=True)
    y.backward()
    assert gradient(x) == 2
    del y


def test_a_second_backward_is_refused() -> None:
    x = leaf([2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed by an earlier backward.*retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        (y * 2).backward()
    np.testing.assert_array_equal(gradient(x), [4])


def test_retain_graph_keeps_the_graph() -> None:
    x = leaf([2.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    minigrad.grad(y, x, retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(gradient(x), [12])
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_create_graph_keeps_the_graph_unless_told_otherwise() -> None:
    x = leaf([2.0])
    y = (x**3).sum()
    minigrad.grad(y, x, create_graph=True)
    y.backward()
    np.testing.assert_array_equal(gradient(x), [12])


# --- Parameters changed under way --------------------------------------------------------------------


def changed_in_place() -> dict[str, Any]:
    def step(model: Any, optimizer: Any) -> None:
        for p in model.parameters():
            p.grad = minigrad.ones(*p.shape)
        optimizer.step()

    def load(model: Any, optimizer: Any) -> None:
        model.load_state_dict({name: value * 2 for name, value in model.state_dict().items()})

    return {"step": step, "load_state_dict": load}


@pytest.mark.parametrize("how", changed_in_place())
@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_after_a_parameter_changed_is_refused(how: str, create_graph: bool) -> None:
    """The values that were used are gone: the gradient would be that of another function."""
    model = minigrad.nn.Linear(2, 3)
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.1)
    x = minigrad.ones(4, 2, requires_grad=True)
    loss = (model(x) ** 2).sum()
    changed_in_place()[how](model, optimizer)
    with pytest.raises(RuntimeError, match=r"tensor of shape \(3,.*changed in place.*compute the loss again"):
        loss.backward(create_graph=create_graph)
    (model(x) ** 2).sum().backward()  # computed again it works


def test_load_state_dict_without_an_optimizer_gives_no_wrong_gradient() -> None:
    """Either backward is refused or it is that of the weights that were used."""
    model = minigrad.nn.Linear(2, 1, bias=False)
    model.weight.data[...] = 1
    x = minigrad.ones(1, 2, requires_grad=True)
    loss = model(x).sum()
    model.load_state_dict({"weight": minigrad.full((1, 2), 5.0)})
    assert model.weight.tolist() == [[5, 5]]
    try:
        loss.backward()
    except RuntimeError as refused:
        assert "changed in place" in str(refused)  # noqa: PT017
    else:
        np.testing.assert_array_equal(gradient(x), [[1, 1]])


def test_data_replaced_after_the_forward_pass_gives_no_wrong_gradient() -> None:
    for create_graph in (False, True):
        x, w = leaf([2.0]), leaf([3.0])
        y = (x * w).sum()
        w.data = np.array([100.0])
        try:
            (g,) = minigrad.grad(y, x, create_graph=create_graph)
        except RuntimeError:
            continue
        assert g.item() == 3


# --- minigrad.grad -----------------------------------------------------------------------------------


def test_grad_of_leaves_and_of_results_on_the_way() -> None:
    x = leaf([1.0, 2.0])
    h = x * 3
    y = (h * h).sum()
    gh, gx = minigrad.grad(y, [h, x])
    np.testing.assert_array_equal(gh.data, [6, 12])
    np.testing.assert_array_equal(gx.data, [18, 36])
    assert x.grad is None
    assert isinstance(gx, Tensor)
    assert not gx.requires_grad


def test_grad_takes_a_single_tensor() -> None:
    x = leaf([1.0, 2.0])
    found = minigrad.grad((x * x).sum(), x)
    assert isinstance(found, tuple)
    assert len(found) == 1
    np.testing.assert_array_equal(found[0].data, [2, 4])


def test_grad_of_the_output_itself() -> None:
    x = leaf(2.0)
    y = x * x
    gy, gx = minigrad.grad(y, [y, x])
    assert (gy.item(), gx.item()) == (1, 4)


def test_grad_with_grad_outputs() -> None:
    x = leaf([1.0, 2.0])
    for start in (np.array([1.0, 10.0]), Tensor(np.array([1.0, 10.0]))):
        (g,) = minigrad.grad(x * x, x, grad_outputs=start)
        np.testing.assert_array_equal(g.data, [2, 40])


def test_the_same_input_twice() -> None:
    x = leaf(3.0)
    a, b = minigrad.grad(x * x, [x, x])
    assert a.item() == b.item() == 6


def test_an_input_without_part_in_the_output() -> None:
    x, other = leaf([1.0, 2.0]), leaf([[1.0]])
    with pytest.raises(RuntimeError, match=r"does not depend on input 1 \(shape \(1, 1\)\)"):
        minigrad.grad((x * x).sum(), [x, other])
    gx, go = minigrad.grad((x * x).sum(), [x, other], allow_unused=True)
    np.testing.assert_array_equal(gx.data, [2, 4])
    np.testing.assert_array_equal(go.data, [[0]])


def test_an_input_that_requires_no_gradient() -> None:
    x = leaf([1.0])
    with pytest.raises(RuntimeError, match=r"input 0 \(shape \(2,\)\) does not require gradients"):
        minigrad.grad((x * x).sum(), minigrad.ones(2))


def test_grad_leaves_other_gradients_alone() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    w.grad = np.array([7.0, 7.0])
    minigrad.grad((x * w).sum(), x)
    np.testing.assert_array_equal(gradient(w), [7, 7])
    assert x.grad is None


def test_grad_through_a_model_in_an_optimizer_touches_nothing() -> None:
    model = minigrad.nn.Linear(2, 2)
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.1)
    model(minigrad.ones(1, 2)).sum().backward()
    before = optimizer.g.copy()
    found = minigrad.grad((model(minigrad.ones(3, 2)) ** 2).sum(), model.parameters())
    assert [g.shape for g in found] == [(2, 2), (2,)]
    np.testing.assert_array_equal(optimizer.g, before)
    optimizer.zero_grad()
    minigrad.grad((model(minigrad.ones(3, 2)) ** 2).sum(), model.parameters())
    assert all(p.grad is None for p in model.parameters())
    np.testing.assert_array_equal(optimizer.g, 0 * before)  # where there is no gradient


# --- Gradients of gradients --------------------------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def rosenbrock_hessian(x: np.ndarray) -> np.ndarray:
    """By hand: d2/dx_i2 = 1200 x_i^2 - 400 x_(i+1) + 2 (not for the last) + 200 (not for the first)."""
    n = len(x)
    hessian = np.zeros((n, n))
    for i in range(n - 1):
        hessian[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        hessian[i + 1, i + 1] += 200
        hessian[i, i + 1] = hessian[i + 1, i] = -400 * x[i]
    return hessian


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_hessian_vector_products_of_rosenbrock(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, v = leaf(rng.normal(size=n)), rng.normal(size=n)
    (g,) = minigrad.grad(rosenbrock(x), x, create_graph=True)
    (product,) = minigrad.grad((g * v).sum(), x)
    np.testing.assert_allclose(product.data, rosenbrock_hessian(x.data) @ v, rtol=1e-11, atol=1e-9)


def test_hessian_vector_products_through_backward() -> None:
    """The other way: the first gradient by backward(create_graph=True), the second by backward of .grad."""
    x = leaf([0.5, -1.0, 2.0])
    v = np.array([1.0, 2.0, 3.0])
    rosenbrock(x).backward(create_graph=True)
    g = x.grad
    assert g is not None
    assert g.requires_grad
    x.grad = None
    (g * v).sum().backward()
    np.testing.assert_allclose(gradient(x), rosenbrock_hessian(x.data) @ v, rtol=1e-12)


def test_derivatives_of_every_order() -> None:
    x = leaf(0.7)
    for function, derivatives in (
        (lambda x: x**4, [4 * 0.7**3, 12 * 0.7**2, 24 * 0.7, 24]),
        (lambda x: x.exp(), [np.exp(0.7)] * 4),
        (lambda x: x.sin(), [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7)]),
        (lambda x: 1 / x, [-1 / 0.7**2, 2 / 0.7**3, -6 / 0.7**4, 24 / 0.7**5]),
        (lambda x: x.log(), [1 / 0.7, -1 / 0.7**2, 2 / 0.7**3, -6 / 0.7**4]),
    ):
        y = function(x)
        for expected in derivatives:
            (y,) = minigrad.grad(y, x, create_graph=True)
            assert y.item() == pytest.approx(expected, rel=1e-12)


def test_a_third_derivative_of_two_variables() -> None:
    x, y = leaf(1.5), leaf(-0.5)
    (fx,) = minigrad.grad(x**3 * y**2 + x * y.exp(), x, create_graph=True)
    (fxy,) = minigrad.grad(fx, y, create_graph=True)
    (fxyy,) = minigrad.grad(fxy, y)
    assert fx.item() == pytest.approx(3 * 1.5**2 * 0.25 + np.exp(-0.5), rel=1e-14)
    assert fxy.item() == pytest.approx(6 * 1.5**2 * -0.5 + np.exp(-0.5), rel=1e-14)
    assert fxyy.item() == pytest.approx(6 * 1.5**2 + np.exp(-0.5), rel=1e-14)


def test_a_gradient_penalty_trains() -> None:
    """The gradient's norm in the loss: second derivatives through layers, into .grad, with an optimizer around."""
    model = minigrad.nn.Sequential(
        minigrad.nn.Linear(3, 4, dtype=float64), minigrad.nn.Tanh(), minigrad.nn.Linear(4, 1, dtype=float64)
    )
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.05)
    x = leaf(np.random.default_rng(0).normal(size=(5, 3)))

    def penalty() -> Tensor:
        (g,) = minigrad.grad(model(x).sum(), x, create_graph=True)
        return (g * g).sum()

    first = penalty().item()
    for _ in range(20):
        optimizer.zero_grad()
        penalty().backward()
        optimizer.step()
    assert penalty().item() < 0.5 * first


def test_second_derivatives_of_a_network() -> None:
    rng = np.random.default_rng(1)
    labels = np.array([0, 2, 1])

    def loss(x: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
        hidden = minigrad.nn.functional.linear(x, w, b).tanh()
        return minigrad.nn.functional.cross_entropy(hidden @ v, labels)

    check_second(loss, [rng.normal(size=s) for s in ((3, 2), (4, 2), (4,), (4, 3))])


def test_recorded_gradients_add_up() -> None:
    x = leaf([1.0, 2.0])
    (x**2).sum().backward(create_graph=True)
    (x**3).sum().backward(create_graph=True)
    np.testing.assert_array_equal(gradient(x), [5, 16])
    g = x.grad
    assert g is not None
    x.grad = None
    g.sum().backward()
    np.testing.assert_array_equal(gradient(x), [8, 14])
    (x**2).sum().backward()  # a plain one on top of it
    np.testing.assert_array_equal(gradient(x), [10, 18])


# --- Wrong use ---------------------------------------------------------------------------------------


def test_backward_starts_at_a_scalar() -> None:
    with pytest.raises(RuntimeError, match=r"starts at a scalar: this tensor has shape \(2, 3\)"):
        (leaf(np.ones((2, 3))) * 2).backward()
    with pytest.raises(RuntimeError, match=r"starts at a scalar: this tensor has shape \(0,\)"):
        (leaf(np.ones(0)) * 2).backward()


def test_backward_needs_something_recorded() -> None:
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        minigrad.ones(3).sum().backward()
    with no_grad():
        y = leaf([1.0]).sum()
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        y.backward()


def test_a_starting_gradient_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) cannot start at a gradient of \(3,\)"):
        (leaf([1.0, 2.0]) * 2).backward(np.ones(3))
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(\) cannot start at a gradient of \(2,\)"):
        minigrad.grad((x * 2).sum(), x, np.ones(2))


@pytest.mark.parametrize("data", [[1, 2], [True, False]])
def test_only_floats_require_gradients(data: Any) -> None:
    kind = np.array(data).dtype
    for ask in (
        lambda: minigrad.tensor(data, requires_grad=True),
        lambda: minigrad.tensor(data).requires_grad_(),
        lambda: Tensor(np.array(data), requires_grad=True),
    ):
        with pytest.raises(TypeError, match=f"floating-point.*not {kind}"):
            ask()


def test_requires_grad_can_be_switched_off_for_leaves_only() -> None:
    x = leaf([1.0])
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(RuntimeError, match=r"use detach\(\)"):
        (leaf([1.0]) * 2).requires_grad_(False)


def test_a_function_of_ones_own() -> None:
    """What CONTRIBUTING describes: an operation is a function of arrays and its backwards."""

    @operation(lambda g, y, a, b: g * ops.cos(a) * b, lambda g, y, a, b: g * ops.sin(a))
    def wave(a: Any, b: Any) -> Any:
        return np.sin(a) * b

    a, b = leaf([0.1, 0.2]), leaf([2.0])
    wave(a, b).sum().backward()
    np.testing.assert_allclose(gradient(a), 2 * np.cos([0.1, 0.2]))
    np.testing.assert_allclose(gradient(b), [np.sin([0.1, 0.2]).sum()])
    assert minigrad.gradcheck(wave, [a, b], second=True)
    assert repr(wave) == "<operation wave>"
