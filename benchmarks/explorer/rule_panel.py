"""The panel of the rule: its formula, and its source with the numbers of the current step beside the lines."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from bokeh.core.properties import field
from bokeh.models import Column, ColumnDataSource, DataTable, Div, InlineStyleSheet, StringFormatter, TableColumn

from ..pictures.race import in_words
from ..pictures.stage import FAINT, INK
from ..rules.arithmetic import Arithmetic, Numbers
from .core import Card

ROW = 22
"""Pixels of a row of a table."""


def fill(source: Any, rows: Sequence[Sequence[str]]) -> None:
    """Set the rows of a table's source.

    Bokeh's table is drawn anew only if the number of rows has changed, so every other time there is an empty one more.
    """
    names = list(source.data)
    if len(source.data[names[0]]) == len(rows):
        rows = [*rows, [""] * len(names)]
    source.data = {name: [row[i] for row in rows] for i, name in enumerate(names)}


def table(source: Any, columns: list[tuple[str, str, int]], name: str, code: bool = False) -> Any:
    """A table that shows a source. Its cells are set without the page being laid out anew, as texts would need it.

    Args:
        source: has the columns, and "color" and "style" for the first of them.
        columns: (name in the source, title, width in pixels).
        name: of the table.
        code: whether it shows code, in letters of one width.
    """
    css = ".slick-cell { font-size: 12.5px; border: none; padding: 1px 4px; white-space: pre;"
    sheet = InlineStyleSheet(css=css + (" font-family: monospace; }" if code else " }"))
    first = StringFormatter(text_color=field("color"), font_style=field("style"))
    others = StringFormatter(text_align="right")
    made = [
        TableColumn(field=key, title=title, width=width, sortable=False, formatter=others if i else first)
        for i, (key, title, width) in enumerate(columns)
    ]
    return DataTable(
        source=source, columns=made, index_position=None, row_height=ROW, height=6 * ROW, sizing_mode="stretch_width",
        autosize_mode="none", selectable=False, reorderable=False, stylesheets=[sheet], name=name,
    )  # fmt: skip


class RulePanel:
    """The formula and the arithmetic of one optimizer."""

    def __init__(self) -> None:
        self.about = Div(text="", sizing_mode="stretch_width")
        # The formula is there from the start, so that the page loads what typesets it.
        self.formula = Div(text=r"$$\theta \leftarrow \theta - \mathrm{lr}\,g$$", name="formula")
        self.source = ColumnDataSource({"line": [], "x": [], "y": [], "color": [], "style": []})
        columns = [("line", "the rule's source, line by line", 360), ("x", "for x", 105), ("y", "for y", 105)]
        self.numbers = table(self.source, columns, "arithmetic", code=True)
        self.layout = Column(self.about, self.formula, self.numbers, sizing_mode="stretch_width")

    def show_rule(self, label: str, color: str, card: Card, found: Arithmetic | None) -> None:
        """Show an optimizer's formula, and make room for as many lines as the arithmetic of a step has."""
        about = card.about.removeprefix(f"{label}: ")
        self.about.text = f'<b style="color:{color}; font-size:15px">{html.escape(label)}</b> {html.escape(about)}'
        self.formula.text = f"$${card.formula}$$" if card.formula else ""
        rows = len(found.before) + len(found.given) + len(found.lines) if found is not None else 2
        self.numbers.height = (rows + 2) * ROW

    def show_step(self, found: Arithmetic | None, step: int) -> None:
        """Show what the lines compute at `step`; of an optimizer whose step is more than a rule, say that it is."""
        if not step or found is None:
            words = "its step is not a call of its rule alone" if step else "no step has been made yet"
            fill(self.source, [(words, "", "", FAINT, "normal")])
            return
        rows: list[tuple[str, Numbers, str]] = []
        rows += [(f"{name}, before step {step}", numbers, FAINT) for name, numbers in found.before.items()]
        rows += [(f"{name} = {_shown(value)}", (), FAINT) for name, value in found.given.items()]
        rows += [(line.text, line.numbers, INK) for line in found.lines]
        fill(self.source, [(text, _number(n, 0), _number(n, 1), color, "normal") for text, n, color in rows])


def _number(numbers: Numbers, i: int) -> str:
    """The number for x or for y; one that is for both stands in both columns."""
    return f"{numbers[min(i, len(numbers) - 1)]:.6g}" if numbers else ""


def _shown(value: Any) -> str:
    return in_words(value) if isinstance(value, (int, float, tuple)) else str(value)
