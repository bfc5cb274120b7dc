"""Progress bars: only on a terminal, one for each item that has begun and is not finished, and one for all."""

from __future__ import annotations

import io
import re

import numpy
import pytest
from rich.console import Console

from benchmarks.console.progress import bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    return Console(file=Terminal(), width=100, color_system=None)


def drawn(shown) -> list[str]:
    """The lines of the bars as they are now: description, percentage, and how many are done."""
    out = Console(file=io.StringIO(), width=100)
    with out.capture() as captured:
        for part in shown.get_renderables():
            out.print(part)
    lines = [re.sub(r"[^\w .%:-]+|-:--:--|\d:\d\d:\d\d", "", line).split() for line in captured.get().splitlines()]
    return [" ".join(words) for words in lines if words]


def test_nothing_is_drawn_but_on_a_terminal(terminal, capsys):
    piped = Console(file=io.StringIO())
    for out in (None, piped, terminal):
        count = numpy.zeros(1)
        with bars(out, ["training steps"], [3], count):
            count[0] += 1
    assert piped.file.getvalue() == ""
    assert "training steps" in terminal.file.getvalue()
    assert capsys.readouterr() == ("", "")


def test_items_are_shown_while_they_run(terminal):
    counts = numpy.zeros(3)
    with bars(terminal, ["sgd", "adam", "muon"], [10, 20, 10], counts, "comparison") as shown:
        assert drawn(shown) == ["comparison 0 % 0 of 3"]
        counts[:] = 10, 5, 0
        assert drawn(shown) == ["adam 25 %", "comparison 38 % 1 of 3"]
        counts[:] = 10, 20, 1
        assert drawn(shown) == ["muon 10 %", "comparison 78 % 2 of 3"]
        counts[:] = 10, 25, 10  # more than all is all
        assert drawn(shown) == ["comparison 100 % 3 of 3"]


def test_a_single_item_has_no_second_bar(terminal):
    counts = numpy.ones(1)
    with bars(terminal, ["update"], [4], counts) as shown:
        assert drawn(shown) == ["update 25 %"]
