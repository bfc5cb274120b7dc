"""How much a comparison over seeds trains, and what is cut so that it takes no longer than --budget."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from ..training.optimizers import Entrant
from ..training.trial import Trial, run
from ..training.trials import Runner

SCHEDULED = ("momentum", "nesterov", "adam")
"""The entrants that run with a cosine schedule as well, to see which of them need one."""

EXTRA_RATES, EXTRA_TESTS = 1.1, 1.25
"""The factors by which rates beyond the grid, and checking for the target accuracy, make the work longer."""


@dataclass(frozen=True)
class Plan:
    """How many seeds there are, and on the track "tuned" how many rates, and the seeds and iterations for each."""

    seeds: int
    rates: int
    tuning_seeds: int
    tuning_iterations: int


def planned(here: Runner, chosen: Sequence[Entrant], asked: Namespace) -> tuple[Plan, list[str]]:
    """What is to be done, and sentences on what was cut to fit --budget.

    What is cut depends on how fast the machine is, which varies a little from one measurement to the next. So the
    plan is kept in the journal, and the same command goes on by the same plan after it was stopped.
    """
    full = Plan(asked.seeds, asked.rates, asked.tuning_seeds, asked.tuning_iterations)
    if asked.budget is None:
        return full, []
    how = ("jobs", "dask", "results", "download", "fresh")  # these options do not change what is to be done
    choices = {name: value for name, value in vars(asked).items() if name not in how}
    key = {"plan": choices, "optimizers": [entrant.name for entrant in chosen]}
    kept = None if asked.fresh else here.journal.get(key)
    plan = Plan(**(kept or here.journal.add(key, asdict(_fitting(full, chosen, asked, here.jobs)))))
    was, now = asdict(full), asdict(plan)
    cuts = [f"--{part.replace('_', '-')} {now[part]} instead of {was[part]}" for part in was if now[part] != was[part]]
    return plan, [f"Cut to fit {asked.budget:g} minutes: {', '.join(cuts)}."] if cuts else []


def _fitting(full: Plan, chosen: Sequence[Entrant], asked: Namespace, jobs: int) -> Plan:
    """The largest plan that fits the budget, or the smallest there is."""
    most = 60 * asked.budget * jobs / _seconds_per_iteration(asked)
    plans = smaller(full, asked.track == "tuned")
    return next((plan for plan in plans if iterations_of(plan, chosen, asked) <= most), plans[-1])


def smaller(full: Plan, tuned: bool = True) -> list[Plan]:
    """The plan, then smaller and smaller ones: what matters the least for the final result is cut first."""
    cuts = [{"seeds": seeds} for seeds in (5, 3, 2) if seeds < full.seeds]
    if tuned:
        cuts = [
            {"tuning_iterations": max(1, full.tuning_iterations // 2)},
            {"rates": max(3, (full.rates + 1) // 2)},
            {"tuning_iterations": max(1, full.tuning_iterations // 4)},
            {"tuning_seeds": 1},
            *cuts,
            {"tuning_iterations": max(1, full.tuning_iterations // 8)},
        ]
    plans = [full]
    for cut in cuts:
        plans.append(replace(plans[-1], **cut))
    return list(dict.fromkeys(plans))  # each once: where nothing was left to cut, a plan is the one before


def iterations_of(plan: Plan, chosen: Sequence[Entrant], asked: Namespace) -> float:
    """The size of a plan, in iterations."""
    scheduled = sum(entrant.name in SCHEDULED for entrant in chosen)
    comparison = (len(chosen) + scheduled) * plan.seeds * asked.iterations * EXTRA_TESTS
    tuning = len(chosen) * plan.rates * plan.tuning_seeds * plan.tuning_iterations * EXTRA_RATES
    return comparison + (tuning if asked.track == "tuned" else 0)


def _seconds_per_iteration(asked: Namespace) -> float:
    """Measured on this machine now, with Adam, which is neither fast nor slow."""
    from threadpoolctl import threadpool_limits

    trial = Trial("adam", data=asked.data, batch_size=asked.batch_size, iterations=200)
    with threadpool_limits(1, user_api="blas"):
        start = time.perf_counter()
        run(trial)
    return (time.perf_counter() - start) / trial.iterations
