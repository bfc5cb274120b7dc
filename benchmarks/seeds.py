"""The notebook's comparison over many seeds: who is really ahead, and who is only ahead by chance.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces. It ran each
optimizer once. Here each runs with many seeds, of which each gives all optimizers the same initial weights and the
same mini-batches. On the track "notebook" they have the notebook's learning rates. On the track "tuned" each has the
rate that is best for it on a sixth of the training images, which is held out (10 000 of 60 000), and the test images
are used only once, at the end.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict

from . import UsageError
from .console import options, report, style
from .ranking import pictures, standings_tables
from .ranking.plan import planned
from .ranking.standings import compete
from .training import network
from .training.optimizers import ENTRANTS, Entrant, entrants, named
from .training.trial import Trial
from .training.trials import runner

CHECKED = 100
"""The accuracy is checked against the target every so many iterations."""

MOST_SEEDS = 10_000
"""More would take days without changing the result. (`benchmarks.ranking.tuning.FIRST_SEED` is above.)"""


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0, or 1 if a training failed."""
    asked = _parser().parse_args(argv)
    chosen = _chosen(asked)
    name = f"seeds-{asked.track}"
    folder = report.results_folder(asked.results, f"{name}.json", f"{name}.png", "seeds-rates.png")
    out = report.console()
    with runner(asked, folder, out) as here:
        plan, cuts = planned(here, chosen, asked)
        for cut in cuts:
            out.print(cut, style="yellow", markup=False, soft_wrap=True)
        base = Trial("", data=asked.data, iterations=asked.iterations, batch_size=asked.batch_size, watch=CHECKED)
        ranking = compete(here, chosen, plan, base, asked.track == "tuned")
    if not ranking.scores:
        return 1
    for table in standings_tables.tables(ranking, base):
        report.show(table, out)
    for line in standings_tables.claims(ranking):
        out.print(line, markup=False, soft_wrap=True)
    done = {
        "benchmark": "seeds",
        "track": asked.track,
        "data": asked.data,
        "iterations": asked.iterations,
        "batch_size": asked.batch_size,
        "plan": asdict(plan),
        "cut": cuts,
        "environment": report.environment(),
    }
    written = [report.write_json(folder / f"{name}.json", done | standings_tables.record(ranking))]
    written.append(style.save(pictures.picture_of_accuracies(ranking, base), folder / f"{name}.png"))
    if ranking.tuned:
        written.append(style.save(pictures.picture_of_rates(ranking), folder / "seeds-rates.png"))
    out.print(f"Figures and pictures: {', '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _parser() -> options.Parser:
    parser = options.Parser(
        "seeds",
        "The notebook's comparison over many seeds, at its learning rates or at each optimizer's best one.",
    )
    parser.add_argument("--track", choices=("notebook", "tuned"), default="notebook", help="(default: notebook)")
    parser.add_argument("--seeds", type=options.positive, default=10, metavar="N", help="(default: %(default)s)")
    names = "names, notebook or all (default: notebook; on its track with what its cell 14 ran)"
    parser.add_argument("--optimizers", metavar="NAME,...", help=names)
    parser.add_own_optimizer()
    parser.add_length(Trial.iterations, Trial.batch_size)
    parser.add_data()
    tuning = parser.add_argument_group("for --track tuned")
    tuning.add_argument("--rates", type=options.up_to(1000), default=13, help="in the grid (default: %(default)s)")
    each = "for each rate (default: %(default)s)"
    tuning.add_argument("--tuning-seeds", type=options.up_to(10_000), default=2, help=each)
    each = "for each rate (default: as --iterations)"
    tuning.add_argument("--tuning-iterations", type=options.up_to(options.ITERATIONS), help=each)
    budget = "cut the comparison so that it takes no longer, and report the cuts (default: cut nothing)"
    parser.add_argument("--budget", type=_minutes, metavar="MINUTES", help=budget)
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
    """The optimizers that take part. Checks the other options as well, before anything is run."""
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
