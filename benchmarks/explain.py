"""What each optimizer's idea does, in pictures with numbers: momentum, look-ahead, warm-up, slow weights, memory.

``python -m benchmarks explain`` writes to ``results/explain``: oscillation in a ravine without and with momentum
(ravine.png, .gif), a local minimum that SGD stays in and momentum leaves (local-minimum.png, .gif), Nesterov's
look-ahead step beside momentum's (look-ahead.png), the gradients of Adam's first iterations on MNIST without and
with a warm-up, and RAdam's (warm-up.png), Lookahead's slow and fast weights (lookahead.png, .gif), what each state
takes in memory (memory.png), and all the numbers (explain.json). Each is a module in `benchmarks.pictures`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from . import UsageError
from .console import options, report
from .pictures.explaining import Explanation, Request
from .training import pool

EXPLANATIONS = {
    "lookahead": "slow_and_fast",
    "warm-up": "warm_up",
    "ravine": "ravine",
    "local-minimum": "local_minimum",
    "look-ahead": "look_ahead",
    "memory": "memory",
}
"""The module in `benchmarks.pictures` that explains something, by its name; the longest first, so that processes that
work side by side are done at about the same time."""


def main(argv: Sequence[str]) -> int:
    """Run it. Returns 0.

    Raises:
        UsageError: something is wrong with what was asked for, or MNIST is not there.
    """
    asked = _parser().parse_args(argv)
    names = asked.names or list(EXPLANATIONS)
    for name in names:
        if name not in EXPLANATIONS:
            raise UsageError(f"nothing is called {name!r}: there are {', '.join(EXPLANATIONS)}")
    folder = report.results_folder(Path(asked.results) / "explain", "explain.json")
    out = report.console()
    told: dict[str, Explanation] = {}
    for number, explanation in pool.in_parallel(
        explain,
        [(name, Request(folder, not asked.stills, asked.seed)) for name in names],
        labels=names,
        steps=[2] * len(names),
        jobs=options.jobs_for(asked.jobs, "numpy"),
        out=out,
    ):
        if isinstance(explanation, pool.Died):
            raise UsageError(f"{names[number]}: {explanation}")
        told[names[number]] = explanation
        out.print(f"[bold]{explanation.title}[/bold]")
        for sentence in explanation.sentences:
            out.print(f"  {sentence}")
        for path in explanation.written:
            out.print(f"  {path}  {path.stat().st_size / 1e3:.0f} kB", markup=False, soft_wrap=True)
    numbers = {name: told[name].numbers for name in names}
    record = {"environment": report.environment() | {"seed": asked.seed}, "explanations": numbers}
    out.print(f"Numbers: {report.write_json(folder / 'explain.json', record)}", markup=False, soft_wrap=True)
    return 0


def _parser() -> options.Parser:
    parser = options.Parser("explain", "What each optimizer's idea does, in pictures with numbers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(EXPLANATIONS)}")
    parser.add_argument("--stills", action="store_true", help="no animations")
    parser.add_seed()
    parser.add_jobs()
    parser.add_results()
    return parser


def explain(task: tuple[str, Request], tick: pool.Tick) -> Explanation:
    """Draw one explanation, in a process of its own."""
    name, asked = task
    tick(1)
    told: Explanation = importlib.import_module(f".pictures.{EXPLANATIONS[name]}", __package__).explain(asked)
    tick(2)
    return told
