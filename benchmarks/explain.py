"""What each optimizer's idea does, in pictures with numbers: momentum, Nesterov's step, warm-up, slow weights, memory.

``python -m benchmarks explain`` writes to ``results/explain``: oscillation in a ravine without and with momentum
(ravine.png, .gif), a local minimum that SGD stays in and momentum leaves (local-minimum.png, .gif), Nesterov's step
beside momentum's (nesterov-step.png), the gradients of Adam's first iterations on MNIST without and with a warm-up,
and RAdam's (warm-up.png), Lookahead's slow and fast weights (lookahead.png, .gif), the memory that each optimizer's
state takes (memory.png), and all the numbers (explain.json). Each is a module in `benchmarks.pictures`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from . import UsageError
from .console import options, report
from .pictures.explanation import Explanation, Request
from .training import pool

EXPLANATIONS = {
    "lookahead": "slow_and_fast",
    "warm-up": "warm_up",
    "ravine": "ravine",
    "local-minimum": "local_minimum",
    "nesterov-step": "nesterov_step",
    "memory": "memory",
}
"""The module in `benchmarks.pictures` for each explanation, by its name. Those that take longest come first, so that
processes that work at the same time end at about the same time."""


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0.

    Raises:
        UsageError: something is wrong with what was asked for, or MNIST is not there.
    """
    asked = _parser().parse_args(argv)
    names = asked.names or list(EXPLANATIONS)
    for name in names:
        if name not in EXPLANATIONS:
            raise UsageError(f"there is no explanation {name!r}: there are {', '.join(EXPLANATIONS)}")
    folder = report.results_folder(Path(asked.results) / "explain", "explain.json")
    out = report.console()
    numbers = {}
    for number, explanation in pool.in_parallel(
        draw,
        [(name, Request(folder, not asked.stills, asked.seed)) for name in names],
        labels=names,
        steps=[2] * len(names),
        jobs=options.jobs_for(asked.jobs, "numpy"),
        out=out,
    ):
        if isinstance(explanation, pool.Died):
            raise UsageError(f"{names[number]}: {explanation}")
        numbers[names[number]] = explanation.numbers
        out.print(f"[bold]{explanation.title}[/bold]")
        for sentence in explanation.sentences:
            out.print(f"  {sentence}")
        report.wrote(explanation.written)
        for path in explanation.written:
            out.print(f"  {path}  {path.stat().st_size / 1e3:.0f} kB", markup=False, soft_wrap=True)
    record = {
        "environment": report.environment() | {"seed": asked.seed},
        "explanations": {name: numbers[name] for name in names},
    }
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


def draw(named: tuple[str, Request], tick: pool.Tick) -> Explanation:
    """Draw the explanation with this name."""
    name, request = named
    tick(1)
    drawn: Explanation = importlib.import_module(f".pictures.{EXPLANATIONS[name]}", __package__).draw(request)
    tick(2)
    return drawn
