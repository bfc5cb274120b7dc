"""The parts of `benchmarks.speed` that ask how the cost grows: update, shape, operations, memory.

Each is a function (workplace, peers, numbers of threads, quick, console) that measures, prints a table and returns
flat records, one for each figure, for the JSON file; `draw` makes one picture of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import report, style
from .libraries import PEERS
from .library import CHAINS, LINKS, ON_TENSORS
from .rounds import Measured, Measurement, Sample
from .workers import WorkerError, Workplace
from .workload import Rule

if TYPE_CHECKING:
    from rich.console import Console

Record = dict[str, Any]

SGD = Rule("sgd", "sgd", {"lr": 1e-4})
ADAM = Rule("adam", "adam", {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-8})

TRAFFIC = {"sgd": 12, "adam": 28}
"""Bytes that an update must move per float32 parameter: theta and g and the state are read, theta and the state are
written. SGD reads theta, g and writes theta; Adam reads theta, g, m, v and writes theta, m, v. What caches do besides
(reading a line before it is written) is not counted; a copy is counted as 8."""

LABELS = {"sgd": "SGD", "adam": "Adam"}

NEEDED = 80
"""Bytes of memory per parameter that the largest update takes, over all processes."""

WIDTHS = (10, 32, 100, 316, 1000, 3162)
DEPTHS = (1, 2, 5, 10, 20, 50, 100)
BATCHES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 60_000)

FLAT = 1.1
"""Costs per example have stopped falling where they are within that factor of the least."""

COLORS = {
    ("floor", ""): style.BLACK,
    ("minigrad", ""): style.BLUE,
    ("minigrad-numpy", ""): "#003F66",
    ("torch", ""): style.VERMILLION,
    ("torch", "fused"): style.ORANGE,
    ("jax", ""): style.GREEN,
    ("jax", "epoch"): style.SKY,
    ("autograd", ""): style.PURPLE,
    ("sklearn", ""): style.GREY,
}
"""Each library's colour, in these pictures and in those of `benchmarks.speed`."""


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], out: Console, caption: str = "", text: int = 1
) -> None:
    """A table whose title and caption may be longer than its lines; its first `text` columns are to the left."""
    made = report.table("", columns, text=text)
    for row in rows:
        made.add_row(*row)
    out.print(title, style="italic", soft_wrap=True)
    report.show(made, out)
    if caption:
        out.print(caption, style="dim", soft_wrap=True)
    out.print()


def _here(peers: Sequence[str], *wanted: str) -> list[str]:
    return [name for name in wanted if name in peers]


def _figures(outcome: Measured) -> Record:
    """What all records begin with."""
    task, timing = outcome.task, outcome.timing
    figures = {"microseconds": None, "low": None, "high": None} | (
        {"microseconds": timing.median, "low": timing.low, "high": timing.high} if timing else {}
    )
    return {"peer": task.peer, "way": task.way, "threads": task.threads, **figures, "error": outcome.error}


# The update alone.


def update(place: Workplace, peers: Sequence[str], threads: Sequence[int], quick: bool, out: Console) -> list[Record]:
    """SGD's and Adam's step without a network, from 10 000 parameters to 100 000 000 (quick: 1 000 000)."""
    records = []
    for size in [10**n for n in range(4, 7 if quick else 9)]:
        if not _fits(size):
            out.print(f"An update of {size:,} parameters is left out: it takes {NEEDED * size / 1e9:.0f} GB of memory.")
            continue
        for rule in (SGD, ADAM):
            for count in threads:  # one after the other: together they may not fit into memory
                tasks = update_tasks(peers, rule, count, size)
                rounds = place.rounds if size < 10**7 else max(3, place.rounds // 4)
                outcomes = place.measure(tasks, f"updates of {size:,} parameters", rounds)
                records += [update_record(outcome) for outcome in outcomes]
    print_update(records, out)
    return records


def update_tasks(peers: Sequence[str], rule: Rule, threads: int, size: int) -> list[Measurement]:
    """A copy, minigrad's update, PyTorch's and PyTorch's fused."""
    arguments = {"rule": asdict(rule), "size": size}
    return [
        Measurement(peer, threads, "update", way, arguments)
        for peer in _here(peers, "floor", "minigrad", "minigrad-numpy", "torch")
        for way in (("", "fused") if peer == "torch" else ("",))
    ]


def update_record(outcome: Measured) -> Record:
    """Microseconds, and from them GB/s: 1e9 bytes of `TRAFFIC` in a second."""
    size, rule = outcome.task.arguments["size"], outcome.task.arguments["rule"]["name"]
    traffic = 8 if outcome.task.peer == "floor" else TRAFFIC[rule]
    made = _figures(outcome)
    rate = traffic * size / made["microseconds"] / 1e3 if made["microseconds"] else None
    return {**made, "rule": rule, "size": size, "bytes_per_parameter": traffic, "gigabytes_per_second": rate}


def _fits(size: int) -> bool:
    """Whether there is memory for an update of that size; yes if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    return free is None or NEEDED * size < free


def print_update(records: Sequence[Record], out: Console) -> None:
    """Milliseconds and GB/s."""
    columns = dict.fromkeys((r["peer"], r["way"]) for r in records)
    labels = ["copy" if peer == "floor" else PEERS[peer].ways[way].label for peer, way in columns]
    found = {(r["rule"], r["threads"], r["size"], r["peer"], r["way"]): r for r in records}
    keys = dict.fromkeys((r["rule"], r["threads"], r["size"]) for r in records)
    rows = [
        (rule, str(threads), f"{size:,}", *(_ms_and_rate(found.get((rule, threads, size, *c))) for c in columns))
        for rule, threads, size in sorted(keys, key=lambda key: (key[0] != "sgd", *key[1:]))
    ]
    caption = (
        f"Bytes counted per parameter: for SGD {TRAFFIC['sgd']} (theta, g read, theta written), for Adam "
        f"{TRAFFIC['adam']} (theta, g, m, v read, theta, m, v written), for a copy 8."
    )
    title = "The update alone: milliseconds, and GB/s"
    print_table(title, ["optimizer", "threads", "parameters", *labels], rows, out, caption)


def _ms_and_rate(r: Record | None) -> str:
    if r is None or r["microseconds"] is None:
        return "-"
    return f"{r['microseconds'] / 1e3:.3f} {r['gigabytes_per_second']:6.1f}"


# The step against the network's shape.


def shape(place: Workplace, peers: Sequence[str], threads: Sequence[int], quick: bool, out: Console) -> list[Record]:
    """SGD's training step against width, depth and batch size, beside the products alone and PyTorch."""
    tasks = shape_tasks(peers, min(threads), quick)
    outcomes = place.measure(tasks, "steps of other shapes", max(3, place.rounds // 3))
    records = [shape_record(outcome) for outcome in outcomes]
    print_shape(records, out)
    return records


def shape_tasks(peers: Sequence[str], threads: int, quick: bool) -> list[Measurement]:
    """The notebook's network with one thing changed at a time."""
    skip = 2 if quick else 1
    shapes = [
        *(((width,), 100) for width in WIDTHS[::skip]),
        *(((100,) * depth, 100) for depth in DEPTHS[::skip]),
        *(((100,), batch) for batch in BATCHES[::skip] if not quick or batch <= 10_000),
    ]
    return [
        Measurement(peer, threads, "training", "", {"rule": asdict(SGD), "hidden": hidden, "batch": batch})
        for peer in _here(peers, "floor", "minigrad", "torch")
        for hidden, batch in dict.fromkeys(shapes)  # the notebook's own is in all three
    ]


def shape_record(outcome: Measured) -> Record:
    """With its width, depth and batch size, and the microseconds per example."""
    hidden, batch = outcome.task.arguments["hidden"], outcome.task.arguments["batch"]
    made = _figures(outcome)
    each = made["microseconds"] / batch if made["microseconds"] else None
    return {**made, "width": hidden[0], "depth": len(hidden), "batch": batch, "microseconds_per_example": each}


AXES = {"width": "hidden units", "depth": "hidden layers of 100", "batch": "examples in a mini-batch"}


def along(records: Sequence[Record], axis: str, peer: str) -> list[Record]:
    """One library's records along an axis, in order: those that have the notebook's values of the two others."""
    usual = {"width": 100, "depth": 1, "batch": 100}
    others = [name for name in usual if name != axis]
    mine = [r for r in records if r["peer"] == peer and all(r[name] == usual[name] for name in others)]
    return sorted(mine, key=lambda r: r[axis])


def stops_falling(records: Sequence[Record]) -> int | None:
    """The smallest batch whose cost per example is within `FLAT` of the least."""
    costs = [(r["batch"], r["microseconds_per_example"]) for r in records if r["microseconds_per_example"]]
    least = min((cost for _, cost in costs), default=0)
    return next((batch for batch, cost in sorted(costs) if cost <= FLAT * least), None)


def print_shape(records: Sequence[Record], out: Console) -> None:
    """A table for each axis."""
    peers = list(dict.fromkeys(r["peer"] for r in records))
    labels = ["products alone" if peer == "floor" else PEERS[peer].ways[""].label for peer in peers]
    for axis, label in AXES.items():
        unit = "microseconds per example" if axis == "batch" else "microseconds"
        flat = stops_falling(along(records, "batch", "minigrad")) if axis == "batch" else None
        columns = {peer: {r[axis]: r for r in along(records, axis, peer)} for peer in peers}
        rows = [
            (f"{value:,}", *(_shape_cell(columns[peer].get(value), axis) for peer in peers))
            for value in sorted({value for column in columns.values() for value in column})
        ]
        caption = f"minigrad's cost per example stops falling (within {FLAT - 1:.0%}) at {flat:,}." if flat else ""
        print_table(f"A step of SGD against the number of {label}: {unit}", [label, *labels], rows, out, caption)


def _shape_cell(r: Record | None, axis: str) -> str:
    figure = None if r is None else r["microseconds_per_example" if axis == "batch" else "microseconds"]
    return "-" if figure is None else f"{figure:.2f}" if axis == "batch" else f"{figure:.0f}"


# Single operations.


def operations(
    place: Workplace, peers: Sequence[str], threads: Sequence[int], quick: bool, out: Console
) -> list[Record]:
    """The engine's cost per operation, on arrays so tiny that the arithmetic is nothing."""
    outcomes = place.measure(operation_tasks(peers, min(threads)), "single operations", max(3, place.rounds // 3))
    records = [_figures(outcome) | {"operation": outcome.task.arguments["name"]} for outcome in outcomes]
    print_operations(records, out)
    return records


def operation_tasks(peers: Sequence[str], threads: int) -> list[Measurement]:
    """NumPy alone, minigrad and PyTorch: each operation recorded, unrecorded, and with the way back."""
    return [
        Measurement(peer, threads, "operations", way, {"name": name}, unit=LINKS, first=LINKS)
        for peer in _here(peers, "floor", "minigrad", "torch")
        for way in (("",) if peer == "floor" else CHAINS)
        for name in ON_TENSORS
    ]


HEADINGS = {"": "recorded", "unrecorded": "no_grad", "backward": "and back"}


def print_operations(records: Sequence[Record], out: Console) -> None:
    """A row for each operation."""
    columns = dict.fromkeys((r["peer"], r["way"]) for r in records)
    labels = ["NumPy" if p == "floor" else f"{PEERS[p].ways[''].label}, {HEADINGS[way]}" for p, way in columns]
    found = {(r["operation"], r["peer"], r["way"]): r["microseconds"] for r in records}
    rows = [
        (name, *(_two_digits(found.get((name, *column))) for column in columns))
        for name in dict.fromkeys(r["operation"] for r in records)
    ]
    caption = f"In chains of {LINKS}: recorded on the tape; under no_grad; recorded, and backward() through them."
    print_table("Microseconds for an operation on a 4x4 array", ["operation", *labels], rows, out, caption)


def _two_digits(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"


# Memory.


def memory(place: Workplace, peers: Sequence[str], threads: Sequence[int], quick: bool, out: Console) -> list[Record]:
    """minigrad's memory over 10 000 steps (quick: 1000) of SGD and of Adam, each in a fresh process."""
    records = [measure_memory(place, rule, min(threads), 1000 if quick else 10_000) for rule in (SGD, ADAM)]
    print_memory(records, out)
    return records


def measure_memory(place: Workplace, rule: Rule, threads: int, steps: int, settle: int = 3000) -> Record:
    """Memory and page faults of `steps` steps, after `settle` others.

    Until then Python's store of freed tuples fills up: CPython keeps 2000 of each length, to use them again.
    """
    made: Record = {"peer": "minigrad", "rule": rule.name, "threads": threads, "steps": steps, "error": None}
    try:
        with Workplace(place.folder, 1, place.seconds) as fresh:
            worker = fresh.worker("minigrad", threads)
            worker.ask("prepare", key=0, what="training", rule=asdict(rule))
            worker.ask("repeat", key=0, count=settle)
            worker.ask("memory")  # what asking takes is there from now on
            before = worker.ask("memory")
            sample = Sample(*worker.ask("repeat", key=0, count=steps))
            after = worker.ask("memory")
    except WorkerError as error:
        return {**made, "peak": None, "growth": None, "blocks": None, "faults_per_step": None, "error": str(error)}
    known = after["resident"] is not None
    return {
        **made,
        "peak": after["peak"],
        "growth": after["resident"] - before["resident"] if known else None,
        "blocks": after["blocks"] - before["blocks"],
        "faults_per_step": sample.faults / sample.count,
    }


def print_memory(records: Sequence[Record], out: Console) -> None:
    """In MB and KB."""
    columns = ["optimizer", "steps", "peak, MB", "growth, KB", "growth, Python's blocks", "page faults per step"]
    rows = [
        (
            r["rule"],
            f"{r['steps']:,}",
            "-" if r["peak"] is None else f"{r['peak'] / 1e6:.0f}",
            "-" if r["growth"] is None else f"{r['growth'] / 1e3:.0f}",
            "-" if r["blocks"] is None else f"{r['blocks']}",
            _two_digits(r["faults_per_step"]),
        )
        for r in records
    ]
    caption = "The peak has the training set in it: 188 MB of float32, and the 47 MB of bytes they were made from."
    print_table("minigrad's memory", columns, rows, out, caption)


PARTS: Mapping[str, Callable[[Workplace, Sequence[str], Sequence[int], bool, Any], list[Record]]] = {
    "update": update,
    "shape": shape,
    "ops": operations,
    "memory": memory,
}
"""What measures each part, by the name that the command line has for it."""

DRAWN = ("update", "shape", "ops")
"""The parts that are in the picture."""


def draw(results: Mapping[str, Any]) -> Any:
    """One picture: Adam's update in GB/s, the operations, and the step along the three axes of shape."""
    fig, axes = style.figure(2, 3, height=8.0)
    _draw_update(axes[0][0], "adam", results.get("update", ()))
    _draw_update(axes[0][1], "sgd", results.get("update", ()))
    _draw_operations(axes[0][2], results.get("ops", ()))
    for axis, (name, label) in zip(axes[1], AXES.items(), strict=True):
        _draw_shape(axis, name, label, results.get("shape", ()))
    return fig


def _draw_update(axis: Any, rule: str, records: Sequence[Record]) -> None:
    """GB/s against size, a line for each library; dashed for more than the least number of threads."""
    mine = [r for r in records if r["rule"] == rule and r["gigabytes_per_second"]]
    counts = sorted({r["threads"] for r in mine})
    for threads in counts:
        for peer, way in dict.fromkeys((r["peer"], r["way"]) for r in mine):
            line = [r for r in mine if (r["peer"], r["way"], r["threads"]) == (peer, way, threads)]
            line.sort(key=lambda r: r["size"])
            label = "a copy" if peer == "floor" else PEERS[peer].ways[way].label
            axis.plot(
                [r["size"] for r in line],
                [r["gigabytes_per_second"] for r in line],
                color=COLORS[peer, way],
                ls="-" if threads == counts[0] else "--",
                marker=".",
                label=label if threads == counts[0] else None,
            )
    more = f" (dashed: {', '.join(map(str, counts[1:]))} threads)" if counts[1:] else ""
    axis.set(title=f"{LABELS[rule]}'s update alone", ylabel="GB/s", xscale="log", yscale="log")
    axis.set_xlabel(f"parameters{more}")
    if mine:
        axis.legend(fontsize=8)


def _draw_operations(axis: Any, records: Sequence[Record]) -> None:
    shown = [("floor", "", "NumPy", style.BLACK), ("minigrad", "", "minigrad, recorded", style.SKY)]
    shown += [("minigrad", "backward", "minigrad, and back", style.BLUE)]
    shown += [("torch", "backward", "PyTorch, and back", style.VERMILLION)]
    names = list(dict.fromkeys(r["operation"] for r in records))
    present = [s for s in shown if any((r["peer"], r["way"]) == s[:2] for r in records)]
    height = 0.8 / max(1, len(present))
    for i, (peer, way, label, color) in enumerate(present):
        times = {r["operation"]: r["microseconds"] or 0 for r in records if (r["peer"], r["way"]) == (peer, way)}
        places = [k + (i - (len(present) - 1) / 2) * height for k in range(len(names))]
        axis.barh(places, [times.get(name, 0) for name in names], height, color=color, label=label)
    axis.set(title="An operation on a 4x4 array", xlabel="microseconds", yticks=range(len(names)))
    axis.set_yticklabels(names)
    axis.set_axisbelow(True)
    axis.grid(axis="y", visible=False)
    axis.invert_yaxis()
    if present:
        axis.legend(fontsize=7)


def _draw_shape(axis: Any, name: str, label: str, records: Sequence[Record]) -> None:
    figure = "microseconds_per_example" if name == "batch" else "microseconds"
    for peer in dict.fromkeys(r["peer"] for r in records):
        line = [r for r in along(records, name, peer) if r[figure]]
        text = "products alone" if peer == "floor" else PEERS[peer].ways[""].label
        axis.plot([r[name] for r in line], [r[figure] for r in line], ".-", color=COLORS[peer, ""], label=text)
    flat = stops_falling(along(records, "batch", "minigrad")) if name == "batch" else None
    if flat:
        axis.axvline(flat, color=style.GREY, lw=1, ls=":", label=f"stops falling at {flat:,}")
    axis.set(title=f"A step against {name}", xlabel=label, ylabel=figure.replace("_", " "), xscale="log", yscale="log")
    if records:
        axis.legend(fontsize=8)
