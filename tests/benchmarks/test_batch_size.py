"""Batch, stochastic and mini-batch gradient descent."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import numpy
import pytest
from picture_tools import assert_png, heads, labels, rows

import minigrad
from benchmarks import batch_size
from benchmarks.__main__ import main
from benchmarks.batch_size import ALL, DESCENTS, Curve, Descent, Figure, at, when_to_test
from benchmarks.training import network
from benchmarks.training.network import accumulate_gradient
from benchmarks.training.trial import Trial
from benchmarks.training.trial import run as train
from minigrad import nn, optim
from minigrad.utils.data import TensorDataset


def samples(n: int, inputs: int = 5, classes: int = 3, dtype: type = numpy.float64) -> TensorDataset:
    random = numpy.random.default_rng(7)
    return TensorDataset(random.standard_normal((n, inputs)).astype(dtype), random.integers(0, classes, n))


def gradients(model: nn.Module) -> list[numpy.ndarray]:
    return [p.grad.numpy().copy() for p in model.parameters()]


@pytest.mark.parametrize("chunk", [1, 4, 7, 20, 22, 23, 100])
@pytest.mark.parametrize("with_optimizer", [False, True])
def test_the_accumulated_gradient_is_the_one_shot_gradient(chunk, with_optimizer):
    """Also where the last chunk is smaller, so that the mean of the chunks' means would be wrong."""
    data = samples(23)
    minigrad.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 4, dtype=numpy.float64), nn.ReLU(), nn.Linear(4, 3, dtype=numpy.float64))
    if with_optimizer:  # gradients then lie in its vector g
        optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
    inputs, targets = data.batch(numpy.arange(23))
    loss = criterion(model(inputs), targets)
    loss.backward()
    expected = gradients(model)
    model.zero_grad()
    assert accumulate_gradient(model, criterion, data, chunk) == pytest.approx(loss.item(), rel=1e-13)
    for got, want in zip(gradients(model), expected, strict=True):
        assert numpy.abs(want).max() > 1e-3
        numpy.testing.assert_allclose(got, want, rtol=0, atol=1e-15)


def test_it_holds_one_chunk_in_memory_at_a_time():
    data = samples(20_000, inputs=100, dtype=numpy.float32)
    whole = data.tensors[0].data.nbytes
    model = nn.Linear(100, 3)

    def peak(chunk: int) -> int:
        model.zero_grad()
        tracemalloc.start()
        accumulate_gradient(model, nn.CrossEntropyLoss(), data, chunk)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(len(data)) > whole
    assert peak(1000) < whole / 8


def test_the_three_are_the_notebooks():
    assert [(descent.name, descent.size) for descent in DESCENTS] == [
        ("batch", ALL),
        ("stochastic", 1),
        ("mini-batch", 100),
    ]
    assert DESCENTS[2].lr == 0.1


@pytest.mark.parametrize("descent", DESCENTS, ids=lambda descent: descent.name)
def test_a_run_counts_steps_images_and_seconds(descent):
    images = len(network.load("digits", True))
    trial = batch_size.trial_of(descent, Trial("sgd", data="digits"), images)
    figures = list(batch_size.figures(trial, train(trial), images))
    size = descent.size or images
    first, last = figures[0], figures[-1]
    assert (first.steps, first.images, first.seconds) == (0, 0, 0)
    assert last.steps == descent.epochs * -(-images // size)
    assert tuple(figure.steps for figure in figures) == trial.tests
    assert set(trial.tests) > when_to_test(size, trial.iterations)
    assert all(figure.images == figure.steps * size for figure in figures)
    seconds = [figure.seconds for figure in figures]
    assert seconds == sorted(seconds)
    assert last.accuracy > first.accuracy + 10
    assert last.loss < first.loss


def test_mini_batches_are_trained_as_in_the_main_job():
    """The same weights and the same mini-batches, although it is tested at other times."""
    made = train(
        batch_size.trial_of(Descent("mini-batch", "m", 100, 0.1, 3, "black"), Trial("sgd", data="digits"), 1400)
    )
    main_job = train(Trial("sgd", data="digits", iterations=42))
    assert made["accuracies"][-1] == main_job["accuracies"][-1]
    assert len(made["accuracies"]) > len(main_job["accuracies"])


def test_figures_end_where_the_loss_is_not_finite():
    trial = batch_size.trial_of(Descent("batch", "b", ALL, 1e30, 3, "black"), Trial("sgd", data="digits"), 1400)
    figures = list(batch_size.figures(trial, train(trial), 1400))
    assert [figure.steps for figure in figures] == [0, 1][: len(figures)]
    assert len(figures) < len(trial.tests)


def test_it_goes_on_from_what_is_kept(tmp_path, capsys):
    arguments = ["batch_size", "--data", "digits", "--results", str(tmp_path), "--epochs", "stochastic=1", "--jobs"]
    assert main([*arguments, "2"]) == 0
    record = (tmp_path / "batch_size.json").read_text()
    capsys.readouterr()
    assert main([*arguments, "1"]) == 0
    assert f"3 trainings, all of them kept in {tmp_path / 'trials.sqlite'}" in capsys.readouterr().out
    assert (tmp_path / "batch_size.json").read_text() == record
    assert main([*arguments, "1", "--lr", "batch=0.2"]) == 0
    assert "3 trainings, 2 of them kept" in capsys.readouterr().out


def test_a_batch_step_is_a_step_along_the_mean_gradient():
    data = samples(30)
    minigrad.manual_seed(2)
    model = nn.Linear(5, 3, dtype=numpy.float64)
    before = [p.numpy().copy() for p in model.parameters()]
    criterion = nn.CrossEntropyLoss()
    inputs, targets = data.batch(numpy.arange(30))
    criterion(model(inputs), targets).backward()
    expected = [theta - 0.5 * g for theta, g in zip(before, gradients(model), strict=True)]
    ((step, loss),) = network.full_batch_steps(model, optim.SGD(model.parameters(), lr=0.5), data, 1)
    assert step == 1
    assert loss > 0
    for p, want in zip(model.parameters(), expected, strict=True):
        numpy.testing.assert_allclose(p.numpy(), want, rtol=1e-13)


@pytest.mark.parametrize(("size", "total"), [(1, 120_000), (100, 12_000), (60_000, 50), (1400, 1), (1, 10)])
def test_when_to_test(size, total):
    points = sorted(when_to_test(size, total))
    assert points[-1] == total
    assert points[0] >= 1
    for one, two in itertools.pairwise(points):
        assert two == one + 1 or two / one < 1.3


def test_the_three_algorithms():
    assert [(one.name, one.size, one.lr, one.epochs) for one in DESCENTS] == [
        ("batch", batch_size.ALL, 0.3, 50),
        ("stochastic", 1, 0.01, 2),
        ("mini-batch", 100, 0.1, 20),
    ]


def test_the_last_four_times_that_all_have_reached_are_columns():
    def ended(seconds, images):
        return [Figure(0, 0, 0.0, 2.3, 10.0), Figure(1, images, seconds, 1.25, 50.0)]

    results = [Curve(one, ended(3.5 + i, 150 + 100 * i)) for i, one in enumerate(DESCENTS)]
    made = batch_size.table(results, "digits", 1400)
    assert heads(made) == ["run", "rate", "steps", "seconds", "loss", "140\nimages", "0.1\ns", "0.3\ns", "1\ns", "3\ns"]
    assert rows(made)[0] == ["batch (all)", "0.3", "1", "3.5", "1.250", "10.00", "10.00", "10.00", "10.00", "10.00"]


@pytest.mark.parametrize(
    ("shortest", "times"),
    [(0.009, []), (0.01, ["0.01"]), (0.04, ["0.01", "0.03"]), (120, ["3", "10", "30", "100"])],
)
def test_times_are_columns_from_when_all_have_reached_them(shortest, times):
    figures = [Figure(0, 0, 0.0, 2.3, 10.0), Figure(1, 100, shortest, 1.25, 50.0)]
    made = batch_size.table([Curve(one, figures) for one in DESCENTS], "digits", 1400)
    assert heads(made)[5:] == [f"{time}\ns" for time in times]


def test_at_is_the_last_figure_within():
    made = [Figure(0, 0, 0.0, 2.3, 10.0), Figure(1, 100, 0.5, 1.0, 50.0), Figure(2, 200, 1.5, 0.5, 80.0)]
    assert at(made, images=99) is made[0]
    assert at(made, images=100) is made[1]
    assert at(made, images=1000) is made[2]
    assert at(made, seconds=1) is made[1]
    assert at(made, images=1000, seconds=0.1) is made[0]


def test_table_json_and_picture(tmp_path, capsys):
    arguments = ["--data", "digits", "--jobs", "1", "--results", str(tmp_path), "--epochs", "stochastic=1"]
    assert main(["batch_size", *arguments, "--lr", "batch=0.2"]) == 0
    told = capsys.readouterr().out
    stored = json.loads((tmp_path / "batch_size.json").read_text())
    assert [(run["name"], run["size"], run["lr"]) for run in stored["runs"]] == [
        ("batch", "all", 0.2),
        ("stochastic", 1, 0.01),
        ("mini-batch", 100, 0.1),
    ]
    for run in stored["runs"]:
        by_images = {figure[1]: figure for figure in run["figures"]}
        (row,) = [line.split() for line in told.splitlines() if line.startswith(f" {run['name']}") and "%" not in line]
        # name, (size), rate, steps, seconds, loss, then accuracies after 140, 700 and 1400 images
        assert row[2:4] == [f"{run['lr']:g}", str(run["figures"][-1][0])]
        assert row[8] == f"{by_images[1400][4]:.2f}"
        if run["name"] == "batch":
            assert row[6] == row[7] == f"{by_images[0][4]:.2f}"
        else:
            assert row[7] == f"{by_images[700][4]:.2f}"
    assert stored["columns"] == ["steps", "images", "seconds", "loss", "accuracy"]
    assert_png(tmp_path / "batch_size.png", (1800, 1260))
    assert str(tmp_path / "batch_size.json") in told


def test_the_picture_has_three_lines_in_four_panels():
    made = [Figure(0, 0, 0.0, 2.3, 10.0), Figure(1, 100, 0.5, 1.0, 50.0), Figure(2, 200, 1.5, 0.5, 80.0)]
    fig = batch_size.picture([Curve(descent, made) for descent in DESCENTS])
    lines = [[line.get_xydata().tolist() for line in axes.get_lines()] for axes in fig.axes]
    assert [len(panel) for panel in lines] == [3, 3, 3, 3]
    assert [panel[0] for panel in lines] == [
        [[100, 1.0], [200, 0.5]],
        [[0.5, 1.0], [1.5, 0.5]],
        [[100, 50.0], [200, 80.0]],
        [[0.5, 50.0], [1.5, 80.0]],
    ]
    for axes in fig.axes:
        assert [line.get_color() for line in axes.get_lines()] == [one.color for one in DESCENTS]
    loss, _, accuracy, last = fig.axes
    assert [axes.get_xscale() for axes in fig.axes] == ["log"] * 4
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    assert (loss.get_title("left"), accuracy.get_title("left")) == ("Test loss", "Test accuracy, percent")
    assert (accuracy.get_xlabel(), last.get_xlabel()) == ("images seen", "seconds of training")
    assert labels(last.get_legend().get_texts()) == [one.label for one in DESCENTS]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "sgd=1"], "--lr: there is no 'sgd' here: there are batch, stochastic, mini-batch"),
        (["--epochs", "batch=0"], "argument --epochs: must be a whole number from 1 on, not '0'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(arguments, message, capsys):
    assert main(["batch_size", *arguments]) == 2
    assert message in capsys.readouterr().err
