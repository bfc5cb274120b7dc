"""The replay: what its counts count, who is shifted and by how much, and the tree it draws."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

import minigrad
from benchmarks import UsageError, replay
from benchmarks.entrants import entrant
from benchmarks.mnist import CELLS, notebook
from benchmarks.replay import Ensemble, Figure
from benchmarks.trial import Shift, Trial, run
from minigrad import nn


def figure(notebook, *members, iteration=500):
    return Figure("sgd", iteration, notebook, members)


def ensemble(name, finals, traces=None):
    """An ensemble whose last figure has the accuracies `finals`."""
    traces = traces or [[0.5]] * len(finals)
    printed = notebook()[name].figures[3000]
    members = tuple((printed[0], accuracy) for accuracy in finals)
    return Ensemble(entrant(name), tuple({"trace": trace} for trace in traces), (Figure(name, 3000, printed, members),))


# The shifts.


def weights(seed=0):
    minigrad.manual_seed(seed)
    return [p.data for p in nn.Linear(50, 40).parameters()]


def test_member_0_is_not_shifted():
    before, after = weights(), weights()
    Shift(0)(after)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_others_are_shifted_by_one_unit_in_the_last_place_each_way_or_not():
    before, after = weights(), weights()
    Shift(7)(after)
    for a, b in zip(before, after, strict=True):
        up, down = np.nextafter(a, np.float32(1e9)), np.nextafter(a, np.float32(-1e9))
        assert np.all((b == a) | (b == up) | (b == down))
    way = np.sign(after[0] - before[0])
    shares = [(way == w).mean() for w in (-1, 0, 1)]
    assert min(shares) > 0.29
    assert max(shares) < 0.38


def test_shifts_are_the_same_every_time_and_differ_between_members():
    one, again, other = weights(), weights(), weights()
    Shift(3)(one)
    Shift(3)(again)
    Shift(4)(other)
    np.testing.assert_array_equal(one[0], again[0])
    assert (one[0] != other[0]).any()


def test_shifts_draw_nothing_from_the_notebooks_generator():
    minigrad.manual_seed(5)
    Shift(1)([np.ones(100, np.float32)])
    drawn = minigrad.rand(3).numpy()
    minigrad.manual_seed(5)
    np.testing.assert_array_equal(minigrad.rand(3).numpy(), drawn)


def test_weights_are_shifted_again_as_often_as_is_asked():
    once, never, again = (
        run(Trial("sgd", data="digits", iterations=40, every=40, trace=1, member=member, often=often))["trace"]
        for member, often in ((1, 0), (0, 10), (1, 10))
    )
    assert never == run(Trial("sgd", data="digits", iterations=40, every=40, trace=1))["trace"]
    assert once[:10] == again[:10] != never[:10]
    assert once[10:] != again[10:]
    assert np.allclose(never, again, rtol=1e-4)


# One figure.


def test_within_means_loss_and_accuracy_to_the_digits_that_are_compared():
    low, high = (0.20, 93.0), (0.30, 94.0)
    assert figure((0.25, 93.5), low, high).outside == []
    assert figure((0.25, 94.01), low, high).outside == ["accuracy"]
    assert figure((0.1999, 93.0), low, high).outside == ["loss"]
    assert figure((0.31, 92.0), low, high).outside == ["loss", "accuracy"]
    # The same to four digits is not outside, however small the ensemble.
    assert figure((0.344071, 91.74), (0.344069, 91.74)).outside == []
    assert figure((0.34421, 91.74), (0.34414, 91.74)).outside == ["loss"]


def test_every_column_of_the_tables_is_filled():
    one = ensemble("adam", [97.0, 97.2])
    for made, row in ((replay.table_of_figures([one]), 0), (replay.table_of_runs([one]), 0)):
        cells = [list(column.cells) for column in made.columns]
        assert {len(column) for column in cells} == {1}
        assert all(column[row] for column in cells)
    heads = [column.header for column in replay.table_of_figures([one]).columns]
    within = list(replay.table_of_figures([one]).columns[heads.index("within")].cells)
    assert within == ["yes"]
    apart = [
        replace(one.figures[0], notebook=pair) for pair in ((9.0, 97.1), (one.figures[0].notebook[0], 1.0), (9.0, 1.0))
    ]
    assert [replay._within(figure) for figure in apart] == ["no: loss", "no: accuracy", "no: both"]


def test_exact_members_have_both_the_loss_and_the_accuracy():
    found = figure((0.20577, 93.15), (0.20579, 93.15), (0.20577, 93.16), (0.20567, 93.15), (0.20581, 93.15))
    assert found.exact == [0, 3]
    assert found.nearest == 0


def test_the_nearest_member_is_nearest_in_loss_then_in_accuracy():
    assert figure((0.2, 93.0), (0.3, 93.0), (0.21, 50.0), (0.15, 93.0)).nearest == 1
    assert figure((0.2, 93.0), (0.3, 93.5), (0.3, 93.1)).nearest == 1


def test_losses_equal_to_five_digits_are_one_branch():
    assert figure((1.0, 0.0), (0.123451, 1.0), (0.123454, 2.0), (0.12346, 1.0), (0.2, 1.0)).branches == 3


# One run.


def test_agrees_to_is_the_end_of_the_first_stretch_that_agrees():
    good, bad = ((0.5, 90.0), (0.5, 90.0)), ((0.5, 90.0), (0.6, 90.0))
    for pattern, last in (((good, good, bad, good), 1000), ((bad, good), 0), ((good,), 500)):
        figures = tuple(figure(*pair, iteration=500 * (i + 1)) for i, pair in enumerate(pattern))
        assert Ensemble(entrant("sgd"), (), figures).agrees_to == last


def test_parts_at_is_the_first_difference_in_five_digits():
    together = ensemble("sgd", [90.0, 90.0], [[0.5, 0.4, 0.3], [0.5000001, 0.4, 0.3]])
    apart = ensemble("sgd", [90.0, 90.0], [[0.5, 0.4, 0.3], [0.5, 0.40001, 0.3]])
    assert together.parts_at is None
    assert apart.parts_at == 2 * replay.TRACE


def test_the_notebooks_second_sgd_run_counts_again():
    figures = replay.counted([ensemble("sgd", [95.82]), ensemble("adam", [97.10])])
    assert [f.name for f in figures] == ["sgd", "sgd", "adam"]


def test_all_66_figures_are_compared():
    results = [{"losses": [0.1] * 6, "accuracies": [90.0] * 6, "trace": [0.5]}]
    names = [name for name in CELLS if name not in replay.SAME]
    every = [Ensemble(entrant(n), tuple(results), replay.figures(n, results, 3000)) for n in names]
    assert len(replay.counted(every)) == 66
    assert notebook()["mini-batch"].figures == notebook()["sgd"].figures


def test_a_member_that_broke_off_is_left_out_where_it_has_nothing():
    whole = {"losses": [0.5] * 6, "accuracies": [90.0] * 6}
    broken = {"losses": [0.4] + [None] * 5, "accuracies": [91.0] + [None] * 5}
    found = replay.figures("sgd", [whole, broken], 3000)
    assert [len(f.members) for f in found] == [2, 1, 1, 1, 1, 1]


def test_reversals_count_pairs_of_members_and_ties_by_half():
    pairs = replay.reversals([ensemble("sgd", [95.0, 96.0]), ensemble("adam", [95.5, 96.0])])
    assert pairs == [("Adam", "SGD", (1 + 1 + 0.5) / 4)]  # 95.5 > 95, 96 > 95, 96 = 96


def test_members_left_out_are_counted_as_the_notebook_is():
    loss, pairs = 0.25, [95.0, 95.5, 96.0]
    members = tuple((loss, accuracy) for accuracy in pairs)
    one = Ensemble(entrant("adam"), ({"trace": [0.5]},) * 3, (Figure("adam", 3000, (loss, 95.2), members),))
    within, exact = replay.left_out([one])
    assert within[0] == pytest.approx(1 / 3, abs=0.02)  # only the middle one lies between the others
    assert within[1:] == (0, 1)
    assert exact == (0, 0, 0)
    same = replace(one, figures=(replace(one.figures[0], members=((loss, 95.0),) * 3),))
    assert replay.left_out([same]) == [(1, 1, 1), (1, 1, 1)]
    assert replay.left_out([replace(same, entrant=entrant("sgd"))]) == [(2, 2, 2), (2, 2, 2)]  # cells 5 and 18


def test_conclusions_name_what_is_outside():
    inside, outside = ensemble("adam", [97.0, 97.2]), ensemble("momentum", [97.5, 97.6])
    first, second, _ = replay.conclusions([inside, outside])
    assert first.startswith("1 of the notebook's 2 figures lie within the ensembles of 2 members; 0 agree exactly")
    assert second.startswith("Outside: momentum at 3000 (accuracy). With --widen 8")


# The tree.


def test_members_that_have_not_parted_have_one_height():
    traces = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 3.0, 1.0], [1.0, 1.0, 1.00001]])
    heights = replay.tree(traces)
    assert set(heights[:, 0]) == {1.5}
    assert heights[0, 1] == heights[1, 1] == heights[3, 1] == 1.0
    assert heights[2, 1] == heights[2, 2] == 3.0  # back at the same loss, it does not come together again
    assert heights[0, 2] == heights[3, 2] == 0.5
    assert heights[1, 2] == 2.0


def test_a_branchs_leaves_are_neighbours():
    rng = np.random.default_rng(0)
    traces = np.cumsum(rng.integers(0, 2, (20, 6)), 1) + 1.0
    heights = replay.tree(traces)
    for time in range(6):
        for height in set(heights[:, time]):
            leaves = np.sort(heights[heights[:, time] == height, -1])
            others = heights[heights[:, time] != height, -1]
            assert not np.any((others > leaves[0]) & (others < leaves[-1]))


# The command.


def test_the_command_finds_the_notebooks_first_figure_and_goes_on_where_it_was(tmp_path, capsys):
    arguments = [
        "--members",
        "2",
        "--iterations",
        "500",
        "--optimizers",
        "sgd",
        "--results",
        str(tmp_path),
        "--jobs",
        "1",
    ]
    assert replay.main(arguments) == 0
    told = capsys.readouterr().out
    assert "2 of the notebook's 2 figures lie within the ensembles of 2 members; 2 agree exactly" in told
    row = next(" ".join(line.split()) for line in told.splitlines() if line.startswith(" SGD"))
    assert row == "SGD 500 0.3441 91.74 0.3441 91.74 0.3441 - 0.3441 91.74 - 91.74 1 yes 0 ="
    record = json.loads((tmp_path / "replay.json").read_text())
    assert (record["figures"], record["within"], record["exact"]) == (2, 2, 2)
    (run,) = record["runs"]
    assert (run["agrees_to"], run["figures"][0]["exact"]) == (500, [0, 1])
    assert f"{run['figures'][0]['losses'][0]:.4f}" == "0.3441"
    assert (tmp_path / "replay.png").stat().st_size > 10_000

    assert replay.main([*arguments, "--optimizers", "mini-batch"]) == 0  # it is sgd again
    assert "2 trainings, 2 of them kept" in capsys.readouterr().out
    again = json.loads((tmp_path / "replay.json").read_text())
    assert {k: v for k, v in again.items() if k != "environment"} == {
        k: v for k, v in record.items() if k != "environment"
    }


def test_only_ensembles_that_leave_a_figure_outside_are_widened(monkeypatch):
    asked = []

    class Fleet:
        out = Namespace(print=lambda *a, **k: None)

        def run(self, trials, title):
            trials = list(trials)
            asked.append([(trial.optimizer, trial.member) for trial in trials])
            loss = {"sgd": notebook()["sgd"].figures[500][0], "adam": 9.0}
            return {
                t: {
                    "losses": [loss[t.optimizer]],
                    "accuracies": [notebook()[t.optimizer].figures[500][1]],
                    "trace": [1.0],
                }
                for t in trials
            }

    chosen = [entrant("sgd"), entrant("adam")]
    grown = replay.grow(Fleet(), chosen, Namespace(members=2, widen=4, iterations=500, often=0))
    assert asked[0] == [("sgd", 0), ("adam", 0), ("sgd", 1), ("adam", 1)]
    assert [len(each.results) for each in grown] == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--optimizers", "ranger"], "the notebook did not run ranger"),
        (["--iterations", "499"], "first figure is that of 500"),
        (["--members", "0"], "must be a whole number from 1 on"),
    ],
)
def test_slips_are_told_in_a_sentence(arguments, told, tmp_path):
    with pytest.raises(UsageError, match=told):
        replay.main([*arguments, "--results", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
