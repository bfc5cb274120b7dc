"""The notebook's comparison over many seeds: who is really ahead, and who is only ahead by chance.

Each seed gives all optimizers the same initial weights and the same mini-batches. On the track "notebook" they have
the notebook's learning rates. On the track "tuned" each has the rate that is best for it on 10 000 images held out
of the 60 000, and the test images are looked at once, at the end.
"""

from __future__ import annotations

import itertools
import math
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import UsageError
from .console import options, report, style
from .ranking import standings
from .ranking.standings import SCHEDULED, Ranking, Score
from .ranking.tuning import Grid, Tuned, tune
from .training import network
from .training.optimizers import ENTRANTS, Entrant, entrants, named
from .training.trial import Trial, run
from .training.trials import Result, Runner, runner

WATCH = 100
"""Every so many iterations one looks whether a run has reached `TARGET`."""

MOST_SEEDS = 10_000
"""More would be days of work, and are no closer to the truth. (`benchmarks.ranking.tuning.FIRST_SEED` is above.)"""

GROWTH, WATCHING = 1.1, 1.25
"""What the rates beyond the grid, and the looking, add to the work, for --budget."""


@dataclass(frozen=True)
class Plan:
    """How much is done: seeds, and on the track "tuned" the rates, the seeds for them and how long they are tried."""

    seeds: int
    rates: int
    tuning_seeds: int
    tuning_iterations: int


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0, or 1 if a run failed."""
    asked = _parser().parse_args(argv)
    chosen = _chosen(asked)
    folder = report.results_folder(
        asked.results, *(f"seeds-{asked.track}.{kind}" for kind in ("json", "png")), "seeds-rates.png"
    )
    out = report.console()
    with runner(asked, folder, out) as here:
        plan, cuts = planned(here, chosen, asked)
        for cut in cuts:
            out.print(cut, style="yellow", markup=False, soft_wrap=True)
        base = Trial("", data=asked.data, iterations=asked.iterations, batch_size=asked.batch_size, watch=WATCH)
        ranking = compete(here, chosen, plan, base, asked.track == "tuned")
    if not ranking.scores:
        return 1
    for made in standings.tables(ranking, base):
        report.show(made, out)
    for line in standings.claims(ranking):
        out.print(line, markup=False, soft_wrap=True)
    figures = _described(asked, plan, cuts) | standings.record(ranking)
    written = [report.write_json(folder / f"seeds-{asked.track}.json", figures)]
    written.append(style.save(standings.picture(ranking, base), folder / f"seeds-{asked.track}.png"))
    if ranking.tuned:
        written.append(style.save(standings.picture_of_rates(ranking), folder / "seeds-rates.png"))
    out.print(f"Figures and pictures: {', '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _described(asked: Namespace, plan: Plan, cuts: list[str]) -> dict[str, Any]:
    """What was done, for the result file."""
    return {
        "benchmark": "seeds",
        "track": asked.track,
        "data": asked.data,
        "iterations": asked.iterations,
        "batch_size": asked.batch_size,
        "plan": asdict(plan),
        "cut": cuts,
        "environment": report.environment(),
    }


def _parser() -> options.Parser:
    parser = options.Parser(
        "seeds",
        "The notebook's comparison over many seeds, at its own learning rates or at the best of each optimizer.",
    )
    parser.add_argument("--track", choices=("notebook", "tuned"), default="notebook", help="(default: notebook)")
    parser.add_argument(
        "--seeds", type=options.positive, default=10, help="0 to N - 1 (default: %(default)s)", metavar="N"
    )
    parser.add_argument(
        "--optimizers",
        metavar="NAME,...",
        help="names, notebook or all (default: notebook, on its track with its cell 14)",
    )
    parser.add_own_optimizer()
    parser.add_length(Trial.iterations, Trial.batch_size)
    parser.add_data()
    tuning = parser.add_argument_group("the track 'tuned'")
    tuning.add_argument("--rates", type=options.up_to(1000), default=13, help="of the grid (default: %(default)s)")
    tuning.add_argument(
        "--tuning-seeds", type=options.up_to(10_000), default=2, help="for each rate (default: %(default)s)"
    )
    tuning.add_argument(
        "--tuning-iterations", type=options.up_to(options.ITERATIONS), help="for each rate (default: as --iterations)"
    )
    parser.add_argument(
        "--budget",
        type=_minutes,
        metavar="MINUTES",
        help="do so much less that it takes no longer, and say what was cut (default: cut nothing)",
    )
    parser.add_running()
    return parser


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < math.inf:
        raise ArgumentTypeError(f"must be a number of minutes above 0, not {text!r}")
    return minutes


def _chosen(asked: Namespace) -> list[Entrant]:
    """Who takes part; looks at the other options, too, before anything is run."""
    asked.tuning_iterations = asked.tuning_iterations or asked.iterations
    usual = [*ENTRANTS, "cell14"] if asked.track == "notebook" else list(ENTRANTS)
    chosen = entrants(
        [*(usual if asked.optimizers is None else named(options.split([asked.optimizers]))), *asked.optimizer]
    )
    if not chosen:
        raise UsageError("no optimizer is to run: name some with --optimizers or --optimizer")
    if not 2 <= asked.seeds <= MOST_SEEDS:
        raise UsageError(f"--seeds {asked.seeds}: a comparison needs at least 2, and at most {MOST_SEEDS}")
    if asked.rates < 3:
        raise UsageError(f"--rates {asked.rates}: a grid has at least 3")
    images = len(network.load(asked.data, True, download=asked.download))
    network.load(asked.data, False)
    if asked.batch_size > images // 2:
        raise UsageError(f"--batch-size {asked.batch_size}: {asked.data} has only {images} images to train on")
    return chosen


# How much is done.


def planned(here: Runner, chosen: Sequence[Entrant], asked: Namespace) -> tuple[Plan, list[str]]:
    """What is to be done, and what of it was cut to fit --budget.

    How fast this machine is decides about the cuts, and it is never quite as fast as the time before. So the
    decision is kept in the journal: the same command goes on by the same plan, wherever it was stopped.
    """
    full = Plan(asked.seeds, asked.rates, asked.tuning_seeds, asked.tuning_iterations)
    if asked.budget is None:
        return full, []
    choices = {
        name: value for name, value in vars(asked).items() if name not in ("jobs", "dask", "results", "download")
    }
    key = {"plan": choices, "optimizers": [one.name for one in chosen]}
    kept = here.journal.get(key)
    if kept is None:
        kept = here.journal.add(key, asdict(_fitting(full, chosen, asked, here.jobs)))
    plan = Plan(**kept)
    return plan, _cuts(full, plan, asked)


def _fitting(full: Plan, chosen: Sequence[Entrant], asked: Namespace, jobs: int) -> Plan:
    """The largest plan that fits the budget, or else the smallest there is."""
    speed = jobs / _seconds_per_iteration(asked)
    plans = list(smaller(full)) if asked.track == "tuned" else [replace(full, seeds=n) for n in _fewer(full.seeds)]
    return next((plan for plan in plans if iterations_of(plan, chosen, asked) <= 60 * asked.budget * speed), plans[-1])


def smaller(full: Plan) -> list[Plan]:
    """The plan, and cut after cut: what says the least about the end result goes first."""
    plans = [full]

    def cut(**changes: int) -> None:
        if replace(plans[-1], **changes) != plans[-1]:
            plans.append(replace(plans[-1], **changes))

    cut(tuning_iterations=max(1, full.tuning_iterations // 2))
    cut(rates=max(3, (full.rates + 1) // 2))
    cut(tuning_iterations=max(1, full.tuning_iterations // 4))
    cut(tuning_seeds=1)
    for seeds in _fewer(full.seeds):
        cut(seeds=seeds)
    cut(tuning_iterations=max(1, full.tuning_iterations // 8))
    return plans


def _fewer(seeds: int) -> list[int]:
    return [seeds, *(n for n in (5, 3, 2) if n < seeds)]


def iterations_of(plan: Plan, chosen: Sequence[Entrant], asked: Namespace) -> float:
    """How much a plan is, in iterations."""
    scheduled = sum(one.name in SCHEDULED for one in chosen)
    final = (len(chosen) + scheduled) * plan.seeds * asked.iterations * WATCHING
    tried = len(chosen) * plan.rates * plan.tuning_seeds * plan.tuning_iterations * GROWTH
    return final + (tried if asked.track == "tuned" else 0)


def _seconds_per_iteration(asked: Namespace) -> float:
    """Of Adam, which is neither quick nor slow, on this machine at this moment."""
    from threadpoolctl import threadpool_limits

    trial = Trial("adam", data=asked.data, batch_size=asked.batch_size, iterations=200)
    with threadpool_limits(1, user_api="blas"):
        start = time.perf_counter()
        run(trial)
    return (time.perf_counter() - start) / trial.iterations


def _cuts(full: Plan, plan: Plan, asked: Namespace) -> list[str]:
    names = {
        "seeds": "seeds",
        "rates": "rates",
        "tuning_seeds": "seeds for each rate",
        "tuning_iterations": "iterations for each rate",
    }
    was, now = asdict(full), asdict(plan)
    changed = [f"{now[name]} {words} instead of {was[name]}" for name, words in names.items() if now[name] != was[name]]
    return [f"Cut to fit {asked.budget:g} minutes: {', '.join(changed)}."] if changed else []


# The comparison.


def compete(here: Runner, chosen: Sequence[Entrant], plan: Plan, base: Trial, tuning: bool) -> Ranking:
    """Choose the rates if they are to be chosen, run everyone with every seed, and rank them."""
    tuned: dict[Entrant, Tuned] = {}
    rates: dict[Entrant, float | None] = dict.fromkeys(chosen)
    if tuning:
        tried = replace(base, iterations=plan.tuning_iterations, watch=0)
        tuned = tune(here, chosen, tried, Grid(plan.rates), plan.tuning_seeds)
        rates = {one: its.rate for one, its in tuned.items()}
        base = replace(base, part="final")
    trials: dict[tuple[Entrant, str], list[Trial]] = {}
    for one, rate in rates.items():
        for schedule in ("constant", "cosine") if one.name in SCHEDULED else ("constant",):
            its = replace(base, optimizer=one.spec, rate=rate, schedule=schedule)
            trials[one, schedule] = [replace(its, seed=seed) for seed in range(plan.seeds)]
    # Seed by seed, so that what is stopped has as many of each.
    order = itertools.chain.from_iterable(zip(*trials.values(), strict=True))
    results = here.run(order, f"the comparison over {plan.seeds} seeds")

    def ended(one: Entrant, schedule: str) -> tuple[Result, ...]:
        """The results for all seeds, or none."""
        its = trials.get((one, schedule), [])
        return tuple(results[trial] for trial in its) if all(trial in results for trial in its) else ()

    scores = [
        Score(one, one.usual.lr if rate is None else rate, ended(one, "constant"), ended(one, "cosine"))
        for one, rate in rates.items()
    ]
    return standings.ranked([score for score in scores if score.results], tuned)
