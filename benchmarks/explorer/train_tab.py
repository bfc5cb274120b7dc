"""The tab "train": the notebook's network, trained by several optimizers and at several rates while one looks on."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
from bokeh.models import (
    Button,
    Column,
    ColumnDataSource,
    Div,
    LinearColorMapper,
    MultiChoice,
    Range1d,
    Row,
    Select,
    Spinner,
    TextInput,
)

from .. import UsageError
from ..console.style import BLUE, VERMILLION
from ..training.optimizers import unchecked
from .core import looks
from .host import Host
from .live_training import LiveTraining, Report, Task
from .plots import between, dash, plot
from .remote import Library
from .state import TRAINABLE, State
from .surface_tab import WRAP

POLL = 150
"""Milliseconds from one look for reports to the next."""

SIDE = {"digits": 8, "mnist": 28}
"""The width of an image in pixels."""

UNITS = 10
"""The first layer's weights are shown in rows of so many units."""

MOST = 12
"""The most trainings at a time."""


class TrainTab:
    """The widgets and plots of the tab; the arguments are those of `SurfaceTab`."""

    def __init__(self, library: Library, state: State, host: Host) -> None:
        self.library, self.state, self.host = library, state, host
        self.live: LiveTraining | None = None
        self.stop: Callable[[], None] | None = None
        self._make_widgets()
        self._make_plots()
        left = Column(self.losses, self.accuracies, sizing_mode="stretch_width", styles={"flex": "1.6 1 470px"})
        right = Column(self.table, self.weights, sizing_mode="stretch_width", styles={"flex": "1 1 330px"})
        controls = Row(self.data, self.iterations, self.rates, self.begin, styles=WRAP, sizing_mode="stretch_width")
        plots = Row(left, right, styles={**WRAP, "align-items": "flex-start"}, sizing_mode="stretch_width")
        self.layout = Column(controls, self.racers, plots, sizing_mode="stretch_width", styles={"gap": "6px"})

    def _make_widgets(self) -> None:
        state = self.state
        data = [("digits", "digits (8 x 8, a second)"), ("mnist", "MNIST (28 x 28)")]
        self.data = Select(title="data", options=data, value=state.data, width=190, name="data")
        self.iterations = Spinner(
            title="iterations", low=1, high=100_000, step=100, value=state.iterations, width=110, name="iterations"
        )
        self.rates = TextInput(
            title="learning rates (none: the usual ones)", placeholder="0.001, 0.01",
            value=", ".join(f"{rate:g}" for rate in state.rates), width=240, name="rates",
        )  # fmt: skip
        self.begin = Button(label="▶ train", button_type="primary", width=100, name="train")
        offered = [*TRAINABLE, *self.library.offer.optimizers]
        labels = [(name, unchecked(self.library.offer.optimizer(name)).label) for name in offered]
        self.racers = MultiChoice(
            title="optimizers", options=labels, value=list(state.train), sizing_mode="stretch_width", name="trainers"
        )
        self.data.on_change("value", lambda attr, old, new: self.set(data=new))
        self.iterations.on_change("value", lambda attr, old, new: self.set(iterations=int(new or 1)))
        self.racers.on_change("value", lambda attr, old, new: self.set(train=tuple(new)))
        self.rates.on_change("value", lambda attr, old, new: self.read_rates())
        self.begin.on_click(self.toggle)

    def _make_plots(self) -> None:
        self.losses = plot(
            "Training loss (mean of ten mini-batches)", 260, y_axis_type="log", x_axis_label="iteration", tools="",
            x_range=Range1d(0, self.state.iterations), y_range=Range1d(0.01, 3),
        )  # fmt: skip
        self.accuracies = plot(
            "Test accuracy, percent (logarithmic in the errors)", 260, x_axis_label="iteration", tools="",
            x_range=self.losses.x_range, y_range=Range1d(-2.0, 0.0),
        )  # fmt: skip
        # As in the pictures of `seeds`, 97 and 98 are as far apart as 94 and 96.
        ticks = [0, 50, 80, 90, 95, 97, 98, 99]
        self.accuracies.yaxis.ticker = [height(tick) for tick in ticks]
        self.accuracies.yaxis.major_label_overrides = {height(tick): f"{tick}" for tick in ticks}
        self.lines = ColumnDataSource({"xs": [], "ys": [], "color": [], "dash": [], "alpha": []})
        self.points = ColumnDataSource({"xs": [], "ys": [], "color": [], "dash": [], "alpha": []})
        for axes, source in ((self.losses, self.lines), (self.accuracies, self.points)):
            axes.multi_line(
                "xs", "ys", source=source, color="color", line_dash="dash", line_alpha="alpha", line_width=1.8
            )
        self.table = Div(text="", sizing_mode="stretch_width", name="trainings")
        self.weights = plot("First-layer weights of the first training", 320, tools="", width=320)
        self.weights.sizing_mode = "fixed"
        self.weights.axis.visible = False
        self.weights.grid.visible = False
        self.shades = LinearColorMapper(palette=between((BLUE, "#FFFFFF", VERMILLION), 129), low=-1, high=1)
        self.mosaic = ColumnDataSource({"image": []})
        self.weights.image("image", 0, 0, 1, 1, source=self.mosaic, color_mapper=self.shades)

    # What the user does.

    def set(self, **changes: Any) -> None:
        """Another setting."""
        self.state = replace(self.state, **changes)
        self.host.changed(self.state)

    def read_rates(self) -> None:
        """The rates that were typed."""
        words = self.rates.value.replace(",", " ").split()
        try:
            rates = tuple(float(word) for word in words)
        except ValueError:
            rates = (-1.0,)
        if not all(0 <= rate < math.inf for rate in rates):
            self.host.say(f"the learning rates must be numbers from 0 on, as 0.001, 0.01, not {self.rates.value[:60]}")
            return
        self.host.say("")
        self.set(rates=rates)

    def toggle(self) -> None:
        """Train, or stop."""
        if self.live is not None:
            self.end()
            return
        tasks = [Task(name, rate) for name in self.state.train for rate in (self.state.rates or (None,))]
        unknown = [task.name for task in tasks if task.name not in (*TRAINABLE, *self.library.offer.optimizers)]
        if unknown:
            self.host.say(f"there is no optimizer {unknown[0][:40]!r} on this page")
            return
        if not 1 <= len(tasks) <= MOST:
            self.host.say(f"that are {len(tasks)} trainings: choose from 1 to {MOST} optimizers times rates")
            return
        try:
            self.start(tasks)
        except UsageError as error:
            self.host.say(str(error))

    def start(self, tasks: list[Task]) -> None:
        """Start the process that trains."""
        self.tasks = tasks
        chosen = looks([unchecked(self.library.offer.optimizer(name)) for name in self.state.train])
        self.entrants = dict(zip(self.state.train, chosen, strict=True))
        count = len(self.state.rates)
        self.alphas = [1.0 - 0.7 * (i % count) / count if count > 1 else 1.0 for i in range(len(tasks))]
        self.reports: list[list[Report]] = [[] for _ in tasks]
        self.losses.x_range.update(start=0, end=self.state.iterations)
        self.mosaic.data = {"image": []}
        self.live = LiveTraining(self.library.offer, self.library.good, self.state.data, tasks, self.state.iterations)
        self.stop = self.host.every(self.poll, POLL)
        self.begin.update(label="■ stop", button_type="danger")
        self.host.say("")
        self.show()

    def poll(self) -> None:
        """Take in what the trainings report."""
        assert self.live is not None
        found = self.live.reports()
        for report in found:
            self.reports[report.number].append(report)
        if found:
            with self.host.at_once():
                self.show()
        if self.live.over:
            self.end()

    def end(self) -> None:
        """End the trainings."""
        if self.live is not None:
            self.live.end()
            self.live = None
        if self.stop is not None:
            self.stop()
            self.stop = None
            self.begin.update(label="▶ train", button_type="primary")

    # What is shown.

    def label(self, number: int) -> str:
        """What a training is called."""
        task = self.tasks[number]
        rate = "" if task.rate is None else f", {task.rate:g}"
        return f"{self.entrants[task.name].label}{rate}"

    def show(self) -> None:
        """Draw all reports."""
        look = {
            "color": [self.entrants[task.name].color for task in self.tasks],
            "dash": [dash(self.entrants[task.name].dash) for task in self.tasks],
            "alpha": self.alphas,
        }
        right = [[report for report in each if not report.wrong] for each in self.reports]
        tested = [[report for report in each if report.accuracy is not None] for each in right]
        self.lines.data = {
            "xs": [[report.iteration for report in each] for each in right],
            "ys": [[report.loss for report in each] for each in right],
            **look,
        }
        seen = [report.loss for each in right for report in each if report.loss > 0]
        if seen:
            self.losses.y_range.update(start=min(seen) / 1.3, end=1.3 * max(min(max(seen), 10.0), 1.0))
        self.points.data = {
            "xs": [[report.iteration for report in each] for each in tested],
            "ys": [[height(report.accuracy or 0.0) for report in each] for each in tested],
            **look,
        }
        self.show_table()
        shown = [report for report in self.reports[0] if report.weights is not None]
        if shown and shown[-1].weights is not None:
            self.weights.title.text = f"First-layer weights of {self.label(0)}, iteration {shown[-1].iteration}"
            self.show_weights(shown[-1].weights)

    def show_table(self) -> None:
        """The table of the trainings: where each is, and how long it takes for a step."""
        rows = []
        for number, reports in enumerate(self.reports):
            color = self.entrants[self.tasks[number].name].color
            cells = ["", "", "", ""]
            if reports and reports[-1].wrong:
                text = html.escape(reports[-1].wrong)
                rows.append(f'<tr><td><b style="color:{color}">{html.escape(self.label(number))}</b></td>'
                            f'<td colspan="4">{text}</td></tr>')  # fmt: skip
                continue
            if reports:
                last = reports[-1]
                accuracy = next((r.accuracy for r in reversed(reports) if r.accuracy is not None), None)
                typical = float(numpy.median([report.microseconds for report in reports]))
                cells = [str(last.iteration), f"{last.loss:.4f}", "" if accuracy is None else f"{accuracy:.2f}"]
                cells.append(f"{typical:.0f}")
            numbers = "".join(f'<td style="text-align:right; padding-left:14px">{cell}</td>' for cell in cells)
            name = f'<b style="color:{color}">{html.escape(self.label(number))}</b>'
            rows.append(f"<tr><td>{name}</td>{numbers}</tr>")
        heads = "".join(
            f'<th style="padding-left:14px">{head}</th>' for head in ("iteration", "loss", "%", "µs a step")
        )
        self.table.text = f'<table style="font-size:13px"><tr><th></th>{heads}</tr>{"".join(rows)}</table>'

    def show_weights(self, weights: numpy.ndarray) -> None:
        """Draw the weights of each unit of the first layer as an image, side by side."""
        side = SIDE[self.state.data]
        rows = len(weights) // UNITS
        tiles = weights[: rows * UNITS].reshape(rows, UNITS, side, side)
        image = tiles.transpose(0, 2, 1, 3).reshape(rows * side, UNITS * side)[::-1]
        bound = float(numpy.quantile(numpy.abs(image), 0.99)) or 1.0
        self.shades.update(low=-bound, high=bound)
        self.mosaic.data = {"image": [image]}


def height(accuracy: float) -> float:
    """The height at which an accuracy is drawn."""
    return -math.log10(max(100 - accuracy, 0.5))
