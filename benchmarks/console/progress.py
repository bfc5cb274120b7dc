"""Progress on a terminal: a bar for each item that is being worked on, and one for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from rich.console import Console


def bars(
    out: Console | None, labels: Sequence[str], totals: Sequence[float], counts: numpy.ndarray, title: str = "all"
) -> AbstractContextManager[Any]:
    """Show bars while the block runs; nothing if `out` is None or is no terminal.

    Args:
        out: the console.
        labels: what each item is called.
        totals: how many steps each item has.
        counts: how many of them are done. The array is read several times a second, and may be shared with other
            processes. An item is shown when it has begun and is not finished.
        title: of the bar for all items, which is shown if there are several.
    """
    if out is None or not out.is_terminal:
        return nullcontext()
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    ends = numpy.asarray(totals, float)
    items: list[TaskID] = []  # the bars of the items; after them comes the bar for all
    running: set[int] = set()

    class Bars(Progress):
        """Bars that follow `counts`."""

        def get_renderables(self) -> Iterator[Any]:
            """Called several times a second by rich. Nothing here may call rich's `refresh`, which calls this."""
            if len(items) == len(labels) + 1:
                done = numpy.minimum(counts, ends)
                now = set(numpy.flatnonzero((done > 0) & (done < ends)).tolist())
                for item in running - now:
                    self.update(items[item], visible=False)
                for item in now:
                    self.update(items[item], completed=done[item], visible=True)
                self.update(items[-1], completed=done.sum(), of=f"{(done == ends).sum()} of {len(labels)}")
                running.clear()
                running.update(now)
            yield from super().get_renderables()

    shown = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[of]}"),
        console=out,
        transient=True,
        speed_estimate_period=600,
    )
    items += [shown.add_task(label, total=end, visible=False, of="") for label, end in zip(labels, ends, strict=True)]
    items.append(shown.add_task(title, total=ends.sum(), visible=len(labels) > 1, of=""))
    return shown
