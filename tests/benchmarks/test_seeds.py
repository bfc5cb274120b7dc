"""The comparison over seeds: its statistics, how rates are chosen, what is looked at when, and its bits."""

from __future__ import annotations

import io
import itertools
import json
import math
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks import UsageError, compare, net, seeds, standings, trial
from benchmarks.compare import compared, difference, quartiles
from benchmarks.entrants import ENTRANTS, entrant
from benchmarks.journal import Journal
from benchmarks.seeds import Plan
from benchmarks.standings import Outcome, Score
from benchmarks.trial import Trial
from benchmarks.tuning import FIRST_SEED, LONGEST, Grid, Tuned, tune

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
    assert difference([0.2, 0.2, 0.2]) == compare.Difference(0.2, 0.2, 0.2)
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
    outcome = standings.ranked(
        [score("sgd", [95.0, 95.1, 95.2, 95.1]), score("adam", level), score("momentum", best)], {}
    )
    assert [s.entrant.name for s in outcome.scores] == ["momentum", "adam", "sgd"]
    assert outcome.ranks == ["1=", "1=", "3"]
    assert outcome.ahead[0] == outcome.behind[0]
    assert outcome.ahead[1].low > 1


def test_neighbours_that_are_level_do_not_make_the_last_level_with_the_first():
    noise = np.random.default_rng(0).normal(0, 0.2, (4, 10))
    chain = [score(name, 97 - 0.12 * i + noise[i]) for i, name in enumerate(("sgd", "adam", "radam", "ranger"))]
    outcome = standings.ranked(chain, {})
    assert [difference.tie for difference in outcome.ahead] == [True] * 3
    assert not outcome.behind[-1].tie
    assert outcome.ranks[-1] == "4"


def test_the_ranking_is_by_the_median_and_a_diverged_run_is_not_dropped():
    one = score("sgd", [97.0, 97.0, 9.8], loss=None)
    other = score("adam", [96.0, 96.0, 96.0])
    outcome = standings.ranked([other, one], {})
    assert outcome.scores[0] is one
    assert outcome.ahead[0].tie  # ahead by a point in two seeds, behind by 86 in the third
    assert outcome.ahead[0].mean == pytest.approx((1 + 1 - 86.2) / 3)
    assert one.losses == [math.inf] * 3


def text_of(tables):
    from rich.console import Console

    out = Console(width=200, file=io.StringIO())
    for made in tables:
        out.print(made)
    return out.file.getvalue()


def test_never_and_divergence_are_shown():
    runs = (result(97.5, reached=900), result(96.0, reached=None), result(9.8, None, None, diverged=True))
    outcome = Outcome([Score(entrant("sgd"), 0.1, runs)], [], [], {})
    told = text_of(standings.tables(outcome, Trial("", watch=100)))
    row = next(line for line in told.splitlines() if "SGD" in line)
    assert "diverged" in told
    assert "never" in row
    assert "1/3" in row
    assert row.split()[-1] == "1"  # one run diverged
    record = standings.record(outcome)
    assert record["optimizers"][0]["diverged"] == 1
    assert [run["reached"] for run in record["optimizers"][0]["seeds"]] == [900, None, None]


def test_seconds_and_examples_stand_beside_the_iterations():
    outcome = Outcome([score("sgd", [97.5, 97.6], reached=900, seconds=1.25)], [], [], {})
    told = text_of(standings.tables(outcome, Trial("", batch_size=50)))
    row = next(line for line in told.splitlines() if "SGD" in line).split()
    assert row[row.index("900") : row.index("900") + 3] == ["900", "45k", "1.2"]
    record = standings.record(outcome)
    assert "seconds" not in json.dumps(record["optimizers"])
    assert record["timing"]["sgd"][0]["to_target"] == 1.25


def test_every_column_of_the_tables_is_filled():
    narrow = tuned([90, 97, 95, 90])
    both = [score(name, [97.0, 97.5], [97.5, 97.7]) for name in ("momentum", "adam")]
    outcome = standings.ranked(both, {one.entrant: narrow for one in both})
    for made in standings.tables(outcome, Trial("")):
        cells = [list(column.cells) for column in made.columns]
        assert {len(column) for column in cells} == {2}
        assert all(cells[0])


# The claims.


def tuned(accuracies, start=0):
    return Tuned(Grid(13), {start + i: [a] for i, a in enumerate(accuracies)}, dict.fromkeys(range(13), 0))


def test_claims_about_rates_are_borne_out_or_not():
    narrow, wide = tuned([90, 97, 95, 90]), tuned([90, 97, 96.5, 96.2])
    widths = {entrant("adam"): narrow, entrant("radam"): wide, entrant("lookahead"): narrow}
    told = standings.claims(Outcome([], [], [], widths))
    assert "RAdam is less sensitive to the learning rate. Borne out: 1.5 decades" in told[1]
    assert "Lookahead is less sensitive to the learning rate. Not borne out: 0.5 decades" in told[2]
    assert "Not to be told from one rate" in standings.claims(Outcome([], [], [], {}))[1]


def test_claims_about_schedules_are_borne_out_or_not():
    without = [97.0, 97.1, 97.2, 97.3, 97.0]
    better = [a + d for a, d in zip(without, (0.5, 0.6, 0.4, 0.5, 0.6), strict=True)]
    level = [a + d for a, d in zip(without, (0.1, -0.1, 0.1, -0.1, 0.02), strict=True)]
    momentum, nesterov, adam = (
        score(name, without, after) for name, after in (("momentum", better), ("nesterov", level), ("adam", level))
    )
    told = standings.claims(Outcome([momentum, nesterov, adam], [], [], {}))
    assert "Borne out for Momentum: a cosine schedule gains +0.52" in told[3]
    assert "Not borne out for Nesterov" in told[3]
    assert "lazy about the schedule. Borne out" in told[4]
    eager = score("adam", without, better)
    assert "lazy about the schedule. Not borne out" in standings.claims(Outcome([momentum, eager], [], [], {}))[4]


# Choosing the rates.


class FakeFleet:
    """Gives each trial the accuracy that `judge(rate)` says, and keeps what was asked."""

    def __init__(self, judge, failing=()):
        self.judge, self.failing, self.asked = judge, failing, []

    def run(self, trials, title):
        trials = list(trials)
        self.asked.append(trials)
        return {
            t: {"accuracy": self.judge(t.rate), "diverged": False} for t in trials if t.optimizer not in self.failing
        }


def test_the_grid_has_13_logarithmic_steps():
    rates = [Grid(13).rate(n) for n in range(13)]
    assert rates[::2] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
    assert np.allclose(np.diff(np.log10(rates)), 0.5, atol=1e-3)


def test_a_best_rate_inside_the_grid_is_taken_without_more_ado():
    fleet = FakeFleet(lambda rate: 97 - abs(math.log10(rate) + 2))
    found = tune(fleet, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert found.rate == 1e-2
    assert len(fleet.asked) == 1
    assert len(fleet.asked[0]) == 26
    assert {t.seed for t in fleet.asked[0]} == {FIRST_SEED, FIRST_SEED + 1}
    assert {t.part for t in fleet.asked[0]} == {"tune"}
    assert len(found.close) == 5  # half a point lost for each step: one point is two steps to both sides
    assert found.share == 5 / 13
    assert found.decades == 2.5


@pytest.mark.parametrize(("best", "grown"), [(1e-6, 3), (100.0, 3), (1e-20, LONGEST), (1e20, LONGEST)])
def test_the_grid_grows_where_the_best_is_at_its_edge(best, grown):
    fleet = FakeFleet(lambda rate: 97 - abs(math.log10(rate) - math.log10(best)))
    found = tune(fleet, [entrant("sgd")], Trial(""), Grid(13), 2)[entrant("sgd")]
    assert len(found.numbers) == 13 + grown
    assert [len(trials) for trials in fleet.asked] == [26] + [2] * grown  # only what is new is run
    if grown < LONGEST:
        assert found.rate == best


def test_of_equal_rates_the_lowest_is_taken():
    assert tuned([96, 97, 97, 90]).best == 1


def test_who_raises_at_every_rate_is_left_out():
    found = tune(
        FakeFleet(lambda rate: 90.0 - rate, failing=("adam",)), [entrant("sgd"), entrant("adam")], Trial(""), Grid(3), 1
    )
    assert [one.name for one in found] == ["sgd"]


# What is looked at when.


def test_the_held_out_images_are_not_trained_on_and_the_test_images_are_apart():
    whole, test = net.load("digits", True), net.load("digits", False)
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
    looked, measured = [], trial.measured
    monkeypatch.setattr(
        trial, "measured", lambda model, images, least=0.0: looked.append(len(images)) or measured(model, images, least)
    )
    trial.run(Trial("sgd", data="digits", part=part, iterations=20, every=10, watch=5))
    assert looked == [233] * 4 + [397] * times


def test_looking_for_the_target_draws_nothing_and_changes_no_bit():
    plain = trial.run(Trial("sgd", data="digits", iterations=30, every=10))
    watched = trial.run(Trial("sgd", data="digits", iterations=30, every=10, watch=2))
    assert watched["losses"] == plain["losses"]
    assert watched["accuracies"] == plain["accuracies"]
    assert watched["loss"] == plain["loss"]


def test_a_trial_is_the_run_that_the_main_benchmark_does():
    settings = net.Settings("digits", 3, 40, 50, 15)
    its = net.train(entrant("momentum").make, settings)
    mine = trial.run(Trial("momentum", data="digits", seed=3, iterations=40, batch_size=50, every=15, trace=1))
    assert mine["losses"] == [loss for _, loss, _ in its.figures]
    assert mine["accuracies"] == [accuracy for _, _, accuracy in its.figures]
    assert mine["trace"] == its.losses


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


def test_a_schedule_starts_at_the_rate_and_ends_at_nothing():
    made = trial._optimizer(
        Trial("momentum", rate=0.2, schedule="cosine", iterations=10), net.Net(4, 3, 2).parameters()
    )
    rate = made.param_groups[0]["lr"]
    assert (rate(0), rate(5), rate(10)) == (0.2, pytest.approx(0.1), pytest.approx(0, abs=1e-17))
    assert trial._optimizer(Trial("adam"), net.Net(4, 3, 2).parameters()).lr == 0.001
    assert trial._optimizer(Trial("lookahead", rate=0.5), net.Net(4, 3, 2).parameters()).lr == 0.5


# The plan.


def options(**changes):
    usual = {"track": "tuned", "seeds": 10, "rates": 13, "tuning_seeds": 2, "tuning_iterations": 3000}
    return Namespace(**usual, iterations=3000, batch_size=100, data="digits", budget=None, **changes)


def test_without_a_budget_nothing_is_cut():
    assert seeds.planned(None, [], options()) == (Plan(10, 13, 2, 3000), [])


def test_plans_get_smaller_and_the_first_that_fits_is_taken(monkeypatch, tmp_path):
    full, chosen = Plan(10, 13, 2, 3000), [ENTRANTS["sgd"], ENTRANTS["adam"]]
    asked = options()
    amounts = [seeds.work(plan, chosen, asked) for plan in seeds.smaller(full)]
    assert amounts == sorted(amounts, reverse=True)
    assert len(set(amounts)) == len(amounts)
    assert amounts[-1] < amounts[0] / 10

    asked.budget = 1.0
    monkeypatch.setattr(seeds, "_seconds_per_iteration", lambda asked: 60 * 2 / amounts[2])
    with Journal(tmp_path / "trials.jsonl") as journal:
        fleet = Namespace(journal=journal, jobs=2)
        plan, (cut,) = seeds.planned(fleet, chosen, asked)
        assert plan == seeds.smaller(full)[2] == Plan(10, 7, 2, 1500)
        assert cut == "Cut to fit 1 minutes: 7 rates instead of 13, 1500 iterations for each rate instead of 3000."
        # The same command goes on by the same plan, though the machine may be slower now.
        monkeypatch.setattr(seeds, "_seconds_per_iteration", lambda asked: 1e9)
        assert seeds.planned(fleet, chosen, asked)[0] == plan
        asked.budget = 2.0
        assert seeds.planned(fleet, chosen, asked)[0] == seeds.smaller(full)[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "1"], "needs at least 2"),
        (["--seeds", "1000001"], "at most 1000000"),
        (["--rates", "2"], "at least 3"),
        (["--budget", "0"], "minutes above 0"),
        (["--optimizers", "sdg"], "did you mean sgd"),
        (["--data", "digits", "--batch-size", "1401"], "only 1400 images"),
    ],
)
def test_slips_are_told_in_a_sentence(arguments, told, tmp_path):
    with pytest.raises(UsageError, match=told):
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
    told = capsys.readouterr().out
    record = json.loads((tmp_path / "seeds-notebook.json").read_text())
    assert {one["name"]: one["rate"] for one in record["optimizers"]} == {
        "sgd": 0.1,
        "momentum": 0.1,
        "nesterov": 0.1,
        "adam": 0.001,
    }
    for one, seed in itertools.product(record["optimizers"], range(2)):
        with threadpool_limits(1, user_api="blas"):
            its = net.train(entrant(one["name"]).make, net.Settings("digits", seed, 20))
        run = one["seeds"][seed]
        assert run["accuracy"] == its.figures[-1][2]  # all seeds, on all training images
        assert run["losses"] == [its.figures[-1][1]]
    assert all(len(one["with_schedule"]) == 2 for one in record["optimizers"] if one["name"] in standings.SCHEDULED)
    assert "What the notebook says" in told
    assert (tmp_path / "seeds-notebook.png").stat().st_size > 10_000


def test_the_tuned_track(tmp_path, capsys):
    arguments = [*SMALL, "--track", "tuned", "--rates", "4", "--tuning-seeds", "1", "--optimizers", "sgd,adam,radam"]
    assert seeds.main([*arguments, "--results", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    record = json.loads((tmp_path / "seeds-tuned.json").read_text())
    for one in record["optimizers"]:
        tried = record["rates"][one["name"]]["tried"]
        best = max(tried, key=lambda rate: (sum(rate["accuracies"]), -rate["rate"]))
        assert one["rate"] == best["rate"] == record["rates"][one["name"]]["best"]
        its = replace(Trial(one["name"], rate=one["rate"], data="digits", iterations=20), part="final", seed=1)
        with threadpool_limits(1, user_api="blas"):
            assert one["seeds"][1]["loss"] == trial.run(its)["loss"]
    assert "How much the learning rate matters" in told
    assert {path.name for path in tmp_path.iterdir()} == {
        "trials.jsonl",
        "seeds-tuned.json",
        "seeds-tuned.png",
        "seeds-rates.png",
    }
