"""SGD, with the gradient of the whole network clipped to a length of 1."""

from numpy.linalg import norm

from minigrad.optim import Optimizer


class Clipped(Optimizer):
    scope = "all"

    def rule(self, theta, g, *, lr=0.1, longest=1.0):
        theta -= lr * min(1, longest / norm(g)) * g
