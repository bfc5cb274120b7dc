"""Is it fast? A training step timed, beside bare matrix products and PyTorch, JAX, autograd, scikit-learn.

The notebook's network (784-100-10, mini-batches of 100, float32, gathered from the training set in memory) is
trained by minigrad with each optimizer, and by every library that is installed. The times are given in
microseconds and in multiples of the floor: the time of the five matrix products of a step, which no one who
multiplies matrices with this BLAS can do without. Beside it: the optimizers' update alone at 10 000 to
100 000 000 parameters; the step against width, depth and batch size; the engine's cost per operation; memory.

Libraries take turns, each in a process of its own, many short rounds each (`benchmarks.timing.workers`). Each must show
that it trains the same: its loss after some steps, from the same weights on the same mini-batches, is minigrad's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UsageError
from .console import report, style
from .console.options import Parser, shown, split, up_to
from .timing import scaling
from .timing.libraries import PEERS
from .timing.steps import Record, draw_step, measure_step, print_step
from .timing.workers import WorkerError, Workplace
from .timing.workload import Rule, Workload

if TYPE_CHECKING:
    from rich.console import Console

    from .training.optimizers import Entrant

PARTS = ("step", "update", "shape", "ops", "memory")
"""What can be measured: --part."""


QUICK = ("sgd", "momentum", "adam")
"""The optimizers of a --quick run."""


def main(argv: Sequence[str]) -> int:
    """Measure what `argv` asks for, print it, write it; 1 if something could not be measured."""
    options = _parser().parse_args(argv)
    _only_numpy(options.backend)
    rules = [rule_of(one) for one in _entrants(options)]
    parts = _known(options.part, PARTS, "part")
    chosen = _known(options.peers, tuple(PEERS), "peer")
    threads = list(dict.fromkeys(_thread(text) for text in split([options.threads])))
    if not threads:
        raise UsageError("--threads takes whole numbers from 1 on, as 1,2, and none is given")
    folder = report.results_folder(options.results, "speed.json", "speed.png", "speed_scaling.png")
    out = report.console()
    rounds, seconds = options.rounds or (3 if options.quick else 20), 0.012 if options.quick else 0.025
    peers = [name for name in PEERS if name in ("floor", "minigrad", *chosen) and not PEERS[name].missing()]
    results: Record = {
        "environment": report.environment()
        | {"blas_threads": threads, "seed": options.seed, "kernels": report.kernels(), "set": report.kernels_chosen()},
        "settings": {"rounds": rounds, "seconds_of_a_round": seconds, "quick": options.quick},
        "not_installed": {name: PEERS[name].install for name in chosen if name not in peers},
    }
    _print_kernels(results["environment"], out)
    with tempfile.TemporaryDirectory(prefix="minigrad-") as scratch:
        work = notebook_workload(options.seed)
        work.save(Path(scratch))
        with Workplace(Path(scratch), rounds, seconds, out) as place:
            results["versions"], results["broken"] = _versions(place, peers, threads[0])
            peers = [name for name in peers if name not in results["broken"]]
            for part in parts:
                if part == "step":
                    results["step"], results["end_to_end"] = measure_step(place, peers, rules, threads, len(work.order))
                    print_step(results, out)
                else:
                    results[part] = scaling.PARTS[part](place, peers, threads, options.quick, out)
    return _finish(results, folder, out)


def _print_kernels(environment: Record, out: Console) -> None:
    """On which processor, and with which kernels, the figures are measured."""
    kernels = f", with its kernels for {environment['kernels']}" if environment["kernels"] else ""
    out.print(f"{environment['device']}; {environment['blas']}{kernels}.", markup=False, soft_wrap=True)
    for name, value in environment["set"].items():
        out.print(
            f"Note: {name}={value} is set in the environment, and may make a library take other kernels than it would "
            "by itself. These are the figures of that setting; unset it to measure the library's own choice.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def _finish(results: Record, folder: Path, out: Console) -> int:
    """Write the figures and the pictures; print what is missing; returns the exit status."""
    written = [report.write_json(folder / "speed.json", results)]
    if results.get("step"):
        written.append(style.save(draw_step(results["step"]), folder / "speed.png"))
    if any(results.get(part) for part in scaling.DRAWN):
        written.append(style.save(scaling.draw(results), folder / "speed_scaling.png"))
    for name, command in results["not_installed"].items():
        label = PEERS[name].ways[""].label
        out.print(f"{label} is not installed, and so is not in these tables: {command}", markup=False, soft_wrap=True)
    errors = [r["error"] for part in (*PARTS, "end_to_end") for r in results.get(part, ()) if r["error"]]
    errors += results["broken"].values()
    for error in dict.fromkeys(errors):
        out.print(f"Could not be measured: {error}", markup=False, soft_wrap=True)
    out.print(f"Written: {', '.join(map(str, written))}", markup=False, soft_wrap=True)
    return 1 if errors else 0


def _parser() -> Parser:
    parser = Parser("speed", "Training steps, timed: minigrad beside the matrix products and other libraries.")
    parser.add_argument("--quick", action="store_true", help="three optimizers, few short rounds: under a minute")
    parser.add_argument("--part", metavar="P,..", help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--peers", metavar="P,..", help=f"some of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--threads", default="1,2", metavar="N,..", help="numbers of threads (default: 1,2)")
    parser.add_argument(
        "--rounds", type=up_to(100_000), metavar="N", help="how often each is timed (default: 20; quick: 3)"
    )
    parser.add_argument("--optimizers", metavar="O,..", help="some of minigrad's (default: all)")
    parser.add_own_optimizer()
    parser.add_seed()
    parser.add_backend()
    parser.add_results()
    return parser


def _entrants(options: Any) -> list[Entrant]:
    from .training.optimizers import ENTRANTS, entrants

    usual = QUICK if options.quick else ENTRANTS
    found = entrants([*(usual if options.optimizers is None else split([options.optimizers])), *options.optimizer])
    if not found:
        raise UsageError("no optimizer is to run: name some with --optimizers or --optimizer")
    return found


def _known(text: str | None, names: Sequence[str], what: str) -> list[str]:
    """The names in `text`, each once, or all if it is None; UsageError if there is none of that name."""
    if text is None:
        return list(names)
    if not (given := list(dict.fromkeys(split([text])))):
        raise UsageError(f"no {what} is named: there are {', '.join(names)}")
    for name in given:
        if name not in names:
            raise UsageError(f"there is no {what} {name!r}: there are {', '.join(names)}")
    return given


def _thread(text: str) -> int:
    if not text.isdecimal() or len(text) > 3 or int(text) < 1:
        raise UsageError(f"--threads takes whole numbers from 1 on, as 1,2, not {shown(text)}")
    return int(text)


def _only_numpy(backend: str) -> None:
    """The workers' arrays are NumPy's; a GPU is refused, with what it lacks if there is none."""
    if backend == "cupy":
        from .training.network import device_for

        device_for("cupy")
        raise UsageError("speed measures NumPy on the CPU; it has no workers for CuPy yet")


def rule_of(one: Entrant) -> Rule:
    """What a peer must know of an optimizer: its name and its hyperparameters."""
    return Rule(one.name, one.spec, one.usual.settings)


def notebook_workload(seed: int) -> Workload:
    """The notebook's work: MNIST, and the weights and the first epoch's mini-batches that belong to `seed`."""
    import minigrad
    from minigrad import random

    from .training import network

    data = network.load("mnist", True)
    minigrad.manual_seed(seed)
    weight1, bias1, weight2, bias2 = (parameter.data for parameter in network.Net.for_data(data).parameters())
    random.default_generator.outputs64(1)  # as a DataLoader does at the start of an epoch
    order = random.default_generator.permutation(len(data)).reshape(-1, 100)
    return Workload(data.data, data.targets, order, [(weight1, bias1), (weight2, bias2)])


def _versions(place: Workplace, peers: Sequence[str], threads: int) -> tuple[dict[str, str], dict[str, str]]:
    """The versions of all modules; and, for libraries that are there but cannot be imported, why."""
    versions, broken = {}, {}
    for peer in peers:
        try:
            versions.update(place.worker(peer, threads).ask("versions"))
        except WorkerError as error:
            broken[peer] = str(error)
    return versions, broken
