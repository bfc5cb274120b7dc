"""The notebook's figures on their branches: each of its runs many times, initial weights shifted by one rounding.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces. A float32 has 24
bits. Shifting each initial weight by one unit in the last place, up, down or not at all, changes no more than the
rounding of another machine does. At first the runs agree to seven digits. Then, in one image, the input of a unit lies
so close to 0 that the rounding decides on which side of the ReLU's corner it falls. There the runs part into two
branches, which part again later. So what the notebook printed is one of many possible results. This benchmark runs
many of them, and looks for the notebook's figures among them.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from . import UsageError
from .console import options, report, style
from .ranking import ensembles_tables, pictures
from .ranking.ensembles import SAME, grow
from .training.notebook import CELLS, notebook_runs
from .training.optimizers import Entrant, entrants
from .training.trial import Trial
from .training.trials import runner


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0, or 1 if a training failed."""
    asked = _parser().parse_args(argv)
    chosen = _chosen(asked)
    folder = report.results_folder(asked.results, "replay.json", "replay.png")
    out = report.console()
    with runner(asked, folder, out) as here:
        ensembles = grow(here, chosen, asked)
    if not ensembles:
        return 1
    report.show(ensembles_tables.table_of_figures(ensembles), out)
    report.show(ensembles_tables.table_of_runs(ensembles), out)
    for line in ensembles_tables.conclusions(ensembles):
        out.print(line, markup=False, soft_wrap=True)
    written = [
        report.write_json(folder / "replay.json", ensembles_tables.record(ensembles, asked)),
        style.save(pictures.picture_of_branches(ensembles), folder / "replay.png"),
    ]
    out.print(f"Figures and picture: {' and '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if here.failed else 0


def _parser() -> options.Parser:
    parser = options.Parser(
        "replay",
        "The notebook's figures on their branches: each of its runs in many copies that differ by one rounding.",
    )
    members = "runs in each ensemble (default: %(default)s)"
    parser.add_argument("--members", type=options.up_to(10_000), default=32, help=members)
    widen = "run the ensembles that leave a figure of the notebook's outside with N members"
    parser.add_argument("--widen", type=options.up_to(10_000), metavar="N", help=widen)
    often = "shift the weights again after every N iterations (default: only at the start)"
    parser.add_argument("--often", type=options.positive, default=0, metavar="N", help=often)
    usual = ",".join(name for name in CELLS if name not in SAME)
    parser.add_argument("--optimizers", default=usual, metavar="NAME,...", help="(default: %(default)s)")
    parser.add_argument(
        "--iterations", type=options.up_to(options.ITERATIONS), default=Trial.iterations, help="(default: %(default)s)"
    )
    parser.add_running()
    return parser


def _chosen(asked: Namespace) -> list[Entrant]:
    names = options.split([asked.optimizers])
    if not names:
        raise UsageError("no optimizer is to run: name some with --optimizers")
    strangers = [name for name in names if name not in CELLS]
    if strangers:
        raise UsageError(f"the notebook did not run {strangers[0]}: it ran {', '.join(CELLS)}")
    points = next(iter(notebook_runs().values())).figures
    if asked.iterations < min(points):
        raise UsageError(f"--iterations {asked.iterations}: the notebook's first figure is that of {min(points)}")
    return entrants(dict.fromkeys(SAME.get(name, name) for name in names))
