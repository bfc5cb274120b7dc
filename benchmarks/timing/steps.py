"""Training steps timed: what is measured, the records, tables and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..console import style
from . import scaling
from .libraries import PEERS
from .rounds import Measured, Measurement, Timing
from .workers import Workplace
from .workload import Rule

if TYPE_CHECKING:
    from rich.console import Console


CHECKED = 20
"""The step whose loss is compared."""


TOLERANCE = 2e-3
"""How far, relatively, a loss at step `CHECKED` may be from minigrad's. Rounding alone makes 2e-7 of it for most
rules, and up to 7e-4 for RMSprop and RAdam, which divide by what is nearly 0; another rate makes more."""


BUSY = 0.1
"""If a larger part of the rounds was disturbed (see `benchmarks.timing.workers.QUIET`), a remark says so."""


CUT = 4
"""Pictures of training steps end at so many times minigrad's longest."""


Record = dict[str, Any]


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


def step_tasks(peers: Sequence[str], rules: Sequence[Rule], threads: Sequence[int], epoch: int) -> list[Measurement]:
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
                    tasks.append(
                        Measurement(peer, count, "training", name, arguments, unit, CHECKED, rare=way.by_epoch)
                    )
    return tasks


def step_records(outcomes: Sequence[Measured]) -> list[Record]:
    """A flat record for each outcome.

    `to_floor` is its median over the floor's, `to_minigrad` its median over that of minigrad's same optimizer (as
    end to end, if it is so), both with the same number of threads. `agrees` says whether the loss at step
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


def record(outcome: Measured) -> Record:
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
        _pivot(
            f"How many times as long as minigrad, {many}", [r for r in here if r["peer"] != "minigrad"], _times, "", out
        )
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

    The axis ends at `CUT` times the longest bar that minigrad has in the first panel. A bar that is longer is cut off
    there: a gap near its end and its figure say so.
    """
    bars = [r for r in records if r["rule"] is not None and r["median"] is not None and r["agrees"] is not False]
    threads, rules = (list(dict.fromkeys(r[name] for r in bars)) for name in ("threads", "rule"))
    most = max((sum(r["threads"] == n for r in bars) for n in threads), default=0) + len(rules)
    fig, axes = style.figure(1, max(1, len(threads)), height=max(3.5, 1.6 + 0.2 * most), squeeze=False)
    ours = [r["median"] for r in bars if r["peer"] == "minigrad" and r["threads"] == threads[0]]
    end = CUT * max(ours, default=1000)
    seen: dict[str, Any] = {}
    for axis, count in zip(axes[0], threads, strict=False):
        place, ticks = 0, []
        for rule in rules:
            group = [r for r in bars if r["threads"] == count and r["rule"] == rule]
            for r in group:
                drawn = axis.barh(place, min(r["median"], end), 0.85, color=scaling.COLORS[r["peer"], r["way"]])
                seen.setdefault(r["label"], drawn)
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
        axis.set_yticklabels([label_of(rule) for rule in rules])
        axis.set_axisbelow(True)
        axis.grid(axis="y", visible=False)
        axis.invert_yaxis()
    cut = any(r["median"] > end for r in bars)
    note = f"Bars that are cut off go on to their figure. The axis ends at {CUT} times minigrad's longest."
    fig.suptitle("One training step: how long it takes" + (f"\n{note}" if cut else ""), x=0.005, ha="left", fontsize=11)
    fig.legend(list(seen.values()), list(seen), loc="outside lower center", ncols=4)
    return fig


def label_of(rule: str) -> str:
    """What pictures call an optimizer; a user's own has its name."""
    from ..training.optimizers import KNOWN

    return KNOWN[rule].label if rule in KNOWN else rule


def _write_figure(axis: Any, r: Record, place: int, end: float) -> None:
    """The whisker of a bar, and the figure behind it; or, where there is no room for it, in the bar."""
    median, low, high = r["median"], r["low"], r["high"]
    options: dict[str, Any] = {"y": place, "va": "center", "fontsize": 8, "clip_on": True}
    if median > end:
        # A slanted gap in the bar, and the figure in front of it.
        gap = 0.94 * end
        axis.plot([gap - 0.01 * end, gap + 0.01 * end], [place + 0.6, place - 0.6], color="white", lw=3)
        axis.text(0.92 * end, s=f"cut off: {median:,.0f}", ha="right", color=_readable_on(r), **options)
        return
    axis.plot([low, min(high, end)], [place, place], color=style.BLACK, lw=0.8)
    if high > 0.85 * end:
        axis.text(low - 0.01 * end, s=f"{median:,.0f}", ha="right", color=_readable_on(r), **options)
    else:
        axis.text(high + 0.01 * end, s=f"{median:,.0f}", **options)


def _readable_on(r: Record) -> str:
    """White or black, for letters on a bar."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(scaling.COLORS[r["peer"], r["way"]])
    return style.BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
