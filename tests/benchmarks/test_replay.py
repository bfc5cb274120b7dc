"""The replay: what its counts count, who is shifted and by how much, and the tree it draws."""

from __future__ import annotations

import itertools
import json
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from picture_tools import assert_png, data_of, heads, labels, rows

import minigrad
from benchmarks import UsageError, replay
from benchmarks.console import style
from benchmarks.ranking import ensembles, ensembles_tables, pictures
from benchmarks.ranking.ensembles import TRACE, Ensemble, NotebookFigure
from benchmarks.training import network
from benchmarks.training.notebook import CELLS, notebook_runs
from benchmarks.training.optimizers import entrant
from benchmarks.training.trial import Shift, Trial, run
from minigrad import nn


def figure(notebook, *members, iteration=500):
    return NotebookFigure("sgd", iteration, notebook, members)


def ensemble(name, finals, traces=None):
    """An ensemble whose last figure has the accuracies `finals`."""
    traces = traces or [[0.5]] * len(finals)
    printed = notebook_runs()[name].figures[3000]
    members = tuple((printed[0], accuracy) for accuracy in finals)
    return Ensemble(
        entrant(name), tuple({"trace": trace} for trace in traces), (NotebookFigure(name, 3000, printed, members),)
    )


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


@pytest.mark.parametrize(("member", "often"), [(0, 10), (1, 0), (1, 10), (2, 7)])
def test_weights_are_shifted_at_the_start_and_again_as_often_as_is_asked(member, often, monkeypatch):
    """Looked at in the weights themselves: whether a shift shows in a float32 loss depends on the processor."""
    start, seen, steps = [], {}, network.steps

    def watched(model, optimizer, loader, iterations):
        start.append(optimizer.theta.copy())
        for iteration, loss in steps(model, optimizer, loader, iterations):
            before = optimizer.theta.copy()
            yield iteration, loss
            seen[iteration] = before, optimizer.theta.copy()

    monkeypatch.setattr(network, "steps", watched)
    run(Trial("sgd", data="digits", iterations=40, every=40, member=member, often=often))

    minigrad.manual_seed(0)
    parameters = list(network.Net.for_data(network.load("digits", True)).parameters())
    drawn = np.concatenate([p.data.ravel() for p in parameters])
    shift = Shift(member)
    shift([p.data for p in parameters])
    shifted = np.concatenate([p.data.ravel() for p in parameters])
    assert (shifted == drawn).all() == (member == 0)
    np.testing.assert_array_equal(start[0], shifted)
    assert list(seen) == list(range(1, 41))
    for iteration, (before, after) in seen.items():
        expected = before.copy()
        if often and iteration % often == 0:
            shift([expected])  # the draws go on where they were
            assert (expected == before).all() == (member == 0)
        np.testing.assert_array_equal(after, expected)


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


def several(name, *figures, traces=((0.5, 0.4),), printed=None):
    """An ensemble with one figure for each of `figures`, which are its members' pairs, after 500, 1000, ..."""
    theirs = printed or [notebook_runs()[name].figures[500 * i] for i in range(1, len(figures) + 1)]
    made = (
        NotebookFigure(name, 500 * i, pair, members)
        for i, (pair, members) in enumerate(zip(theirs, figures, strict=True), 1)
    )
    traces = [traces[i % len(traces)] for i in range(len(figures[0]))]
    return Ensemble(entrant(name), tuple({"trace": list(trace)} for trace in traces), tuple(made))


def test_a_row_shows_the_unshifted_member_and_the_range_of_all():
    one = several(
        "sgd",
        ((0.3441, 91.74), (0.35012, 91.5), (0.33, 92.0)),
        ((0.25, 93.5), (0.2512, 93.2), (0.2512, 93.75)),
        printed=[(0.34407174587249756, 91.74), (0.2, 93.3)],
    )
    other = several("adam", ((0.00123451, 97.0), (0.0012346, 97.5)), printed=[(0.001, 90.0)])
    made = ensembles_tables.table_of_figures([one, other])
    assert heads(made) == [
        "run", "iteration", "notebook", "unshifted", "losses", "accuracies", "branches", "within", "nearest",
    ]  # fmt: skip
    assert rows(made) == [
        ["SGD", "500", "0.3441 91.74", "0.3441 91.74", "0.3300 - 0.3501", "91.50 - 92.00", "3", "yes", "0 ="],
        ["", "1000", "0.2000 93.30", "0.2500 93.50", "0.2500 - 0.2512", "93.20 - 93.75", "2", "no: loss", "0  "],
        ["Adam", "500", "0.001000 90.00", "0.001235 97.00", "0.001235 - 0.001235", "97.00 - 97.50", "2",
         "no: loss, accuracy", "0  "],
    ]  # fmt: skip
    assert [row.end_section for row in made.rows] == [False, True, True]


def test_a_row_for_each_run():
    agrees, differs = (0.34407, 91.74), (0.4, 91.74)
    printed = [(0.34407174587249756, 91.74)] * 3
    one = several(
        "sgd",
        (agrees, differs, agrees),
        ((0.34407, 91.7), agrees, differs),
        ((0.3, 90.0), (0.31, 90.5), (0.32, 91.25)),
        traces=[(0.5, 0.4, 0.3), (0.5, 0.4, 0.30001)],
        printed=printed,
    )
    other = several("adam", (differs, differs), traces=[(0.5, 0.4)], printed=printed[:1])
    made = ensembles_tables.table_of_runs([one, other])
    assert heads(made) == [
        "run", "cell", "members", "agrees to", "part at", "within", "exact", "last accuracies", "spread",
    ]  # fmt: skip
    assert rows(made) == [
        ["SGD", "5, 18", "3", "500", "75", "2 of 3", "2 of 3", "90.00 - 91.25", "1.25"],
        ["Adam", "11", "2", "never", "never", "0 of 1", "0 of 1", "91.74 - 91.74", "0.00"],
    ]


def test_exact_members_have_both_the_loss_and_the_accuracy():
    found = figure((0.20577, 93.15), (0.20579, 93.15), (0.20577, 93.16), (0.20567, 93.15), (0.20581, 93.15))
    assert found.exact == [0, 3]
    assert found.nearest == 0


def test_the_nearest_member_is_nearest_in_loss_then_in_accuracy():
    assert figure((0.2, 93.0), (0.3, 93.0), (0.21, 50.0), (0.15, 93.0)).nearest == 1
    assert figure((0.2, 93.0), (0.3, 93.5), (0.3, 93.1)).nearest == 1


def test_losses_equal_to_five_digits_are_one_branch():
    assert figure((1.0, 0.0), (0.123451, 1.0), (0.123454, 2.0), (0.12346, 1.0), (0.2, 1.0)).branches == 3


def test_digits_are_counted_from_the_first_that_is_not_0():
    """So a loss near 1e-3 is looked at as closely as one near 1."""
    assert figure((1.0, 0.0), (0.00123451, 1.0), (0.00123454, 1.0)).branches == 1
    assert figure((1.0, 0.0), (0.00123451, 1.0), (0.00123462, 1.0)).branches == 2
    assert figure((0.0012344, 1.0), (0.0012341, 1.0)).exact == [0]
    assert figure((0.0012344, 1.0), (0.0012351, 1.0)).exact == []
    assert figure((0.0012344, 1.0), (0.0012341, 1.0)).outside == []
    assert figure((0.0012334, 1.0), (0.0012341, 1.0)).outside == ["loss"]
    assert figure((0.0012354, 1.0), (0.0012341, 1.0)).outside == ["loss"]
    near = ensemble("sgd", [90.0, 90.0], [[0.00123451], [0.00123454]])
    apart = ensemble("sgd", [90.0, 90.0], [[0.00123451], [0.00123462]])
    assert (near.parts_at, apart.parts_at) == (None, TRACE)


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
    assert apart.parts_at == 2 * TRACE


def test_the_notebooks_second_sgd_run_counts_again():
    figures = ensembles.all_figures([ensemble("sgd", [95.82]), ensemble("adam", [97.10])])
    assert [f.name for f in figures] == ["sgd", "sgd", "adam"]


def test_all_66_figures_are_compared():
    results = [{"losses": [0.1] * 6, "accuracies": [90.0] * 6, "trace": [0.5]}]
    names = [name for name in CELLS if name not in ensembles.SAME]
    every = [Ensemble(entrant(n), tuple(results), ensembles.figures(n, results, 3000)) for n in names]
    assert len(ensembles.all_figures(every)) == 66
    assert notebook_runs()["mini-batch"].figures == notebook_runs()["sgd"].figures


def test_a_member_that_broke_off_is_left_out_where_it_has_nothing():
    whole = {"losses": [0.5] * 6, "accuracies": [90.0] * 6}
    broken = {"losses": [0.4] + [None] * 5, "accuracies": [91.0] + [None] * 5}
    found = ensembles.figures("sgd", [whole, broken], 3000)
    assert [len(f.members) for f in found] == [2, 1, 1, 1, 1, 1]


def test_a_figure_that_only_one_member_has_cannot_be_held_against_others():
    pairs = ((0.2, 95.0),) * 3
    one = several("adam", pairs, pairs, printed=[(0.2, 95.0)] * 2)
    one = replace(one, figures=(one.figures[0], replace(one.figures[1], members=pairs[:1])))
    assert ensembles.leave_one_out([one]) == [(1, 1, 1), (1, 1, 1)]


def test_undecided_counts_pairs_of_members_and_ties_by_half():
    pairs = ensembles.undecided([ensemble("sgd", [95.0, 96.0]), ensemble("adam", [95.5, 96.0])])
    assert pairs == [("Adam", "SGD", (1 + 1 + 0.5) / 4)]  # 95.5 > 95, 96 > 95, 96 = 96


def test_members_left_out_are_counted_as_the_notebook_is():
    loss, pairs = 0.25, [95.0, 95.5, 96.0]
    members = tuple((loss, accuracy) for accuracy in pairs)
    one = Ensemble(entrant("adam"), ({"trace": [0.5]},) * 3, (NotebookFigure("adam", 3000, (loss, 95.2), members),))
    within, exact = ensembles.leave_one_out([one])
    assert within[0] == pytest.approx(1 / 3, abs=0.02)  # only the middle one lies between the others
    assert within[1:] == (0, 1)
    assert exact == (0, 0, 0)
    same = replace(one, figures=(replace(one.figures[0], members=((loss, 95.0),) * 3),))
    assert ensembles.leave_one_out([same]) == [(1, 1, 1), (1, 1, 1)]
    assert ensembles.leave_one_out([replace(same, entrant=entrant("sgd"))]) == [(2, 2, 2), (2, 2, 2)]  # cells 5 and 18


CROSSED = ((0.2, 95.0), (0.2, 97.0), (0.3, 95.0), (0.3, 97.0))
"""Members each of which lies within the others in loss and accuracy, and none of which is another."""

PAIRED = ((0.2, 95.0), (0.2, 95.0), (0.3, 97.0), (0.3, 97.0))
"""Members each of which lies within the others and is one of them."""


@pytest.mark.parametrize(
    ("members", "printed", "exact", "fewer"),
    [
        (CROSSED, (0.25, 96.0), 0, False),
        (CROSSED, (0.1, 96.0), 0, True),  # fewer within
        (PAIRED, (0.2, 95.0), 1, False),
        (PAIRED, (0.25, 96.0), 1, True),  # fewer exact
        (PAIRED, (0.1, 96.0), 1, True),
    ],
)
def test_the_notebook_is_held_to_what_a_member_does(members, printed, exact, fewer):
    lines = ensembles_tables._beside_members([several("adam", members, printed=[printed])])
    assert lines[0] == (
        f"For comparison, a member held against the others lies within them in 1 figures (95 %: 1 to 1) and agrees "
        f"exactly with one of them in {exact} ({exact} to {exact})."
    )
    assert lines[1:] == fewer * [
        "The notebook does so in fewer: its machine rounded differently at later steps, too; see --often."
    ]


def test_the_comparison_with_members_shows_the_mean_and_its_percentiles():
    ladder, twins = ((0.2, 95.0), (0.2, 95.5), (0.2, 96.0)), ((0.2, 95.0), (0.2, 95.0), (0.2, 97.0))
    # Within: 2, 5 and 0 figures of the three members; exactly those of another: 2, 2 and 0.
    one = several("adam", ladder, ladder, ladder, twins, twins, printed=[(0.2, 95.0)] * 5)
    assert [ensembles._counts_without(one, member) for member in range(3)] == [(2, 2), (5, 2), (0, 0)]
    assert ensembles_tables._beside_members([one]) == [
        "For comparison, a member held against the others lies within them in 2 figures (95 %: 0 to 5) and agrees "
        "exactly with one of them in 1 (0 to 2)."
    ]


@pytest.mark.parametrize("members", [((0.2, 95.0), (0.2, 95.5), (0.2, 96.0)), ((0.2, 95.0), (0.2, 95.0), (0.2, 97.0))])
def test_as_few_as_the_worst_member_is_not_fewer(members):
    """Of the first only the middle one lies within the others; of the second the last is none of the others."""
    one = several("adam", members, printed=[(0.1, 99.0)])
    assert len(ensembles_tables._beside_members([one])) == 1
    within, exact = ensembles.leave_one_out([one])
    assert (within[1], within[2], exact[1]) == (0, 1, 0)


def test_three_members_are_enough_for_the_comparison_with_members_and_two_are_not():
    two, three, four = (ensemble("adam", [97.0, 97.2, 97.1, 97.3][:n]) for n in (2, 3, 4))
    assert (
        ensembles_tables._beside_members([two])
        == ensembles_tables._beside_members([four, two])
        == ensembles_tables._beside_members([two, three])
        == []
    )
    assert ensembles_tables._beside_members([three])[0].startswith("For comparison")
    assert ensembles_tables._beside_members([four, three])[0].startswith("For comparison")


def test_conclusions_name_what_is_outside():
    inside, outside = ensemble("adam", [97.0, 97.2]), ensemble("momentum", [97.5, 97.6])
    assert ensembles_tables.conclusions([inside, outside]) == [
        "1 of the notebook's 2 figures lie within the ensembles of 2 members; 0 agree exactly with some member.",
        "Outside: momentum at 3000 (accuracy). With --widen 8 these ensembles get more members.",
        "Rounding alone never decides which of two runs ends ahead.",
    ]


def test_conclusions_about_ensembles_of_several_sizes():
    members = ((0.3, 90.0), (0.3, 90.5), (0.4, 91.0))
    both = replace(ensemble("sgd", [90.0, 90.5, 91.0]), figures=(figure((9.0, 99.0), *members, iteration=1500),))
    lines = ensembles_tables.conclusions([ensemble("adam", [97.1] * 5), both])
    assert lines[0].startswith(
        "1 of the notebook's 3 figures lie within the ensembles of 3 to 5 members; 1 agree exactly"
    )
    assert lines[1] == "Outside: sgd at 1500 (loss and accuracy). With --widen 20 these ensembles get more members."
    assert lines[2].startswith("For comparison, a member")
    (alone,) = ensembles_tables.conclusions([ensemble("adam", [97.1] * 2)])
    assert alone.startswith("1 of the notebook's 1 figures lie within the ensembles of 2 members; 1 agree")


def by_rank(*names):
    """The names from the one that the notebook has first."""
    return sorted(names, key=lambda name: -notebook_runs()[name].figures[3000][1])


def test_a_pair_that_is_always_turned_round_is_not_open():
    first, second = by_rank("adam", "momentum")
    runs = [ensemble(first, [90.0, 91.0]), ensemble(second, [92.0, 93.0])]
    assert ensembles.undecided(runs) == []
    assert ensembles_tables.conclusions(runs)[-1] == "Rounding alone never decides which of two runs ends ahead."
    runs[1] = ensemble(second, [92.0, 90.5])
    assert ensembles_tables.conclusions(runs)[-1] == (
        f"Rounding alone can decide which of the two runs ends ahead: {runs[0].entrant.label} before "
        f"{runs[1].entrant.label} in 25%."
    )


@pytest.mark.parametrize(("more", "pairs", "shown"), [(0, 6, 6), (1, 10, 7)])
def test_six_open_pairs_are_named_and_the_others_counted(more, pairs, shown):
    """Four runs that can end in any order are six pairs; the fifth is open to one of them, and a seventh pair."""
    names = by_rank("adam", "momentum", "nesterov", "adadelta", "adagrad")
    finals = [[95.0, 96.0], [95.0, 96.0], [95.0, 96.0], [94.0, 95.0, 95.0, 96.0], [94.0, 94.5, 94.5, 94.5]]
    finals[4] = [93.0, 94.0] if more else []
    runs = [ensemble(name, ends) for name, ends in zip(names[: 4 + more], finals, strict=False)]
    line = ensembles_tables.conclusions(runs)[-1]
    first = [
        f"{a} before {b} in {50 if b != runs[3].entrant.label else 69}%"
        for a, b in itertools.combinations([one.entrant.label for one in runs[:4]], 2)
    ]
    assert line.startswith(f"Rounding alone can decide in {shown} of {pairs} pairs of runs which ends ahead: ")
    named = line.partition(": ")[2]
    if shown == 6:
        assert named == "; ".join(first) + "."
    else:
        lines = ensembles.undecided(runs)
        assert len(lines) == 7
        assert named == "; ".join(f"{a} before {b} in {share:.0%}" for a, b, share in lines[:6]) + "; and 1 more."


def test_the_record_has_every_figure():
    one = several("sgd", ((0.3441, 91.74), (0.35, 91.5), (0.33, 92.0)), traces=[(0.5,), (0.6,)])
    other = several("adam", ((0.2, 90.0), (0.2, 91.0), (0.2, 97.0)))
    asked = Namespace(members=3, often=7, iterations=500)
    record = ensembles_tables.record([one, other], asked)
    del record["environment"]
    runs = record.pop("runs")
    assert record == {
        "benchmark": "replay", "seed": 0, "members": 3, "often": 7, "iterations": 500,
        "figures": 3, "within": 2, "exact": 2, "members_left_out": ensembles.leave_one_out([one, other]),
        "either_order": [("Adam", "SGD", pytest.approx(3 / 9))],
    }  # fmt: skip
    assert ensembles_tables.record([ensemble("adam", [97.0, 97.2]), one], asked)["members_left_out"] is None
    assert (runs[0]["name"], runs[0]["cells"], runs[0]["members"]) == ("sgd", "5, 18", 3)
    assert [(run["agrees_to"], run["parts_at"]) for run in runs] == [(500, 25), (0, None)]
    assert runs[0]["figures"] == [
        {
            "iteration": 500, "notebook": notebook_runs()["sgd"].figures[500], "losses": [0.3441, 0.35, 0.33],
            "accuracies": [91.74, 91.5, 92.0], "branches": 3, "outside": [], "nearest": 0, "exact": [0],
        }
    ]  # fmt: skip


# The pictures.


def test_the_picture_has_a_line_for_each_member_and_the_notebooks_points():
    traces = [(0.5, 0.4), (0.5, 0.41), (0.2, 0.01), (0.5, 0.4)]
    pairs = ((0.3441, 91.74), (0.35, 91.5), (0.33, 92.0), (0.3, 91.0))
    one = several("sgd", pairs, traces=traces, printed=[(0.34407174587249756, 91.74)])
    at = replace(one.figures[0], iteration=50), replace(one.figures[0], iteration=25, notebook=(0.331, 92.0))
    one = replace(one, figures=at)
    left, right = pictures.picture_of_branches([one]).axes
    *members, first, second = left.get_lines()
    assert [data_of(line) for line in members] == [([25, 50], list(trace)) for trace in traces]
    assert {line.get_color() for line in members} == {one.entrant.color}
    assert [data_of(dot) for dot in (first, second)] == [([50], [0.34407174587249756]), ([25], [0.331])]
    assert (first.get_marker(), left.get_yscale()) == ("o", "log")
    assert (left.get_title("left"), left.get_ylabel(), left.get_xlabel()) == ("SGD", "training loss", "iteration")
    assert left.get_ylim() == pytest.approx((0.006, 1.5))
    assert labels(left.get_yticklabels()) == ["0.01", "0.03", "0.1", "0.3", "1"]

    heights = pictures.tree(np.array(traces))
    assert [list(line.get_ydata()) for line in right.get_lines()[:4]] == heights.tolist()
    assert list(right.get_lines()[0].get_xdata()) == [25, 50]
    exact, nearest = right.get_lines()[4:]
    assert data_of(exact) == ([50], [heights[0, 1]])
    assert data_of(nearest) == ([25], [heights[2, 0]])
    for one, other in ((first, second), (exact, nearest)):  # of one meaning in both halves
        assert (one.get_markerfacecolor(), other.get_markerfacecolor()) == ("black", "white")
    assert right.get_title("left") == "3 branches of 4"
    assert (right.get_ylabel(), right.get_xlabel()) == ("members", "iteration")
    assert right.get_ylim() == (-1, 4)
    (axes,) = pictures.picture_of_branches([ensemble("sgd", [90.0, 90.0])]).axes[1:]
    assert axes.get_title("left") == "1 branch of 2"


def test_a_loss_that_is_lower_than_any_of_the_notebooks_does_not_stretch_the_picture():
    left, _ = pictures.picture_of_branches([ensemble("sgd", [90.0], [[0.5, 1e-6]])]).axes
    assert left.get_ylim() == pytest.approx((0.003, 1.5))


def test_the_tree_ends_where_the_shortest_member_does():
    one = several("sgd", ((0.3, 91.0), (0.35, 91.5)), traces=[(0.5, 0.4, 0.3), (0.5, 0.41)])
    one = replace(one, figures=tuple(replace(one.figures[0], iteration=i) for i in (50, 75)))
    _, right = pictures.picture_of_branches([one]).axes
    assert [list(line.get_xdata()) for line in right.get_lines()] == [[25, 50], [25, 50], [50]]  # no point at 75
    broken = replace(one, results=({"trace": [0.5]}, {"trace": []}))
    axes = style.figure()[1]
    pictures._draw_tree(axes, broken)
    assert axes.get_lines() == []


@pytest.mark.parametrize(("runs", "panels", "hidden"), [(1, 2, 0), (2, 4, 0), (3, 8, 2)])
def test_two_panels_for_each_run(runs, panels, hidden):
    chosen = [ensemble(name, [95.0, 96.0]) for name in ("sgd", "adam", "momentum")[:runs]]
    fig = pictures.picture_of_branches(chosen)
    assert [axes.get_visible() for axes in fig.axes] == [True] * (panels - hidden) + [False] * hidden
    shown = [axes.get_title("left") for axes in fig.axes if axes.get_visible()]
    assert shown[::2] == [one.entrant.label for one in chosen]
    named = [axes.get_xlabel() for axes in fig.axes if axes.get_visible()]
    assert named == ["", "", "iteration", "iteration", "iteration", "iteration"][-2 * runs :]
    assert "lines part where losses differ by more than 0.01%, and never rejoin" in " ".join(fig.get_suptitle().split())


# The tree.


def test_members_that_have_not_parted_have_one_height():
    traces = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 3.0, 1.0], [1.0, 1.0, 1.00001]])
    heights = pictures.tree(traces)
    assert set(heights[:, 0]) == {1.5}
    assert heights[0, 1] == heights[1, 1] == heights[3, 1] == 1.0
    assert heights[2, 1] == heights[2, 2] == 3.0  # back at the same loss, it does not come together again
    assert heights[0, 2] == heights[3, 2] == 0.5
    assert heights[1, 2] == 2.0


@pytest.mark.parametrize("loss", [1e-3, 0.1, 2.0])
def test_members_part_by_a_fraction_of_their_loss(loss):
    """By a ten-thousandth of the lower one, however large it is, and not at exactly so much."""
    apart, together = loss * (1 + 1.1e-4), loss * (1 + 0.9e-4)
    assert pictures.tree(np.array([[loss], [together]])).ravel().tolist() == [0.5, 0.5]
    assert pictures.tree(np.array([[loss], [apart]])).ravel().tolist() == [0.0, 1.0]
    assert pictures.tree(np.array([[apart], [loss]])).ravel().tolist() == [1.0, 0.0]
    assert pictures.tree(np.array([[1.0], [1.5]]), 0.5).ravel().tolist() == [0.5, 0.5]
    assert pictures.tree(np.array([[1.0], [1.5]]), 0.25).ravel().tolist() == [0.0, 1.0]
    # A chain of small gaps is one branch, though its ends are further apart.
    assert set(pictures.tree(np.array([[loss], [together], [together * (1 + 0.9e-4)]])).ravel()) == {1.0}


def test_a_branchs_leaves_are_neighbours():
    rng = np.random.default_rng(0)
    traces = np.cumsum(rng.integers(0, 2, (20, 6)), 1) + 1.0
    heights = pictures.tree(traces)
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
    lines = capsys.readouterr().out
    assert "2 of the notebook's 2 figures lie within the ensembles of 2 members; 2 agree exactly" in lines
    row = next(" ".join(line.split()) for line in lines.splitlines() if line.startswith(" SGD"))
    assert row == "SGD 500 0.3441 91.74 0.3441 91.74 0.3441 - 0.3441 91.74 - 91.74 1 yes 0 ="
    record = json.loads((tmp_path / "replay.json").read_text())
    assert (record["figures"], record["within"], record["exact"]) == (2, 2, 2)
    (run,) = record["runs"]
    assert (run["agrees_to"], run["figures"][0]["exact"]) == (500, [0, 1])
    assert f"{run['figures'][0]['losses'][0]:.4f}" == "0.3441"
    assert_png(tmp_path / "replay.png", (1260, 576))

    assert replay.main([*arguments, "--optimizers", "mini-batch"]) == 0  # it is sgd again
    assert "2 trainings, all of them kept" in capsys.readouterr().out
    again = json.loads((tmp_path / "replay.json").read_text())
    assert {k: v for k, v in again.items() if k != "environment"} == {
        k: v for k, v in record.items() if k != "environment"
    }


def test_only_ensembles_that_leave_a_figure_outside_are_widened(monkeypatch):
    asked = []

    class Runner:
        out = Namespace(print=lambda *a, **k: None)

        def run(self, trials, title):
            trials = list(trials)
            asked.append([(trial.optimizer, trial.member) for trial in trials])
            assert {(t.often, t.iterations, t.trace) for t in trials} == {(7, 500, TRACE)}
            loss = {"sgd": notebook_runs()["sgd"].figures[500][0], "adam": 9.0}
            return {
                t: {
                    "losses": [loss[t.optimizer]],
                    "accuracies": [notebook_runs()[t.optimizer].figures[500][1]],
                    "trace": [1.0],
                }
                for t in trials
            }

    chosen = [entrant("sgd"), entrant("adam")]
    grown = ensembles.grow(Runner(), chosen, Namespace(members=2, widen=4, iterations=500, often=7))
    assert asked[0] == [("sgd", 0), ("adam", 0), ("sgd", 1), ("adam", 1)]
    assert [len(each.results) for each in grown] == [2, 4]
    assert asked[1] == [("sgd", 0), ("adam", 0), ("sgd", 1), ("adam", 1), ("adam", 2), ("adam", 3)]
    for widen in (None, 1, 2):  # no wider than they are
        asked.clear()
        grown = ensembles.grow(Runner(), chosen, Namespace(members=2, widen=widen, iterations=500, often=7))
        assert [len(each.results) for each in grown] == [2, 2]
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--optimizers", "ranger"], "the notebook did not run ranger"),
        (["--iterations", "499"], "first figure is that of 500"),
        *(
            ([option, value], f"argument {option}: must be a whole number from 1 on, not '{value}'")
            for option in ("--members", "--widen", "--often", "--iterations", "--jobs")
            for value in ("0", "1.5", "many")
        ),
    ],
)
def test_slips_are_reported_in_a_sentence(arguments, lines, tmp_path):
    with pytest.raises(UsageError, match=lines):
        replay.main([*arguments, "--results", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
