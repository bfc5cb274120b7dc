"""What `python -m benchmarks speed` does with its times; the times themselves are never asserted."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_tools import assert_png, data_of, labels
from PIL import Image
from rich.console import Console

import minigrad
from benchmarks import __main__ as command
from benchmarks import speed
from benchmarks.console import style
from benchmarks.timing import scaling, steps
from benchmarks.timing.libraries import PEERS
from benchmarks.timing.rounds import Measured, Measurement, Sample
from benchmarks.timing.workers import Workplace
from benchmarks.timing.workload import Rule, Workload
from benchmarks.training.optimizers import ENTRANTS

RULES = {name: speed.rule_of(one) for name, one in ENTRANTS.items()}


def small_work() -> Workload:
    random = np.random.default_rng(5)
    sizes = ((12, 36), (10, 12))
    layers = [(random.normal(0, 0.1, size).astype(np.float32), np.zeros(size[0], np.float32)) for size in sizes]
    pixels = random.integers(0, 256, (120, 6, 6)).astype(np.uint8)
    return Workload(pixels, random.integers(0, 10, 120), random.permutation(120).reshape(6, 20), layers)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of MNIST and of the larger shapes."""
    monkeypatch.setattr(speed, "notebook_workload", lambda seed: small_work())
    monkeypatch.setattr(scaling, "WIDTHS", (10, 32, 100))
    monkeypatch.setattr(scaling, "DEPTHS", (1, 2, 5))
    monkeypatch.setattr(scaling, "BATCHES", (1, 10, 100))


def outcome(peer: str, way: str, rule: str, us: float, loss: float = 1.0, threads: int = 1, **more: Any) -> Measured:
    """An outcome of one round that took `us` microseconds a step."""
    task = Measurement(peer, threads, "training", way, {"rule": asdict(RULES[rule])})
    return Measured(task, [Sample(100, us * 1e-4, us * 1e-4, 300)], loss, **more)


def found(records: list[dict[str, Any]], peer: str, way: str = "", rule: str | None = "sgd", threads: int = 1) -> Any:
    keys = ("peer", "way", "rule", "threads")
    (one,) = (r for r in records if tuple(r[k] for k in keys) == (peer, way, rule, threads))
    return one


def printed(function: Any, *arguments: Any) -> str:
    out = Console(file=io.StringIO(), width=160)
    function(*arguments, out)
    return out.file.getvalue()  # type: ignore[attr-defined]


# Who takes part.


def test_every_entrant_takes_part_in_every_way_that_has_it():
    tasks = steps.step_tasks(list(PEERS), list(RULES.values()), [1, 2], 600)
    timed = {(t.threads, t.peer, t.way, t.arguments["rule"]["name"]) for t in tasks}
    assert len(timed) == len(tasks)
    for threads in (1, 2):
        for rule in ENTRANTS:
            assert (threads, "minigrad", "", rule) in timed
        for peer, kind in PEERS.items():
            for name, way in kind.ways.items():
                for rule in way.rules or ():
                    assert (threads, peer, name, rule) in timed
    assert sum(t.peer == "floor" for t in tasks) == 2  # once for each number of threads
    assert all(t.first == steps.CHECKED for t in tasks)


def test_whole_epochs_are_timed_as_such_and_rarely():
    tasks = steps.step_tasks(list(PEERS), [RULES["sgd"]], [1], 600)
    whole = {(t.peer, t.way) for t in tasks if t.unit == 600 and t.rare}
    assert whole == {("jax", "epoch"), ("minigrad", "loader"), ("torch", "loader")}
    assert all(t.unit == 1 and not t.rare for t in tasks if (t.peer, t.way) not in whole)


def test_the_notebooks_work_is_the_notebooks():
    work = speed.notebook_workload(0)
    assert work.pixels.shape == (60000, 28, 28)
    assert [w.shape for w, _ in work.layers] == [(100, 784), (10, 100)]
    assert work.order.shape == (600, 100)
    assert len(np.unique(work.order)) == 60000
    assert not np.array_equal(speed.notebook_workload(1).order, work.order)
    # The first mini-batch and the weights are those with which the notebook's run starts.
    minigrad.manual_seed(0)
    model = minigrad.nn.Sequential(minigrad.nn.Linear(784, 100), minigrad.nn.ReLU(), minigrad.nn.Linear(100, 10))
    for parameter, value in zip(model.parameters(), (a for layer in work.layers for a in layer), strict=True):
        np.testing.assert_array_equal(parameter.numpy(), value)
    _, labels = next(iter(minigrad.utils.data.DataLoader(Labels(work.labels), 100, shuffle=True)))
    np.testing.assert_array_equal(labels.numpy(), work.labels[work.order[0]])


class Labels(minigrad.utils.data.TensorDataset):
    def __init__(self, labels: np.ndarray) -> None:
        super().__init__(np.zeros(len(labels)), labels)


# Ratios.


def test_ratios_are_of_medians_of_the_same_optimizer_and_threads():
    records = steps.step_records(
        [
            outcome("floor", "", "sgd", 400),
            outcome("minigrad", "", "sgd", 500),
            outcome("minigrad", "", "adam", 640),
            outcome("torch", "", "sgd", 1000),
            outcome("torch", "", "adam", 1600),
            outcome("floor", "", "sgd", 200, threads=2),
            outcome("minigrad", "", "sgd", 250, threads=2),
            outcome("torch", "", "sgd", 750, threads=2),
        ]
    )
    assert found(records, "minigrad")["to_floor"] == pytest.approx(1.25)
    assert found(records, "minigrad")["to_minigrad"] == pytest.approx(1)
    assert found(records, "torch")["to_floor"] == pytest.approx(2.5)
    assert found(records, "torch")["to_minigrad"] == pytest.approx(2)
    assert found(records, "torch", rule="adam")["to_minigrad"] == pytest.approx(2.5)
    assert found(records, "torch", threads=2)["to_minigrad"] == pytest.approx(3)
    assert found(records, "torch", threads=2)["to_floor"] == pytest.approx(3.75)
    assert found(records, "floor", rule=None)["to_floor"] == pytest.approx(1)
    assert found(records, "floor", rule=None)["to_minigrad"] is None
    assert found(records, "torch")["median"] == pytest.approx(1000)
    assert found(records, "torch")["faults"] == pytest.approx(3)


def test_loaders_are_compared_with_minigrads_loader():
    records = steps.step_records(
        [
            outcome("minigrad", "", "sgd", 500),
            outcome("minigrad", "loader", "sgd", 800, loss=9),
            outcome("torch", "loader", "sgd", 4000, loss=5),
        ]
    )
    assert found(records, "torch", "loader")["to_minigrad"] == pytest.approx(5)
    assert found(records, "torch", "loader")["agrees"] is None  # it draws its own mini-batches
    assert found(records, "minigrad", "loader")["to_minigrad"] == pytest.approx(1)


def test_a_peer_agrees_if_its_loss_is_minigrads():
    near, far = 1.5 * (1 + 0.9 * steps.TOLERANCE), 1.5 * (1 + 1.1 * steps.TOLERANCE)
    records = steps.step_records(
        [
            outcome("floor", "", "sgd", 400, loss=0),
            outcome("minigrad", "", "sgd", 500, loss=1.5),
            outcome("torch", "", "sgd", 1000, loss=near),
            outcome("jax", "", "sgd", 800, loss=far),
            outcome("jax", "epoch", "sgd", 800, loss=float("nan")),
            outcome("torch", "", "adam", 1000, loss=near),
        ]
    )
    agrees = {(r["peer"], r["way"], r["rule"]): r["agrees"] for r in records}
    assert agrees == {
        ("floor", "", None): None,
        ("minigrad", "", "sgd"): None,
        ("torch", "", "sgd"): True,
        ("jax", "", "sgd"): False,
        ("jax", "epoch", "sgd"): False,
        ("torch", "", "adam"): None,  # minigrad's was not measured
    }
    assert found(records, "torch")["to_minigrad"] == pytest.approx(2)
    assert found(records, "jax")["to_minigrad"] is None


def test_what_failed_has_no_figures_and_stops_nothing():
    broken = Measured(Measurement("torch", 1, "training", "", {"rule": asdict(RULES["sgd"])}), error="torch: broken")
    records = steps.step_records([broken, outcome("minigrad", "", "sgd", 500)])
    assert found(records, "torch")["median"] is None
    assert found(records, "torch")["to_minigrad"] is None
    assert found(records, "torch")["error"] == "torch: broken"
    assert found(records, "minigrad")["to_floor"] is None


# Tables and pictures.


def a_step() -> dict[str, Any]:
    outcomes = [
        outcome("floor", "", "sgd", 400),
        *(outcome("minigrad", "", rule, 500 + 10 * i) for i, rule in enumerate(RULES)),
        *(outcome("torch", "", rule, 1000) for rule in ("sgd", "adam")),
        outcome("jax", "", "adam", 777, loss=1.2),
        outcome("autograd", "", "sgd", 98765),
    ]
    loaders = [outcome("minigrad", "loader", "sgd", 800), outcome("torch", "loader", "sgd", 4000)]
    records = steps.step_records(outcomes + loaders)
    return {"step": records[:-2], "end_to_end": records[-2:]}


def test_the_tables_have_every_optimizer_and_peer():
    text = printed(steps.print_step, a_step())
    for rule in ENTRANTS:
        assert f" {rule} " in text
    for label in ("minigrad", "PyTorch", "JAX", "autograd"):
        assert label in text
    assert "500  1.25" in text  # minigrad's SGD: microseconds, floors
    assert "1000  2.50" in text
    assert "The floor, the five products alone: 400 us" in text
    assert "98765 246.91" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["sgd", "2.00", "197.53"] in lines  # how many times minigrad's: PyTorch, autograd
    assert any(line[-4:] == ["1", "4000", "10.00", "5.00"] for line in lines)  # the loaders


def test_who_trains_something_else_is_named_and_left_out_of_the_ratios():
    text = printed(steps.print_step, a_step())
    assert "! JAX trains something else with adam: its loss at step 20 is 1.2000" in text
    assert "777  1.94 !" in text
    assert ["adam", "1.82", "!"] in [line.split() for line in text.splitlines()]  # PyTorch, JAX
    assert "All of them train the same" not in text


def test_agreement_is_told():
    records = steps.step_records([outcome("minigrad", "", "sgd", 500), outcome("torch", "", "sgd", 900)])
    text = printed(steps.print_step, {"step": records, "end_to_end": []})
    assert "All of them train the same: their losses at step 20 are within 0.2% of minigrad's." in text
    assert "busy" not in text


def test_a_busy_machine_is_told():
    busy = outcome("minigrad", "", "sgd", 500)
    busy.samples = [Sample(10, 0.01, 0.004, 0)] * 3 + [Sample(10, 0.005, 0.005, 0)]
    text = printed(steps.print_step, {"step": steps.step_records([busy]), "end_to_end": []})
    assert "The machine was busy: something else disturbed 75% of the rounds" in text


def test_the_chart_has_a_bar_for_every_figure_and_ends_before_the_slowest(tmp_path):
    records = a_step()["step"]
    figure = steps.draw_step(records)
    (axis,) = figure.axes
    drawn = [round(bar.get_width()) for bar in axis.patches]
    expected = [r["median"] for r in records if r["rule"] and r["agrees"] is not False]
    end = steps.CUT * 610
    assert sorted(drawn) == sorted(round(min(median, end)) for median in expected)
    assert axis.get_xlim()[1] == pytest.approx(end)
    figures = {text.get_text(): text.get_position()[0] for text in axis.texts}
    assert len(axis.texts) == len(drawn)
    assert figures["500"] == pytest.approx(500 + 0.01 * axis.get_xlim()[1])  # behind its bar
    assert figures["cut off: 98,765"] == pytest.approx(0.92 * end)  # in it, before the gap
    (gap,) = [line for line in axis.get_lines() if line.get_color() == "white"]
    assert 0.92 * end < min(gap.get_xdata()) < max(gap.get_xdata()) < end
    assert "Bars that are cut off go on to their figure. The axis ends at 4 times" in figure.get_suptitle()
    assert labels(axis.get_yticklabels()) == [one.label for one in ENTRANTS.values()]
    middles = sorted(bar.get_y() + bar.get_height() / 2 for bar in axis.patches)
    groups = [[middles.pop(0)]]
    for middle in middles:  # a gap of one bar between two optimizers
        groups.append([middle]) if middle > groups[-1][-1] + 1.5 else groups[-1].append(middle)
    assert list(axis.get_yticks()) == pytest.approx([sum(group) / len(group) for group in groups])
    assert (axis.get_title("left"), axis.get_xlabel()) == ("1 thread", "microseconds per training step")
    first = [bar for bar in axis.patches if round(bar.get_width()) in (500, 1000, round(end))][:3]
    assert [tuple(round(c * 255) for c in bar.get_facecolor()[:3]) for bar in first] == [
        tuple(bytes.fromhex(scaling.COLORS[peer, ""][1:])) for peer in ("minigrad", "torch", "autograd")
    ]
    whiskers = [line for line in axis.get_lines() if line.get_color() == style.BLACK and line.get_linestyle() == "-"]
    assert len(whiskers) == len(drawn) - 1
    (floor,) = [line for line in axis.get_lines() if line.get_linestyle() == "--"]
    assert list(floor.get_xdata()) == pytest.approx([400, 400])
    (legend,) = figure.legends
    assert labels(legend.get_texts()) == ["minigrad", "PyTorch", "autograd", "the five products alone"]


def test_a_panel_for_each_number_of_threads_ends_where_the_first_does():
    records = steps.step_records([outcome("minigrad", "", "sgd", 500), outcome("minigrad", "", "sgd", 900, threads=2)])
    one, two = steps.draw_step(records).axes
    assert [axis.get_title("left") for axis in (one, two)] == ["1 thread", "2 threads"]
    assert one.get_xlim() == two.get_xlim() == (0, pytest.approx(steps.CUT * 500))
    assert [round(axis.patches[0].get_width()) for axis in (one, two)] == [500, 900]
    assert one.figure.get_suptitle() == "One training step: how long it takes"


def test_figures_in_bars_can_be_read_and_an_optimizer_of_ones_own_has_its_name():
    records = steps.step_records([outcome("minigrad", "", "sgd", 500), outcome("jax", "", "sgd", 1990)])
    (axis,) = steps.draw_step([r | {"rule": "Mine"} for r in records]).axes
    assert labels(axis.get_yticklabels()) == ["Mine"]
    assert labels(axis.texts) == ["500", "1,990"]
    assert [steps._readable_on({"peer": peer, "way": way}) for peer, way in scaling.COLORS] == [
        "white", "white", "white", "white", style.BLACK, "white", style.BLACK, style.BLACK, style.BLACK,
    ]  # fmt: skip


def updates(*points, rule="adam", threads=1, peer="minigrad", way=""):
    return [
        {"peer": peer, "way": way, "rule": rule, "threads": threads, "size": size, "gigabytes_per_second": rate}
        for size, rate in points
    ]


def test_the_second_picture_has_a_line_for_each_library():
    task = Measurement("minigrad", 1, "training", "", {"rule": asdict(RULES["sgd"]), "hidden": (100,), "batch": 100})
    shape = []
    for peer, factor in (("minigrad", 2), ("floor", 1)):
        for hidden, batch in (((10,), 100), ((100,), 100), ((100, 100), 100), ((100,), 1000)):
            seconds = factor * 1e-4 * len(hidden) * batch / 100
            its = replace(task, peer=peer, arguments={**task.arguments, "hidden": hidden, "batch": batch})
            shape.append(scaling.shape_record(Measured(its, [Sample(1, seconds, seconds, 0)])))
    results = {
        "update": [
            *updates((1000, 9.0), (100, 3.0), (10, None)),
            *updates((100, 4.0), threads=2),
            *updates((100, 20.0), peer="floor"),
            *updates((100, 7.0), rule="sgd"),
        ],
        "ops": [
            {"operation": name, "peer": peer, "way": way, "microseconds": us}
            for peer, way, times in (
                ("floor", "", (1, 2)),
                ("minigrad", "", (3, 4)),
                ("minigrad", "backward", (5, None)),
            )
            for name, us in zip(("add", "relu"), times, strict=True)
        ],
        "shape": shape,
    }
    adam, sgd, ops, width, depth, batch = scaling.draw(results).axes
    assert [(data_of(line), line.get_linestyle(), line.get_color()) for line in adam.get_lines()] == [
        (([100, 1000], [3.0, 9.0]), "-", scaling.COLORS["minigrad", ""]),
        (([100], [20.0]), "-", scaling.COLORS["floor", ""]),
        (([100], [4.0]), "--", scaling.COLORS["minigrad", ""]),
        (([], []), "--", scaling.COLORS["floor", ""]),
    ]
    assert labels(adam.get_legend().get_texts()) == ["minigrad", "a copy"]
    assert adam.get_xlabel() == "parameters (dashed: 2 threads)"
    assert (adam.get_title("left"), sgd.get_title("left")) == ("Adam's update alone", "SGD's update alone")
    assert (sgd.get_xlabel(), data_of(sgd.get_lines()[0])) == ("parameters", ([100], [7.0]))
    assert labels(ops.get_yticklabels()) == ["add", "relu"]
    assert [bar.get_width() for bar in ops.patches] == [1, 2, 3, 4, 5, 0]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in ops.patches]
    assert middles == pytest.approx([-0.8 / 3, 1 - 0.8 / 3, 0, 1, 0.8 / 3, 1 + 0.8 / 3])
    assert labels(ops.get_legend().get_texts()) == ["NumPy", "minigrad, recorded", "minigrad, and back"]
    for axis, xs, figure in ((width, [10, 100], [200, 200]), (depth, [1, 2], [200, 400]), (batch, [100, 1000], [2, 2])):
        mine, floor = axis.get_lines()[:2]
        assert data_of(mine) == (xs, pytest.approx(figure))
        assert data_of(floor) == (xs, pytest.approx([value / 2 for value in figure]))
    assert [axis.get_ylabel() for axis in (width, batch)] == ["microseconds", "microseconds per example"]
    assert [axis.get_xlabel() for axis in (width, depth, batch)] == list(scaling.AXES.values())
    assert list(batch.get_lines()[2].get_xdata()) == [100, 100]
    assert labels(batch.get_legend().get_texts())[2] == "stops falling at 100"
    assert len(width.get_lines()) == 2
    assert {(axis.get_xscale(), axis.get_yscale()) for axis in (adam, sgd, width, depth, batch)} == {("log", "log")}
    assert ops.get_xscale() == "linear"
    assert [line.get_visible() for line in ops.get_ygridlines()] == [False] * 2
    assert all(line.get_visible() for line in ops.get_xgridlines())


def test_the_second_picture_of_nothing():
    for axis in scaling.draw({}).axes:
        assert axis.get_lines() == []
        assert axis.get_legend() is None


def test_the_tables_of_updates_and_operations():
    records = [
        {**r, "microseconds": 1e3 * r["size"], "gigabytes_per_second": 2.5}
        for r in (*updates((100, 1), (10, 1)), *updates((100, 1), rule="sgd"), *updates((10, 1), peer="floor"))
    ]
    lines = [line.split() for line in printed(scaling.print_update, records).splitlines()]
    assert lines[0] == ["The", "update", "alone:", "milliseconds,", "and", "GB/s"]
    rows = [line for line in lines if line[:1] in (["sgd"], ["adam"])]
    assert rows == [
        ["sgd", "1", "100", "100.000", "2.5", "-"],
        ["adam", "1", "10", "10.000", "2.5", "10.000", "2.5"],
        ["adam", "1", "100", "100.000", "2.5", "-"],
    ]
    records = [
        {"operation": "add", "peer": "floor", "way": "", "microseconds": 0.514},
        {"operation": "add", "peer": "minigrad", "way": "unrecorded", "microseconds": 1.5},
        {"operation": "relu", "peer": "minigrad", "way": "unrecorded", "microseconds": None},
    ]
    lines = [line.split() for line in printed(scaling.print_operations, records).splitlines()]
    assert ["add", "0.51", "1.50"] in lines
    assert ["relu", "-", "-"] in lines
    assert ["operation", "NumPy", "minigrad,", "no_grad"] in lines


def test_a_title_and_a_caption_longer_than_the_screen_are_not_broken():
    out = Console(file=io.StringIO(), width=30)
    scaling.print_table("A title " * 10, ["a", "b"], [("1", "2")], out, "A caption " * 10)
    lines = [line.strip() for line in out.file.getvalue().splitlines()]
    assert ("A title " * 10).strip() in lines
    assert ("A caption " * 10).strip() in lines


def test_the_table_of_memory():
    known = {"rule": "sgd", "steps": 10_000, "peak": 3.5e8, "growth": 12_345, "blocks": 7, "faults_per_step": 0.25}
    unknown = {**known, "rule": "adam", "peak": None, "growth": None, "blocks": None, "faults_per_step": None}
    lines = [line.split() for line in printed(scaling.print_memory, [known, unknown]).splitlines()]
    assert ["sgd", "10,000", "350", "12", "7", "0.25"] in lines
    assert ["adam", "10,000", "-", "-", "-", "-"] in lines


# How the cost grows.


def test_the_traffic_of_an_update_follows_from_what_the_rule_keeps():
    for name, traffic in scaling.TRAFFIC.items():
        states = len(ENTRANTS[name].make([minigrad.zeros(1, requires_grad=True)]).state_vectors)
        assert traffic == 4 * (2 + states) + 4 * (1 + states)  # theta, g, state read; theta, state written


def test_gigabytes_per_second():
    def at(peer: str, rule: Rule) -> float:
        task = Measurement(peer, 1, "update", "", {"rule": asdict(rule), "size": 10**7})
        return scaling.update_record(Measured(task, [Sample(1, 0.02, 0.02, 0)]))["gigabytes_per_second"]

    assert at("minigrad", scaling.ADAM) == pytest.approx(14)  # 28 bytes, 1e7 times, in 0.02 s
    assert at("minigrad", scaling.SGD) == pytest.approx(6)
    assert at("floor", scaling.ADAM) == pytest.approx(4)  # a copy: 8 bytes


def test_updates_are_set_against_a_copy_and_both_of_pytorchs():
    tasks = scaling.update_tasks(list(PEERS), scaling.ADAM, 2, 1000)
    assert [(t.peer, t.way) for t in tasks] == [
        ("floor", ""),
        ("minigrad", ""),
        ("minigrad-numpy", ""),
        ("torch", ""),
        ("torch", "fused"),
    ]
    assert [t.peer for t in scaling.update_tasks(["floor", "minigrad", "sklearn"], scaling.ADAM, 2, 1000)] == [
        "floor",
        "minigrad",
    ]


def test_updates_that_do_not_fit_into_memory_are_left_out(monkeypatch):
    monkeypatch.setattr(scaling, "_fits", lambda size: size < 10**5)
    monkeypatch.setattr(scaling, "update_tasks", lambda *arguments: [])
    out = Console(file=io.StringIO(), width=160)
    scaling.update(Workplace(Path("."), 1, 0.01), [], [1], True, out)
    assert "An update of 100,000 parameters is left out: it takes 0 GB of memory." in out.file.getvalue()
    assert "1,000,000 parameters is left out" in out.file.getvalue()


def test_updates_from_ten_million_parameters_on_are_timed_a_quarter_as_often(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "_fits", lambda size: True)

    class Place(Workplace):
        asked: list[tuple[int, int]] = []

        def measure(self, tasks, title, rounds=None):
            self.asked += [(task.arguments["size"], rounds) for task in tasks]
            return [Measured(task) for task in tasks]

    place = Place(tmp_path, 20, 0.01)
    scaling.update(place, ["minigrad"], [1], False, Console(file=io.StringIO(), width=160))
    assert place.asked == [(10**n, rounds) for n, rounds in ((4, 20), (5, 20), (6, 20), (7, 5), (8, 5)) for _ in "12"]


def test_shapes_change_one_thing_at_a_time():
    tasks = scaling.shape_tasks(["floor", "minigrad"], 1, quick=False)
    shapes = [(t.arguments["hidden"], t.arguments["batch"]) for t in tasks if t.peer == "minigrad"]
    assert len(set(shapes)) == len(shapes)
    records = [scaling.shape_record(Measured(t, [Sample(1, 1e-3, 1e-3, 0)])) for t in tasks]
    for axis, values in (("width", scaling.WIDTHS), ("depth", scaling.DEPTHS), ("batch", scaling.BATCHES)):
        assert [r[axis] for r in scaling.along(records, axis, "minigrad")] == list(values)
    assert (min(scaling.BATCHES), max(scaling.BATCHES)) == (1, 60_000)
    assert (min(scaling.DEPTHS), max(scaling.DEPTHS)) == (1, 100)
    assert records[0]["microseconds_per_example"] == pytest.approx(10)


def test_a_quick_run_has_the_notebooks_own_shape_too():
    tasks = scaling.shape_tasks(["minigrad"], 1, quick=True)
    assert [(100,), 100] in [[t.arguments["hidden"], t.arguments["batch"]] for t in tasks]


@pytest.mark.parametrize(
    ("costs", "batch"), [([9, 4, 2.1, 2.0], 100), ([9, 2, 2.1, 2.5], 10), ([1, 2, 3, 4], 1), ([None] * 4, None)]
)
def test_where_the_cost_per_example_stops_falling(costs, batch):
    records = [
        {"batch": size, "microseconds_per_example": cost} for size, cost in zip((1, 10, 100, 1000), costs, strict=True)
    ]
    assert scaling.stops_falling(records) == batch


def test_minigrads_memory_does_not_grow_and_no_page_faults_go_on(tmp_path):
    small_work().save(tmp_path)
    with Workplace(tmp_path, 1, 0.01) as place:
        made = scaling.measure_memory(place, scaling.ADAM, 1, steps=500)
    assert made["error"] is None
    assert made["blocks"] < 100  # of Python's memory: 500 would be one a step
    assert made["faults_per_step"] < 0.5
    if made["growth"] is not None:
        assert made["growth"] < 300_000
        assert 10e6 < made["peak"] < 1e9


# The command.


def run(*arguments: str) -> int:
    return command.main(["speed", *arguments])


def test_the_command_measures_prints_and_writes(small, tmp_path, capsys):
    arguments = ["--quick", "--rounds", "1", "--threads", "1", "--peers", "minigrad", "--optimizers", "sgd,ranger"]
    own = f"{Path(__file__).with_name('signsgd.py')}:SignSGD"
    assert run(*arguments, "--optimizer", own, "--results", str(tmp_path)) == 0
    text = capsys.readouterr().out
    results = json.loads((tmp_path / "speed.json").read_text())
    assert {(r["peer"], r["rule"]) for r in results["step"]} == {
        ("floor", None),
        ("minigrad", "sgd"),
        ("minigrad", "ranger"),
        ("minigrad", "SignSGD"),
    }
    for r in results["step"]:
        assert r["median"] > 0
        assert r["low"] <= r["median"] <= r["high"]
        assert {"cores", "faults", "rounds", "disturbed", "to_floor", "to_minigrad", "loss", "agrees"} <= set(r)
    assert [(r["peer"], r["way"]) for r in results["end_to_end"]] == [("minigrad", "loader")]
    assert {r["size"] for r in results["update"]} == {10**4, 10**5, 10**6}
    assert {r["batch"] for r in results["shape"]} == {1, 100}
    assert {r["operation"] for r in results["ops"]} >= {"add", "matmul", "relu"}
    assert [r["rule"] for r in results["memory"]] == ["sgd", "adam"]
    assert results["versions"] == {"numpy": np.__version__, "minigrad": minigrad.__version__}
    assert results["environment"]["seed"] == 0
    assert results["settings"] == {"rounds": 1, "seconds_of_a_round": 0.012, "quick": True}
    assert_png(tmp_path / "speed_scaling.png", (1800, 1440))
    with Image.open(tmp_path / "speed.png") as image:
        assert image.width == 1800
    for name in ("speed.json", "speed.png", "speed_scaling.png"):
        assert str(tmp_path / name) in text
    titles = (
        "A training step, 1 thread: micro",
        "The update alone: milli",
        "A step of SGD against the number of hidden",
    )
    for title in (*titles, "Microseconds for an operation on a 4x4 array", "minigrad's memory"):
        assert f"\n{title}" in f"\n{text}"


def test_an_absent_library_is_named_with_the_line_that_installs_it(small, tmp_path, capsys, monkeypatch):
    for peer in ("torch", "jax"):
        monkeypatch.setattr(PEERS[peer], "needs", ("no_such_module_at_all",))
    arguments = ["--part", "memory", "--quick", "--threads", "1", "--peers", "torch,jax", "--results", str(tmp_path)]
    monkeypatch.setitem(scaling.PARTS, "memory", lambda *arguments: [])
    assert run(*arguments) == 0
    text = capsys.readouterr().out
    assert "PyTorch is not installed, and so is not in these tables: python -m pip install torch" in text
    assert "JAX is not installed, and so is not in these tables: python -m pip install jax optax" in text
    assert json.loads((tmp_path / "speed.json").read_text())["not_installed"] == {
        peer: PEERS[peer].install for peer in ("torch", "jax")
    }


def test_a_library_that_cannot_be_imported_is_told_and_the_others_go_on(small, tmp_path, capsys, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('built for another Python')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(scaling.PARTS, "memory", lambda place, peers, *rest: [{"error": None, "peers": peers}])
    arguments = ["--part", "memory", "--threads", "1", "--peers", "torch", "--results", str(tmp_path / "results")]
    assert run(*arguments) == 1
    sentence = "torch, 1 thread: the process has ended with status 1: ImportError: built for another Python"
    assert f"Could not be measured: {sentence}\n" in capsys.readouterr().out
    results = json.loads((tmp_path / "results" / "speed.json").read_text())
    assert results["broken"] == {"torch": sentence}
    assert results["memory"] == [{"error": None, "peers": ["floor", "minigrad"]}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--part", "step,sleep"], "there is no part 'sleep': there are step, update, shape, ops, memory"),
        (
            ["--peers", "tensorflow"],
            "there is no peer 'tensorflow': there are floor, minigrad, minigrad-numpy, torch, jax",
        ),
        (["--threads", "0"], "--threads takes whole numbers from 1 on, as 1,2, not '0'"),
        (["--threads", "two"], "--threads takes whole numbers from 1 on, as 1,2, not 'two'"),
        (["--rounds", "0"], "must be a whole number from 1 on, not '0'"),
        (["--optimizers", "adan"], "there is no optimizer 'adan' (did you mean adam"),
        (["--backend", "cupy"], "a GPU was asked for, but CuPy"),
    ],
)
def test_slips_are_told_in_a_sentence(arguments, message, capsys, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "cupy", raising=False)
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_with_a_gpu_cupy_is_refused_too_as_long_as_it_has_no_workers(stand_in, capsys):
    assert run("--backend", "cupy") == 2
    assert "speed measures NumPy on the CPU" in capsys.readouterr().err
