"""The panel of the rule: its formula, and its source with the numbers of the current step beside the lines."""

from __future__ import annotations

import html
from typing import Any

from bokeh.models import Column, Div

from ..pictures.race import in_words
from ..rules.arithmetic import Arithmetic, Numbers
from .core import Card

TABLE = """
<table style="border-collapse:collapse; font-size:13px; width:100%">
<thead><tr style="text-align:left; border-bottom:1px solid #B0B0B0">
<th style="min-width:22em">the rule's source, at step {step}</th><th>for x</th><th>for y</th></tr></thead>
<tbody>{rows}</tbody></table>
"""
CELL = '<td style="padding:1px 8px; font-family:monospace; text-align:right; white-space:nowrap">{}</td>'


class RulePanel:
    """The formula and the arithmetic of one optimizer."""

    def __init__(self) -> None:
        # The formula is there from the start, so that the page loads what typesets it.
        self.about = Div(text="", sizing_mode="stretch_width")
        self.formula = Div(text=r"$$\theta \leftarrow \theta - \mathrm{lr}\,g$$", name="formula")
        self.numbers = Div(text="", sizing_mode="stretch_width", name="arithmetic")
        self.layout = Column(self.about, self.formula, self.numbers, sizing_mode="stretch_width")

    def show_rule(self, label: str, color: str, card: Card) -> None:
        """Show an optimizer's formula."""
        self.about.text = f'<b style="color:{color}; font-size:15px">{html.escape(label)}</b> {html.escape(card.about)}'
        text = f"$${card.formula}$$" if card.formula else ""
        if self.formula.text != text:
            self.formula.text = text

    def show_step(self, found: Arithmetic | None, step: int) -> None:
        """Show what the lines compute at `step`; of an optimizer whose step is more than a rule, that it is."""
        if found is None:
            self.numbers.text = "<p>Its step is not a call of its rule alone, so there are no lines to follow.</p>"
            return
        if not step:
            self.numbers.text = "<p>No step has been made yet.</p>"
            return
        rows = [_row(name, numbers, "#6B6B6B") for name, numbers in found.before.items()]
        given = ", ".join(f"{name} = {_shown(value)}" for name, value in found.given.items())
        rows.append(f'<tr><td colspan="3" style="color:#6B6B6B; padding:1px 0 4px">{html.escape(given)}</td></tr>')
        for line in found.lines:
            code = f'<code style="white-space:pre">{html.escape(line.text) or "&nbsp;"}</code>'
            rows.append(f"<tr><td>{code}</td>{_cells(line.numbers)}</tr>")
        self.numbers.text = TABLE.format(step=step, rows="".join(rows))


def _row(name: str, numbers: Numbers, color: str) -> str:
    return f'<tr style="color:{color}"><td><code>{html.escape(name)}</code> before</td>{_cells(numbers)}</tr>'


def _cells(numbers: Numbers) -> str:
    if not numbers:
        return CELL.format("") * 2
    if len(numbers) == 1:
        return f'<td colspan="2" style="font-family:monospace; text-align:center">{_number(numbers[0])}</td>'
    return "".join(CELL.format(_number(number)) for number in numbers[:2])


def _number(number: float) -> str:
    return f"{number:.6g}"


def _shown(value: Any) -> str:
    return in_words(value) if isinstance(value, (int, float, tuple)) else str(value)
