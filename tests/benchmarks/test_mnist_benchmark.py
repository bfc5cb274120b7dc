"""The main job: what it draws, computes, compares, prints and writes, and what it says when asked for nonsense."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from picture_tools import data_of, labels
from process_tools import HUNG, wait_until
from rich.console import Console

import minigrad
from benchmarks import mnist
from benchmarks.__main__ import main
from benchmarks.console import panels, report, style
from benchmarks.mnist import NOTEBOOK
from benchmarks.training import network, notebook
from benchmarks.training.optimizers import entrant
from benchmarks.training.trial import Trial, run
from minigrad import backend, optim
from minigrad.utils.data import DataLoader

ROOT = Path(__file__).parents[2]
SIGN = f"{Path(__file__).with_name('signsgd.py')}:SignSGD"
PRINTED = re.compile(r"Iteration: (\d+)\. Loss: (\d\.\d{4})\. Accuracy: (\d+\.\d\d)$", flags=re.M)

RAISES = """
from minigrad.optim import Optimizer
class Tired(Optimizer):
    def rule(self, theta, g, *, lr=0.1, t):
        if t == 8:
            raise ValueError("enough for today")
        theta -= lr * g
"""


def digits(folder: Path, *arguments: str) -> int:
    """The benchmark on the small data set, in this process unless `arguments` say otherwise."""
    short = ("--data", "digits", "--iterations", "40", "--every", "20", "--jobs", "1", "--results", str(folder))
    return main(["mnist", *short, *arguments])


def figures(folder: Path) -> dict[str, list]:
    """The figures in the folder's mnist.json, by name."""
    stored = json.loads((folder / "mnist.json").read_text())
    return {run["name"]: run["figures"] for run in stored["runs"] if "figures" in run}


def text_of(lines, base=NOTEBOOK) -> str:
    out = Console(file=io.StringIO(), width=120)
    report.show(mnist.table(lines, base), out)
    return out.file.getvalue()


def line(name: str, run: list | None, error: str | None = None, trace=(1.0,), compared: bool = True) -> mnist.Line:
    """A line with the figures (iteration, loss, accuracy) in `run`, which took 1.23456 s."""
    result = None
    if run is not None:
        result = {
            "losses": [loss for _, loss, _ in run],
            "accuracies": [accuracy for *_, accuracy in run],
            "accuracy": run[-1][2],
            "trace": trace,
            "timing": {"seconds": 1.23456},
        }
    theirs = notebook.notebook_runs().get(name) if compared else None
    return mnist.Line(entrant(name), result, error, 0.1, [i for i, *_ in run or ()], theirs)


def printed(name: str, shift: float = 0.0) -> list[tuple[int, float, float]]:
    """The figures of a run of the notebook, with `shift` added to the last accuracy."""
    figures = [(i, *figure) for i, figure in notebook.notebook_runs()[name].figures.items()]
    return [*figures[:-1], (*figures[-1][:2], figures[-1][2] + shift)]


def replayed(name: str, shift: float = 0.0) -> mnist.Line:
    """A line that has what the notebook printed."""
    return line(name, printed(name, shift))


# What is computed


def test_sgd_at_500_is_the_notebooks():
    """Draws, network, loop and test together: the weights, the mini-batches and the figure of cell 5."""
    ticks = []
    found = run(replace(NOTEBOOK, optimizer="sgd", iterations=500), ticks.append)
    assert [f"{loss:.4f}" for loss in found["losses"]] == ["0.3441"]
    assert [f"{accuracy:.2f}" for accuracy in found["accuracies"]] == ["91.74"]
    assert len(found["trace"]) == 500
    assert found["trace"][-1] == found["losses"][-1]
    assert ticks == list(range(50, 501, 50))


class Watched(network.Net):
    """Notes at every call whether operations are being recorded."""

    def forward(self, images):
        self.recorded = [*getattr(self, "recorded", []), minigrad.is_grad_enabled()]
        return super().forward(images)


def test_a_test_takes_one_64_bit_draw_and_records_nothing():
    test = network.load("digits", False)
    minigrad.manual_seed(5)
    model = Watched.for_data(test)
    after = minigrad.random.default_generator.get_state()
    network.evaluate(model, test)
    assert model.recorded == [False] * 4
    drawn = minigrad.random.default_generator.outputs(3).tolist()
    minigrad.random.default_generator.set_state(after)
    minigrad.random.default_generator.outputs64(1)
    assert minigrad.random.default_generator.outputs(3).tolist() == drawn


def test_accuracy_and_loss_do_not_depend_on_how_many_are_tested_at_a_time(monkeypatch):
    data, test = network.load("digits", True), network.load("digits", False)
    model = network.seeded(data, 0)
    for _ in network.steps(model, optim.Adam(model.parameters()), DataLoader(data, 50, shuffle=True), 60):
        pass
    logits = model(test.batch(numpy.arange(len(test)))[0]).data
    p = numpy.exp(logits.astype(float))
    p /= p.sum(1, keepdims=True)
    right = int((logits.argmax(1) == test.targets).sum())
    assert 0.3 < right / len(test) < 1
    for size in (len(test), 100, 7, 1):
        monkeypatch.setattr(network, "TEST_BATCH", size)
        found = network.evaluate(model, test)
        assert found.accuracy == 100 * right / len(test)
        assert found.loss == pytest.approx(-numpy.log(p[numpy.arange(len(test)), test.targets]).mean(), rel=1e-5)
        assert not found.dead


def test_an_epoch_draws_only_when_its_first_mini_batch_is_asked_for():
    """A test after the last mini-batch of an epoch draws before the next epoch does, as in the notebook."""
    data = network.load("digits", True)
    minigrad.manual_seed(1)
    model = network.Net.for_data(data)
    loader = DataLoader(data, 700, shuffle=True)
    steps = network.steps(model, optim.SGD(model.parameters(), lr=0.1), loader, 2)
    next(steps)
    before = minigrad.random.default_generator.get_state()
    next(steps)
    assert next(steps, None) is None
    after = minigrad.random.default_generator.get_state()
    assert before["position"] == after["position"]
    assert (before["key"] == after["key"]).all()


def test_points_of_test():
    assert Trial("").points == [500, 1000, 1500, 2000, 2500, 3000]
    assert Trial("", iterations=700).points == [500, 700]
    assert Trial("", iterations=20).points == [20]
    assert Trial("", iterations=20, tests=(0, 5, 20)).points == [0, 5, 20]


def test_figures_do_not_depend_on_the_number_of_processes(tmp_path):
    chosen = ("--optimizers", "sgd,adam,ranger", "--optimizer", SIGN)
    assert digits(tmp_path / "1", *chosen) == 0
    assert digits(tmp_path / "2", *chosen, "--jobs", "2") == 0
    one, two = figures(tmp_path / "1"), figures(tmp_path / "2")
    assert list(one) == ["sgd", "adam", "ranger", "SignSGD"]
    assert one == two
    assert all([i for i, _, _ in run] == [20, 40] for run in one.values())
    assert len({run[-1][1] for run in one.values()}) == 4


def test_seed_rate_and_batch_size_reach_the_run(tmp_path):
    chosen = ("--optimizers", "sgd")
    variants = [(), ("--seed", "1"), ("--lr", "sgd=0.2"), ("--batch-size", "50")]
    for i, variant in enumerate(variants):
        assert digits(tmp_path / str(i), *chosen, *variant) == 0
    losses = [figures(tmp_path / str(i))["sgd"][0][1] for i in range(len(variants))]
    assert len(set(losses)) == len(variants)


def test_a_rate_of_its_own_in_the_results(tmp_path):
    assert digits(tmp_path, "--optimizers", "lookahead,sgd", "--lr", "lookahead=0.003") == 0
    runs = json.loads((tmp_path / "mnist.json").read_text())["runs"]
    assert [run["lr"] for run in runs] == [0.003, 0.1]


# What it is compared with


def test_the_notebooks_runs_are_all_there():
    stored = json.loads((ROOT / "benchmarks" / "training" / "notebook_figures.json").read_text())
    assert sorted(notebook.CELLS.values()) == sorted(run["cell"] for run in stored["runs"])
    printed = notebook.notebook_runs()
    assert sum(len(run.figures) for run in printed.values()) == 66
    assert printed["sgd"].figures[500] == (0.34407174587249756, 91.74)
    posts = {name: run.original_post for name, run in printed.items() if run.original_post is not None}
    assert posts == stored["summary_of_the_original_post_percent"]
    assert len(mnist.RUNS) == 13
    assert set(mnist.RUNS) - set(printed) == {"radam", "ranger"}


@pytest.mark.parametrize(
    ("ours", "agree"),
    [
        ((0.344071, 91.74), True),
        ((0.34407, 91.744), True),
        ((0.34401, 91.74), False),
        ((0.34407, 91.75), False),
        ((3.4407, 91.74), False),
    ],
)
def test_agreement(ours, agree):
    assert notebook.agrees(ours, (0.34407174587249756, 91.74)) is agree


def test_the_table_of_runs_that_agree():
    text = text_of([replayed("sgd"), replayed("momentum")])
    assert "Accuracy in percent over the 10 000 test images of mnist" in text
    assert "784-100-10 with ReLU, mini-batches of 100, seed 0" in text
    ours, theirs = (line.split() for line in text.splitlines() if "91.74" in line)
    assert " ".join(ours) == "SGD 91.74 = 93.15 = 94.17 = 94.66 = 95.49 = 95.82 = 0.1108 = 95.78"
    assert " ".join(theirs) == "0.1, cell 5 91.74 93.15 94.17 94.66 95.49 95.82 0.1108"
    assert "12 of 12" in " ".join(text.split())


def test_the_table_of_a_run_that_does_not():
    text = text_of([replayed("adam", shift=-0.03), line("radam", printed("sgd"))])
    (ours,) = [line.split() for line in text.splitlines() if line.startswith(" Adam")]
    assert " ".join(ours[1:]) == "93.10 = 95.02 = 95.74 = 96.36 = 96.63 = 97.07 -0.03 0.0460 = 97.20"
    (alone,) = [line.split() for line in text.splitlines() if line.startswith(" RAdam")]
    assert " ".join(alone) == "RAdam 91.74 93.15 94.17 94.66 95.49 95.82 0.1108"
    assert "5 of 6" in " ".join(text.split())


def test_the_columns_of_the_table_are_to_the_left_since_their_cells_have_two_parts():
    made = mnist.table([replayed("sgd")], NOTEBOOK)
    assert {column.justify for column in made.columns} == {"left"}


def test_a_runs_record_rounds_its_seconds_to_milliseconds():
    (kept,) = mnist.record([line("sgd", [(1, 1.0, 50.0)], compared=False)], NOTEBOOK)["runs"]
    assert kept == {"name": "sgd", "label": "SGD", "lr": 0.1, "seconds": 1.235, "figures": [(1, 1.0, 50.0)]}


def test_the_whole_table_is_no_wider_than_120_columns():
    lines = [line(name, printed(name if name in notebook.CELLS else "sgd", shift=-12.34)) for name in mnist.RUNS]
    text = text_of(lines)
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text


def test_the_notebook_is_left_out_where_it_has_nothing_to_compare(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd,adam") == 0
    told = capsys.readouterr().out.partition("Figures and picture")[0]
    assert "64-100-10 with ReLU" in told
    assert "notebook" not in told
    assert "post" not in told
    assert "notebook" not in json.dumps(json.loads((tmp_path / "mnist.json").read_text())["runs"])


@pytest.mark.parametrize(
    ("change", "compared"),
    [
        ({}, True),
        ({"device": "cuda"}, True),
        ({"rate": 0.1}, False),
        ({"seed": 1}, False),
        ({"every": 100}, False),
        ({"iterations": 600}, False),
        ({"batch_size": 50}, False),
        ({"data": "fashion"}, False),
    ],
)
def test_when_the_notebook_is_compared_with(change, compared):
    result = run(replace(NOTEBOOK, optimizer="sgd", data="digits", iterations=10, every=10))
    sgd, radam = (
        mnist._line(entrant(name), replace(NOTEBOOK, optimizer=name, **change), result) for name in ("sgd", "radam")
    )
    assert (sgd.notebook is not None) is compared
    assert radam.notebook is None
    assert (sgd.lr, radam.lr) == (0.1, change.get("rate", 0.01))


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        ([7], [7]),
        ([500, 1000, 1500, 2000, 2500, 3000], [500, 1000, 1500, 2000, 2500, 3000]),
        (list(range(500, 30001, 500)), [5000, 10000, 15000, 20000, 25000, 30000]),
        ([1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7]),
    ],
)
def test_shown_points(points, shown):
    assert mnist.shown_points(points) == shown


# What it prints and writes


def test_verbose_prints_the_notebooks_lines(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd,adam", "--verbose") == 0
    printed = PRINTED.findall(capsys.readouterr().out)
    stored = [(str(i), f"{loss:.4f}", f"{acc:.2f}") for run in figures(tmp_path).values() for i, loss, acc in run]
    assert printed == stored
    assert len(printed) == 4


def test_the_json_says_what_it_was_measured_with(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd", "--seed", "3") == 0
    stored = json.loads((tmp_path / "mnist.json").read_text())
    assert (stored["seed"], stored["data"], stored["iterations"], stored["batch_size"]) == (3, "digits", 40, 100)
    environment = stored["environment"]
    assert {"minigrad", "numpy", "python", "blas", "blas_threads", "device", "commit"} <= set(environment)
    assert environment["blas_threads"] == 1
    told = capsys.readouterr().out
    for name in ("mnist.json", "mnist.png", "mnist-loss.png"):
        assert str(tmp_path / name) in told
        assert (tmp_path / name).is_file()


def test_the_notebooks_figures_are_in_the_json():
    (run,) = mnist.record([replayed("sgd", shift=0.5)], NOTEBOOK)["runs"]
    assert run["notebook"]["original_post"] == 95.78
    assert run["notebook"]["figures"][0] == (500, 0.34407174587249756, 91.74)
    assert run["notebook"]["agreeing"] == [500, 1000, 1500, 2000, 2500]


def test_the_picture_of_accuracies_has_every_run_and_the_notebooks_points():
    lines = [replayed("sgd"), line("ranger", printed("adam"), compared=False), line("adam", None, "broke")]
    fig = mnist.picture_of_accuracies(lines, NOTEBOOK)
    (axes,) = fig.axes
    curves = [drawn for drawn in axes.get_lines() if drawn.get_transform() == axes.transData]
    theirs = {i: accuracy for i, (_, accuracy) in notebook.notebook_runs()["sgd"].figures.items()}
    points = (list(theirs), list(theirs.values()))
    assert [data_of(drawn) for drawn in curves] == [points, points, data_of(curves[2])]
    assert data_of(curves[2])[1] == [accuracy for *_, accuracy in printed("adam")]
    sgd, dots, ranger = curves
    assert (sgd.get_color(), sgd.get_linestyle(), sgd.get_marker()) == (entrant("sgd").color, "-", "None")
    assert (dots.get_linestyle(), dots.get_marker(), dots.get_markerfacecolor()) == ("None", "o", "white")
    assert dots.get_markeredgecolor() == entrant("sgd").color
    assert (ranger.get_color(), ranger.get_marker()) == (entrant("ranger").color, "None")  # nothing to compare with
    assert labels(axes.texts) == ["SGD  95.82", "Ranger  97.10"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "test accuracy, percent")
    assert axes.get_xlim() == (0, 3000)
    assert fig.get_suptitle() == (
        "Test accuracy on mnist after 3000 iterations: from 95.82 % (SGD) to 97.10 % (Ranger)"
    )
    (legend,) = fig.legends
    assert labels(legend.get_texts()) == ["printed by the notebook"]


def test_the_picture_of_losses_has_their_means():
    mine = line("adam", [(2, 2.0, 50.0), (4, 7.0, 60.0)], trace=[4.0, 2.0, 3.0, 7.0], compared=False)
    other = line("sgd", [(2, 2.0, 50.0), (4, 7.0, 60.0)], trace=[0.0, 0.0, 0.0, 0.04], compared=False)
    base = replace(NOTEBOOK, iterations=4)
    fig = mnist.picture_of_losses([mine, other], base)
    (axes,) = fig.axes
    adam, sgd = (drawn for drawn in axes.get_lines() if drawn.get_transform() == axes.transData)
    assert data_of(adam) == ([4], [4.0])  # of as many mini-batches as there are, up to 50
    assert data_of(sgd) == ([4], [0.01])
    assert (adam.get_color(), sgd.get_color()) == (entrant("adam").color, entrant("sgd").color)
    assert axes.get_yscale() == "log"
    assert labels(axes.texts) == ["Adam  4.000 ↑", "SGD  0.010"]  # far above the better half
    assert axes.get_ylim() == pytest.approx((0.009, 0.03))
    assert axes.get_ylabel() == "mean loss of 4 mini-batches"
    assert fig.get_suptitle() == (
        "Training loss on mnist over the last 4 mini-batches: from 0.010 (SGD) to 4.000 (Adam)"
    )
    assert fig.legends == []
    assert fig.get_size_inches().tolist() == [10, 4.8]
    alone = mnist.picture_of_losses([mine], base)
    assert alone.get_suptitle() == "Training loss on mnist over the last 4 mini-batches: 4.000"


def test_many_runs_have_a_panel_for_each_family_and_the_others_are_grey():
    names = ("sgd", "mini-batch", "momentum", "adagrad", "adam", "lookahead")
    lines = [*map(replayed, names), replace(replayed("adamax"), entrant=entrant(SIGN), notebook=None)]
    fig = mnist.picture_of_accuracies(lines, NOTEBOOK)
    shown = [axes for axes in fig.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in shown] == [*style.FAMILIES, "Your own"]
    assert [[text.split("  ")[0] for text in labels(axes.texts)] for axes in shown] == [
        ["SGD", "Momentum"],  # what the notebook ran twice is drawn once
        ["Adagrad"],
        ["Adam"],
        ["Lookahead(Adam)"],
        ["SignSGD"],
    ]
    for axes in shown:
        curves = [drawn for drawn in axes.get_lines() if drawn.get_transform() == axes.transData]
        grey = [drawn for drawn in curves if drawn.get_color() == panels.PALE]
        assert len(grey) == 6 - len(axes.texts)
        assert all(drawn.get_zorder() < 2 for drawn in grey)
    assert {axes.get_ylim() for axes in shown} == {shown[0].get_ylim()}
    assert [axes.get_xlabel() for axes in shown] == ["", "", "", "iteration", "iteration"]
    assert [axes.get_ylabel() for axes in shown] == ["test accuracy, percent", ""] * 2 + ["test accuracy, percent"]
    (legend,) = fig.legends
    assert labels(legend.get_texts()) == ["printed by the notebook", "the runs of the other panels"]


def test_labels_do_not_overlap_and_each_has_a_line_to_its_end():
    close = [
        line(name, [(3000, 0.1, 97.0 + k / 1000)], compared=False) for k, name in enumerate(("adam", "sgd", "adagrad"))
    ]
    (axes,) = mnist.picture_of_accuracies(close, NOTEBOOK).axes
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 < above.y0 for below, above in itertools.pairwise(boxes))
    order = sorted(axes.texts, key=lambda text: text.get_position()[1])
    assert labels(order) == ["Adam  97.00", "SGD  97.00", "Adagrad  97.00"]
    ends = [drawn for drawn in axes.get_lines() if drawn.get_transform() == axes.transAxes]
    assert [drawn.get_color() for drawn in ends] == [one.entrant.color for one in close]
    assert [drawn.get_ydata()[-1] for drawn in ends] == [text.get_position()[1] for text in axes.texts]
    for drawn, accuracy in zip(ends, (97.0, 97.001, 97.002), strict=True):
        _, height = axes.transAxes.inverted().transform(axes.transData.transform((0, accuracy)))
        assert drawn.get_ydata()[0] == pytest.approx(height)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([], []),
        ([0.5, 0.2], [0.5, 0.2]),
        ([0.5, 0.52], [0.46, 0.56]),
        ([0.52, 0.5], [0.56, 0.46]),
        ([0.5, 0.5, 0.61], [0.5 + 0.11 / 3 - 0.1, 0.5 + 0.11 / 3, 0.6 + 0.11 / 3]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([1.0, 0.98], [1.0, 0.9]),
        ([0.5] * 12, [k / 10 for k in range(12)]),
    ],
)
def test_places_for_labels(wanted, places):
    assert panels.spread(wanted, 0.1) == pytest.approx(places)


def test_a_run_that_stays_behind_or_diverges_does_not_squash_the_others():
    good = [
        line(name, [(1, 0.2, 90.0 + k), (2, 0.1, 95.0 + k)], compared=False) for k, name in enumerate(("adam", "sgd"))
    ]
    bad = line("lion", [(1, 2.3, 9.8), (2, 2.3, 10.1)], compared=False)
    gone = line("muon", [(1, 2.3, 9.8), (2, None, None)], compared=False)
    fig = mnist.picture_of_accuracies([*good, bad, gone], replace(NOTEBOOK, iterations=2))
    (axes,) = fig.axes
    assert axes.get_ylim() == pytest.approx((96 - 3 * 6, 96 + 0.3))  # the better half goes from 90 to 96
    assert labels(axes.texts) == ["Adam  95.00", "SGD  96.00", "Lion  10.10 ↓", "Muon and AdamW  diverged ↓"]
    heights = [text.get_position()[1] for text in axes.texts]
    assert heights[2] == 0
    assert heights[3] > 0
    ends = [drawn for drawn in axes.get_lines() if drawn.get_transform() == axes.transAxes]
    assert len(ends) == 3  # none to the end of the one that diverged before
    assert fig.get_suptitle().endswith("from 10.10 % (Lion) to 96.00 % (SGD)")
    for runs in ([gone], [replace(gone, result={**gone.result, "losses": [None] * 2, "trace": []})]):
        for picture in mnist.pictures(runs, replace(NOTEBOOK, iterations=2)).values():
            assert [text.partition("  ")[2][:8] for text in labels(picture.axes[0].texts)] == ["diverged"]
    better = [panels.Curve("", "", style.LOOKS["sgd"], [1], [y]) for y in (81.0, 90.0, 95.0)]
    assert mnist.range_of_accuracies(better) == pytest.approx((81 - 0.25, 95 + 0.25))  # nothing is cut off


def test_running_mean():
    losses = [4.0, 2.0, 3.0, 7.0]
    iterations, means = mnist.running_mean(losses, 2)
    assert iterations.tolist() == [2, 3, 4]
    assert means.tolist() == [3.0, 2.5, 5.0]
    iterations, means = mnist.running_mean(losses, 50)
    assert iterations.tolist() == [4]
    assert means.tolist() == [4.0]


def test_a_mini_batch_may_be_all_there_is(tmp_path):
    assert digits(tmp_path, "--optimizers", "sgd", "--batch-size", "1400") == 0


# A learner's own, and what goes wrong


def test_a_learners_optimizer_joins_the_others(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd", "--optimizer", SIGN) == 0
    assert list(figures(tmp_path)) == ["sgd", "SignSGD"]
    assert figures(tmp_path)["SignSGD"][-1][2] > 30  # it learns
    assert len(re.findall(r"^ SignSGD +\d", capsys.readouterr().out, flags=re.M)) == 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_optimizer_that_raises_does_not_stop_the_others(tmp_path, capsys, jobs):
    file = tmp_path / "tired.py"
    file.write_text(RAISES)
    assert digits(tmp_path, "--optimizer", f"{file}:Tired", "--optimizers", "sgd,adam", "--jobs", jobs) == 1
    told = capsys.readouterr()
    assert f"failed: Tired, seed 0: ValueError: enough for today (line 6) in {file}\n" in told.out
    assert "Traceback" not in told.out + told.err
    assert list(figures(tmp_path)) == ["sgd", "adam"]
    failed = json.loads((tmp_path / "mnist.json").read_text())["runs"][-1]
    assert failed == {"name": "Tired", "label": "Tired", "error": "ValueError: enough for today (line 6)"}


def test_when_all_fail_there_is_no_picture(tmp_path, capsys):
    file = tmp_path / "tired.py"
    file.write_text(RAISES)
    assert digits(tmp_path, "--optimizer", f"{file}:Tired", "--optimizers", "") == 1
    assert not (tmp_path / "mnist.png").exists()
    assert (tmp_path / "mnist.json").exists()


def test_a_run_that_diverges_ends_there_and_says_so(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd,adam", "--lr", "sgd=1e30", "--verbose") == 0
    assert figures(tmp_path)["sgd"] == []
    assert len(figures(tmp_path)["adam"]) == 2
    said = capsys.readouterr().out
    assert "-: the loss had become infinite or nan, and the run ended there." in " ".join(said.split())
    (row,) = [row.split() for row in said.splitlines() if row.startswith(" SGD")]
    assert row == ["SGD", "-", "-", "-"]
    assert digits(tmp_path, "--optimizers", "sgd", "--lr", "sgd=1e30", "--fresh") == 0
    assert re.search(r"^SGD +its loss became infinite or nan, ", capsys.readouterr().out, flags=re.M)


def test_a_run_may_diverge_between_two_tests(tmp_path, capsys):
    assert digits(tmp_path, "--optimizers", "sgd", "--lr", "sgd=3e8", "--every", "1", "--iterations", "30") == 0
    (run,) = json.loads((tmp_path / "mnist.json").read_text())["runs"]
    assert 0 < len(run["figures"]) < 30
    assert all(loss is not None for _, loss, _ in run["figures"])


def test_a_second_time_it_says_that_the_results_are_there(tmp_path, capsys):
    chosen = ("--optimizers", "sgd,adam", "--optimizer", SIGN)
    assert digits(tmp_path, *chosen) == 0
    first, record = capsys.readouterr().out, (tmp_path / "mnist.json").read_text()
    (tmp_path / "mnist.json").unlink()
    (tmp_path / "mnist.png").unlink()
    assert digits(tmp_path, *chosen) == 0
    second = capsys.readouterr().out
    kept = f"The comparison on digits: 3 trainings, all of them kept in {tmp_path / 'trials.sqlite'} (--fresh runs them"
    assert kept in second
    assert (tmp_path / "mnist.json").read_text() == record  # the seconds, too
    assert (tmp_path / "mnist.png").exists()
    assert second.partition("Accuracy in percent")[2] == first.partition("Accuracy in percent")[2]
    # Of another comparison, what is the same is not run again.
    assert digits(tmp_path, "--optimizers", "sgd,momentum") == 0
    assert "2 trainings, 1 of them kept" in capsys.readouterr().out
    assert digits(tmp_path, *chosen, "--fresh") == 0
    assert "kept" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--optimizers", "adm"], "there is no optimizer 'adm' (did you mean adam?)"),
        (["--optimizers", ""], "no optimizer is to run"),
        (["--optimizers", "sgd,sgd"], "optimizer sgd is named twice"),
        (["--optimizer", "no/where.py:Mine"], "no/where.py: there is no such file"),
        (["--lr", "sdg=1"], "--lr: sdg does not run: sgd, mini-batch, momentum"),
        (["--batch-size", "1401", "--data", "digits"], "--batch-size 1401: digits has only 1400 images to train on"),
        (["--iterations", "0"], "argument --iterations: must be a whole number from 1 on, not '0'"),
        (["--results", __file__], f"results cannot be written to {__file__}"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mnist", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("benchmarks: ")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_fashion_that_is_not_here(capsys, tmp_path, monkeypatch):
    import datasets

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.FashionMNIST, "shared_folder", tmp_path)
    assert main(["mnist", "--data", "fashion"]) == 2
    told = capsys.readouterr().err
    assert "are in none of" in told
    assert "pass --download, or install Debian's package dataset-fashion-mnist" in told


def test_images_to_test_on_that_are_damaged_are_told_before_anything_runs(capsys, tmp_path, monkeypatch):
    import gzip

    folder = tmp_path / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    shape = b"".join(n.to_bytes(4) for n in (1, 28, 28))
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + shape + bytes(784))
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + (1).to_bytes(4) + b"\0")
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / f"{name}.gz").write_bytes(gzip.compress(b"damaged"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.FashionMNIST.digests", {})
    monkeypatch.setattr(mnist, "runner", lambda *arguments: pytest.fail("it ran"))
    network._read.cache_clear()
    assert main(["mnist", "--data", "fashion", "--batch-size", "1"]) == 2
    assert "t10k-images-idx3-ubyte.gz: is not an IDX file" in capsys.readouterr().err
    network._read.cache_clear()


def test_cupy_that_is_not_here(capsys, monkeypatch):
    def missing():
        raise RuntimeError("a GPU was asked for, but CuPy is not installed: do this")

    monkeypatch.setattr(backend, "import_cupy", missing)
    assert main(["mnist", "--backend", "cupy"]) == 2
    assert capsys.readouterr().err == "benchmarks: a GPU was asked for, but CuPy is not installed: do this\n"


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal to a group of processes")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_it_with_a_line(tmp_path, jobs):
    results, temporary = tmp_path / "results", tmp_path / "tmp"
    temporary.mkdir()
    long = ("--data", "digits", "--iterations", "10000000", "--jobs", jobs, "--optimizers", "sgd,adam")
    started = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "mnist", *long, "--results", str(results)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip

    def training() -> int:
        """How many runs have taken steps, by the counters that the bars are drawn from."""
        counters = list(temporary.glob("minigrad-*/counters"))
        return int((numpy.fromfile(counters[0], numpy.int64) > 0).sum()) if counters else 0

    try:
        wait_until(lambda: training() == int(jobs), started)
        os.killpg(started.pid, signal.SIGINT)
        out, err = started.communicate(timeout=HUNG)
    finally:
        started.kill()
    assert (started.returncode, err) == (130, "benchmarks: interrupted\n")
    kept = results / "trials.sqlite"
    assert out == (
        "The comparison on digits: 2 trainings\n"
        f"stopped: what was done is kept in {kept}, and the same command goes on from there\n"
    )
    assert list(results.iterdir()) == [kept]
