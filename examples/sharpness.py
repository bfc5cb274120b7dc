"""SAM (Foret et al. 2021): step with the gradient found a little uphill."""

from numpy.linalg import norm

from minigrad.optim import SGD, Wrapper


class SharpnessAware(Wrapper):
    needs_closure = True

    def __init__(self, params, lr=0.1, rho=0.05):
        super().__init__(SGD(params, lr=lr))
        self.rho = rho

    def step(self, closure=None):
        loss = self.evaluate(closure)
        theta, here = self.theta, self.theta.copy()
        theta += self.rho * self.g / norm(self.g)
        self.evaluate(closure)
        theta[:] = here
        self.base_optimizer.step()
        return loss
