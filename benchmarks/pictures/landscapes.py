"""The built-in surfaces that optimizers race on: their formulas, where the race starts, and the hyperparameters."""

from __future__ import annotations

import math

import minigrad
from minigrad.tensor import Tensor

from .surface import Surface, rates


def beale(x: Tensor, y: Tensor) -> Tensor:
    """(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: a flat cross between steep corners.

    Its minimum is 0, at (3, 0.5). E. M. L. Beale, "On an iterative method for finding a local minimum of a
    function of more than one variable", 1958.
    """
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def valley(x: Tensor, y: Tensor) -> Tensor:
    """12.5 y^2 + 1.5 cos(pi x / 4): a valley with steep walls, whose floor falls from x = 0 to x = 4.

    Across it the curvature is 25, along it never more than 0.93, and at x = 0 the slope along it is 0. It imitates
    the "long valley" of the well-known animations, whose formula is not known.
    """
    return 12.5 * y**2 + 1.5 * minigrad.cos(x * (math.pi / 4))


def saddle(x: Tensor, y: Tensor) -> Tensor:
    """x^3 - 3xy^2, the monkey saddle: three ways down, three ways up, and a flat place between them.

    It imitates the "saddle point" of the well-known animations.
    """
    return x**3 - 3 * x * y**2


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    """(1 - x)^2 + 100 (y - x^2)^2: a curved valley, easy to enter and slow to follow.

    Its minimum is 0, at (1, 1). H. H. Rosenbrock, "An automatic method for finding the greatest or least value
    of a function", 1960.
    """
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def ravine(x: Tensor, y: Tensor) -> Tensor:
    """(a^2 + 25 b^2) / 2, where a is the position along a line of slope 5/12, and b the distance from that line.

    Its curvature is 1 along the line and 25 across it. Since the line is not parallel to an axis, an optimizer that
    treats x and y separately sees about the same steepness in both. Its minimum is 0, at (0, 0).
    """
    along, across = (12 * x + 5 * y) / 13, (12 * y - 5 * x) / 13
    return (along**2 + 25 * across**2) / 2


def himmelblau(x: Tensor, y: Tensor) -> Tensor:
    """(x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima, all 0, and which one is found depends on the start.

    One of them is at (3, 2). D. M. Himmelblau, "Applied nonlinear programming", 1972.
    """
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


# The first steps of the adaptive optimizers do not depend on how steep the surface is, so one learning rate suits them
# on surfaces of one size. SGD, Momentum and Nesterov need one that fits the steepness. Their momentum is mu = 0.95, as
# in the well-known animations, except in the ravine and on the saddle, where it would carry Nesterov over as well.
#
# Beale's function, as measured in its animation: SGD 0.001, Momentum and Nesterov 0.001 with 0.95, Adagrad 1, and a
# first step of RMSprop of about 0.32 along each axis. That step is lr / sqrt(1 - alpha): lr = 0.1 with Hinton's
# alpha = 0.9 makes it 0.316. (So would 0.0316 with PyTorch's 0.99, but then it does not oscillate at the end as it
# does there.) The animation's hyperparameters of Adadelta are not known, and it has no Adam: these are our choice.
# RAdam, which races if asked to, needs a small rate too: its first five steps are in proportion to the gradient.
SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            name="beale",
            title="Beale's function",
            formula=r"$f = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2$",
            function=beale,
            x_range=(-5, 5),
            y_range=(-5, 5),
            start=(1.0, 1.6),
            minimum=(3.0, 0.5),
            steps=199,
            rates=rates(sgd=1e-3, momentum=1e-3, mu=0.95, adagrad=1.0, rmsprop=0.1, eps=1e-3, adam=0.3, radam=0.01),
            logarithmic=True,
            steady=True,
            camera=(50, -52),
        ),
        Surface(
            name="valley",
            title="A long valley",
            formula=r"$f = 12.5\,y^2 + 1.5\,\cos(\pi x/4)$",
            function=valley,
            x_range=(-1.5, 6.5),
            y_range=(-1, 1),
            start=(1e-4, 0.8),
            minimum=(4.0, 0.0),
            steps=120,
            rates=rates(sgd=0.07, momentum=0.02, mu=0.95, adagrad=0.4, rmsprop=0.03, eps=1e-4, adam=0.1, radam=0.03),
            steady=True,
            camera=(48, -70),
        ),
        Surface(
            name="saddle",
            title="A saddle point",
            formula=r"$f = x^3 - 3xy^2$",
            function=saddle,
            x_range=(-1, 1),
            y_range=(-1, 1),
            start=(-0.27, -0.5),
            minimum=None,
            steps=120,
            rates=rates(sgd=0.01, momentum=0.01, mu=0.9, adagrad=0.1, rmsprop=0.01, eps=1e-5, adam=0.02, radam=0.02),
            falls_away=True,
            steady=True,
            camera=(38, -35),
        ),
        Surface(
            name="rosenbrock",
            title="Rosenbrock's function",
            formula=r"$f = (1 - x)^2 + 100\,(y - x^2)^2$",
            function=rosenbrock,
            x_range=(-2.5, 2.5),
            y_range=(-1, 3.5),
            start=(-2.0, 2.0),
            minimum=(1.0, 1.0),
            steps=400,
            rates=rates(sgd=5e-4, momentum=2e-4, mu=0.95, adagrad=0.5, rmsprop=0.03, eps=1e-3, adam=0.3, radam=5e-4),
            logarithmic=True,
            steady=True,
            camera=(48, -72),
        ),
        Surface(
            name="ravine",
            title="A ravine",
            formula=r"$f = (a^2 + 25\,b^2)/2,\ a = (12x + 5y)/13,\ b = (12y - 5x)/13$",
            function=ravine,
            x_range=(-10, 5),
            y_range=(-6, 5),
            start=(-8.0, -1.0),
            minimum=(0.0, 0.0),
            steps=60,
            rates=rates(sgd=0.07, momentum=0.05, mu=0.8, adagrad=2.0, rmsprop=0.3, eps=1e-2, adam=0.8, radam=0.05),
            steady=True,
            camera=(45, -75),
        ),
        Surface(
            name="himmelblau",
            title="Himmelblau's function",
            formula=r"$f = (x^2 + y - 11)^2 + (x + y^2 - 7)^2$",
            function=himmelblau,
            x_range=(-5, 5),
            y_range=(-5, 5),
            start=(0.0, -1.0),
            minimum=(3.0, 2.0),
            others=((-2.805118, 3.131313), (-3.77931, -3.283186), (3.584428, -1.848127)),
            steps=120,
            rates=rates(sgd=0.01, momentum=0.003, mu=0.9, adagrad=0.5, rmsprop=0.05, eps=1e-3, adam=0.2, radam=0.01),
            logarithmic=True,
            steady=True,
            camera=(52, -60),
        ),
    )
}
"""The built-in surfaces by name."""

RACES = ("beale", "valley", "saddle", "rosenbrock")
"""The surfaces of the race unless others are asked for."""
