"""The comparison over seeds: its statistics, how rates are chosen, what is looked at when, and its bits."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from picture_tools import assert_png, data_of, heads, labels, rows
from threadpoolctl import threadpool_limits

import minigrad
from benchmarks import UsageError, seeds
from benchmarks.ranking import pictures, plan, standings, standings_tables, statistics
from benchmarks.ranking.plan import Plan
from benchmarks.ranking.standings import Ranking, Score
from benchmarks.ranking.statistics import compared, difference, quartiles
from benchmarks.ranking.tuning import FIRST_SEED, MOST_EXTRA, Grid, Tuned, tune
from benchmarks.training import network, trial
from benchmarks.training.journal import Journal
from benchmarks.training.optimizers import ENTRANTS, entrant
from benchmarks.training.trial import Trial
from minigrad.utils.data import DataLoader

# Statistics.


def test_quartiles_with_runs_that_never_got_there():
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)
    never = math.inf
    assert quartiles([100, 200, never])[1] == 200
    assert quartiles([100, never, never])[1] == never
    assert quartiles([100, never])[1] == never  # between a number and never: never
    assert quartiles([never] * 4) == (never, never, never)


def test_the_interval_is_scipys_and_covers_the_mean():
    from scipy.stats import bootstrap

    values = [0.3, 0.1, 0.4, 0.1, 0.5, 0.9, 0.2, 0.6]
    found = difference(values, 0.95)
    theirs = bootstrap((values,), np.mean, confidence_level=0.95, rng=np.random.default_rng(1)).confidence_interval
    assert found.mean == pytest.approx(np.mean(values), abs=1e-15)
    assert found.low == pytest.approx(theirs.low, abs=0.02)
    assert found.high == pytest.approx(theirs.high, abs=0.02)
    assert found == difference(values, 0.95)  # the resamples are the same every time
    assert difference(values, 0.99).low < found.low < found.mean < found.high < difference(values, 0.99).high


def test_equal_differences_need_no_resampling():
    assert difference([0.2, 0.2, 0.2]) == statistics.Difference(0.2, 0.2, 0.2)
    assert difference([0.0] * 5).tie
    assert not difference([0.2] * 5).tie


def test_holm_widens_the_intervals_step_by_step():
    rng = np.random.default_rng(0)
    clear, fair = rng.normal(5, 1, 10).tolist(), rng.normal(1.2, 1, 10).tolist()
    found = compared([fair, clear])
    assert found[1] == difference(clear, 1 - 0.05 / 2)  # the clearest is tested first, at half of 5 %
    assert found[0] == difference(fair, 1 - 0.05 / 1)
    assert not found[0].tie
    assert not found[1].tie


def test_holm_stops_at_the_first_tie():
    rng = np.random.default_rng(1)
    pairs = [rng.normal(centre, 1, 10).tolist() for centre in (0.05, 0.425, 4.0)]
    alone = [difference(values) for values in pairs]
    assert [d.tie for d in alone] == [True, False, False]  # each by itself
    together = compared(pairs)
    assert together[1] == difference(pairs[1], 1 - 0.05 / 2)
    assert [d.tie for d in together] == [True, True, False]
    assert together[0] == difference(pairs[0], 1 - 0.05 / 2)  # at the level at which it stopped


SURE_BUT_TIED = [-0.1, 0.0, 0.7, 0.2, 1.1, -0.7, 1.2, 1.2, 0.1, 0.3]
DOUBTFUL_BUT_NOT_TIED = [1.2, -0.5, 0.8, 0.6, -0.5, 0.5, 3.2, 0.2, 0.0, 0.0]
"""Its interval, corrected for skewness, stays above 0 at a level at which that of the first, the likelier, does not."""


def test_after_the_first_tie_an_interval_that_does_not_reach_0_is_widened_to_it():
    level = 1 - 0.05 / 2
    first, second = compared([SURE_BUT_TIED, DOUBTFUL_BUT_NOT_TIED])
    alone = difference(DOUBTFUL_BUT_NOT_TIED, level)
    assert alone.low > 0
    assert first == difference(SURE_BUT_TIED, level)
    assert first.tie
    assert second == statistics.Difference(alone.mean, 0.0, alone.high)
    assert second.tie

    first, second = compared([[-value for value in SURE_BUT_TIED], [-value for value in DOUBTFUL_BUT_NOT_TIED]])
    alone = difference([-value for value in DOUBTFUL_BUT_NOT_TIED], level)
    assert alone.high < 0
    assert first.tie
    assert second == statistics.Difference(alone.mean, alone.low, 0.0)
    assert second.tie


@pytest.mark.parametrize(
    ("low", "high", "tie"), [(0.0, 1.0, True), (-1.0, 0.0, True), (0.01, 1.0, False), (-1.0, -0.01, False)]
)
def test_an_interval_that_holds_0_is_a_tie_its_ends_included(low, high, tie):
    assert statistics.Difference((low + high) / 2, low, high).tie is tie


def test_a_difference_is_written_with_signs_and_two_digits():
    assert str(statistics.Difference(0.514, -0.1, 1.128)) == "+0.51 [-0.10, +1.13]"


def test_quartiles_lie_between_neighbours_in_proportion():
    assert quartiles([4.0, 1.0, 2.0, 3.0]) == (1.75, 2.5, 3.25)
    assert quartiles([0.0, 10.0]) == (2.5, 5.0, 7.5)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)
    never = math.inf
    assert quartiles([1.0, 2.0, 3.0, 4.0, never]) == (2.0, 3.0, 4.0)  # exactly at a number, the next does not matter


def test_which_pair_is_tested_first_does_not_depend_on_the_side():
    ahead = np.random.default_rng(0).normal(5, 1, 10).tolist()
    fair = DOUBTFUL_BUT_NOT_TIED
    found = compared([fair, [-value for value in ahead]])
    assert found[1] == difference([-value for value in ahead], 1 - 0.05 / 2)
    assert found[0] == difference(fair, 1 - 0.05 / 1)
    constant = compared([fair, [0.0] * 10, [0.2] * 10])
    assert constant[2] == statistics.Difference(0.2, 0.2, 0.2)  # certain, so first
    assert constant[0] == difference(fair, 1 - 0.05 / 2)
    assert constant[1].tie  # a tie for certain, so last


def test_no_pairs_no_differences():
    assert compared([]) == []


def result(accuracy, loss=0.1, reached=1000, diverged=False, seconds=1.5):
    to_target = None if reached is None else seconds
    return {
        "accuracy": accuracy,
        "loss": loss,
        "accuracies": [accuracy],
        "losses": [0.2],
        "reached": reached,
        "diverged": diverged,
        "timing": {"seconds": 2.0, "to_target": to_target},
    }


def score(name, accuracies, scheduled=(), **options):
    results = tuple(result(accuracy, **options) for accuracy in accuracies)
    return Score(entrant(name), 0.1, results, tuple(result(accuracy) for accuracy in scheduled))


def test_ranks_show_ties_as_ties():
    best, level = [97.1, 97.2, 97.1, 97.4], [97.0, 97.25, 97.0, 97.4]
    ranking = standings.ranked(
        [score("sgd", [95.0, 95.1, 95.2, 95.1]), score("adam", level), score("momentum", best)], {}
    )
    assert [s.entrant.name for s in ranking.scores] == ["momentum", "adam", "sgd"]
    assert ranking.ranks == ["1=", "1=", "3"]
    assert ranking.ahead[0] == ranking.behind[0]
    assert ranking.ahead[1].low > 1


def test_neighbours_that_are_level_do_not_make_the_last_level_with_the_first():
    noise = np.random.default_rng(0).normal(0, 0.2, (4, 10))
    chain = [score(name, 97 - 0.12 * i + noise[i]) for i, name in enumerate(("sgd", "adam", "radam", "ranger"))]
    ranking = standings.ranked(chain, {})
    assert [difference.tie for difference in ranking.ahead] == [True] * 3
    assert not ranking.behind[-1].tie
    assert ranking.ranks[-1] == "4"


def test_the_ranking_is_by_the_median_and_a_diverged_run_is_not_dropped():
    one = score("sgd", [97.0, 97.0, 9.8], loss=None)
    other = score("adam", [96.0, 96.0, 96.0])
    ranking = standings.ranked([other, one], {})
    assert ranking.scores[0] is one
    assert ranking.ahead[0].tie  # ahead by a point in two seeds, behind by 86 in the third
    assert ranking.ahead[0].mean == pytest.approx((1 + 1 - 86.2) / 3)
    assert one.losses == [math.inf] * 3


def text_of(tables):
    from rich.console import Console

    out = Console(width=200, file=io.StringIO())
    for made in tables:
        out.print(made)
    return out.file.getvalue()


def test_never_and_divergence_are_shown():
    runs = (result(97.5, reached=900), result(96.0, reached=None), result(9.8, None, None, diverged=True))
    ranking = Ranking([Score(entrant("sgd"), 0.1, runs)], [], [], {})
    text = text_of(standings_tables.tables(ranking, Trial("", watch=100)))
    row = next(line for line in text.splitlines() if "SGD" in line)
    assert "diverged" in text
    assert "never" in row
    assert "1/3" in row
    assert row.split()[-1] == "1"  # one run diverged
    record = standings_tables.record(ranking)
    assert record["optimizers"][0]["diverged"] == 1
    assert [run["reached"] for run in record["optimizers"][0]["seeds"]] == [900, None, None]


def test_seconds_and_examples_stand_beside_the_iterations():
    ranking = Ranking([score("sgd", [97.5, 97.6], reached=900, seconds=1.25)], [], [], {})
    text = text_of(standings_tables.tables(ranking, Trial("", batch_size=50)))
    row = next(line for line in text.splitlines() if "SGD" in line).split()
    assert row[row.index("900") : row.index("900") + 3] == ["900", "45k", "1.2"]
    record = standings_tables.record(ranking)
    assert "seconds" not in json.dumps(record["optimizers"])
    assert record["timing"]["sgd"][0]["to_target"] == 1.25


def several(name, accuracies, losses, reached, scheduled=(), diverged=0):
    """A score whose seeds have different values."""
    runs = [
        result(a, loss, n, i < diverged, None if n is None else n / 500)
        for i, (a, loss, n) in enumerate(zip(accuracies, losses, reached, strict=True))
    ]
    return Score(entrant(name), 0.1, tuple(runs), tuple(result(accuracy) for accuracy in scheduled))


def test_the_table_shows_medians_and_quartiles_of_the_seeds():
    first = several("momentum", [97.0, 98.0, 97.2, 97.4], [0.1, 0.4, 0.2, 0.8], [500, 1000, 2000, 3000])
    last = several("sgd", [90.0, 91.0, 92.0, 93.0], [1.0, 2.0, 3.0, None], [None, None, None, 3000], diverged=1)
    ranking = standings.ranked([last, first], {})
    made = standings_tables.table(ranking, Trial("", watch=100, batch_size=50))
    assert heads(made) == [
        "", "optimizer", "rate", "accuracy", "loss", "to 97 %", "images", "sec.", "reached", "diverged", "ahead by",
    ]  # fmt: skip
    (ahead,) = ranking.ahead
    assert rows(made) == [
        ["1", "Momentum", "0.1", "[bold]97.30[/] 97.15-97.55", "0.300 0.175-0.500", "1500", "75k", "3.0", "4/4", "0",
         f"{ahead}  "],
        ["2", "SGD", "0.1", "[bold]91.50[/] 90.75-92.25", "2.500 1.750-inf", "never", "never", "never", "1/4", "1", ""],
    ]  # fmt: skip
    assert standings_tables.record(ranking)["optimizers"][0]["accuracy_quartiles"] == pytest.approx(
        (97.15, 97.3, 97.55)
    )


def test_a_tie_is_marked_and_a_column_of_zeros_is_left_out():
    one, other = score("momentum", [97.0, 97.1, 97.2]), score("adam", [97.1, 97.0, 97.15])
    made = standings_tables.table(standings.ranked([one, other], {}), Trial(""))
    assert "diverged" not in heads(made)
    assert [row[-1][-2:] for row in rows(made)] == [" =", ""]
    assert [row[0] for row in rows(made)] == ["1=", "1="]


def test_title_and_caption_say_which_images_were_looked_at():
    both = [score(name, [97.0, 97.5, 97.7]) for name in ("momentum", "adam")]
    base = Trial("", iterations=700, watch=50)
    made = standings_tables.table(standings.ranked(both, {}), base)
    assert made.title == "mnist, 700 iterations, the notebook's rates"
    assert "over 3 seeds of the accuracy in percent and the mean loss on the test images. to 97 %" in made.caption
    assert "97 % of the test images are classified correctly (checked every 50 iterations)" in made.caption
    assert "held-out" not in made.caption
    rates = {one.entrant: tuned([90, 97, 95]) for one in both}
    made = standings_tables.table(standings.ranked(both, rates), base)
    assert made.title == "mnist, 700 iterations, each at its best rate"
    assert "mean loss on the test images, which were used only once. to 97 %" in made.caption
    assert "97 % of the held-out images are classified correctly" in made.caption


def test_tables_of_rates_and_schedules_come_only_if_there_is_something_in_them():
    titles = ["How much the learning rate matters", "What a schedule gains"]
    plain, scheduled = score("sgd", [97.0, 97.5]), score("adam", [97.0, 97.5], [97.5, 97.7])
    rates = {plain.entrant: tuned([90, 97, 95])}
    for scores, found, wanted in (
        ([plain], {}, []),
        ([plain], rates, titles[:1]),
        ([plain, scheduled], {}, titles[1:]),
        ([plain, scheduled], rates, titles),
    ):
        made = standings_tables.tables(standings.ranked(scores, found), Trial(""))
        assert [one.title for one in made[1:]] == wanted


def test_the_table_of_rates_has_the_widest_first():
    narrow = Tuned(Grid(13), {0: [90.0, 91.0], 1: [97.0, 98.0], 2: [95.0, 95.0]}, {0: 2, 1: 0, 2: 1})
    wide = tuned([96.5, 97, 96.5, 96.0, 95.9])
    made = standings_tables.table_of_rates(Ranking([], [], [], {entrant("sgd"): narrow, entrant("adam"): wide}))
    assert rows(made) == [
        ["Adam", "3.16e-05", "97.00", "4 of 5", "80%", "2.0", "1e-05 - 0.001", "0"],
        ["SGD", "3.16e-05", "97.50", "1 of 3", "33%", "0.5", "1e-05 - 0.0001", "3"],
    ]


def test_the_table_of_schedules_has_only_those_that_ran_with_one():
    one = score("momentum", [97.0, 97.2, 97.1], [98.0, 97.9, 98.3])
    ranking = standings.ranked([one, score("sgd", [97.0, 97.2, 97.5])], {})
    assert one.gains == pytest.approx([1.0, 0.7, 1.2])
    (row,) = rows(standings_tables.table_of_schedules(ranking))
    assert row == ["Momentum", "97.10", "98.00", str(difference(one.gains))]
    assert row[-1].startswith("+0.97 [+0.70, +1.")


def test_the_record_has_every_figure():
    one = several("momentum", [97.0, 97.4], [0.2, 0.4], [500, 1000], scheduled=[98.0, 99.0])
    other = several("sgd", [90.0, 91.0], [0.5, 0.7], [None, None], diverged=1)
    found = Tuned(Grid(13), {1: [97.0, 98.0], 2: [95.0, 95.0]}, {1: 0, 2: 1})
    ranking = standings.ranked([other, one], {one.entrant: found})
    record = standings_tables.record(ranking)
    first, second = record["optimizers"]
    assert (first["rank"], first["name"], first["rate"], first["diverged"]) == ("1", "momentum", 0.1, 0)
    assert first["accuracy_quartiles"] == pytest.approx((97.1, 97.2, 97.3))
    assert first["loss_quartiles"] == pytest.approx((0.25, 0.3, 0.35))
    assert first["iterations_to_target"] == 750
    assert [run["accuracy"] for run in first["with_schedule"]] == [98.0, 99.0]
    assert [run["reached"] for run in first["seeds"]] == [500, 1000]
    assert (second["iterations_to_target"], second["diverged"], second["with_schedule"]) == (math.inf, 1, [])
    (ahead,), (behind,) = record["ahead_of_the_next"], record["behind_the_first"]
    assert ahead == behind
    assert ahead["mean"] == pytest.approx(6.7)
    assert ahead["tie"] is behind["tie"] is False
    assert record["rates"] == {
        "momentum": {
            "best": 3.16e-05,
            "share_within_a_point": 0.5,
            "decades_within_a_point": 0.5,
            "tried": [
                {"rate": 3.16e-05, "accuracies": [97.0, 98.0], "diverged": 0},
                {"rate": 0.0001, "accuracies": [95.0, 95.0], "diverged": 1},
            ],
        }
    }
    assert record["claims"] == standings_tables.claims(ranking)[1:]
    assert record["timing"]["sgd"][0] == {"seconds": 2.0, "to_target": None}


def test_of_equal_medians_the_higher_mean_comes_first():
    one, other = score("sgd", [90.0, 97.0, 98.0]), score("adam", [96.0, 97.0, 98.0])
    assert standings.ranked([one, other], {}).scores == [other, one]


# The claims.


def tuned(accuracies, start=0):
    return Tuned(Grid(13), {start + i: [a] for i, a in enumerate(accuracies)}, dict.fromkeys(range(13), 0))


def test_claims_about_rates_are_supported_or_not():
    narrow, wide = tuned([90, 97, 95, 90]), tuned([90, 97, 96.5, 96.2])
    widths = {entrant("adam"): narrow, entrant("radam"): wide, entrant("lookahead"): narrow}
    text = standings_tables.claims(Ranking([], [], [], widths))
    assert text[1].startswith("- RAdam is less sensitive to the learning rate. Supported: ")
    assert "of its best cover 1.5 decades" in text[1]
    assert text[2].startswith("- Lookahead is less sensitive to the learning rate. Not supported: ")
    assert "of its best cover 0.5 decades" in text[2]
    assert "It takes several rates to see this" in standings_tables.claims(Ranking([], [], [], {}))[1]


def test_claims_about_schedules_are_supported_or_not():
    without = [97.0, 97.1, 97.2, 97.3, 97.0]
    better = [a + d for a, d in zip(without, (0.5, 0.6, 0.4, 0.5, 0.6), strict=True)]
    level = [a + d for a, d in zip(without, (0.1, -0.1, 0.1, -0.1, 0.02), strict=True)]
    momentum, nesterov, adam = (
        score(name, without, after) for name, after in (("momentum", better), ("nesterov", level), ("adam", level))
    )
    text = standings_tables.claims(Ranking([momentum, nesterov, adam], [], [], {}))
    assert "Supported for Momentum: a cosine schedule gains +0.52" in text[3]
    assert "Not supported for Nesterov" in text[3]
    assert "needs a schedule less. Supported" in text[4]
    eager = score("adam", without, better)
    assert "needs a schedule less. Not supported" in standings_tables.claims(Ranking([momentum, eager], [], [], {}))[4]


def test_a_gain_that_may_be_chance_supports_nothing():
    scores = [score("momentum", WITHOUT, [97.6, 96.7, 97.6, 96.9, 97.4]), score("adam", WITHOUT, WITHOUT)]
    text = standings_tables.claims(Ranking(scores, [], [], {}))
    assert "need a schedule. Not supported for Momentum: a cosine schedule gains +" in text[3]
    assert "needs a schedule less. Not supported: the schedule gains Adam +0.00 " in text[4]


def test_a_claim_is_supported_by_one_rate_if_it_is_wider_by_no_more():
    adam, wider, level = tuned([90, 97, 95]), tuned([90, 97, 96.5]), tuned([97, 90, 90])
    widths = {entrant("adam"): adam, entrant("radam"): wider, entrant("lookahead"): level}
    text = standings_tables.claims(Ranking([], [], [], widths))
    assert text[1].endswith(
        "Supported by one rate: the rates within 1 point of its best cover 1.0 decades, Adam's 0.5."
    )
    assert text[2].endswith("Not supported: the rates within 1 point of its best cover 0.5 decades, Adam's 0.5.")
    for one, other in (("adam", "RAdam"), ("radam", "Adam")):  # one of the two alone says nothing
        text = standings_tables.claims(Ranking([], [], [], {entrant(one): adam}))
        assert text[1].endswith(f"to the learning rate. There is nothing to compare: {other} did not run.")
    text = standings_tables.claims(Ranking([], [], [], {entrant("sgd"): adam}))
    assert text[2].endswith("There is nothing to compare: Lookahead(Adam) and Adam did not run.")
    text = standings_tables.claims(Ranking([], [], [], {}))  # at the notebook's rates
    assert text[1].endswith("It takes several rates to see this: use --track tuned.")


WITHOUT = [97.0, 97.1, 97.2, 97.3, 97.0]
BETTER = [97.5, 97.7, 97.6, 97.8, 97.6]
WORSE = [96.5, 96.4, 96.8, 96.8, 96.4]


@pytest.mark.parametrize(
    ("scores", "schedules", "lazy"),
    [
        ([], "They did not run with one.", "Adam and Momentum did not both run with one."),
        ([score("momentum", WITHOUT)], "They did not run with one.", "Adam and Momentum did not both run with one."),
        (
            [score("momentum", WITHOUT), score("adam", WITHOUT)],
            "They did not run with one.",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("momentum", WITHOUT), score("adam", WITHOUT, BETTER)],
            "They did not run with one.",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("momentum", WITHOUT, BETTER)],
            "Supported for Momentum: a cosine schedule gains +0.52 ",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("adam", WITHOUT, BETTER)],
            "They did not run with one.",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("momentum", WITHOUT, BETTER), score("adam", WITHOUT)],
            "Supported for Momentum: a cosine schedule gains +0.52 ",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("nesterov", WITHOUT, WORSE)],
            "Not supported for Nesterov: a cosine schedule gains -0.54 ",
            "Adam and Momentum did not both run with one.",
        ),
        (
            [score("momentum", WITHOUT, BETTER), score("adam", WITHOUT, WORSE)],
            "Supported for Momentum: a cosine schedule gains +0.52 ",
            "Supported: the schedule gains Adam -0.54 ",
        ),
        (
            [score("momentum", WITHOUT, WORSE), score("adam", WITHOUT, BETTER)],
            "Not supported for Momentum: a cosine schedule gains -0.54 ",
            "Not supported: the schedule gains Adam +0.52 ",
        ),
    ],
)
def test_claims_about_schedules_by_who_ran(scores, schedules, lazy):
    text = standings_tables.claims(Ranking(scores, [], [], {}))
    assert text[0] == "What the notebook claims, and whether these results support it:"
    assert text[3].startswith(f"- Momentum and Nesterov need a schedule. {schedules}")
    assert text[4].startswith(f"- Adam needs a schedule less. {lazy}")
    if lazy.startswith("Supported"):
        more = [a - b - (c - d) for a, b, c, d in zip(BETTER, WITHOUT, WORSE, WITHOUT, strict=True)]
        assert text[4].endswith(f" points, and Momentum {difference(more)} more than that.")


# The pictures.


def test_the_picture_has_a_row_for_each_optimizer_and_a_dot_for_each_seed():
    first = several("momentum", [97.0, 98.0, 97.2, 97.4], [0.1] * 4, [500] * 4)
    last = several("sgd", [10.0, 96.0, 97.0, 97.1], [0.1] * 4, [500] * 4)
    ranking = standings.ranked([last, first], {})
    (axes,) = pictures.picture_of_accuracies(ranking, Trial("", iterations=700)).axes
    assert labels(axes.get_yticklabels()) == [
        f"{one.entrant.label}, 0.1   {rank:>3}" for one, rank in ((last, ranking.ranks[1]), (first, ranking.ranks[0]))
    ]
    assert list(axes.get_yticks()) == [0, 1]
    left = 96.5 - 2  # two points left of the lowest median
    assert axes.get_xlim() == pytest.approx((left - 0.09, 98.09))
    for y, one in enumerate((last, first)):
        bar, *dots, median = [line for line in axes.get_lines() if set(line.get_ydata()) == {y}]
        low, middle, high = quartiles(one.accuracies)
        assert list(bar.get_xdata()) == pytest.approx([max(low, left), high])
        assert list(median.get_xdata()) == [middle]
        assert (median.get_marker(), median.get_color()) == ("|", "black")
        assert [list(dot.get_xdata()) for dot in dots] == [[max(accuracy, left)] for accuracy in one.accuracies]
        assert [dot.get_marker() for dot in dots] == ["o" if accuracy >= left else "<" for accuracy in one.accuracies]
        assert {line.get_color() for line in (bar, *dots)} == {one.entrant.color}
    assert axes.get_title("left") == "Test accuracy after 700 iterations, 4 seeds, the notebook's rates"
    assert axes.get_xlabel().startswith("percent (dots: seeds, <: further left; bars: quartiles; strokes: medians")
    found = standings.ranked([last, first], {one.entrant: tuned([90, 97]) for one in (first, last)})
    (axes,) = pictures.picture_of_accuracies(found, Trial("")).axes
    assert axes.get_title("left") == "Test accuracy after 3000 iterations, 4 seeds, each at its best rate"


def test_a_picture_of_close_runs_ends_at_the_lowest_seed():
    (axes,) = pictures.picture_of_accuracies(standings.ranked([score("sgd", [97.0, 96.5, 97.5])], {}), Trial("")).axes
    assert axes.get_xlim() == pytest.approx((96.46, 97.54))
    assert {line.get_marker() for line in axes.get_lines()} == {"None", "o", "|"}


def test_one_that_is_far_behind_does_not_squash_the_others_in_the_picture():
    scores = [score("sgd", [97.0, 96.5, 97.5]), score("adam", [97.2, 97.4, 97.3]), score("lion", [9.8, 10.1, 10.2])]
    (axes,) = pictures.picture_of_accuracies(standings.ranked(scores, {}), Trial("")).axes
    left = 97.5 - pictures.BEHIND  # the better half are within a point of the highest
    assert axes.get_xlim()[0] == pytest.approx(left - 0.02 * 8 - 0.02)
    assert labels(axes.texts) == ["   median 10.10"]
    bar, *dots = [line for line in axes.get_lines() if set(line.get_ydata()) == {0}]
    assert list(bar.get_xdata()) == [left, left]
    assert [(list(dot.get_xdata()), dot.get_marker()) for dot in dots] == [([left], "<")] * 3


def own(name, accuracies):
    """The score of an optimizer of the user's own."""
    one = score("sgd", accuracies)
    return dataclasses.replace(one, entrant=dataclasses.replace(one.entrant, name=name, label=name, spec=f"{name}.py"))


def test_only_the_notebooks_optimizers_have_the_notebooks_rates():
    known, mine, yours = score("adam", [97.0, 97.5]), own("Mine", [97.0, 97.1]), own("Yours", [96.0, 96.1])
    for scores, words in (
        ([known], "the notebook's rates"),
        ([known, mine], "the notebook's rates (Mine: usual rate)"),
        ([known, mine, yours], "the notebook's rates (Mine and Yours: usual rates)"),
        ([known, mine, yours, score("lion", [90.0, 91.0])], "the notebook's rates (3 others: usual rates)"),
        ([mine, yours], "each at its usual rate"),
    ):
        ranking = standings.ranked(scores, {})
        assert ranking.rates == words
        (axes,) = pictures.picture_of_accuracies(ranking, Trial("")).axes
        assert axes.get_title("left").endswith(f" seeds, {words}")
        assert standings_tables.table(ranking, Trial("")).title.endswith(f" iterations, {words}")


def test_the_picture_of_rates_has_a_panel_for_each_optimizer():
    bands = Tuned(Grid(13), {0: [90.0, 92.0], 1: [97.0, 98.0], 2: [95.0, 96.0]}, {0: 2, 1: 0, 2: 0})
    wide = tuned([96.5, 97, 96.5, 96.0, 10.0])
    chosen = {entrant("sgd"): bands, entrant("adam"): wide}
    fig = pictures.picture_of_rates(Ranking([], [], [], chosen))
    assert [axes.get_title() or axes.get_title("left") for axes in fig.axes] == ["Adam", "SGD"]  # the widest first
    adam, sgd = fig.axes
    for axes, one, other, grey in ((adam, wide, bands, "#D0D0D0"), (sgd, bands, wide, "#D0D0D0")):
        color = entrant("adam" if one is wide else "sgd").color
        behind, line, best, *crosses = axes.get_lines()
        for drawn, its in ((behind, other), (line, one)):
            assert data_of(drawn) == (
                [its.grid.rate(n) for n in its.numbers],
                [its.mean(n) for n in its.numbers],
            )
        assert (behind.get_color(), line.get_color(), best.get_color()) == (grey, color, color)
        assert data_of(best) == ([one.rate], [one.mean(one.best)])
        assert [data_of(cross) for cross in crosses] == ([([1e-5], [0])] if one is bands else [])
        (text,) = labels(axes.texts)
        assert text == ("4 of 5\n80%" if one is wide else "1 of 3\n33%")
    (band,) = sgd.collections
    corners = band.get_paths()[0].vertices
    assert {round(y, 9) for x, y in corners if x == 1e-5} == {90, 92}
    assert sgd.get_xscale() == "log"
    assert sgd.get_ylim() == (0, 98.6)
    assert labels(adam.get_yticklabels()) == ["50", "80", "90", "95", "97", "98"]
    assert list(adam.get_yticks()) == [50, 80, 90, 95, 97, 98]
    assert "Held-out accuracy in percent against the learning rate" in fig.get_suptitle()


def test_one_that_ignores_its_rate_does_not_squash_the_axes_of_the_rates():
    ignoring = Tuned(Grid(3), {n: [50.0] for n in range(-6, 3)}, dict.fromkeys(range(-6, 3), 0) | {-6: 1})
    usual = Tuned(
        Grid(3), {n: [accuracy] for n, accuracy in enumerate((90.0, 97.0, 95.0, 94.0))}, dict.fromkeys(range(4), 0)
    )
    assert (ignoring.flat, usual.flat) == (True, False)
    fig = pictures.picture_of_rates(Ranking([], [], [], {entrant("sgd"): usual, entrant("lion"): ignoring}))
    flat, panel = fig.axes
    assert panel.get_xlim() == pytest.approx((1e-5 / 1.5, 1e4 * 1.5))  # to the rate beyond the grid that mattered
    assert flat.get_title("left") == "Lion"
    assert {line.get_marker() for line in flat.get_lines()} == {"None"}  # no best one, no cross that is out of sight
    assert {line.get_marker() for line in panel.get_lines()} == {"None", "o"}
    (axes,) = pictures.picture_of_rates(Ranking([], [], [], {entrant("lion"): ignoring})).axes
    assert axes.get_xlim() == pytest.approx((1e-5 / 1.5, 10 * 1.5))  # the grid that all begin with


def test_the_rates_are_named_below_the_last_panel_of_each_column_and_nothing_is_above_the_frame():
    chosen = {entrant(name): tuned([90, 97, 98.9]) for name in list(ENTRANTS)[:5]}
    axes = pictures.picture_of_rates(Ranking([], [], [], chosen)).axes
    assert [each.get_xlabel() for each in axes[:5]] == ["", *["learning rate"] * 4]
    assert axes[0].get_ylim()[1] == pytest.approx(99.2)


@pytest.mark.parametrize(("optimizers", "hidden"), [(1, 0), (4, 0), (5, 3), (8, 0)])
def test_panels_without_an_optimizer_are_not_shown(optimizers, hidden):
    chosen = {entrant(name): tuned([90, 97, 95]) for name in list(ENTRANTS)[:optimizers]}
    fig = pictures.picture_of_rates(Ranking([], [], [], chosen))
    assert [axes.get_visible() for axes in fig.axes] == [True] * optimizers + [False] * hidden


def test_accuracies_are_drawn_by_the_logarithm_of_the_errors():
    fig = pictures.picture_of_rates(Ranking([], [], [], {entrant("sgd"): tuned([90, 97, 95])}))
    height = fig.axes[0].yaxis.get_transform().transform
    assert height([99, 0]).tolist() == [0, -2]
    assert height(98) - height(97) == pytest.approx(math.log10(1.5))
    assert height(100) == height(99.5) == pytest.approx(math.log10(2))
    assert fig.axes[0].yaxis.get_transform().inverted().transform([0, -2]).tolist() == [99, 0]


# Choosing the rates.


class FakeRunner:
    """Gives each trial the accuracy that `judge(rate)` says, if it says one, and keeps what was asked."""

    def __init__(self, judge, failing=()):
        self.judge, self.failing, self.asked, self.titles = judge, failing, [], []

    def run(self, trials, title):
        trials = list(trials)
        self.asked.append(trials)
        self.titles.append(title)
        assert len(self.asked) <= 2 * MOST_EXTRA, "it goes on for ever"
        judged = {t: self.judge(t.rate) for t in trials if t.optimizer not in self.failing}
        return {t: {"accuracy": a, "diverged": a < 20} for t, a in judged.items() if a is not None}


def test_the_grid_has_13_logarithmic_steps():
    rates = [Grid(13).rate(n) for n in range(13)]
    assert rates[::2] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
    assert np.allclose(np.diff(np.log10(rates)), 0.5, atol=1e-3)


def test_a_best_rate_inside_the_grid_is_taken_without_more_ado():
    runner = FakeRunner(lambda rate: 97 - abs(math.log10(rate) + 2))
    found = tune(runner, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert found.rate == 1e-2
    assert len(runner.asked) == 1
    assert len(runner.asked[0]) == 26
    assert {t.seed for t in runner.asked[0]} == {FIRST_SEED, FIRST_SEED + 1}
    assert {t.part for t in runner.asked[0]} == {"tune"}
    assert len(found.close) == 5  # half a point lost for each step: one point is two steps to both sides
    assert found.share == 5 / 13
    assert found.decades == 2.5


@pytest.mark.parametrize(("best", "grown"), [(1e-6, 3), (100.0, 3), (1e-20, MOST_EXTRA), (1e20, MOST_EXTRA)])
def test_the_grid_grows_where_the_best_is_at_its_edge(best, grown):
    runner = FakeRunner(lambda rate: 97 - abs(math.log10(rate) - math.log10(best)))
    found = tune(runner, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert len(found.numbers) == 13 + grown
    assert [len(trials) for trials in runner.asked] == [26] + [2] * grown  # only what is new is run
    if grown < MOST_EXTRA:
        assert found.rate == best


@pytest.mark.parametrize("low", [False, True])
def test_a_rate_beyond_the_edge_that_gives_no_result_is_tried_once(low):
    """All its runs raise, so the best stays at the edge, and the rate beyond it stays without an accuracy."""
    edge = 1e-5 if low else 10.0

    def judge(rate):
        return None if (rate < edge if low else rate > edge) else 97 - abs(math.log10(rate) - math.log10(edge))

    runner = FakeRunner(judge)
    found = tune(runner, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert found.rate == edge
    assert found.numbers == list(range(13))
    assert [len(trials) for trials in runner.asked] == [26, 2]
    assert {t.rate for t in runner.asked[1]} == {3.16e-6 if low else 31.6}


def test_a_rate_at_which_only_some_seeds_end_is_judged_by_them():
    runner = FakeRunner(lambda rate: 97 - abs(math.log10(rate) + 2))
    runner.run, whole = (
        lambda trials, title: {
            t: r for t, r in whole(trials, title).items() if not (t.rate == 0.01 and t.seed == FIRST_SEED)
        },
        runner.run,
    )
    found = tune(runner, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert found.rate == 0.01
    assert [len(found.accuracies[n]) for n in found.numbers] == [2] * 6 + [1] + [2] * 6


def test_only_who_is_best_at_its_edge_goes_on_and_the_title_names_it():
    class Two(FakeRunner):
        def run(self, trials, title):
            return {
                t: {**r, "accuracy": 97 - abs(math.log10(t.rate) - (2 if t.optimizer == "sgd" else -2))}
                for t, r in super().run(trials, title).items()
            }

    runner = Two(lambda rate: 50.0)
    found = tune(runner, [entrant("adam"), entrant("sgd")], Trial(""), Grid(13), 1)
    assert (found[entrant("sgd")].rate, found[entrant("adam")].rate) == (100.0, 0.01)
    assert [{t.optimizer for t in trials} for trials in runner.asked] == [{"adam", "sgd"}, {"sgd"}, {"sgd"}, {"sgd"}]
    assert (
        runner.titles
        == ["choosing the learning rates"] + ["rates beyond the grid, where the best is at its edge: SGD"] * 3
    )


def test_runs_that_diverge_are_counted_by_rate():
    found = tune(FakeRunner(lambda rate: 90 if rate < 0.5 else 10.0), [entrant("sgd")], Trial(""), Grid(7), 2)
    assert found[entrant("sgd")].diverged == {n: 0 if n < 5 else 2 for n in found[entrant("sgd")].numbers}


@pytest.mark.parametrize(
    ("accuracies", "start", "beyond"),
    [
        ([97, 90, 90], 0, -1),
        ([90, 90, 97], 0, 3),
        ([90, 97, 90], 0, None),
        ([97, 90], -MOST_EXTRA + 1, -MOST_EXTRA),
        ([97, 90], -MOST_EXTRA, None),
        ([90, 97], 13 + MOST_EXTRA - 3, 13 + MOST_EXTRA - 1),
        ([90, 97], 13 + MOST_EXTRA - 2, None),
    ],
)
def test_the_next_rate_beyond_the_edge(accuracies, start, beyond):
    assert tuned(accuracies, start).beyond == beyond


def test_rates_within_a_point_are_close_the_point_included():
    found = tuned([95.99, 96.0, 97.0, 96.5, 90.0])
    assert found.close == [1, 2, 3]
    assert (found.share, found.decades) == (0.6, 1.5)


def test_a_coarser_grid_covers_the_same_decades():
    assert [Grid(4).rate(n) for n in range(-1, 5)] == [1e-7, 1e-5, 1e-3, 1e-1, 10.0, 1000.0]
    assert Grid(13).step == 0.5
    assert Grid(7).rate(1) == 1e-4
    assert Grid(13).rate(1) == 3.16e-5  # to three digits


def test_of_equal_rates_the_lowest_is_taken():
    assert tuned([96, 97, 97, 90]).best == 1


def test_who_raises_at_every_rate_is_left_out():
    found = tune(
        FakeRunner(lambda rate: 90.0 - rate, failing=("adam",)),
        [entrant("sgd"), entrant("adam")],
        Trial(""),
        Grid(3),
        1,
    )
    assert [one.name for one in found] == ["sgd"]


# What is looked at when.


def test_the_held_out_images_are_not_trained_on_and_the_test_images_are_apart():
    whole, test = network.load("digits", True), network.load("digits", False)
    kept, held_out, once = trial._images(Trial("sgd", data="digits", part="tune"))
    assert once is None
    assert (len(kept), len(held_out)) == (1167, 233)
    np.testing.assert_array_equal(np.concatenate([kept.data, held_out.data]), whole.data)
    np.testing.assert_array_equal(np.concatenate([kept.targets, held_out.targets]), whole.targets)
    assert trial._images(Trial("sgd", data="digits", part="final"))[2] is test
    assert trial._images(Trial("sgd", data="digits"))[:2] == (whole, test)


def test_of_mnist_50000_images_train_and_10000_are_held_out():
    kept, held_out, _ = trial._images(Trial("sgd", part="tune"))
    assert (len(kept), len(held_out)) == (50_000, 10_000)


@pytest.mark.parametrize(("part", "times"), [("tune", 0), ("final", 1)])
def test_the_test_images_are_looked_at_once_and_only_in_the_end(part, times, monkeypatch):
    looked, evaluate = [], network.evaluate
    monkeypatch.setattr(
        network, "evaluate", lambda model, images, *least: looked.append(len(images)) or evaluate(model, images, *least)
    )
    trial.run(Trial("sgd", data="digits", part=part, iterations=20, every=10, watch=5))
    assert looked == [233] * 4 + [397] * times


def test_looking_for_the_target_draws_nothing_and_changes_no_bit():
    plain = trial.run(Trial("sgd", data="digits", iterations=30, every=10))
    watched = trial.run(Trial("sgd", data="digits", iterations=30, every=10, watch=2))
    assert watched["losses"] == plain["losses"]
    assert watched["accuracies"] == plain["accuracies"]
    assert watched["loss"] == plain["loss"]


def by_hand(name, seed, iterations, batch_size=100, every=500):
    """The notebook's loop, as a learner writes it: the losses, and (iteration, loss, accuracy) at each test."""
    minigrad.manual_seed(seed)
    train, test = network.load("digits", True), network.load("digits", False)
    model = network.Net(64, 100, 10)
    optimizer, criterion = entrant(name).make(model.parameters()), minigrad.nn.CrossEntropyLoss()
    losses, figures = [], []
    while len(losses) < iterations:
        for images, targets in DataLoader(train, batch_size, shuffle=True):
            if len(losses) == iterations:
                break
            optimizer.zero_grad()
            loss = criterion(model(images), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) % every == 0 or len(losses) == iterations:
                right = 0
                for tested, classes in DataLoader(test, 100):
                    right += int((model(tested).data.argmax(1) == classes.data).sum())
                figures.append((len(losses), losses[-1], 100 * right / len(test)))
    return losses, figures


def test_a_trial_is_the_notebooks_loop():
    losses, figures = by_hand("momentum", 3, 40, 50, 15)
    mine = trial.run(Trial("momentum", data="digits", seed=3, iterations=40, batch_size=50, every=15, trace=1))
    assert mine["trace"] == losses
    assert mine["losses"] == [loss for _, loss, _ in figures]
    assert mine["accuracies"] == [accuracy for _, _, accuracy in figures]


def test_tests_at_chosen_iterations_draw_nothing():
    often = trial.run(Trial("momentum", data="digits", iterations=40, tests=(0, 3, 14, 15, 40), trace=1))
    rarely = trial.run(Trial("momentum", data="digits", iterations=40, tests=(40,), trace=1))
    assert often["trace"] == rarely["trace"]
    assert often["accuracies"][-1] == rarely["accuracies"][-1] == often["accuracy"]
    assert often["losses"] == [None, *(often["trace"][i - 1] for i in (3, 14, 15, 40))]
    assert all(map(math.isfinite, often["test_losses"]))
    assert often["test_losses"][-1] == often["loss"] < often["test_losses"][0]
    times = often["timing"]["tests"]
    assert times[0] == 0
    assert times == sorted(times)


def test_the_target_is_reached_when_it_is_first_seen(monkeypatch):
    monkeypatch.setattr(trial, "TARGET", 60.0)
    found = trial.run(Trial("adam", rate=0.01, data="digits", iterations=30, every=30, watch=1))
    assert 1 < found["reached"] < 30
    short = trial.run(Trial("adam", rate=0.01, data="digits", iterations=found["reached"], every=30))
    before = trial.run(Trial("adam", rate=0.01, data="digits", iterations=found["reached"] - 1, every=30))
    assert before["accuracy"] < 60 <= short["accuracy"]
    assert 0 < found["timing"]["to_target"] < found["timing"]["seconds"]


def test_a_run_that_diverges_is_counted_and_goes_no_further():
    # A rate without measure: the loss is infinite or nan after some steps.
    found = trial.run(Trial("sgd", rate=1e25, data="digits", iterations=20, every=10))
    assert found["diverged"]
    assert (found["losses"][-1], found["loss"]) == (None, None)
    assert found["accuracy"] < 20
    json.dumps(found, allow_nan=False)
    assert trial.run(Trial("sgd", rate=1e3, data="digits", iterations=20, every=10))["diverged"]
    # One that has learnt nothing is not one that has diverged.
    assert not trial.run(Trial("sgd", rate=1e-9, data="digits", iterations=20, every=10))["diverged"]


@pytest.mark.parametrize(("bias", "dead"), [(100.0, True), (0.0, False)])
def test_a_network_that_takes_every_image_for_the_same_is_dead(bias, dead):
    images = network.load("digits", False)
    model = network.seeded(images, 0)
    model.fc2.bias.data[3] = bias
    found = network.evaluate(model, images)
    assert found.dead is dead
    if dead:
        assert found.accuracy == pytest.approx(100 * (images.targets == 3).mean())
    assert network.evaluate(model, images, least=99.0) == (0.0, pytest.approx(math.nan, nan_ok=True), False)


def test_a_schedule_starts_at_the_rate_and_ends_at_nothing():
    made = trial._optimizer(
        Trial("momentum", rate=0.2, schedule="cosine", iterations=10), network.Net(4, 3, 2).parameters()
    )
    rate = made.param_groups[0]["lr"]
    assert (rate(0), rate(5), rate(10)) == (0.2, pytest.approx(0.1), pytest.approx(0, abs=1e-17))
    assert trial._optimizer(Trial("adam"), network.Net(4, 3, 2).parameters()).lr == 0.001
    assert trial._optimizer(Trial("lookahead", rate=0.5), network.Net(4, 3, 2).parameters()).lr == 0.5


# The plan.


def options(**changes):
    usual = {"track": "tuned", "seeds": 10, "rates": 13, "tuning_seeds": 2, "tuning_iterations": 3000, "fresh": False}
    return Namespace(**usual, iterations=3000, batch_size=100, data="digits", budget=None, **changes)


def test_without_a_budget_nothing_is_cut():
    assert plan.planned(None, [], options()) == (Plan(10, 13, 2, 3000), [])


def test_plans_get_smaller_and_the_first_that_fits_is_taken(monkeypatch, tmp_path):
    full, chosen = Plan(10, 13, 2, 3000), [ENTRANTS["sgd"], ENTRANTS["adam"]]
    asked = options()
    smaller = plan.smaller(full)
    amounts = [plan.iterations_of(one, chosen, asked) for one in smaller]
    assert amounts == sorted(amounts, reverse=True)
    assert len(set(amounts)) == len(amounts)
    assert amounts[-1] < amounts[0] / 10

    asked.budget = 1.0
    monkeypatch.setattr(plan, "_seconds_per_iteration", lambda asked: 60 * 2 / amounts[2])
    with Journal(tmp_path / "trials.sqlite") as journal:
        runner = Namespace(journal=journal, jobs=2)
        fitting, (cut,) = plan.planned(runner, chosen, asked)
        assert fitting == smaller[2] == Plan(10, 7, 2, 1500)
        assert cut == "Cut to fit 1 minutes: --rates 7 instead of 13, --tuning-iterations 1500 instead of 3000."
        # The same command goes on by the same plan, though the machine may be slower now.
        monkeypatch.setattr(plan, "_seconds_per_iteration", lambda asked: 1e9)
        assert plan.planned(runner, chosen, asked)[0] == fitting
        asked.fresh = True  # which is planned anew, and is then the plan without --fresh as well
        assert plan.planned(runner, chosen, asked)[0] == smaller[-1]
        asked.fresh = False
        assert plan.planned(runner, chosen, asked)[0] == smaller[-1]
        monkeypatch.setattr(plan, "_seconds_per_iteration", lambda asked: 120 * 2 / amounts[1])
        asked.budget = 2.0
        assert plan.planned(runner, chosen, asked)[0] == smaller[1]


def test_on_the_notebooks_track_only_seeds_are_cut():
    assert [one.seeds for one in plan.smaller(Plan(10, 13, 2, 3000), tuned=False)] == [10, 5, 3, 2]
    assert plan.smaller(Plan(2, 13, 2, 3000), tuned=False) == [Plan(2, 13, 2, 3000)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--seeds", "1"], "needs at least 2"),
        (["--seeds", "1000001"], "at most 10000"),
        (["--rates", "2"], "at least 3"),
        (["--budget", "0"], "minutes above 0, not '0'"),
        (["--budget", "inf"], "minutes above 0, not 'inf'"),
        (["--budget", "nan"], "minutes above 0, not 'nan'"),
        (["--budget", "soon"], "minutes above 0, not 'soon'"),
        *(
            ([option, value], f"argument {option}: must be a whole number from 1 on, not '{value}'")
            for option in (
                "--seeds",
                "--iterations",
                "--batch-size",
                "--rates",
                "--tuning-seeds",
                "--tuning-iterations",
                "--jobs",
            )
            for value in ("0", "-1", "1.5", "many")
        ),
        (["--track", "other"], "argument --track: invalid choice: 'other'"),
        (["--optimizers", "sdg"], "did you mean sgd"),
        (["--data", "digits", "--batch-size", "1401"], "only 1400 images"),
    ],
)
def test_slips_are_reported_in_a_sentence(arguments, text, tmp_path):
    with pytest.raises(UsageError, match=text):
        seeds.main([*arguments, "--results", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


# The command.


SMALL = [
    "--data",
    "digits",
    "--iterations",
    "20",
    "--seeds",
    "2",
    "--optimizers",
    "sgd,momentum,nesterov,adam",
    "--jobs",
    "1",
]


def test_the_notebooks_track(tmp_path, capsys):
    assert seeds.main([*SMALL, "--results", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    record = json.loads((tmp_path / "seeds-notebook.json").read_text())
    assert {one["name"]: one["rate"] for one in record["optimizers"]} == {
        "sgd": 0.1,
        "momentum": 0.1,
        "nesterov": 0.1,
        "adam": 0.001,
    }
    for one, seed in itertools.product(record["optimizers"], range(2)):
        with threadpool_limits(1, user_api="blas"):
            _, ((_, loss, accuracy),) = by_hand(one["name"], seed, 20)
        run = one["seeds"][seed]
        assert run["accuracy"] == accuracy  # all seeds, on all training images
        assert run["losses"] == [loss]
    assert all(len(one["with_schedule"]) == 2 for one in record["optimizers"] if one["name"] in plan.SCHEDULED)
    assert "What the notebook claims" in text
    assert_png(tmp_path / "seeds-notebook.png", (1800, round(180 * (1.6 + 0.42 * 4))))


def test_the_tuned_track(tmp_path, capsys):
    arguments = [*SMALL, "--track", "tuned", "--rates", "4", "--tuning-seeds", "1", "--optimizers", "sgd,adam,radam"]
    assert seeds.main([*arguments, "--results", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    record = json.loads((tmp_path / "seeds-tuned.json").read_text())
    for one in record["optimizers"]:
        tried = record["rates"][one["name"]]["tried"]
        best = max(tried, key=lambda rate: (sum(rate["accuracies"]), -rate["rate"]))
        assert one["rate"] == best["rate"] == record["rates"][one["name"]]["best"]
        its = replace(Trial(one["name"], rate=one["rate"], data="digits", iterations=20), part="final", seed=1)
        with threadpool_limits(1, user_api="blas"):
            assert one["seeds"][1]["loss"] == trial.run(its)["loss"]
    assert "How much the learning rate matters" in text
    assert {path.name for path in tmp_path.iterdir()} == {
        "trials.sqlite",
        "seeds-tuned.json",
        "seeds-tuned.png",
        "seeds-rates.png",
    }
