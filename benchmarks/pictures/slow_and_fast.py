"""The optimizer Lookahead: its slow and its fast weights, on a plane through the space of all weights.

The fast weights are Adam's, with the learning rate of cell 15 of the course notebook "6. Optimizers", whose MNIST
comparison this project reproduces. After every five of its steps, a round, the slow weights go half the way to the fast
weights, and the fast weights start again from there. The plane is spanned by the first two principal components of the
fast weights during a few rounds, and the map is the training loss on it.

It follows M. R. Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019, figure 1.
"""

from __future__ import annotations

from collections.abc import Callable
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
from .explanation import Explanation, Request
from .race import SYMBOLS
from .stage import FAINT, NORMAL, SMALL, Stage, colormap, save_png

RATE, K, ALPHA = 0.01, 5, 0.5
FIRST, ROUNDS = 500, 6
"""The iteration after which the drawn rounds begin, and the number of rounds."""

IMAGES, GRID = 1000, 31
"""The images over which the loss is computed, and the points of the map along each axis."""
FAST, SLOW = LOOKS["adam"].color, LOOKS["lookahead"].color


@dataclass(frozen=True)
class Rounds:
    """Some rounds of a run, with d weights.

    Attributes:
        fast: the fast weights after each step, (ROUNDS, K + 1, d): a round begins with the slow weights.
        slow: the slow weights before the first and after each round, (ROUNDS + 1, d).
        fast_losses, slow_losses: their training loss, over `IMAGES` images: (ROUNDS, K + 1), (ROUNDS + 1,).
        plane: the first two principal components, two vectors of length 1: (2, d).
        middle: the mean of the fast weights, through which the plane goes: (d,).
        share: the fraction of the fast weights' variance that is in the plane.
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
        """The coordinates on the plane, (..., 2), of weights (..., d)."""
        return (weights - self.middle) @ self.plane.T


class _RecordingAdam(optim.Adam):
    """Adam that keeps its parameters after each step, before Lookahead sets them to the slow weights."""

    after_step: ndarray

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        self.after_step = self.theta.copy()
        return loss


def watch(seed: int) -> Rounds:
    """Train on MNIST with Lookahead(Adam), record some rounds, and compute the loss around them."""
    data = network.load("mnist", True)
    model = network.seeded(data, seed)
    adam = _RecordingAdam(model.parameters(), lr=RATE)
    lookahead = Lookahead(adam, k=K, alpha=ALPHA)
    fast: list[list[ndarray]] = []
    slow: list[ndarray] = []
    for iteration, _ in network.steps(model, lookahead, DataLoader(data, 100, shuffle=True), FIRST + K * ROUNDS):
        if iteration > FIRST:
            fast[-1].append(adam.after_step)
        if iteration >= FIRST and iteration % K == 0:  # a round ends, and the next one begins
            slow.append(adam.theta.copy())
            fast.append([slow[-1]])
    images, labels = data.batch(numpy.arange(IMAGES))

    def loss(weights: ndarray) -> float:
        adam.theta[:] = weights
        with minigrad.no_grad():
            return float(cross_entropy(model(images), labels))

    return _mapped(loss, numpy.array(fast[:-1]), numpy.array(slow))


def _mapped(loss: Callable[[ndarray], float], fast: ndarray, slow: ndarray) -> Rounds:
    """Compute the plane, the losses on it and those of the weights."""
    points = fast.reshape(-1, fast.shape[-1])
    middle = points.mean(0)
    _, sizes, directions = numpy.linalg.svd(points - middle, full_matrices=False)
    plane = directions[:2]
    # The map: where the fast weights are, and a quarter more on each side.
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


def draw(request: Request) -> Explanation:
    """Draw lookahead.png, and lookahead.gif if `animated`."""
    rounds, last = watch(request.seed), ROUNDS * K
    still = LookaheadAnimation(rounds, request.seed, 2).frame(last)
    written = [save_png(request.folder / "lookahead.png", still, 200)]
    if request.animated:
        frame = LookaheadAnimation(rounds, request.seed).frame
        written += animate(request.folder / "lookahead.gif", frame, range(last + 1), [last], fps=4)
    ends, after = rounds.fast_losses[:, -1], rounds.slow_losses[1:]
    return Explanation(
        "Lookahead: slow and fast weights",
        [
            f"{ROUNDS} rounds from iteration {FIRST} on: over {IMAGES} training images the loss of the fast weights at "
            f"the end of a round is {ends.mean():.3f} on average, that of the slow weights then is {after.mean():.3f}. "
            f"The slow weights are better in {int((after < ends).sum())} of {ROUNDS} rounds.",
            f"The plane has {100 * rounds.share:.0f} % of the fast weights' variance.",
        ],
        {
            "rate": RATE,
            "k": K,
            "alpha": ALPHA,
            "seed": request.seed,
            "first_iteration": FIRST,
            "loss_of_fast_weights_at_the_ends": ends,
            "loss_of_slow_weights_after": after,
            "variance_in_the_plane": rounds.share,
        },
        written,
    )


class LookaheadAnimation:
    """The plane and the losses, after any number of the drawn steps."""

    def __init__(self, rounds: Rounds, seed: int, sharpness: float = 1) -> None:
        self.rounds = rounds
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
        a, b, values = self.rounds.grid
        words = f"training loss on the plane through the run ({100 * self.rounds.share:.0f} % of the variance)"
        axes = self.stage.panel(48, 92, 420, 320, xlabel="first principal direction of the fast weights")
        axes.set_ylabel("second", fontsize=SMALL, color=FAINT)
        axes.grid(False)
        self.stage.text(48, 84, words, SMALL, color=FAINT)
        levels = numpy.unique(numpy.quantile(values, numpy.linspace(0, 1, 16)))  # equal areas of each colour
        axes.contourf(a, b, values, levels=levels, cmap=colormap())
        lines = axes.contour(a, b, values, levels=levels[1::2], colors="#8496AB", linewidths=0.5)
        axes.clabel(lines, fontsize=SMALL - 1, fmt="%.2f", inline_spacing=2)
        for i, (color, words) in enumerate(((FAST, "fast weights: Adam's steps"), (SLOW, "slow weights"))):
            self.stage.over.plot([48 + 230 * i, 70 + 230 * i], [458, 458], color=color, lw=2.4)
            self.stage.text(78 + 230 * i, 462, words, NORMAL)
        return axes

    def _draw_losses(self) -> Any:
        high = float(max(self.rounds.fast_losses.max(), self.rounds.slow_losses.max()))
        low = float(min(self.rounds.fast_losses.min(), self.rounds.slow_losses.min()))
        room = 0.08 * (high - low)
        title, xlim = f"Loss over {IMAGES} training images", (FIRST - 1, FIRST + K * ROUNDS + 1)
        return self.stage.panel(522, 92, 264, 320, title, xlabel="iteration", xlim=xlim, ylim=(low - room, high + room))

    def frame(self, step: int) -> ndarray:
        """The picture after `step` of the drawn steps."""
        self.counter.set_text(f"iteration {FIRST + step}")
        rounds = self.rounds
        finished, rest = divmod(step, K)
        # The fast weights of each round are a line of their own: nan interrupts it between two rounds.
        gap = [numpy.full(2, numpy.nan)]
        fast, jumps, iterations, losses = [], [], [], []
        for i in range(finished + (rest > 0)):
            count = K + 1 if i < finished else rest + 1
            fast += [*rounds.on_plane(rounds.fast[i, :count]), *gap]
            iterations += [*range(FIRST + K * i, FIRST + K * i + count), numpy.nan]
            losses += [*rounds.fast_losses[i, :count], numpy.nan]
            if i < finished:
                jumps += [rounds.on_plane(rounds.fast[i, -1]), rounds.on_plane(rounds.slow[i + 1]), *gap]
        points, slow = numpy.array(fast or gap), rounds.on_plane(rounds.slow[: finished + 1])
        self.fast.set_data(*points.T)
        self.jumps.set_data(*numpy.array(jumps or gap).T)
        self.slow.set_data(*slow.T)
        self.head.set_data(*(points[-2:-1] if fast else slow[-1:]).T)
        self.fast_loss.set_data(iterations, losses)
        self.slow_loss.set_data(FIRST + K * numpy.arange(finished + 1), rounds.slow_losses[: finished + 1])
        moving = [self.jumps, self.fast, self.slow, self.head, self.fast_loss, self.slow_loss]
        return self.stage.frame([self.counter, *moving])
