"""What a comparison over seeds has to tell: the ranking with its ties, what rate and schedule matter, and pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..console import report, style
from ..training.optimizers import Entrant
from ..training.trial import TARGET, Trial
from ..training.trials import Result
from .statistics import Difference, compared, quartiles
from .tuning import CLOSE, Tuned

if TYPE_CHECKING:
    from rich.table import Table

SCHEDULED = ("momentum", "nesterov", "adam")
"""Who runs with a cosine schedule as well, to see who needs one."""


@dataclass(frozen=True)
class Score:
    """What came of one optimizer: its rate, and a result for each seed (of the trial with a schedule, too)."""

    entrant: Entrant
    rate: float
    results: tuple[Result, ...]
    scheduled: tuple[Result, ...] = ()

    @property
    def accuracies(self) -> list[float]:
        """The final accuracies, seed by seed."""
        return [result["accuracy"] for result in self.results]

    @property
    def losses(self) -> list[float]:
        """The final losses over the images tested on; infinite where there is none."""
        return [math.inf if result["loss"] is None else result["loss"] for result in self.results]

    @property
    def iterations(self) -> list[float]:
        """To `TARGET`, seed by seed; infinite for never."""
        return [math.inf if result["reached"] is None else result["reached"] for result in self.results]

    @property
    def seconds(self) -> list[float]:
        """Of training to `TARGET`, seed by seed; infinite for never."""
        times = [result["timing"]["to_target"] for result in self.results]
        return [math.inf if seconds is None else seconds for seconds in times]

    @property
    def diverged(self) -> int:
        """How many runs diverged; see `benchmarks.training.trial.run`."""
        return sum(result["diverged"] for result in self.results)

    @property
    def gains(self) -> list[float]:
        """By how many points the schedule is better than the constant rate, seed by seed."""
        pairs = zip(self.scheduled, self.results, strict=True) if self.scheduled else ()
        return [with_it["accuracy"] - without["accuracy"] for with_it, without in pairs]


@dataclass(frozen=True)
class Ranking:
    """The whole comparison.

    Attributes:
        scores: from the best median accuracy down.
        ahead: by how far each but the last is ahead of the next.
        behind: by how far each but the first is behind the first. Neighbours may all be level and yet the last not
            be level with the first.
        tuned: what tuning found, if the rates were chosen.
    """

    scores: list[Score]
    ahead: list[Difference]
    behind: list[Difference]
    tuned: dict[Entrant, Tuned]

    @property
    def ranks(self) -> list[str]:
        """1, 2, ...; but "1=" for all that are level with the first."""
        level = [difference.tie for difference in self.behind]
        first = "1=" if any(level) else "1"
        return [first, *("1=" if tie else str(rank) for rank, tie in enumerate(level, 2))]

    def score(self, name: str) -> Score | None:
        """The score of an entrant, if it took part."""
        return next((score for score in self.scores if score.entrant.name == name), None)


def ranked(scores: Sequence[Score], tuned: dict[Entrant, Tuned]) -> Ranking:
    """Scores by their median accuracy (of equals by the mean), each against the next and the first against all."""
    order = sorted(scores, key=lambda score: (-quartiles(score.accuracies)[1], -sum(score.accuracies)))

    def differences(pairs: Iterable[tuple[Score, Score]]) -> list[Difference]:
        return compared(
            [[a - b for a, b in zip(one.accuracies, other.accuracies, strict=True)] for one, other in pairs]
        )

    first = ((order[0], other) for other in order[1:])
    return Ranking(order, differences(itertools.pairwise(order)), differences(first), tuned)


# What is told.


def tables(ranking: Ranking, base: Trial) -> list[Table]:
    """The ranking, and below it what is known of rates and schedules."""
    made = [table(ranking, base)]
    if ranking.tuned:
        made.append(table_of_rates(ranking))
    if any(score.scheduled for score in ranking.scores):
        made.append(table_of_schedules(ranking))
    return made


def table(ranking: Ranking, base: Trial) -> Table:
    """The comparison: a row for each optimizer, from the best median down."""
    seeds = len(ranking.scores[0].results)
    heads = ["", "optimizer", "rate", "accuracy", "loss", f"to {TARGET:g} %", "images", "sec.", "reached", "ahead by"]
    if any(score.diverged for score in ranking.scores):
        heads.insert(-1, "diverged")
    tested = "the test images, once" if ranking.tuned else "the test images"
    along = "held-out images" if ranking.tuned else "test images"
    caption = (
        f"Medians and quartiles over {seeds} seeds of accuracy in percent and mean loss, over {tested}.\n"
        f"to {TARGET:g} %: iterations until {TARGET:g} % of the {along} are right (looked at every {base.watch}), the\n"
        "images seen and the seconds of training till then; a run that never gets there counts as never, and\n"
        "reached tells how many do. ahead: of the next one, the mean paired difference in points and its\n"
        "bootstrap interval, all together at 95 % (Holm); =: a tie, 0 lies within. 1=: level with the first."
    )
    title = f"{base.data}, {base.iterations} iterations, " + (
        "each optimizer at the rate that is best for it" if ranking.tuned else "the notebook's rates"
    )
    made = report.table(title, heads, caption=caption, text=2)
    aheads = [*(f"{d} {'=' if d.tie else ' '}" for d in ranking.ahead), ""]
    for rank, score, ahead in zip(ranking.ranks, ranking.scores, aheads, strict=True):
        made.add_row(*_row(rank, score, ahead, base.batch_size, "diverged" in heads))
    return made


def _row(rank: str, score: Score, ahead: str, batch_size: int, with_diverged: bool) -> list[str]:
    from rich.markup import escape

    low, accuracy, high = quartiles(score.accuracies)
    low_loss, loss, high_loss = quartiles(score.losses)
    iterations, seconds = (quartiles(values)[1] for values in (score.iterations, score.seconds))
    reached = sum(map(math.isfinite, score.iterations))
    row = [rank, escape(score.entrant.label), f"{score.rate:g}"]
    row += [f"[bold]{accuracy:.2f}[/] {low:.2f}-{high:.2f}", f"{loss:.3f} {low_loss:.3f}-{high_loss:.3f}"]
    row += [
        _or_never(iterations, ".0f"),
        _or_never(iterations * batch_size / 1000, ".0f", "k"),
        _or_never(seconds, ".1f"),
    ]
    row += [f"{reached}/{len(score.results)}", *([str(score.diverged)] if with_diverged else []), ahead]
    return row


def _or_never(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if math.isfinite(value) else "never"


def table_of_rates(ranking: Ranking) -> Table:
    """How sensitive each optimizer is to its rate: the widest first."""
    heads = [
        "optimizer",
        "best rate",
        "held-out accuracy",
        f"within {CLOSE:g} point",
        "share",
        "decades",
        "tried",
        "diverged runs",
    ]
    caption = (
        "How many of the rates that were tried come within one point of the best, their share, and how many\n"
        "powers of ten they cover: the wider, the less it matters which one is taken. tried: from and to."
    )
    made = report.table("How much the learning rate matters", heads, caption=caption)
    for one, tuned in sorted(ranking.tuned.items(), key=lambda item: -item[1].decades):
        first, last = (tuned.grid.rate(number) for number in (tuned.numbers[0], tuned.numbers[-1]))
        made.add_row(
            one.label,
            f"{tuned.rate:g}",
            f"{tuned.mean(tuned.best):.2f}",
            f"{len(tuned.close)} of {len(tuned.numbers)}",
            f"{tuned.share:.0%}",
            f"{tuned.decades:.1f}",
            f"{first:g} - {last:g}",
            str(sum(tuned.diverged.values())),
        )
    return made


def table_of_schedules(ranking: Ranking) -> Table:
    """What a cosine schedule gains."""
    made = report.table(
        "What a schedule gains",
        ["optimizer", "constant rate", "cosine to 0", "gain, points"],
        caption="Median accuracies; mean paired gain and its\nbootstrap interval, all at 95 % (Holm).",
    )
    scores = [score for score in ranking.scores if score.scheduled]
    for score, gain in zip(scores, compared([score.gains for score in scores]), strict=True):
        with_it = quartiles([result["accuracy"] for result in score.scheduled])[1]
        made.add_row(score.entrant.label, f"{quartiles(score.accuracies)[1]:.2f}", f"{with_it:.2f}", str(gain))
    return made


def claims(ranking: Ranking) -> list[str]:
    """What the notebook claims, and whether these figures bear it out."""
    lines = ["What the notebook says, and what these figures say to it:"]
    for name, label in (("radam", "RAdam"), ("lookahead", "Lookahead")):
        lines.append(f"- {label} is less sensitive to the learning rate. {_sensitivity(ranking, name)}")
    momentum, nesterov, adam = (ranking.score(name) for name in SCHEDULED)
    told = [_gain(score) for score in (momentum, nesterov) if score and score.scheduled]
    lines.append(f"- Momentum and Nesterov want a schedule. {' '.join(told) or 'They did not run.'}")
    lines.append(f"- Adam lets one be lazy about the schedule. {_laziness(momentum, adam)}")
    return lines


def _sensitivity(ranking: Ranking, name: str) -> str:
    widths = {one.name: tuned.decades for one, tuned in ranking.tuned.items()}
    if name not in widths or "adam" not in widths:
        return "Not to be told from one rate: see --track tuned."
    wide, adams = widths[name], widths["adam"]
    step = next(iter(ranking.tuned.values())).grid.decades
    verdict = "Borne out" if wide - adams > 1.5 * step else "Borne out by one rate" if wide > adams else "Not borne out"
    return f"{verdict}: {wide:.1f} decades of rates come within {CLOSE:g} point of its best, {adams:.1f} of Adam's."


def _gain(score: Score) -> str:
    (gain,) = compared([score.gains])
    verdict = "Not borne out" if gain.tie or gain.mean < 0 else "Borne out"
    return f"{verdict} for {score.entrant.label}: a cosine schedule gains {gain} points."


def _laziness(momentum: Score | None, adam: Score | None) -> str:
    if not (momentum and adam and momentum.scheduled and adam.scheduled):
        return "It did not run beside momentum."
    (gain,) = compared([adam.gains])
    (more,) = compared([[a - b for a, b in zip(momentum.gains, adam.gains, strict=True)]])
    verdict = "Borne out" if more.low > 0 else "Not borne out"
    return f"{verdict}: the schedule gains it {gain} points, and momentum {more} more than that."


# The files.


def record(ranking: Ranking) -> dict[str, Any]:
    """All figures. What no two runs have the same is under "timing"."""
    scores = ranking.scores
    return {
        "optimizers": [_record_of(rank, score) for rank, score in zip(ranking.ranks, scores, strict=True)],
        "ahead_of_the_next": [asdict(difference) | {"tie": difference.tie} for difference in ranking.ahead],
        "behind_the_first": [asdict(difference) | {"tie": difference.tie} for difference in ranking.behind],
        "rates": {one.name: _record_of_rates(tuned) for one, tuned in ranking.tuned.items()},
        "claims": claims(ranking)[1:],
        "timing": {score.entrant.name: [result["timing"] for result in score.results] for score in scores},
    }


def _record_of(rank: str, score: Score) -> dict[str, Any]:
    kept = ("accuracy", "loss", "accuracies", "losses", "reached", "diverged")
    return {
        "rank": rank,
        "name": score.entrant.name,
        "rate": score.rate,
        "accuracy_quartiles": quartiles(score.accuracies),
        "loss_quartiles": quartiles(score.losses),
        "iterations_to_target": quartiles(score.iterations)[1],
        "diverged": score.diverged,
        "seeds": [{name: result[name] for name in kept} for result in score.results],
        "with_schedule": [{name: result[name] for name in kept} for result in score.scheduled],
    }


def _record_of_rates(tuned: Tuned) -> dict[str, Any]:
    return {
        "best": tuned.rate,
        "share_within_a_point": tuned.share,
        "decades_within_a_point": tuned.decades,
        "tried": [
            {"rate": tuned.grid.rate(n), "accuracies": tuned.accuracies[n], "diverged": tuned.diverged[n]}
            for n in tuned.numbers
        ],
    }


def picture(ranking: Ranking, base: Trial) -> Any:
    """The final accuracies: a row for each optimizer, a dot for each seed, quartiles and median."""
    scores = ranking.scores[::-1]
    medians = [quartiles(score.accuracies)[1] for score in scores]
    left = max(min(min(score.accuracies) for score in scores), min(medians) - 2)
    fig, axes = style.figure(height=1.6 + 0.42 * len(scores))
    for y, (score, median) in enumerate(zip(scores, medians, strict=True)):
        low, _, high = quartiles(score.accuracies)
        color = score.entrant.color
        axes.plot([max(low, left), high], [y, y], lw=7, color=color, alpha=0.3, solid_capstyle="butt")
        for accuracy in score.accuracies:
            axes.plot(max(accuracy, left), y, "o" if accuracy >= left else "<", ms=4.5, color=color, mec="none")
        axes.plot(median, y, "|", ms=16, mew=2, color="black")
    labels = [
        f"{score.entrant.label}, {score.rate:g}   {rank:>3}"
        for rank, score in zip(ranking.ranks[::-1], scores, strict=True)
    ]
    axes.set_yticks(range(len(scores)), labels)
    axes.set_xlim(left - 0.1, max(max(score.accuracies) for score in scores) + 0.1)
    title = "each at its best rate" if ranking.tuned else "the notebook's rates"
    axes.set(
        title=f"Test accuracy after {base.iterations} iterations, {len(scores[0].results)} seeds, {title}",
        xlabel="percent (dots: seeds, < further left; bars: quartiles; strokes: medians; 1=: level with the first)",
    )
    return fig


def picture_of_rates(ranking: Ranking) -> Any:
    """Held-out accuracy against the learning rate: a panel for each optimizer, with the others behind it in grey."""
    ordered = sorted(ranking.tuned.items(), key=lambda item: -item[1].decades)
    columns = min(4, len(ordered))
    rows = math.ceil(len(ordered) / columns)
    fig, grid = style.figure(rows, columns, height=2.5 * rows + 0.6, squeeze=False, sharex=True, sharey=True)
    panels = grid.reshape(-1)
    for axes, (one, tuned) in zip(panels, ordered, strict=False):
        for other, its in ordered:
            if other is not one:
                _draw_rates(axes, its, color="#D0D0D0", lw=0.7, zorder=1)
        numbers = tuned.numbers
        rates = [tuned.grid.rate(n) for n in numbers]
        low, high = ([_shown(end(tuned.accuracies[n])) for n in numbers] for end in (min, max))
        axes.fill_between(rates, low, high, color=one.color, alpha=0.25, lw=0, zorder=2)
        _draw_rates(axes, tuned, color=one.color, ls=one.dash, lw=1.8, zorder=3)
        axes.plot(tuned.rate, _shown(tuned.mean(tuned.best)), "o", ms=6, color=one.color, zorder=4)
        for number in (n for n in numbers if tuned.diverged[n]):
            axes.plot(tuned.grid.rate(number), _shown(0), "x", ms=5, color="black", clip_on=False)
        axes.set_title(one.label, fontsize=10)
        axes.text(
            0.03, 0.97, f"{len(tuned.close)} of {len(numbers)}\n{tuned.share:.0%}", transform=axes.transAxes, va="top"
        )
    ticks = (50, 80, 90, 95, 97, 98)
    panels[0].set(xscale="log", ylim=(_shown(0), _shown(98.6)))
    panels[0].set_yticks([_shown(tick) for tick in ticks], [str(tick) for tick in ticks])
    for axes in panels[len(ordered) :]:
        axes.set_visible(False)
    fig.suptitle(
        "Held-out accuracy in percent against the learning rate, and how many rates come within one point of the best\n"
        "(bands: lowest and highest of the seeds; dot: the best rate; crosses: rates at which a run diverged)",
        fontsize=11,
    )
    return fig


def _draw_rates(axes: Any, tuned: Tuned, **line: Any) -> None:
    axes.plot([tuned.grid.rate(n) for n in tuned.numbers], [_shown(tuned.mean(n)) for n in tuned.numbers], **line)


def _shown(accuracy: float) -> float:
    """Where an accuracy is drawn: by the logarithm of the errors, so that 97 and 98 are as far apart as 94 and 96."""
    return -math.log10(max(100 - accuracy, 0.5))
