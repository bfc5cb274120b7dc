"""The tab "surface": optimizers race on a map, step by step, with a slider for each hyperparameter."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy
from bokeh.models import (
    Button,
    CategoricalSlider,
    Column,
    ColumnDataSource,
    Div,
    MultiChoice,
    Row,
    Select,
    Slider,
    Spinner,
    TextInput,
)

from .. import UsageError
from ..pictures.landscapes import SURFACES
from ..pictures.race import Trajectory
from ..pictures.step_parts import step_parts
from ..training.optimizers import Entrant, unchecked
from .core import Card, Place, Window, looks, trajectory
from .host import Host
from .knobs import Knob, number_at, with_value
from .plots import Losses, Map, Strips
from .remote import Library
from .rule_panel import ROW, RulePanel, fill, table
from .state import FASTEST, KNOWN, MOST_NOISE, MOST_STEPS, Settings, State

TYPED = "a formula"
"""The entry of the list of surfaces that stands for what is typed."""

WRAP = {"flex-wrap": "wrap", "gap": "6px 14px", "align-items": "flex-end"}


class SurfaceTab:
    """The widgets and plots of the tab, and what happens when they are used.

    Args:
        library: computes.
        state: what is shown first.
        host: the page.
    """

    def __init__(self, library: Library, state: State, host: Host) -> None:
        self.library, self.state, self.host = library, state, host
        self.place: Place = library.ask("place", state.surface)
        self.cards: dict[str, Card] = {}
        self.runs: dict[str, Trajectory] = {}
        self.stop: Callable[[], None] | None = None
        self.map, self.losses, self.strips, self.rule = Map(self.click, self.move), Losses(), Strips(), RulePanel()
        self._make_controls()
        self.panels = Row(styles={**WRAP, "align-items": "flex-start"}, sizing_mode="stretch_width", name="panels")
        self.sliders: dict[tuple[str, str], CategoricalSlider] = {}
        self.standings = ColumnDataSource(
            {"name": [], "loss": [], "x": [], "y": [], "fate": [], "color": [], "style": []}
        )
        columns = [("name", "", 150), ("loss", "loss", 110), ("x", "x", 100), ("y", "y", 100), ("fate", "", 150)]
        self.table = table(self.standings, columns, "standings")
        self.layout = self._layout()
        self.show_all()

    # Widgets.

    def _make_controls(self) -> None:
        names = [*SURFACES, *self.library.offer.surfaces]
        titles = [(name, SURFACES[name].title if name in SURFACES else name) for name in names]
        self.surface = Select(title="surface", options=[*titles, (TYPED, TYPED)], width=180, name="surface")
        self.formula = TextInput(title="f(x, y) =", placeholder="x**2 + 10*y**2", width=250, name="typed")
        self.x = Spinner(title="start x", step=0.1, width=90, format="0.[000]", name="start-x")
        self.y = Spinner(title="start y", step=0.1, width=90, format="0.[000]", name="start-y")
        self.steps = Spinner(title="steps", low=1, high=MOST_STEPS, step=10, width=90, name="steps")
        self.noise = Slider(
            title="gradient noise", start=0, end=MOST_NOISE, step=0.02, value=0, width=200, name="noise"
        )
        self.seed = Spinner(title="its seed", low=0, high=2**32 - 1, step=1, width=90, name="seed")
        offered = [*KNOWN, *self.library.offer.optimizers]
        labels = [(name, unchecked(self.library.offer.optimizer(name)).label) for name in offered]
        self.racers = MultiChoice(title="optimizers", options=labels, sizing_mode="stretch_width", name="racers")
        self.back = Button(label="|◀", width=44, name="first")
        self.one_back = Button(label="◀", width=44, name="back")
        self.play = Button(label="▶ play", width=90, button_type="primary", name="play")
        self.one_on = Button(label="▶|", width=44, name="step")
        self.at = Slider(title="step", start=0, end=100, value=0, step=1, sizing_mode="stretch_width", name="at")
        # The browser sets this one to what it has drawn, and so tells how far it is.
        self.drawn = Slider(start=0, end=MOST_STEPS, value=0, visible=False)
        self.at.js_link("value", self.drawn, "value")
        self.speed = Slider(title="steps a second", start=1, end=FASTEST, value=20, step=1, width=160, name="speed")
        self.follow = Select(title="follow", options=[], width=180, name="follow")
        self.surface.on_change("value", self.choose_surface)
        self.formula.on_change("value", self.type_formula)
        for widget in (self.x, self.y):
            widget.on_change("value", self.set_start)
        for name in ("steps", "noise", "seed"):
            getattr(self, name).on_change("value", partial(self.set_number, name))
        self.racers.on_change("value", self.choose_racers)
        self.at.on_change("value", lambda attr, old, new: self.go(int(new)))
        self.speed.on_change("value", self.set_speed)
        self.follow.on_change("value", self.choose_follow)
        self.back.on_click(lambda: self.go(0))
        self.one_back.on_click(lambda: self.go(self.state.at - 1))
        self.one_on.on_click(lambda: self.go(self.state.at + 1))
        self.play.on_click(self.toggle)

    def _layout(self) -> Any:
        where = Row(
            self.surface, self.formula, self.x, self.y, self.steps, self.noise, self.seed,
            styles=WRAP, sizing_mode="stretch_width",
        )  # fmt: skip
        buttons = Row(self.back, self.one_back, self.play, self.one_on, width=240)
        playing = Row(buttons, self.speed, self.at, self.drawn, styles=WRAP, sizing_mode="stretch_width")
        self.at.styles = {"flex": "1 1 300px"}
        left = Column(self.map.plot, self.table, sizing_mode="stretch_width", styles={"flex": "1.6 1 470px"})
        right = Column(self.losses.plot, *self.strips.plots, sizing_mode="stretch_width", styles={"flex": "1 1 330px"})
        plots = Row(left, right, styles={**WRAP, "align-items": "stretch"}, sizing_mode="stretch_width")
        self.panels.styles = {**self.panels.styles, "flex": "1.25 1 470px"}
        ruled = Column(self.follow, self.rule.layout, sizing_mode="stretch_width", styles={"flex": "1 1 430px"})
        below = Row(self.panels, ruled, styles={**WRAP, "align-items": "flex-start"}, sizing_mode="stretch_width")
        return Column(where, self.racers, playing, plots, below, sizing_mode="stretch_width", styles={"gap": "6px"})

    # What the user does.

    def become(self, state: State, show: Callable[[], None]) -> None:
        """Take over a state, and show what has changed; if that cannot be, say why, and keep the one before.

        The widgets are set to the state, too, which calls the functions below once more. These do nothing if a widget
        has the value that the state has.
        """
        before, place = self.state, self.place
        self.state = state
        with self.host.at_once():
            try:
                show()
            except UsageError as error:
                self.state, self.place = before, place
                self.host.say(str(error))
                self._set_widgets(typed=False)
                return
            self.host.say("")
            self.host.changed(state)

    def click(self, x: float, y: float) -> None:
        """Start there."""
        self.become(replace(self.state, start=(float(f"{x:.4g}"), float(f"{y:.4g}"))), self.show_races)

    def set_start(self, attr: str, old: Any, new: Any) -> None:
        """Start where the two fields say."""
        if self.x.value is not None and self.y.value is not None and (self.x.value, self.y.value) != self.start:
            self.become(replace(self.state, start=(float(self.x.value), float(self.y.value))), self.show_races)

    def move(self, window: Window) -> None:
        """The map shows another part of the plane: compute that."""
        (x0, x1), (y0, y1) = window
        if window == self.window or not (x0 < x1 and y0 < y1):
            return
        self.become(replace(self.state, view=(x0, x1, y0, y1)), self.show_surface)

    def choose_surface(self, attr: str, old: str, new: str) -> None:
        """Another surface, with its own start, window, steps and rates."""
        name = (self.formula.value or self.formula.placeholder) if new == TYPED else new
        self.another_surface(name)

    def type_formula(self, attr: str, old: str, new: str) -> None:
        """The surface that was typed."""
        if new.strip():
            self.another_surface(new.strip())

    def another_surface(self, name: str) -> None:
        """Show another surface."""
        if name == self.state.surface:
            return

        def show() -> None:
            self.place = self.library.ask("place", name)
            self.state = replace(self.state, steps=self.place.steps, at=min(self.state.at, self.place.steps))
            self.show_all()

        racers: dict[str, Settings] = {each: {} for each in self.state.racers}
        self.become(replace(self.state, surface=name, start=None, view=None, racers=racers), show)
        self.host.changed(self.state)

    def set_number(self, name: str, attr: str, old: Any, new: Any) -> None:
        """Another number of steps, noise or seed."""
        if new is not None and new != getattr(self.state, name):
            number: Any = float(new) if name == "noise" else int(new)
            state = replace(self.state, **{name: number})
            self.become(replace(state, at=min(state.at, state.steps)), self.show_races)

    def choose_racers(self, attr: str, old: list[str], new: list[str]) -> None:
        """Other optimizers; at least one stays."""
        if new == list(self.state.racers):
            return
        if not new:
            self.host.say("at least one optimizer must stay")
            self._set_widgets()
            return
        racers = {name: self.state.racers.get(name, {}) for name in new}
        follow = self.state.follow if self.state.follow in racers else new[-1]
        self.become(replace(self.state, racers=racers, follow=follow), self.show_racers)

    def choose_follow(self, attr: str, old: str, new: str) -> None:
        """Show the state and the arithmetic of another optimizer."""
        if new != self.state.follow and new in self.runs:
            self.become(replace(self.state, follow=new), self.show_follow)

    def set_hyperparameter(self, name: str, knob: Knob, attr: str, old: str, new: str) -> None:
        """A slider was moved."""
        values = {**self.cards[name].usual, **self.state.racers[name]}
        if new != knob.nearest(number_at(values, knob)):
            value = with_value(values, knob, knob.number(new))
            self.become(self.state.with_setting(name, knob.name, value), self.show_races)

    def set_speed(self, attr: str, old: int, new: int) -> None:
        """Play at another speed."""
        if new == self.state.speed:
            return
        self.become(replace(self.state, speed=int(new)), lambda: None)
        if self.stop is not None:
            self.toggle()
            self.toggle()

    def go(self, step: int) -> None:
        """Go to a step."""
        step = min(max(step, 0), self.state.steps)
        if step != self.state.at:
            self.become(replace(self.state, at=step), self.show_step)

    def toggle(self) -> None:
        """Play, or pause."""
        if self.stop is not None:
            self.stop()
            self.stop = None
            self.play.update(label="▶ play", button_type="primary")
            self.host.changed(self.state)
            return
        if self.state.at >= self.state.steps:
            self.go(0)
        self.began = self.state.at, time.monotonic()
        self.drawn.value = self.state.at
        self.stop = self.host.every(self.tick, max(20, round(1000 / self.state.speed)))
        self.play.update(label="❚❚ pause", button_type="default")

    def tick(self) -> None:
        """Go as far as one should be by now, and pause at the end. A slow browser misses steps, but keeps the time."""
        if self.drawn.value != self.state.at:
            return
        first, then = self.began
        self.go(max(self.state.at + 1, first + round(self.state.speed * (time.monotonic() - then))))
        if self.state.at >= self.state.steps and self.stop is not None:
            self.toggle()

    # What is shown.

    @property
    def window(self) -> Window:
        """The part of the plane that the map shows."""
        if self.state.view is None:
            return self.place.x_range, self.place.y_range
        x0, x1, y0, y1 = self.state.view
        return (x0, x1), (y0, y1)

    @property
    def start(self) -> tuple[float, float]:
        """Where the race starts."""
        return self.state.start or self.place.start

    def show_all(self) -> None:
        """Show everything anew."""
        self.map.show_window(self.window)
        self.show_surface()
        self.show_racers()

    def show_surface(self) -> None:
        """Compute and draw the surface on the window."""
        grid = self.library.ask("grid", self.state.surface, self.window, 140)
        self.map.show_surface(self.place, self.window, grid)

    def show_racers(self) -> None:
        """Show the panels of the optimizers, and their races."""
        self.cards = {name: self.library.ask("card", self.state.surface, name) for name in self.state.racers}
        self._race()
        self._make_panels()
        self._show_races()

    def show_races(self) -> None:
        """Run what has changed, and draw it."""
        self._race()
        self._show_races()

    def _race(self) -> None:
        state = self.state
        names = list(state.racers)
        runs = {}
        for name, one in zip(names, self.entrants(names), strict=True):
            settings = tuple(state.racers[name].items())
            run = self.library.ask(
                "run", state.surface, name, settings, self.start, state.steps, state.noise, state.seed
            )
            runs[name] = trajectory(run, one)
        self.runs = runs

    def entrants(self, names: list[str]) -> list[Entrant]:
        """The optimizers of these names, each with its look."""
        return looks([unchecked(self.library.offer.optimizer(name)) for name in names])

    def _show_races(self) -> None:
        runs = list(self.runs.values())
        self._set_widgets()
        self.map.show_paths(runs, self.start)
        minima = self.place.minima
        lowest = None
        if minima:
            (x, y) = minima[0]
            grid = self.library.ask("grid", self.state.surface, ((x, x), (y, y)), 1)
            lowest = min(float(grid[2][0, 0]), *(float(one.losses.min()) for one in runs))
        self.losses.show(runs, lowest)
        self.show_follow()

    def show_follow(self) -> None:
        """Show the state of the optimizer that is followed."""
        one = self.runs[self.state.follow]
        card = self.cards[self.state.follow]
        self.rule.show_rule(one.entrant.label, one.entrant.color, card, self._arithmetic(min(1, one.steps)))
        self.parts = step_parts(one) if one.steps else None
        if self.parts is not None:
            with numpy.errstate(all="ignore"):
                self.strips.show(one, self.parts)
        self.show_step()

    def show_step(self) -> None:
        """Show everything at the current step."""
        state, runs = self.state, list(self.runs.values())
        self.map.show_step(runs, state.at)
        for now in (self.losses.now, *self.strips.nows):
            now.location = state.at
        one = self.runs[state.follow]
        if self.parts is not None and state.at < one.steps:
            self.map.show_parts(one, self.parts, state.at)
        else:
            self.map.hide_parts()
        step = min(state.at, one.steps)
        self.rule.show_step(self._arithmetic(step), step)
        fill(self.standings, [_standing(each, state.at) for each in runs])
        self.at.value = state.at

    def _arithmetic(self, step: int) -> Any:
        """What the lines of the rule that is followed compute at `step`; None at step 0."""
        state = self.state
        if not step:
            return None
        settings = tuple(state.racers[state.follow].items())
        run = self.library.ask(
            "run", state.surface, state.follow, settings, self.start, state.steps, state.noise, state.seed
        )
        return self.library.ask("arithmetic", state.surface, state.follow, settings, run, step)

    def _make_panels(self) -> None:
        """A panel for each optimizer: its name, and its sliders."""
        self.sliders, made = {}, []
        for name, run in self.runs.items():
            label = f'<b style="color:{run.entrant.color}">{html.escape(run.entrant.label)}</b>'
            children: list[Any] = [Div(text=label, sizing_mode="stretch_width")]
            for knob in self.cards[name].knobs:
                slider = CategoricalSlider(
                    title=knob.label, categories=knob.words, value=knob.words[0], tooltips=False,
                    bar_color=run.entrant.color, sizing_mode="stretch_width", name=f"{name}-{knob.label}",
                )  # fmt: skip
                slider.on_change("value", partial(self.set_hyperparameter, name, knob))
                self.sliders[name, knob.label] = slider
                children.append(slider)
            styles = {"border-top": f"3px solid {run.entrant.color}", "flex": "1 1 150px", "max-width": "250px"}
            made.append(Column(*children, styles=styles))
        self.panels.children = made
        self.table.height = (len(made) + 2) * ROW

    def _set_widgets(self, typed: bool = True) -> None:
        """Set all widgets to the state; without `typed`, what is typed as a formula stays as it is."""
        state = self.state
        listed = state.surface in SURFACES or state.surface in self.library.offer.surfaces
        if not listed and typed:
            self.formula.value = state.surface
        self.surface.value = state.surface if listed else TYPED
        self.x.value, self.y.value = self.start
        self.steps.value, self.noise.value, self.seed.value = state.steps, state.noise, state.seed
        self.racers.value = list(state.racers)
        self.at.update(end=state.steps, value=state.at)
        self.speed.value = state.speed
        self.follow.options = [(name, self.runs[name].entrant.label) for name in state.racers if name in self.runs]
        self.follow.value = state.follow
        for name, card in self.cards.items():
            if name not in state.racers:
                continue
            values = {**card.usual, **state.racers[name]}
            for knob in card.knobs:
                slider = self.sliders.get((name, knob.label))
                if slider is not None:
                    slider.value = knob.nearest(number_at(values, knob))


def _standing(one: Trajectory, step: int) -> tuple[str, ...]:
    """A row of the table: the name of an optimizer, its loss, where it is, and whether it has gone."""
    t = one.at(step)
    x, y = one.path[t]
    gone = f"{one.fate} at step {one.steps}" if one.fate and t == one.steps else ""
    return one.entrant.label, f"{one.losses[t]:.4g}", f"{x:.4g}", f"{y:.4g}", gone, one.entrant.color, "bold"
