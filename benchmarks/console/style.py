"""The look of all pictures: which optimizer has which colour and dash, and how a figure is made and saved.

The hues are M. Okabe's and K. Ito's, which people with any kind of colour vision can tell apart ("Color universal
design", 2008). There are fewer of them than optimizers, so related optimizers have shades of one hue, from dark to
light, which differ for everybody, and other dashes. Black is for the user's own optimizers.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy

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
    "nesterov": Look("#8A2F00", DASHED),
    "adagrad": Look("#00573F", SOLID),
    "rmsprop": Look(GREEN, DASHED),
    "adadelta": Look("#85C653", DOTTED),
    "adam": Look(PURPLE, SOLID),
    "adamax": Look("#6B1F63", DASHED),
    "adamw": Look("#9A4F8C", DOTTED),
    "radam": Look(ORANGE, SOLID),
    "cell14": Look("#8F6400", DASHED),
    "lookahead": Look(SKY, SOLID),
    "ranger": Look("#12406F", DASHED),
    "amsgrad": Look(PURPLE, DASH_DOT),
    "nadam": Look(PURPLE, LONG_DASHED),
    "lion": Look("#1B3A8C", DASHED),
    "lamb": Look(ORANGE, DOTTED),
    "muon": Look("#F39B6B", DASH_DOT),
    "sam": Look("#7FB2DD", DOTTED),
    "ema": Look("#3B8FD0", DASH_DOT),
    "schedulefree": Look("#5B8A3A", DASH_DOT),
}
"""The look of each built-in optimizer (by its name in `benchmarks.training.optimizers`), the same in every picture."""

FAMILIES = {
    "SGD and momentum": ("sgd", "mini-batch", "momentum", "nesterov", "muon", "sam"),
    "Adagrad's family": ("adagrad", "rmsprop", "adadelta"),
    "Adam's family": ("adam", "adamw", "adamax", "radam", "cell14", "amsgrad", "nadam", "lion", "lamb"),
    "Averages of weights": ("lookahead", "ranger", "ema", "schedulefree"),
}
"""The optimizers by the idea that they share. In a picture with a panel for each family, they are in one panel."""

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
    """Make an axis (``axes.yaxis``) logarithmic, with plain numbers at 1, 3, 10, 30 and so on.

    Where fewer than three of these are to be seen, there are more ticks between them (see `log_ticks`).
    """
    from matplotlib.ticker import FuncFormatter, Locator, NullFormatter, NullLocator

    class Ticks(Locator):
        """Matplotlib asks it for the ticks of the range that is shown."""

        def __call__(self) -> Any:
            low, high = sorted(axis.get_view_interval())
            return self.tick_values(float(low), float(high))

        def tick_values(self, vmin: float, vmax: float) -> Any:
            return log_ticks(vmin, vmax)

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(Ticks())
    axis.set_major_formatter(FuncFormatter(lambda x, _: plain(x)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """At least three numbers from `low` to `high` (both above 0) to be written at a logarithmic axis.

    They are 1, 3, 10, 30, ...; over more than five decades powers of ten, at most eight of them; and where there are
    fewer than three, also 2 and 5, then 1 to 9, and at last numbers at equal distances.
    """
    from matplotlib.ticker import MaxNLocator

    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first > 5:
        apart = math.ceil((last - first + 1) / 8)
        steps: list[tuple[int, ...]] = [(1,)]
    else:
        apart, steps = 1, [(1, 3), (1, 2, 5), (1, 2, 3, 5), tuple(range(1, 10))]
    slack = 1e-9 * (high - low)
    for factors in steps:
        # A power of ten is divided by, not multiplied with, where it is below 1: 3 / 100 is 0.03 to the last bit.
        found = [k * 10**n if n >= 0 else k / 10**-n for n in range(first, last + 1, apart) for k in factors]
        found = [tick for tick in found if low - slack <= tick <= high + slack]
        if len(found) >= 3:
            return found
    for most in range(3, 12):
        regular = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high)
        found = [float(tick) for tick in regular if low <= tick <= high]
        if len(found) >= 3:
            break
    return found


def plain(number: float) -> str:
    """A number as one writes it by hand, to twelve digits: 0.00001 and 1000000, not 1e-05 and 1e+06."""
    return numpy.format_float_positional(float(f"{number:.12g}"), trim="-")


def save(fig: Any, path: str | os.PathLike[str]) -> Path:
    """Write the figure to `path`, whose suffix is the format (.png, .svg); the folder is made if need be.

    It is written beside and then renamed, so that `path` is never half a picture.
    """
    path = Path(path)
    with report.beside(path) as part:
        fig.savefig(part, format=path.suffix.lstrip(".") or "png")
    return path
