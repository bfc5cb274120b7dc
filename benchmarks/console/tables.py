"""A table of rich's whose title and caption may be wider than it is."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.table import Table

from .report import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult


class WideTable(Table):
    """A table whose title and caption are wrapped to the width of the console, or `WIDTH` columns, if it is narrower.

    A `Table` wraps them to its own width, which makes a long column of words over few figures.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich: what is printed."""
        widest = max(self.__rich_measure__(console, options).maximum, WIDTH)
        across = options.update(width=min(widest, options.max_width), justify="left", height=None)
        alone = copy(self)
        alone.title = alone.caption = None
        yield from _words(console, across, self.title, "table.title")
        yield from Table.__rich_console__(alone, console, options)
        yield from _words(console, across, self.caption, "table.caption")


def _words(console: Console, across: ConsoleOptions, words: object, style: str) -> Iterator[Segment]:
    if words:
        yield from console.render(console.render_str(str(words), style=style, highlight=False), across)
