"""What is recorded stays what it was: gradients asked for later, values changed in place, graphs and gradients kept."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

CHANGED = "was changed in place"


def leaf(values: Any) -> mg.Tensor:
    return mg.tensor(np.array(values, dtype=np.float64), requires_grad=True)


# --- What requires gradients is decided when an operation is recorded -----------------------------------


def test_a_layer_that_was_frozen_when_it_was_used_gets_no_gradient() -> None:
    # The usual training of a GAN: the generator's loss goes through the frozen discriminator, which is thawed again.
    generator, discriminator = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    discriminator.requires_grad_(False)
    loss = discriminator(generator(mg.ones(5, 2))).sum()
    discriminator.requires_grad_(True)
    loss.backward()
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(p.grad is not None for p in generator.parameters())


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("with_optimizer", [False, True])
def test_a_tensor_that_was_frozen_after_it_was_used_still_gets_its_gradient(
    create_graph: bool, with_optimizer: bool
) -> None:
    w, x = leaf([2.0]), leaf([3.0])
    run = optim.SGD([w, x], lr=1.0) if with_optimizer else None
    y = (w * x).sum()
    w.requires_grad = False
    y.backward(create_graph=create_graph)
    assert w.grad is not None
    assert (w.grad.tolist(), x.grad.tolist()) == ([3], [2])  # type: ignore[union-attr]
    del run


def test_only_the_uses_count_that_were_recorded_while_gradients_were_required() -> None:
    w, x = leaf([2.0]), leaf([3.0])
    w.requires_grad_(False)
    first = w * x
    w.requires_grad_(True)
    (first + w * w * 10).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [40]


def test_both_inputs_the_same_tensor_thawed_in_between() -> None:
    w = leaf([2.0])
    w.requires_grad_(False)
    assert not (w * w).requires_grad
    w.requires_grad_(True)
    assert (w * w).requires_grad


# --- A value that changed in place after it was used -----------------------------------------------------


def by_step(w: mg.Tensor) -> Callable[[], None]:
    run = optim.SGD([w], lr=1.0)

    def change() -> None:
        w.grad = mg.ones(*w.shape)
        run.step()

    return change


def by_lookahead(w: mg.Tensor) -> Callable[[], None]:
    run = optim.Lookahead(optim.Adam([w], lr=1.0), k=1)

    def change() -> None:
        w.grad = mg.ones(*w.shape)
        run.step()

    return change


def by_load_state_dict(w: mg.Tensor) -> Callable[[], None]:
    model = nn.Module()
    model.w = w  # type: ignore[attr-defined]
    return lambda: model.load_state_dict({"w": mg.zeros(*w.shape)})


def by_operator(w: mg.Tensor) -> Callable[[], None]:
    def change() -> None:
        with mg.no_grad():
            w.__imul__(5.0)

    return change


def by_a_detached_tensor(w: mg.Tensor) -> Callable[[], None]:
    return lambda: w.detach().__iadd__(1.0)


def by_a_row(w: mg.Tensor) -> Callable[[], None]:
    return lambda: w.detach()[0].__iadd__(1.0)


def by_a_reshaped_row(w: mg.Tensor) -> Callable[[], None]:
    return lambda: w.detach().view(1, -1)[0, :1].T.flatten().__isub__(1.0)


CHANGES = [
    by_step,
    by_lookahead,
    by_load_state_dict,
    by_operator,
    by_a_detached_tensor,
    by_a_row,
    by_a_reshaped_row,
]


def plainly(w: mg.Tensor) -> mg.Tensor:
    return w


def without_its_gradient(w: mg.Tensor) -> mg.Tensor:
    return w.requires_grad_(False)


def a_view(w: mg.Tensor) -> mg.Tensor:
    return w[:1].reshape(1)


def a_view_without_recording(w: mg.Tensor) -> mg.Tensor:
    with mg.no_grad():
        return w.view(1, 1).flatten()


def through_another_tensor(w: mg.Tensor) -> mg.Tensor:
    return mg.Tensor(w)


USES = [
    plainly,
    mg.Tensor.detach,
    without_its_gradient,
    a_view,
    a_view_without_recording,
    through_another_tensor,
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("change", CHANGES)
def test_whoever_used_it_and_whoever_changed_it(
    change: Callable[[mg.Tensor], Callable[[], None]], use: Callable[[mg.Tensor], mg.Tensor], create_graph: bool
) -> None:
    w, x = nn.Parameter(np.array([2.0])), leaf([3.0])
    changing = change(w)
    y = (x * use(w)).sum()
    changing()
    with pytest.raises(RuntimeError, match=rf"a tensor of shape \(1,\) {CHANGED}.*after mul had used it"):
        y.backward(create_graph=create_graph)
    assert x.grad is None


@pytest.mark.parametrize("change", CHANGES)
def test_what_needs_no_values_can_be_differentiated_after_a_change(
    change: Callable[[mg.Tensor], Callable[[], None]],
) -> None:
    # As in PyTorch, where such operations save none.
    w, x = nn.Parameter(np.array([2.0])), leaf([3.0])
    changing = change(w)
    y = (x + w - 3 * w.reshape(1, 1).sum() + mg.cat([w, w]).mean()).sum()
    changing()
    w.grad = None
    y.backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([1], [-1])  # type: ignore[union-attr]


def test_results_that_their_own_backward_needs() -> None:
    x = leaf([2.0])
    for function in (mg.exp, mg.sqrt, mg.tanh, mg.sigmoid, mg.relu, lambda x: mg.softmax(x, 0)):
        y = function(x)
        with mg.no_grad():
            y += 1
        with pytest.raises(RuntimeError, match=rf"the result of \w+, of shape \(1,\), {CHANGED}"):
            y.sum().backward()


def test_a_result_that_another_operation_used() -> None:
    x = leaf([2.0])
    y = x * 3
    z = (y * y).sum()
    y.detach().__iadd__(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        z.backward()


def test_a_change_before_the_use_is_no_change() -> None:
    w, x = nn.Parameter(np.array([2.0])), leaf([3.0])
    run = optim.SGD([w], lr=1.0)
    for expected in (2, 1, 0):
        w.grad, x.grad = mg.ones(1), None
        y = (x * w.detach()).sum()
        y.backward()
        assert x.grad is not None
        assert x.grad.tolist() == [expected]
        run.step()


def test_what_is_replaced_is_not_changed() -> None:
    w, x = leaf([2.0]), leaf([3.0])
    y = (x * w).sum()
    w.data = w.data * 100
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2]


def test_another_part_of_the_model_may_change() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    runs = [optim.SGD(layer.parameters(), lr=0.1) for layer in (one, other)]
    loss = (one(mg.ones(1, 2)) ** 2).sum()
    (other(mg.ones(1, 2)) ** 2).sum().backward()
    runs[1].step()
    loss.backward()
    assert one.weight.grad is not None


# --- In-place operators ----------------------------------------------------------------------------------


def test_in_place_operators_change_the_memory() -> None:
    x = mg.tensor([1.0, 2.0, 3.0])
    y, row, part, table = x.detach(), x[0], x[1:], x.view(3, 1)
    y += 1
    row *= 10
    part -= 0.5
    table /= 2
    assert x.tolist() == [10.0, 1.25, 1.75]
    assert (y.tolist(), row.item(), part.tolist(), table.tolist()) == (
        x.tolist(),
        10.0,
        [1.25, 1.75],
        [[10.0], [1.25], [1.75]],
    )
    x **= 2
    assert table.tolist() == [[100.0], [1.5625], [3.0625]]


def test_in_place_operators_change_an_array_that_is_shared() -> None:
    array = np.zeros(3)
    mg.Tensor(array).__iadd__(1)
    mg.tensor(array).__iadd__(1)  # a copy
    assert array.tolist() == [1, 1, 1]


def test_one_element_of_many_is_a_view() -> None:
    x = mg.zeros(2, 3)
    for one in (x[1, 2], x[1][2], x[1, -1, ...], x[(np.int64(1), 2)]):
        one += 1
    assert x.tolist() == [[0, 0, 0], [0, 0, 4]]


def test_what_shows_one_element_in_several_places_is_not_changed() -> None:
    x = mg.ops.broadcast_to(mg.tensor([1.0]), (3,))
    with pytest.raises(RuntimeError, match=r"shape \(3,\) cannot be changed in place .*clone\(\) it first"):
        x += 1
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(RuntimeError, match=r"read-only"):
        mg.Tensor(frozen).__imul__(2.0)


# --- Gradients that are held -----------------------------------------------------------------------------

SCENES = [pytest.param(optimizer, id=str(optimizer)) for optimizer in (None, "SGD", "Adam", "Ranger")]


def scene(optimizer: str | None, values: Any = (1.0, 2.0)) -> tuple[mg.Tensor, Any]:
    w = leaf(values)
    return w, (getattr(optim, optimizer)([w], lr=1.0) if optimizer else None)


@pytest.mark.parametrize("optimizer", SCENES)
@pytest.mark.parametrize("values", [(1.0, 2.0), 1.5])
def test_changing_a_gradient_changes_the_gradient(optimizer: str | None, values: Any) -> None:
    w, _run = scene(optimizer, values)
    (w * w).sum().backward()
    g = w.grad
    assert g is not None
    assert w.grad is g
    g *= 0.5
    np.testing.assert_array_equal(w.grad.data, w.data)
    w.grad.data = np.zeros(w.shape)
    np.testing.assert_array_equal(w.grad.data, 0 * w.data)
    w.grad.data[...] = 3
    np.testing.assert_array_equal(g.data, 0 * w.data + 3)


@pytest.mark.parametrize("values", [(1.0, 2.0), 1.5])
def test_the_optimizer_takes_the_changed_gradient(values: Any) -> None:
    w, run = scene("SGD", values)
    before = w.data.copy()
    (w * w).sum().backward()
    g = w.grad
    assert g is not None
    run.g  # noqa: B018 - looking at all of them does not undo it
    w.grad.data[...] = 0.25  # type: ignore[union-attr]
    run.step()
    np.testing.assert_array_equal(w.data, before - 0.25)


@pytest.mark.parametrize("optimizer", SCENES)
@pytest.mark.parametrize("forget", [True, False])
def test_a_held_gradient_is_not_changed_by_what_comes_later(optimizer: str | None, forget: bool) -> None:
    w, run = scene(optimizer)
    held, copies = [], []
    for i in range(4):
        (w * (i + 1)).sum().backward()
        held.append(w.grad)
        copies.append(w.grad.data.copy())  # type: ignore[union-attr]
        if run is not None:
            run.step()
        if forget:
            w.grad = None
    (w * 100).sum().backward()
    assert all(np.array_equal(g.data, c) for g, c in zip(held, copies, strict=True))  # type: ignore[union-attr]
    total = 100 + (0 if forget else 1 + 2 + 3 + 4)
    assert w.grad is not None
    assert w.grad.tolist() == [total, total]


def test_zero_grad_to_zeros_leaves_a_held_gradient_alone() -> None:
    for optimizer in ("SGD", "Ranger"):
        w, run = scene(optimizer)
        (w * 3).sum().backward()
        held = w.grad
        run.zero_grad(set_to_none=False)
        assert held is not None
        assert held.tolist() == [3, 3]
        assert w.grad is not None
        assert w.grad.tolist() == [0, 0]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_zero_grad_to_zeros_is_zero_for_infinite_parameters(bad: float) -> None:
    w, run = scene("SGD", [bad, 1.0])
    w.grad = mg.tensor([5.0, 5.0])
    run.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0]
    w.data = w.data.copy()  # no longer in the optimizer's vector
    w.grad = mg.tensor([5.0, 5.0])
    run.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0]


def test_no_interpreter_is_asked_how_many_references_there_are() -> None:
    for module in (mg.tensor, optim.optimizer, optim.layout, optim.vectors, optim.wrapper):
        assert "getrefcount" not in inspect.getsource(inspect.getmodule(module))  # type: ignore[arg-type]


# --- no_grad ---------------------------------------------------------------------------------------------


def seen(x: mg.Tensor) -> bool:
    return (x * 2).requires_grad


def test_no_grad_decorates_with_and_without_brackets() -> None:
    x = leaf([1.0])

    @mg.no_grad
    def bare(x: mg.Tensor, *, twice: bool) -> tuple[bool, bool]:
        """It says something."""
        return seen(x), twice

    @mg.no_grad()
    def called(x: mg.Tensor) -> bool:
        return seen(x)

    class Model:
        @mg.no_grad
        def method(self, x: mg.Tensor) -> bool:
            return seen(x)

    assert bare(x, twice=True) == (False, True)
    assert (bare.__name__, bare.__doc__) == ("bare", "It says something.")
    assert not called(x)
    assert not Model().method(x)
    assert seen(x)
    with mg.no_grad():
        assert mg.enable_grad(seen)(x)
        with mg.enable_grad():
            assert seen(x)
        assert not seen(x)
    for wrong in (5, "f", leaf([1.0])):
        with pytest.raises(TypeError, match=r"no_grad\(\) decorates a function"):
            mg.no_grad(wrong)


def test_no_grad_holds_inside_a_generator_and_not_around_it() -> None:
    x = leaf([1.0])
    log: list[Any] = []

    @mg.no_grad()
    def values(count: int) -> Iterator[bool]:
        got = None
        try:
            for _ in range(count):
                try:
                    got = yield seen(x)
                    log.append(got)
                except KeyError as error:
                    log.append((str(error), seen(x)))
            return "end"
        finally:
            log.append(("closed", seen(x)))

    running = values(3)
    assert inspect.isgenerator(running)
    assert [next(running), seen(x), running.send("sent"), seen(x)] == [False, True, False, True]
    assert running.throw(KeyError("thrown")) is False
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == "end"
    assert log == ["sent", ("'thrown'", False), None, ("closed", False)]
    log.clear()
    running = values(2)
    next(running)
    running.close()
    assert log == [("closed", False)]
    assert seen(x)


def test_no_grad_holds_inside_a_coroutine_and_not_in_others() -> None:
    x = leaf([1.0])
    log = []

    @mg.no_grad
    async def quiet() -> str:
        for _ in range(3):
            log.append(("quiet", seen(x)))
            await asyncio.sleep(0)
        return "done"

    async def loud() -> None:
        for _ in range(3):
            log.append(("loud", seen(x)))
            await asyncio.sleep(0)

    async def both() -> Any:
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both()) == ["done", None]
    assert set(log) == {("quiet", False), ("loud", True)}
    assert len(log) == 6


# --- What a tensor says of itself --------------------------------------------------------------------------


def test_a_repr_names_the_operation_before_and_after_backward() -> None:
    x = leaf([[1.0, 4.0]])
    results = {
        "sum": x.sum(),
        "to": x.to(mg.float32),
        "where": mg.where(mg.tensor([True, False]), x, 0.0),
        "max": x.max(),
        "getitem": x[0],
        "reshape": x.view(2),
        "T": x.T,
        "matmul": x @ x.T,
        "cat": mg.cat([x, x]),
        "sqrt": x.sqrt(),
    }
    for name, y in results.items():
        assert repr(y).endswith(f", made by {name})"), name
        shown = repr(y)
        y.sum().backward()
        assert repr(y) == shown
        with pytest.raises(RuntimeError, match="this graph was freed"):
            y.sum().backward()


# --- Copies ------------------------------------------------------------------------------------------------


def test_deep_copies_keep_the_gradient_and_share_nothing() -> None:
    for optimizer in (None, "SGD"):
        w, _run = scene(optimizer)
        (w * 3).sum().backward()
        twin = copy.deepcopy(w)
        assert twin.grad is not None
        assert twin.grad.tolist() == [3, 3]
        twin.grad *= 2
        twin.detach().__iadd__(5)
        assert w.tolist() == [1, 2]
        assert w.grad is not None
        assert w.grad.tolist() == [3, 3]
        again = pickle.loads(pickle.dumps(w))
        assert (again.tolist(), again.requires_grad, type(again)) == ([1, 2], True, type(w))
