"""What a comparison over seeds shows: its tables, the notebook's claims, and the record for the result file.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..console import report
from ..training.optimizers import KNOWN
from ..training.trial import TARGET, Trial
from .plan import SCHEDULED
from .standings import Ranking, Score
from .statistics import compared, quartiles
from .tuning import CLOSE

if TYPE_CHECKING:
    from rich.table import Table


def tables(ranking: Ranking, base: Trial) -> list[Table]:
    """The ranking, then what is known about learning rates and schedules; `base` is what all trials have in common."""
    made = [table(ranking, base)]
    if ranking.tuned:
        made.append(table_of_rates(ranking))
    if any(score.scheduled for score in ranking.scores):
        made.append(table_of_schedules(ranking))
    return made


def table(ranking: Ranking, base: Trial) -> Table:
    """The ranking: a row for each optimizer."""
    checked, tested = "test images", "the test images"
    if ranking.tuned:
        checked = "held-out images"
        tested += ", which were used only once"
    diverged = ["diverged"] if any(score.diverged for score in ranking.scores) else []
    heads = ["", "optimizer", "rate", "accuracy", "loss", f"to {TARGET:g} %", "images", "sec.", "reached", *diverged]
    made = report.table(
        f"{base.data}, {base.iterations} iterations, {ranking.rates}",
        [*heads, "ahead by"],
        text=2,
        caption=f"accuracy, loss: median and quartiles over {len(ranking.scores[0].results)} seeds of the accuracy in "
        f"percent and the mean loss on {tested}. to {TARGET:g} %: the iterations until {TARGET:g} % of the {checked} "
        f"are classified correctly (checked every {base.watch} iterations), the training images seen (k: thousands) "
        "and the seconds of training until then; medians, in which a training that never gets there counts as never. "
        "reached: how many get there. ahead by: the mean paired difference to the next optimizer in points, and its "
        "bootstrap interval; all intervals hold together at 95 % (Holm's correction). =: a tie, the interval contains "
        "0. 1=: tied with the first.",
    )
    aheads = [*(f"{ahead} {'=' if ahead.tie else ' '}" for ahead in ranking.ahead), ""]
    for rank, score, ahead in zip(ranking.ranks, ranking.scores, aheads, strict=True):
        low, accuracy, high = quartiles(score.accuracies)
        low_loss, loss, high_loss = quartiles(score.losses)
        iterations, seconds = (quartiles(values)[1] for values in (score.iterations, score.seconds))
        made.add_row(
            rank,
            score.entrant.label,
            f"{score.rate:g}",
            f"[bold]{accuracy:.2f}[/] {low:.2f}-{high:.2f}",
            f"{loss:.3f} {low_loss:.3f}-{high_loss:.3f}",
            _or_never(iterations, ".0f"),
            _or_never(iterations * base.batch_size / 1000, ".0f", "k"),
            _or_never(seconds, ".1f"),
            f"{sum(map(math.isfinite, score.iterations))}/{len(score.results)}",
            *(str(score.diverged) for _ in diverged),
            ahead,
        )
    return made


def _or_never(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if math.isfinite(value) else "never"


def table_of_rates(ranking: Ranking) -> Table:
    """How sensitive each optimizer is to its learning rate: the least sensitive first."""
    near = f"within {CLOSE:g} point"
    made = report.table(
        "How much the learning rate matters",
        ["optimizer", "best rate", "held-out accuracy", near, "share", "decades", "tried", "diverged"],
        caption=f"{near}, share: how many of the rates that were tried come {near} of the "
        "best one's accuracy. decades: how many powers of ten they cover; the more, the less it matters "
        "which rate is chosen. tried: the lowest and the highest rate. diverged: how many trainings did.",
    )
    for entrant, tuned in sorted(ranking.tuned.items(), key=lambda item: -item[1].decades):
        first, last = (tuned.grid.rate(number) for number in (tuned.numbers[0], tuned.numbers[-1]))
        made.add_row(
            entrant.label,
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
    """How much each optimizer gains by a cosine schedule."""
    made = report.table(
        "What a schedule gains",
        ["optimizer", "constant rate", "cosine to 0", "gain, points"],
        caption="Median accuracies in percent; the mean paired gain and its bootstrap interval; all intervals hold "
        "together at 95 % (Holm's correction).",
    )
    scores = [score for score in ranking.scores if score.scheduled]
    for score, gain in zip(scores, compared([score.gains for score in scores]), strict=True):
        scheduled = quartiles([result["accuracy"] for result in score.scheduled])[1]
        made.add_row(score.entrant.label, f"{quartiles(score.accuracies)[1]:.2f}", f"{scheduled:.2f}", str(gain))
    return made


def claims(ranking: Ranking) -> list[str]:
    """What the notebook claims about learning rates and schedules, and whether these results support it.

    It says that RAdam and Lookahead are less sensitive to the rate, that Momentum and Nesterov are "powerful if we
    control the learning rate schedule", and that with Adam one can be "lazy to control" it.
    """
    scores = {score.entrant.name: score for score in ranking.scores}
    momentum, nesterov, adam = (scores.get(name) for name in SCHEDULED)
    lines = ["What the notebook claims, and whether these results support it:"]
    for name, label in (("radam", "RAdam"), ("lookahead", "Lookahead")):
        lines.append(f"- {label} is less sensitive to the learning rate. {_less_sensitive_than_adam(ranking, name)}")
    gains = [_gains_by_schedule(score) for score in (momentum, nesterov) if score and score.scheduled]
    lines.append(f"- Momentum and Nesterov need a schedule. {' '.join(gains) or 'They did not run with one.'}")
    lines.append(f"- Adam needs a schedule less. {_needs_it_less(momentum, adam)}")
    return lines


def _less_sensitive_than_adam(ranking: Ranking, name: str) -> str:
    widths = {entrant.name: tuned.decades for entrant, tuned in ranking.tuned.items()}
    if not widths:
        return "It takes several rates to see this: use --track tuned."
    if missing := [of for of in (name, "adam") if of not in widths]:
        return f"There is nothing to compare: {' and '.join(KNOWN[of].label for of in missing)} did not run."
    its, adams = widths[name], widths["adam"]
    step = next(iter(ranking.tuned.values())).grid.step
    verdict = "Supported" if its - adams > 1.5 * step else "Supported by one rate" if its > adams else "Not supported"
    return f"{verdict}: the rates within {CLOSE:g} point of its best cover {its:.1f} decades, Adam's {adams:.1f}."


def _gains_by_schedule(score: Score) -> str:
    (gain,) = compared([score.gains])
    verdict = "Not supported" if gain.tie or gain.mean < 0 else "Supported"
    return f"{verdict} for {score.entrant.label}: a cosine schedule gains {gain} points."


def _needs_it_less(momentum: Score | None, adam: Score | None) -> str:
    if not (momentum and adam and momentum.scheduled and adam.scheduled):
        return "Adam and Momentum did not both run with one."
    (gain,) = compared([adam.gains])
    (more,) = compared([[a - b for a, b in zip(momentum.gains, adam.gains, strict=True)]])
    verdict = "Supported" if more.low > 0 else "Not supported"
    return f"{verdict}: the schedule gains Adam {gain} points, and Momentum {more} more than that."


def record(ranking: Ranking) -> dict[str, Any]:
    """All results, for the result file. Only what is under "timing" changes from one run to another."""
    scores = ranking.scores
    kept = ("accuracy", "loss", "accuracies", "losses", "reached", "diverged")
    return {
        "optimizers": [
            {
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
            for rank, score in zip(ranking.ranks, scores, strict=True)
        ],
        "ahead_of_the_next": [asdict(ahead) | {"tie": ahead.tie} for ahead in ranking.ahead],
        "behind_the_first": [asdict(behind) | {"tie": behind.tie} for behind in ranking.behind],
        "rates": {
            entrant.name: {
                "best": tuned.rate,
                "share_within_a_point": tuned.share,
                "decades_within_a_point": tuned.decades,
                "tried": [
                    {"rate": tuned.grid.rate(n), "accuracies": tuned.accuracies[n], "diverged": tuned.diverged[n]}
                    for n in tuned.numbers
                ],
            }
            for entrant, tuned in ranking.tuned.items()
        },
        "claims": claims(ranking)[1:],
        "timing": {score.entrant.name: [result["timing"] for result in score.results] for score in scores},
    }
