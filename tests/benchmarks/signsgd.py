"""An optimizer that a learner might write."""

from numpy import sign

from minigrad.optim import Optimizer


class SignSGD(Optimizer):
    def rule(self, theta, g, *, lr=0.001):
        theta -= lr * sign(g)
