"""Is it fast? A training step timed, beside bare matrix products and PyTorch, JAX, autograd, scikit-learn.

The notebook's network (784-100-10, mini-batches of 100, float32, gathered from the training set in memory) is
trained by minigrad with each optimizer, and by every library that is installed. What they take is told in
microseconds and in multiples of the floor: the time of the five matrix products of a step, which no one who
multiplies matrices with this BLAS can do without. Beside it: the optimizers' update alone at 10 000 to
100 000 000 parameters; the step against width, depth and batch size; the engine's cost per operation; memory.

Libraries take turns, each in a process of its own, many short rounds each (`benchmarks.timing.workers`). Each must show
that it trains the same: its loss after some steps, from the same weights on the same mini-batches, is minigrad's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UsageError
from .console import report, style
from .console.options import Parser, shown, split, up_to
from .timing import scaling
from .timing.libraries import PEERS, Rule, Work
from .timing.workers import Outcome, Task, Timing, WorkerError, Workplace

if TYPE_CHECKING:
    from rich.console import Console

    from .training.optimizers import Entrant

PARTS = ("step", "update", "shape", "ops", "memory")
"""What can be measured: --part."""

QUICK = ("sgd", "momentum", "adam")
"""The optimizers of a --quick run."""

CHECKED = 20
"""The step whose loss is compared."""

TOLERANCE = 2e-3
"""How far, relatively, a loss at step `CHECKED` may be from minigrad's. Rounding alone makes 2e-7 of it for most
rules, and up to 7e-4 for RMSprop and RAdam, which divide by what is nearly 0; another rate makes more."""

BUSY = 0.1
"""If a larger part of the rounds was disturbed (see `benchmarks.timing.workers.QUIET`), the reader is told."""

CUT = 4
"""Pictures of training steps end at so many times minigrad's longest."""

Record = dict[str, Any]


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
        work = notebook(options.seed)
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
    """Write the figures and the pictures; tell what is missing; the exit status."""
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


def notebook(seed: int) -> Work:
    """The notebook's work: MNIST, and the weights and the first epoch's mini-batches that belong to `seed`."""
    import minigrad
    from minigrad import random

    from .training import network

    data = network.load("mnist", True)
    minigrad.manual_seed(seed)
    weight1, bias1, weight2, bias2 = (parameter.data for parameter in network.Net.for_data(data).parameters())
    random.default_generator.outputs64(1)  # as a DataLoader does at the start of an epoch
    order = random.default_generator.permutation(len(data)).reshape(-1, 100)
    return Work(data.data, data.targets, order, [(weight1, bias1), (weight2, bias2)])


def _versions(place: Workplace, peers: Sequence[str], threads: int) -> tuple[dict[str, str], dict[str, str]]:
    """The versions of all modules; and, for libraries that are there but cannot be imported, why."""
    versions, broken = {}, {}
    for peer in peers:
        try:
            versions.update(place.worker(peer, threads).ask("versions"))
        except WorkerError as error:
            broken[peer] = str(error)
    return versions, broken


# The step.


def measure_step(
    place: Workplace, peers: Sequence[str], rules: Sequence[Rule], threads: Sequence[int], epoch: int
) -> tuple[list[Record], list[Record]]:
    """Records of training steps: gathered from memory, and (those with a data loader) from end to end.

    An `epoch` has so many mini-batches.
    """
    outcomes = place.measure(step_tasks(peers, rules, threads, epoch), "training steps")
    records = step_records(outcomes)
    loaders = [r for r in records if PEERS[r["peer"]].ways[r["way"]].own_draws]
    return [r for r in records if r not in loaders], loaders


def step_tasks(peers: Sequence[str], rules: Sequence[Rule], threads: Sequence[int], epoch: int) -> list[Task]:
    """All there is to be timed: for each number of threads, library and way, each optimizer that it has.

    A way that has no optimizer at all (the floor) is timed once.
    """
    tasks = []
    for count in threads:
        for peer in peers:
            for name, way in PEERS[peer].ways.items():
                those = [r for r in rules if way.rules is None or r.name in way.rules] if way.rules != () else rules[:1]
                unit = epoch if way.by_epoch else 1
                for rule in those:
                    arguments = {"rule": asdict(rule)}
                    tasks.append(Task(peer, count, "training", name, arguments, unit, CHECKED, rare=way.by_epoch))
    return tasks


def step_records(outcomes: Sequence[Outcome]) -> list[Record]:
    """A flat record for each outcome.

    `to_floor` is its median over the floor's, `to_minigrad` its median over that of minigrad's same optimizer (as
    end to end, if it is so), both with the same number of threads. `agrees` tells whether the loss at step
    `CHECKED` was minigrad's; None where that cannot be said. Who does not agree gets no ratio to minigrad.
    """
    records = [record(outcome) for outcome in outcomes]
    floors = {r["threads"]: r["median"] for r in records if r["peer"] == "floor"}
    ours = {(r["threads"], r["way"], r["rule"]): r for r in records if r["peer"] == "minigrad"}
    for r in records:
        own_draws = PEERS[r["peer"]].ways[r["way"]].own_draws
        mine = ours.get((r["threads"], "loader" if own_draws else "", r["rule"]), {})
        r["to_floor"] = _over(r["median"], floors.get(r["threads"]))
        compared = r["peer"] != "minigrad" and not own_draws
        r["agrees"] = _agrees(r["loss"], mine.get("loss")) if compared else None
        r["to_minigrad"] = _over(r["median"], mine.get("median")) if r["agrees"] is not False else None
    return records


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _agrees(loss: float | None, ours: float | None) -> bool | None:
    return None if loss is None or ours is None else abs(loss - ours) <= TOLERANCE * abs(ours)


def record(outcome: Outcome) -> Record:
    """An outcome of a training as a flat record; microseconds, and None where there is no figure."""
    task, timing = outcome.task, outcome.timing
    figures = asdict(timing) if timing else dict.fromkeys(Timing.__dataclass_fields__)
    floor = task.peer == "floor"
    return {
        "peer": task.peer,
        "way": task.way,
        "label": PEERS[task.peer].ways[task.way].label,
        "rule": None if floor else task.arguments["rule"]["name"],
        "threads": task.threads,
        **figures,
        "loss": None if floor else outcome.loss,
        "error": outcome.error,
    }


def print_step(results: Record, out: Console) -> None:
    """Tables: microseconds and floors, minigrad's ratio to each peer, page faults, from end to end; then remarks."""
    records = results["step"]
    for threads in dict.fromkeys(r["threads"] for r in records):
        here = [r for r in records if r["threads"] == threads]
        many = f"{threads} thread{'s' * (threads > 1)}"
        floor = next((r for r in here if r["peer"] == "floor"), None)
        caption = (
            f"Medians of {max(r['rounds'] or 0 for r in here)} rounds ({_spread(here)}). "
            f"The floor, the five products alone: {_us(floor and floor['median'])} us."
        )
        _pivot(f"A training step, {many}: microseconds, and in floors", here, _cell, caption, out)
        told = "How many times as long as minigrad"
        _pivot(f"{told}, {many}", [r for r in here if r["peer"] != "minigrad"], _times, "", out)
    one = min(r["threads"] for r in records)
    _pivot("Page faults per step", [r for r in records if r["threads"] == one], _faults, "", out)
    _print_end_to_end(results["end_to_end"], out)
    _print_remarks(records, out)


def _pivot(title: str, records: Sequence[Record], cell: Any, caption: str, out: Console) -> None:
    """A row for each optimizer, a column for each way of training."""
    records = [r for r in records if r["rule"] is not None]
    columns = {(r["peer"], r["way"]): r["label"] for r in records}
    found = {(r["rule"], r["peer"], r["way"]): cell(r) for r in records}
    rows = [
        (rule, *(found.get((rule, *column), "") for column in columns))
        for rule in dict.fromkeys(r["rule"] for r in records)
    ]
    if records:
        scaling.print_table(title, ["optimizer", *columns.values()], rows, out, caption)


def _us(median: float | None) -> str:
    return "-" if median is None else f"{median:.0f}"


def _cell(r: Record) -> str:
    ratio = "" if r["to_floor"] is None else f" {r['to_floor']:5.2f}"
    return _us(r["median"]) + ratio + ("" if r["agrees"] in (True, None) else " !")


def _times(r: Record) -> str:
    if r["agrees"] is False:
        return "!"
    return "-" if r["to_minigrad"] is None else f"{r['to_minigrad']:.2f}"


def _faults(r: Record) -> str:
    return "-" if r["faults"] is None else f"{r['faults']:.1f}"


def _spread(records: Sequence[Record]) -> str:
    """How far the quartiles are apart, for the typical record."""
    spreads = sorted((r["high"] - r["low"]) / r["median"] for r in records if r["median"])
    return f"quartiles typically {100 * spreads[len(spreads) // 2]:.0f} % apart" if spreads else "nothing measured"


def _print_end_to_end(records: Sequence[Record], out: Console) -> None:
    """The loaders: an epoch from the data set's bytes to the last step."""
    rows = []
    for r in records:
        label = f"{r['label']}: {PEERS[r['peer']].ways[r['way']].note}"
        ratios = ("-" if r[name] is None else f"{r[name]:.2f}" for name in ("to_floor", "to_minigrad"))
        rows.append((label, str(r["threads"]), _us(r["median"]), *ratios))
    title = "From end to end, SGD: a data loader that shuffles the images' bytes and scales them"
    if records:
        scaling.print_table(title, ["", "threads", "us per step", "in floors", "times minigrad's"], rows, out)


def _print_remarks(records: Sequence[Record], out: Console) -> None:
    """What each column does; who trained something else; whether the machine was quiet."""
    for peer, way in dict.fromkeys((r["peer"], r["way"]) for r in records):
        out.print(f"{PEERS[peer].ways[way].label}: {PEERS[peer].ways[way].note}.", soft_wrap=True)
    wrong = [r for r in records if r["agrees"] is False]
    for r in wrong:
        out.print(
            f"! {r['label']} trains something else with {r['rule']}: its loss at step {CHECKED} is {r['loss']:.4f}, "
            "and not minigrad's. It is left out of the ratios.",
            soft_wrap=True,
        )
    if not wrong and any(r["agrees"] for r in records):
        out.print(
            f"All of them train the same: their losses at step {CHECKED} are within {TOLERANCE:.1%} of minigrad's."
        )
    rounds, disturbed = (sum(r[name] or 0 for r in records) for name in ("rounds", "disturbed"))
    if disturbed > BUSY * rounds:
        out.print(
            f"The machine was busy: something else disturbed {disturbed / rounds:.0%} of the rounds. They are left out "
            "where enough others remain, but figures for two threads suffer. Repeat this when the machine is quiet.",
            soft_wrap=True,
        )


def draw_step(records: Sequence[Record]) -> Any:
    """Bars in microseconds, grouped by optimizer, whiskers at the quartiles; a panel for each number of threads.

    The axis ends at `CUT` times the longest bar that minigrad has in the first panel: what is longer runs off it,
    with its figure at the edge.
    """
    bars = [r for r in records if r["rule"] is not None and r["median"] is not None and r["agrees"] is not False]
    threads, rules = (list(dict.fromkeys(r[name] for r in bars)) for name in ("threads", "rule"))
    most = max((sum(r["threads"] == n for r in bars) for n in threads), default=0) + len(rules)
    fig, axes = style.figure(1, max(1, len(threads)), height=max(3.5, 1.3 + 0.17 * most), squeeze=False)
    ours = [r["median"] for r in bars if r["peer"] == "minigrad" and r["threads"] == threads[0]]
    end = CUT * max(ours, default=1000)
    seen: dict[str, Any] = {}
    for axis, count in zip(axes[0], threads, strict=False):
        place, ticks = 0, []
        for rule in rules:
            group = [r for r in bars if r["threads"] == count and r["rule"] == rule]
            for r in group:
                drawn = axis.barh(place, r["median"], 0.85, color=scaling.COLORS[r["peer"], r["way"]])
                seen.setdefault(r["label"], drawn)
                axis.plot([r["low"], r["high"]], [place, place], color=style.BLACK, lw=0.8)
                _write_figure(axis, r, place, end)
                place += 1
            ticks.append(place - (len(group) + 1) / 2)
            place += 1
        for r in records:
            if r["peer"] == "floor" and r["threads"] == count and r["median"]:
                line = axis.axvline(r["median"], color=style.BLACK, lw=1, ls="--")
                seen.setdefault("the five products alone", line)
        title = f"{count} thread{'s' * (count > 1)}"
        axis.set(title=title, xlabel="microseconds per training step", yticks=ticks, xlim=(0, end))
        axis.set_yticklabels(rules)
        axis.set_axisbelow(True)
        axis.grid(axis="y", visible=False)
        axis.invert_yaxis()
    fig.legend(list(seen.values()), list(seen), loc="outside upper center", ncols=4)
    return fig


def _write_figure(axis: Any, r: Record, place: int, end: float) -> None:
    """The figure behind the bar and its whisker; or, where there is no room for it, in the bar."""
    if r["high"] > 0.85 * end:
        where = {"x": min(r["low"], end) - 0.01 * end, "ha": "right", "color": "white"}
    else:
        where = {"x": r["high"] + 0.01 * end}
    axis.text(y=place, s=f"{r['median']:,.0f}", va="center", fontsize=6, clip_on=True, **where)
