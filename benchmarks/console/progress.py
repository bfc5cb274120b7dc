"""Progress on a terminal or in a notebook: a bar for each item that is being worked on, and one for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html import escape
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from rich.console import Console


def bars(
    out: Console | None, labels: Sequence[str], totals: Sequence[float], counts: numpy.ndarray, title: str = "all"
) -> AbstractContextManager[Any]:
    """Show bars while the block runs; nothing if `out` is None or is neither a terminal nor a notebook's.

    Args:
        out: the console.
        labels: what each item is called.
        totals: how many steps each item has.
        counts: how many of them are done. The array is read several times a second, and may be shared with other
            processes. An item is shown when it has begun and is not finished.
        title: of the bar for all items, which is shown if there are several.
    """
    if out is not None and out.is_jupyter:
        return _in_a_notebook(labels, numpy.asarray(totals, float), counts, title)
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


@contextmanager
def _in_a_notebook(labels: Sequence[str], ends: numpy.ndarray, counts: numpy.ndarray, title: str) -> Iterator[None]:
    """Bars as HTML, in one output that is replaced several times a second and is empty at the end.

    rich's own bars need ipywidgets in a notebook, and leave error messages where nobody looks at it while it runs.
    """
    from IPython.display import HTML, display  # type: ignore[import-not-found, unused-ignore]

    def shown() -> str:
        done = numpy.minimum(counts, ends)
        running = numpy.flatnonzero((done > 0) & (done < ends)).tolist()
        parts = [(labels[i], done[i] / ends[i]) for i in running]
        if len(labels) > 1:
            parts.append((f"{title}: {(done == ends).sum()} of {len(labels)}", done.sum() / ends.sum()))
        return "<br>".join(f'<progress value="{part:.3f}"></progress> {escape(label)}' for label, part in parts)

    handle: Any = display(HTML(shown()), display_id=True)
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(0.25):
            handle.update(HTML(shown()))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        handle.update(HTML(""))
