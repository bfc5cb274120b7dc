"""LARS (You, Gitman, Ginsburg 2017): each layer steps in proportion to the length of its weights."""

from numpy.linalg import norm

from minigrad.optim import Optimizer


class LARS(Optimizer):
    scope = "parameter"
    state = ("v",)

    def rule(self, theta, g, v, *, lr=10.0, mu=0.9, trust=0.001):
        v[...] = mu * v + trust * norm(theta) / (norm(g) + 1e-9) * g
        theta -= lr * v
