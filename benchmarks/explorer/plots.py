"""The plots of the tab "surface": the map with the paths, the losses, and what one optimizer keeps in its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import contourpy
import numpy
from bokeh.events import RangesUpdate, Tap
from bokeh.models import (
    Arrow,
    ColumnDataSource,
    LinearColorMapper,
    LogScale,
    NormalHead,
    Range1d,
    Span,
    Title,
)
from bokeh.plotting import figure
from numpy import ndarray

from ..console.style import Dash
from ..pictures.inside import CIRCLE
from ..pictures.race import Trajectory
from ..pictures.race_picture import MARKERS
from ..pictures.stage import HEIGHTS, INK, ground, heights
from ..pictures.step_parts import GRADIENT, StepParts
from .core import Place, Window

CELLS, LEVELS = 140, 16
"""The map is computed at so many places in each direction, and has so many contour lines."""

BOKEH_MARKERS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle",
    "v": "inverted_triangle",
    "P": "plus",
    "X": "x",
}
"""The names of matplotlib's markers in Bokeh."""

POINTS = ("slow", "average", "z")
"""Vectors of a state that are places like theta, and are drawn as such."""

FLOOR = 1e-12
"""The lowest loss that is drawn, since the axis is logarithmic."""


def dash(given: Dash) -> list[int]:
    """A dash of matplotlib's as Bokeh has it: lengths in pixels."""
    return [] if isinstance(given, str) else [max(1, round(3 * length)) for length in given[1]]


def marker(name: str) -> str:
    """The marker of an optimizer."""
    return BOKEH_MARKERS[MARKERS.get(name, "o")]


def pale() -> list[str]:
    """256 colours from those of `HEIGHTS`."""
    return between(HEIGHTS, 256)


def between(ends: Sequence[str], count: int) -> list[str]:
    """So many colours from the first to the last of `ends`, each as "#rrggbb"."""
    channels: ndarray = numpy.array([[int(end[i : i + 2], 16) for i in (1, 3, 5)] for end in ends]).T
    at = numpy.linspace(0, len(ends) - 1, count)
    mixed = numpy.stack([numpy.interp(at, range(len(ends)), channel) for channel in channels], axis=1)
    return ["#{:02x}{:02x}{:02x}".format(*map(round, color)) for color in mixed.tolist()]


def plot(title: str, height: int, **options: Any) -> Any:
    """An empty plot in the look of the other pictures."""
    made = figure(
        title=Title(text=title, text_font_size="13px", text_color=INK),
        height=height,
        sizing_mode="stretch_width",
        min_width=280,
        toolbar_location=options.pop("toolbar_location", None),
        **options,
    )
    made.outline_line_color = "#B8B8B8"
    made.grid.grid_line_color = "#E4E4E4"
    made.axis.axis_line_color = made.axis.major_tick_line_color = "#B0B0B0"
    made.axis.minor_tick_line_color = None
    made.axis.major_label_text_font_size = "11px"
    made.axis.axis_label_text_font_style = "normal"
    return made


class Map:
    """The surface from above, which can be moved and zoomed, with the paths and the parts of one optimizer's step.

    Args:
        clicked: called with the place of a click.
        moved: called with the window, after it was moved or zoomed.
    """

    def __init__(self, clicked: Callable[[float, float], None], moved: Callable[[Window], None]) -> None:
        self.moved = moved
        self.plot = plot(
            "",
            500,
            x_range=Range1d(-1, 1),
            y_range=Range1d(-1, 1),
            tools="pan,wheel_zoom,box_zoom,reset",
            active_scroll="wheel_zoom",
            toolbar_location="above",
            name="map",
        )
        self.plot.toolbar.logo = None
        self.plot.grid.visible = False
        self.plot.on_event(Tap, lambda event: clicked(event.x, event.y))
        self.plot.on_event(RangesUpdate, lambda event: moved(((event.x0, event.x1), (event.y0, event.y1))))
        self.field = ColumnDataSource({"image": [], "x": [], "y": [], "w": [], "h": []})
        self.colors = LinearColorMapper(palette=pale(), low=0, high=1, nan_color="#FFFFFF")
        self.plot.image("image", "x", "y", "w", "h", source=self.field, color_mapper=self.colors, level="image")
        self.contours = ColumnDataSource({"xs": [], "ys": []})
        self.plot.multi_line("xs", "ys", source=self.contours, line_color="#8496AB", line_width=0.6, level="underlay")
        self.minima = ColumnDataSource({"x": [], "y": []})
        self.plot.scatter("x", "y", source=self.minima, marker="star", size=15, color=INK, line_color="white")
        self.start = ColumnDataSource({"x": [], "y": []})
        self.plot.scatter("x", "y", source=self.start, size=9, fill_color=None, line_color=INK, line_width=1.5)
        line: dict[str, list[Any]] = {"color": [], "dash": []}
        self.paths = ColumnDataSource({"xs": [], "ys": [], **line})
        self.trails = ColumnDataSource({"xs": [], "ys": [], **line}, name="trails")
        for source, look in ((self.paths, (1.2, 0.35)), (self.trails, (2.4, 1.0))):
            self.plot.multi_line(
                "xs", "ys", source=source, color="color", line_dash="dash", line_width=look[0], line_alpha=look[1]
            )
        self._parts()
        self.heads = ColumnDataSource({"x": [], "y": [], "color": [], "marker": [], "name": []})
        self.plot.scatter("x", "y", source=self.heads, marker="marker", size=11, color="color", line_color="white")
        self.plot.text(
            "x", "y", "name", source=self.heads, x_offset=9, y_offset=4, text_color="color", text_font_size="12px",
            text_font_style="bold",
        )  # fmt: skip

    def _parts(self) -> None:
        """The arrows, the ellipse and the places of one optimizer's step."""
        self.ellipse = ColumnDataSource({"x": [], "y": [], "color": []})
        self.plot.multi_line("x", "y", source=self.ellipse, line_color="color", line_dash=[5, 4], line_width=1.2)
        self.arrows = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": [], "color": []})
        self.plot.add_layout(
            Arrow(
                end=NormalHead(size=9, fill_color="color", line_color="color"),
                source=self.arrows, x_start="x0", y_start="y0", x_end="x1", y_end="y1",
                line_color="color", line_width=2.2,
            )
        )  # fmt: skip
        self.places = ColumnDataSource({"x": [], "y": [], "color": [], "marker": []})
        self.plot.scatter(
            "x", "y", source=self.places, marker="marker", size=10, fill_color="white", line_color="color", line_width=2
        )

    def show_window(self, window: Window) -> None:
        """Show this part of the plane."""
        (x0, x1), (y0, y1) = window
        self.plot.x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
        self.plot.y_range.update(start=y0, end=y1, reset_start=y0, reset_end=y1)

    def show_surface(self, place: Place, window: Window, grid: tuple[ndarray, ndarray, ndarray]) -> None:
        """Draw the surface on a window."""
        x, y, f = grid
        f = numpy.where(numpy.isfinite(f), f, numpy.nan)
        (x0, x1), (y0, y1) = window
        self.plot.title.text = place.title
        self.minima.data = {"x": [m[0] for m in place.minima], "y": [m[1] for m in place.minima]}
        if numpy.isnan(f).all():
            self.field.data = {"image": [], "x": [], "y": [], "w": [], "h": []}
            self.contours.data = {"xs": [], "ys": []}
            return
        z = heights(place, f, ground(f))  # type: ignore[arg-type]
        low, high = float(numpy.nanmin(z)), float(numpy.nanmax(z))
        part = numpy.linspace(0, 1, LEVELS) ** (2 if place.minima and not place.logarithmic else 1)
        at = low + part * max(high - low, 1e-9)
        # The colours are at equal distances, as the contour lines are: see `draw_map` in pictures/stage.py.
        shade = numpy.sqrt((z - low) / max(high - low, 1e-9))
        self.field.data = {
            "image": [shade.astype(numpy.float32)], "x": [x0], "y": [y0], "w": [x1 - x0], "h": [y1 - y0]
        }  # fmt: skip
        lines: Any = contourpy.contour_generator(x, y, z)
        pieces = [piece for level in at[1:-1] for piece in lines.lines(float(level))]
        self.contours.data = {"xs": [p[:, 0] for p in pieces], "ys": [p[:, 1] for p in pieces]}

    def show_paths(self, runs: Sequence[Trajectory], start: tuple[float, float]) -> None:
        """Draw the whole paths, faintly."""
        look = {"color": [one.entrant.color for one in runs], "dash": [dash(one.entrant.dash) for one in runs]}
        self.paths.data = {"xs": [one.path[:, 0] for one in runs], "ys": [one.path[:, 1] for one in runs], **look}
        self.start.data = {"x": [start[0]], "y": [start[1]]}

    def show_step(self, runs: Sequence[Trajectory], step: int) -> None:
        """Draw the paths up to a step, and where each optimizer is then."""
        done = [one.path[: one.at(step) + 1] for one in runs]
        look = {"color": [one.entrant.color for one in runs], "dash": [dash(one.entrant.dash) for one in runs]}
        self.trails.data = {"xs": [path[:, 0] for path in done], "ys": [path[:, 1] for path in done], **look}
        self.heads.data = {
            "x": [path[-1, 0] for path in done],
            "y": [path[-1, 1] for path in done],
            "color": [one.entrant.color for one in runs],
            "marker": [marker(one.entrant.name) for one in runs],
            "name": [one.entrant.label for one in runs],
        }

    def show_parts(self, one: Trajectory, parts: StepParts, step: int) -> None:
        """Draw the parts of the step that `one` makes after `step` steps: its two vectors, and what else there is."""
        row = min(step, len(parts.state) - 1)
        here, color = parts.path[row], one.entrant.color
        begins = here + parts.state[row] if parts.chained else here
        ends = [here + parts.state[row], begins + parts.gradient[row]]
        self.arrows.data = {
            "x0": [here[0], begins[0]],
            "y0": [here[1], begins[1]],
            "x1": [end[0] for end in ends],
            "y1": [end[1] for end in ends],
            "color": [color, INK],
        }
        axes = None if parts.axes is None else here + CIRCLE * parts.axes[row]
        self.ellipse.data = {
            "x": [] if axes is None else [axes[:, 0]],
            "y": [] if axes is None else [axes[:, 1]],
            "color": [] if axes is None else [color],
        }
        places = [(parts.gradient_at[row], INK, "diamond")] if (parts.gradient_at[row] != here).any() else []
        places += [(one.states[name][row], color, "square") for name in POINTS if name in one.states]
        self.places.data = {
            "x": [place[0][0] for place in places],
            "y": [place[0][1] for place in places],
            "color": [place[1] for place in places],
            "marker": [place[2] for place in places],
        }

    def hide_parts(self) -> None:
        """Draw no step."""
        for source in (self.arrows, self.ellipse, self.places):
            source.data = {key: [] for key in source.data}


class Losses:
    """The loss against the step, above the minimum or above the lowest there was."""

    def __init__(self) -> None:
        ranges = {"x_range": Range1d(0, 1), "y_range": Range1d(1e-3, 1)}
        self.plot = plot("", 230, y_axis_type="log", x_axis_label="step", tools="", name="losses", **ranges)
        self.lines = ColumnDataSource({"xs": [], "ys": [], "color": [], "dash": []})
        self.plot.multi_line("xs", "ys", source=self.lines, color="color", line_dash="dash", line_width=1.8)
        self.now = Span(location=0, dimension="height", line_color=INK, line_width=1)
        self.plot.add_layout(self.now)
        assert isinstance(self.plot.y_scale, LogScale)

    def show(self, runs: Sequence[Trajectory], lowest: float | None) -> None:
        """Draw the losses of whole runs; `lowest` is the value at the minimum, if that is known."""
        base = min(float(one.losses.min()) for one in runs) if lowest is None else lowest
        over = "the lowest" if lowest is None else "the minimum"
        self.plot.title.text = f"Loss above {over}, {base:.3g}" if abs(base) > 1e-6 else "Loss"
        ys = [numpy.maximum(one.losses - base, FLOOR) for one in runs]
        stayed = [y for y, one in zip(ys, runs, strict=True) if one.fate != "diverged"] or ys
        self.lines.data = {
            "xs": [numpy.arange(len(y)) for y in ys],
            "ys": ys,
            "color": [one.entrant.color for one in runs],
            "dash": [dash(one.entrant.dash) for one in runs],
        }
        top = max(float(y.max()) for y in stayed)
        bottom = min(float(y[y > FLOOR].min()) if (y > FLOOR).any() else FLOOR for y in stayed)
        self.plot.y_range.update(start=max(bottom, 1e-9) / 2, end=3 * max(top, 1e-8))
        self.plot.x_range.update(start=0, end=max(1, max(map(len, ys)) - 1))


class Strips:
    """What one optimizer keeps in its state, and the gradient, for x and for y, against the step."""

    LOOKS: Mapping[int, tuple[float, str]] = {0: (2.0, "solid"), 1: (2.0, "dashed"), 2: (1.5, "dotted")}

    def __init__(self) -> None:
        self.plots: list[Any] = []
        self.sources: list[Any] = []
        self.bands: list[Any] = []
        self.nows: list[Any] = []
        for axis in "xy":
            strip = plot(
                f"along {axis}", 170, x_axis_label="step", tools="", x_range=Range1d(0, 1), name=f"strip-{axis}"
            )
            band = ColumnDataSource({"step": [], "low": [], "high": []})
            strip.varea("step", "low", "high", source=band, fill_color="#C9C9C9", fill_alpha=0.45)
            source = ColumnDataSource({"xs": [], "ys": [], "color": [], "dash": [], "name": []})
            strip.multi_line(
                "xs", "ys", source=source, line_color="color", line_dash="dash", line_width=1.7, legend_field="name"
            )
            now = Span(location=0, dimension="height", line_color=INK, line_width=1)
            strip.add_layout(now)
            legend = strip.legend[0]
            legend.update(
                location="top_right", label_text_font_size="11px", padding=2, spacing=0, glyph_height=10,
                background_fill_alpha=0.7, border_line_color=None, orientation="horizontal",
            )  # fmt: skip
            for held, one in (
                (self.plots, strip), (self.sources, source), (self.bands, band), (self.nows, now),
            ):  # fmt: skip
                held.append(one)

    def show(self, one: Trajectory, parts: StepParts) -> None:
        """Draw the series of a whole run."""
        names = [name for name in parts.series if name not in (parts.envelope, GRADIENT)]
        for axis in (0, 1):
            rows = {name: parts.series[name][:, axis] for name in (GRADIENT, *names)}
            self.sources[axis].data = {
                "xs": [numpy.arange(len(row)) for row in rows.values()],
                "ys": list(rows.values()),
                "color": [INK, *[one.entrant.color] * len(names)],
                "dash": ["dotted", *[("solid", "dashed", "dotdash")[i % 3] for i in range(len(names))]],
                "name": list(rows),
            }
            bound = parts.series[parts.envelope][:, axis] if parts.envelope else numpy.zeros(0)
            self.bands[axis].data = {"step": numpy.arange(len(bound)), "low": -bound, "high": bound}
            band = f" (band: ±{parts.envelope}, by which it is divided)" if parts.envelope else ""
            self.plots[axis].title.text = f"{one.entrant.label}: state along {'xy'[axis]}{band}"
            self.plots[axis].x_range.update(start=0, end=max(1, len(rows[GRADIENT]) - 1))
