"""The look of all pictures: which optimizer has which colour and dash, and how a figure is made and saved.

The colours are M. Okabe's and K. Ito's, which people with any kind of colour vision can tell apart ("Color
universal design", 2008). There are fewer of them than optimizers, so related optimizers share a colour and differ
in their dashes. Black is for the user's own optimizers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from . import report

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLACK = "#000000"
GREY = "#8A8A8A"

Dash = str | tuple[float, tuple[float, ...]]
"""A line style of matplotlib's: "-", or (offset, (length of a dash, of a gap, ...)) in line widths."""

SOLID: Dash = "-"
DASHED: Dash = (0, (4, 1.5))
DOTTED: Dash = (0, (1.2, 1.2))
DASH_DOT: Dash = (0, (6, 1.5, 1.2, 1.5))
LONG_DASHED: Dash = (0, (9, 2.5))


class Look(NamedTuple):
    """The colour and the dash of a line."""

    color: str
    dash: Dash


LOOKS = {
    "sgd": Look(BLUE, SOLID),
    "mini-batch": Look(SKY, DOTTED),
    "momentum": Look(VERMILLION, SOLID),
    "nesterov": Look(VERMILLION, DASHED),
    "adagrad": Look(GREEN, SOLID),
    "rmsprop": Look(GREEN, DASHED),
    "adadelta": Look(GREEN, DOTTED),
    "adam": Look(PURPLE, SOLID),
    "adamax": Look(PURPLE, DASHED),
    "adamw": Look(PURPLE, DOTTED),
    "radam": Look(ORANGE, SOLID),
    "cell14": Look(ORANGE, DASHED),
    "lookahead": Look(SKY, SOLID),
    "ranger": Look(SKY, DASHED),
    "amsgrad": Look(PURPLE, DASH_DOT),
    "nadam": Look(PURPLE, LONG_DASHED),
    "lion": Look(BLUE, DASHED),
    "lamb": Look(ORANGE, DOTTED),
    "muon": Look(VERMILLION, DASH_DOT),
    "sam": Look(BLUE, DOTTED),
    "ema": Look(SKY, DASH_DOT),
    "schedulefree": Look(GREEN, DASH_DOT),
}
"""The look of each built-in optimizer (by its name in `benchmarks.training.optimizers`), the same in every picture."""

GUESTS = tuple(Look(color, dash) for color in (BLACK, GREY) for dash in (SOLID, DASHED, DOTTED, DASH_DOT))
"""The looks of the user's own optimizers, in the order in which they are given."""

SETTINGS: dict[Any, Any] = {
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.5,
    "savefig.dpi": 180,
}


def figure(rows: int = 1, columns: int = 1, *, width: float = 10.0, height: float = 4.5, **options: Any) -> Any:
    """Make a figure, and its axes in the form that matplotlib's ``subplots`` gives them.

    Args:
        rows, columns: of axes.
        width, height: of the figure in inches; 10 inches are 1800 pixels, twice the width a README shows.
        options: for `matplotlib.figure.Figure.subplots` (``sharex``, ``squeeze``, ``width_ratios``, ...).

    No window is opened and pyplot is not used, so there is nothing to close.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(SETTINGS)
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, columns, **options)


def log_scale(axis: Any) -> None:
    """Make an axis (``axes.yaxis``) logarithmic, with ticks at 1, 3, 10, 30 and so on, written as such."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(fig: Any, path: str | os.PathLike[str]) -> Path:
    """Write the figure to `path`, whose suffix is the format (.png, .svg); the folder is made if need be.

    It is written beside and then renamed, so that `path` is never half a picture.
    """
    path = Path(path)
    with report.beside(path) as part:
        fig.savefig(part, format=path.suffix.lstrip(".") or "png")
    return path
