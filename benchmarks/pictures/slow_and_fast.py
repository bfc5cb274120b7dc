"""Lookahead's slow and fast weights, on a plane through the run.

The fast weights are Adam's, at the rate of the notebook's cell 15; every five steps the slow weights go half the
way to where they are, and the fast weights start again from there. The plane is the one that the fast weights of a
few such rounds lie nearest to (their first two principal directions), and the map is the training loss on it.

After M. R. Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019, figure 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad import optim
from minigrad.nn.functional import cross_entropy
from minigrad.optim import Lookahead
from minigrad.utils.data import DataLoader

from ..console.style import LOOKS
from ..training import network
from .animation import animate
from .explaining import Explanation, Request
from .race import SYMBOLS
from .stage import FAINT, NORMAL, SMALL, Stage, colormap, save_png

RATE, K, ALPHA = 0.01, 5, 0.5
FIRST, ROUNDS = 500, 6
"""The iteration at which the drawn rounds begin (between two rounds), and how many they are."""

IMAGES, GRID = 1000, 31
FAST, SLOW = LOOKS["adam"].color, LOOKS["lookahead"].color


@dataclass(frozen=True)
class Rounds:
    """What was seen of the run.

    Attributes:
        fast: the weights that the inner optimizer had, (ROUNDS, K + 1, d): the first of a round are the slow ones.
        slow: the slow weights before, between and after the rounds, (ROUNDS + 1, d).
        fast_losses, slow_losses: the training loss, over `IMAGES` images, at these: (ROUNDS, K + 1), (ROUNDS + 1,).
        plane: two directions of length 1, (2, d), and `middle`, the point between: (d,).
        share: of the fast weights' variance that is in the plane.
        grid: two coordinates on the plane, (GRID,) each, and the loss there, (GRID, GRID).
    """

    fast: ndarray
    slow: ndarray
    fast_losses: ndarray
    slow_losses: ndarray
    plane: ndarray
    middle: ndarray
    share: float
    grid: tuple[ndarray, ndarray, ndarray]

    def on_plane(self, weights: ndarray) -> ndarray:
        """Where weights (..., d) are on the plane: (..., 2)."""
        return (weights - self.middle) @ self.plane.T


class _Eager(optim.Adam):
    """Adam that remembers every theta it has led to: what Lookahead has before it jumps back."""

    led_to: ndarray

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        self.led_to = self.theta.copy()
        return loss


def watch(seed: int) -> Rounds:
    """Train on MNIST with Lookahead(Adam), look at some rounds, and map the loss around them."""
    data = network.load("mnist", True)
    minigrad.manual_seed(seed)
    model = network.Net.for_data(data)
    adam = _Eager(model.parameters(), lr=RATE)
    lookahead = Lookahead(adam, k=K, alpha=ALPHA)
    fast: list[list[ndarray]] = []
    slow: list[ndarray] = []
    for iteration, _ in network.steps(model, lookahead, DataLoader(data, 100, shuffle=True), FIRST + K * ROUNDS):
        if iteration > FIRST:
            fast[-1].append(adam.led_to)
        if iteration >= FIRST and iteration % K == 0:
            slow.append(adam.theta.copy())
            fast.append([slow[-1]])
    return _mapped(_Loss(model, adam, data), numpy.array(fast[:-1]), numpy.array(slow))


class _Loss:
    """The training loss at any weights, over the first `IMAGES` images."""

    def __init__(self, model: network.Net, optimizer: optim.Optimizer, data: Any) -> None:
        self.model, self.theta = model, optimizer.theta
        self.images, self.labels = data.batch(numpy.arange(IMAGES))

    def __call__(self, weights: ndarray) -> float:
        self.theta[:] = weights
        with minigrad.no_grad():
            return float(cross_entropy(self.model(self.images), self.labels))


def _mapped(loss: _Loss, fast: ndarray, slow: ndarray) -> Rounds:
    """The plane, and the losses on it and at the points."""
    points = fast.reshape(-1, fast.shape[-1])
    middle = points.mean(0)
    _, sizes, directions = numpy.linalg.svd(points - middle, full_matrices=False)
    plane = directions[:2]
    places = (points - middle) @ plane.T
    low, high = places.min(0), places.max(0)
    room = 0.25 * (high - low)
    a, b = (numpy.linspace(low[i] - room[i], high[i] + room[i], GRID) for i in (0, 1))
    values = numpy.array([[loss(middle + x * plane[0] + y * plane[1]) for x in a] for y in b])
    return Rounds(
        fast,
        slow,
        numpy.array([[loss(w) for w in one] for one in fast]),
        numpy.array([loss(w) for w in slow]),
        plane,
        middle,
        float((sizes[:2] ** 2).sum() / (sizes**2).sum()),
        (a, b, values),
    )


def explain(asked: Request) -> Explanation:
    """Draw lookahead.png, and lookahead.gif if `animated`."""
    seen = watch(asked.seed)
    written = [save_png(asked.folder / "lookahead.png", Film(seen, asked.seed, 2).frame(ROUNDS * K), 200)]
    if asked.animated:
        film = Film(seen, asked.seed)
        written += animate(asked.folder / "lookahead.gif", film.frames(), [film.frame(ROUNDS * K)], fps=4)
    ends, after = seen.fast_losses[:, -1], seen.slow_losses[1:]
    return Explanation(
        "Lookahead: slow and fast weights",
        [
            f"{ROUNDS} rounds from iteration {FIRST} on: over {IMAGES} training images the loss of the fast weights at "
            f"the end of a round is {ends.mean():.3f} on average, that of the slow weights then {after.mean():.3f}; "
            f"the slow ones are better in {int((after < ends).sum())} of {ROUNDS} rounds.",
            f"The plane has {100 * seen.share:.0f} % of the fast weights' variance.",
        ],
        {
            "rate": RATE,
            "k": K,
            "alpha": ALPHA,
            "seed": asked.seed,
            "first_iteration": FIRST,
            "loss_of_fast_weights_at_the_ends": ends,
            "loss_of_slow_weights_after": after,
            "variance_in_the_plane": seen.share,
        },
        written,
    )


class Film:
    """The plane and the losses, after any number of the drawn steps."""

    def __init__(self, seen: Rounds, seed: int, sharpness: float = 1) -> None:
        self.seen = seen
        self.stage = stage = Stage(800, 478, sharpness)
        stage.title(
            "Lookahead: slow and fast weights",
            f"MNIST, 784-100-10, Adam lr {RATE:g} inside Lookahead k {K}, {SYMBOLS['alpha']} {ALPHA:g}, seed {seed}",
        )
        self.counter = stage.text(786, 24, "", 11, ha="right", weight="bold", animated=True)
        self.map = self._draw_plane()
        self.losses = self._draw_losses()
        look = {"animated": True}
        self.fast = stage.line(self.map, color=FAST, lw=1.4, marker="o", ms=3.5, **look)
        self.jumps = stage.line(self.map, color=FAST, lw=0.8, ls=(0, (2, 2)), **look)
        self.slow = stage.line(self.map, color=SLOW, lw=2.4, marker="o", ms=7, mec="white", mew=0.8, **look)
        self.head = stage.line(self.map, color=FAST, marker="o", ms=8, mec="white", mew=1, **look)
        self.fast_loss = stage.line(self.losses, color=FAST, lw=1.4, marker="o", ms=3.5, **look)
        self.slow_loss = stage.line(self.losses, color=SLOW, lw=2.4, marker="o", ms=6, mec="white", mew=0.8, **look)

    def _draw_plane(self) -> Any:
        a, b, values = self.seen.grid
        words = f"training loss on the plane through the run ({100 * self.seen.share:.0f} % of the variance)"
        axes = self.stage.panel(48, 92, 420, 320, xlabel="first principal direction of the fast weights")
        axes.set_ylabel("second", fontsize=SMALL, color=FAINT)
        axes.grid(False)
        self.stage.text(48, 84, words, SMALL, color=FAINT)
        levels = numpy.quantile(values, numpy.linspace(0, 1, 16))
        levels = numpy.unique(levels)
        axes.contourf(a, b, values, levels=levels, cmap=colormap())
        lines = axes.contour(a, b, values, levels=levels[1::2], colors="#8496AB", linewidths=0.5)
        axes.clabel(lines, fontsize=SMALL - 1, fmt="%.2f", inline_spacing=2)
        for i, (color, words) in enumerate(((FAST, "fast weights: Adam's steps"), (SLOW, "slow weights"))):
            self.stage.over.plot([48 + 230 * i, 70 + 230 * i], [458, 458], color=color, lw=2.4)
            self.stage.text(78 + 230 * i, 462, words, NORMAL)
        return axes

    def _draw_losses(self) -> Any:
        high = float(max(self.seen.fast_losses.max(), self.seen.slow_losses.max()))
        low = float(min(self.seen.fast_losses.min(), self.seen.slow_losses.min()))
        room = 0.08 * (high - low)
        axes = self.stage.panel(
            522,
            92,
            264,
            320,
            f"Loss over {IMAGES} training images",
            xlabel="iteration",
            xlim=(FIRST - 1, FIRST + K * ROUNDS + 1),
            ylim=(low - room, high + room),
        )
        return axes

    def frame(self, step: int) -> ndarray:
        """The picture after `step` of the drawn steps."""
        seen = self.seen
        self.counter.set_text(f"iteration {FIRST + step}")
        rounds, rest = divmod(step, K)
        fast, jumps, t, losses = [], [], [], []
        gap = [numpy.full(2, numpy.nan)]
        for i in range(rounds + (rest > 0)):
            count = K + 1 if i < rounds else rest + 1
            fast += [*seen.on_plane(seen.fast[i, :count]), *gap]
            t += [*range(FIRST + K * i, FIRST + K * i + count), numpy.nan]
            losses += [*seen.fast_losses[i, :count], numpy.nan]
            if i < rounds:
                jumps += [seen.on_plane(seen.fast[i, -1]), seen.on_plane(seen.slow[i + 1]), *gap]
        points = numpy.array(fast or gap)
        self.fast.set_data(*points.T)
        self.jumps.set_data(*numpy.array(jumps or gap).T)
        slow = seen.on_plane(seen.slow[: rounds + 1])
        self.slow.set_data(*slow.T)
        self.head.set_data(*(points[-2:-1] if fast else slow[-1:]).T)
        self.fast_loss.set_data(t, losses)
        self.slow_loss.set_data(FIRST + K * numpy.arange(rounds + 1), seen.slow_losses[: rounds + 1])
        moving = [self.jumps, self.fast, self.slow, self.head, self.fast_loss, self.slow_loss]
        return self.stage.frame([self.counter, *moving])

    def frames(self) -> Iterator[ndarray]:
        """The pictures of all steps."""
        return (self.frame(step) for step in range(ROUNDS * K + 1))
