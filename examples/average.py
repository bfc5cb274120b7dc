"""Any optimizer, here Adam, with an average of its weights for testing."""

from minigrad.optim import Adam, Wrapper


class Average(Wrapper):
    state = ("average",)

    def rule(self, theta, average, *, decay=0.99):
        average += (1 - decay) * (theta - average)

    def averaged(self, theta, average):
        theta[:] = average


class AveragedAdam(Average):
    def __init__(self, params, lr=0.001, decay=0.99):
        super().__init__(Adam(params, lr=lr), decay=decay)
