"""The update rules, one number at a time: the page to read beside the papers.

Every rule here is written from its paper for a single coordinate, in plain Python floats, with nothing
imported but `math`. It shares no line with `minigrad.optim`, which is tested against it; it is itself
tested against trajectories recorded from PyTorch, or the package named, and against steps worked out by hand
(`test_references.py`, `test_references_others.py`). Where the paper and PyTorch differ, PyTorch is followed
and the difference is said.

How to use it. A rule holds the state of one coordinate; `step(theta, g)` takes the coordinate and its
gradient and returns the coordinate after the step:

    rule = Adam(lr=0.1)
    theta = 1.0
    for _ in range(100):
        theta = rule.step(theta, 2 * theta)          # f = theta^2

All these rules treat each coordinate by itself, so a vector is a list of rules, and `descend` runs one:

    path = descend(lambda: Adam(lr=0.1), [-1.0, 1.0], rosenbrock_gradient, steps=100)

The last part of the page is for the rules that cannot treat each coordinate by itself: LAMB and Muon take a
whole parameter at a time, as a list of rows, and SAM asks for the gradient twice (`descend_sam`).

Constructor arguments, and their defaults, are those of PyTorch (of optax for Lion and LAMB, of schedulefree
for ScheduleFreeAdamW). Symbols are those of the papers:

    theta   the coordinate                      v, G    average, or sum, of squared gradients
    g       its gradient, at step t             u       what divides the step in AdaMax;
    t       the step, 1 at the first                    average of squared updates in Adadelta
    lr      the learning rate                   m       average of gradients
    mu      momentum                            v       also the velocity, in the momentum rules
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Rate = float | Callable[[int], float]
"""A learning rate: a number, or a function of how many steps have been taken (0 at the first step)."""


class Rule:
    """One coordinate's optimizer. A subclass keeps its state in attributes and writes `update`.

    `weight_decay` here is the coupled kind, the gradient of (weight_decay / 2) theta^2 added to g, as every
    rule of PyTorch has it except AdamW.
    """

    def __init__(self, lr: Rate, weight_decay: float = 0.0) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.t = 0

    def where(self, theta: float) -> float:
        """Return the point at which this rule wants its gradient: where it stands, but for one rule."""
        return theta

    def averaged(self, theta: float) -> float:
        """Return the point to test the model at: where it stands, but for the rules that keep an average."""
        return theta

    def step(self, theta: float, g: float) -> float:
        """Return theta after one step with the gradient g."""
        lr = self.lr(self.t) if callable(self.lr) else self.lr
        self.t += 1
        return self.update(theta, g + self.weight_decay * theta, lr)

    def update(self, theta: float, g: float, lr: float) -> float:
        """Return theta after step `self.t` (1 at the first) at the rate lr: the paper's formula."""
        raise NotImplementedError


def descend(
    make: Callable[[], Rule],
    theta0: Sequence[float],
    gradient: Callable[[list[float], int], Sequence[float]],
    steps: int,
) -> list[list[float]]:
    """Run one rule on every coordinate of a vector; return theta after each step (theta0 not among them).

    `make` builds the rule of one coordinate. `gradient(theta, t)` gives the whole gradient at theta, t = 1
    at the first step: a function of theta for a surface, of t alone for recorded gradients.
    """
    rules = [make() for _ in theta0]
    theta = list(theta0)
    path = []
    for t in range(1, steps + 1):
        g = gradient([rule.where(x) for rule, x in zip(rules, theta, strict=True)], t)
        theta = [rule.step(x, g_x) for rule, x, g_x in zip(rules, theta, g, strict=True)]
        path.append(theta)
    return path


# --- The gradient, and a memory of it ----------------------------------------------------------------


class SGD(Rule):
    """Stochastic gradient descent.

        theta <- theta - lr g

    H. Robbins, S. Monro, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22, 1951.
    """

    def __init__(self, lr: Rate = 1e-3, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)

    def update(self, theta: float, g: float, lr: float) -> float:
        return theta - lr * g


class Momentum(Rule):
    """Momentum, the heavy ball, with the rate outside v as in PyTorch.

        v     <- mu v + g
        theta <- theta - lr v

    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
    Mathematics and Mathematical Physics 4(5), 1964; in today's notation I. Sutskever et al., "On the
    importance of initialization and momentum in deep learning", ICML 2013, equations (1) and (2), whose v
    is minus lr times ours.

    Where it goes wrong: papers put the rate inside v (`MomentumRateInside`). At a constant rate the two
    give the same theta. Under a schedule they do not: with the rate outside, lowering it slows down at once
    all that v remembers; with the rate inside, what v remembers keeps the speed it had.
    """

    def __init__(self, lr: Rate = 1e-3, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.mu = momentum
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.mu * self.v + g
        return theta - lr * self.v


class MomentumRateInside(Rule):
    """Momentum as the notebook writes it (its gamma is mu, its eta is lr): the rate inside v.

        v     <- mu v + lr g
        theta <- theta - v

    Sutskever et al. 2013, equations (1) and (2), with the sign of v turned.
    """

    def __init__(self, lr: Rate = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.mu = momentum
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.mu * self.v + lr * g
        return theta - self.v


class Nesterov(Rule):
    """Nesterov's accelerated gradient, as PyTorch has it: the gradient is taken at theta itself.

        v     <- mu v + g
        theta <- theta - lr (g + mu v)

    Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)",
    Soviet Mathematics Doklady 27, 1983, in the form of Sutskever et al. 2013, equations (3) and (4), after
    the change of variables below.

    Where it goes wrong: the v in the second line is the *new* one and mu multiplies it once. And this is the
    look-ahead formula (`NesterovLookAhead`) in other coordinates: what is called theta here is the point
    phi = theta - lr mu v at which the look-ahead form takes its gradient. At a constant rate, that is.
    """

    def __init__(self, lr: Rate = 1e-3, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.mu = momentum
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.mu * self.v + g
        return theta - lr * (g + self.mu * self.v)


class NesterovLookAhead(Rule):
    """Nesterov as the notebook writes it: the gradient is taken where the momentum alone would lead.

        v     <- mu v + lr grad f(theta - mu v)
        theta <- theta - v

    Sutskever et al. 2013, equations (3) and (4), with the sign of v turned. The caller must take the
    gradient at `where(theta)`; `descend` does.
    """

    def __init__(self, lr: Rate = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.mu = momentum
        self.v = 0.0

    def where(self, theta: float) -> float:
        return theta - self.mu * self.v

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.mu * self.v + lr * g
        return theta - self.v


# --- A rate for every coordinate ---------------------------------------------------------------------


class Adagrad(Rule):
    """Adagrad: divide by the root of the sum of all squared gradients so far.

        G     <- G + g^2
        theta <- theta - lr g / (sqrt(G) + eps)

    J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", JMLR 12, 2011, Figure 1 (the method with diagonal matrices); eps is its delta.

    Where it goes wrong: eps stands outside the square root, and G starts at 0.
    """

    def __init__(self, lr: Rate = 1e-2, eps: float = 1e-10, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.eps = eps
        self.G = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.G = self.G + g**2
        return theta - lr * g / (math.sqrt(self.G) + self.eps)


class RMSprop(Rule):
    """RMSprop: Adagrad that forgets.

        v     <- alpha v + (1 - alpha) g^2
        theta <- theta - lr g / (sqrt(v) + eps)

    T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", Coursera: Neural Networks for Machine Learning, 2012.
    There alpha is 0.9 and no eps is written; PyTorch's default is 0.99.

    Where it goes wrong: eps stands outside the square root, and v starts at 0 and is not corrected for it,
    so that the first steps are long: lr / sqrt(1 - alpha), ten times lr by default.
    """

    def __init__(self, lr: Rate = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.alpha = alpha
        self.eps = eps
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.alpha * self.v + (1 - self.alpha) * g**2
        return theta - lr * g / (math.sqrt(self.v) + self.eps)


class Adadelta(Rule):
    """Adadelta: a step measured in theta's own unit, by a running average of past steps.

        v     <- rho v + (1 - rho) g^2
        delta  = sqrt(u + eps) / sqrt(v + eps) g
        u     <- rho u + (1 - rho) delta^2
        theta <- theta - lr delta

    M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, 2012, Algorithm 1. The
    paper has no rate; lr is PyTorch's, 1 unless told otherwise.

    Where it goes wrong: u averages the update *without* the rate; here eps stands *inside* both roots; and
    u is used before it is renewed, so that the first step is only about sqrt(eps / (1 - rho)) long.
    """

    def __init__(self, lr: Rate = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.rho = rho
        self.eps = eps
        self.v = 0.0
        self.u = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        delta = math.sqrt(self.u + self.eps) / math.sqrt(self.v + self.eps) * g
        self.u = self.rho * self.u + (1 - self.rho) * delta**2
        return theta - lr * delta


# --- Adam, and what came of it -----------------------------------------------------------------------


class Adam(Rule):
    """Adam: averages of the gradient and of its square, both corrected for having started at 0.

        m     <- beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1^t)
        v     <- beta2 v + (1 - beta2) g^2           v_hat = v / (1 - beta2^t)
        theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

    D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980,
    Algorithm 1.

    Where it goes wrong: eps joins sqrt(v_hat), *after* the correction (`AdamEpsFirst` is the other rule);
    the corrections have beta to the power t, an exponent the notebook's text drops.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.m = 0.0
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return theta - lr * m_hat / (math.sqrt(v_hat) + self.eps)


class AdamEpsFirst(Adam):
    """Adam with eps added to sqrt(v) *before* the bias correction: another rule, kept to tell them apart.

        theta <- theta - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)

    It is the shortcut of Kingma & Ba, end of section 2, with an eps that is not rescaled ("eps hat" there).
    PyTorch had it before version 1.3, and so has the RAdam authors' `AdamW`, which cell 14 of the notebook
    ran (with weight decay 0). It is Adam with eps / sqrt(1 - beta2^t) in the place of eps: at first a far
    larger eps, for large t the same one.
    """

    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        rate = lr * math.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        return theta - rate * self.m / (math.sqrt(self.v) + self.eps)


class AdamW(Adam):
    """AdamW: Adam, and the weight decay beside it instead of inside the gradient.

        theta <- theta - lr weight_decay theta - lr m_hat / (sqrt(v_hat) + eps)

    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101,
    Algorithm 2.

    Where it goes wrong: the decay must not pass through m and v, and it shrinks the theta from before the
    step. The paper multiplies it by the schedule alone (its eta_t, lr without its base value alpha); PyTorch
    by the whole of lr, so that PyTorch's weight_decay is the paper's lambda / alpha.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(lr, betas, eps)  # nothing is added to the gradient
        self.decay = weight_decay

    def update(self, theta: float, g: float, lr: float) -> float:
        return super().update(theta, g, lr) - lr * self.decay * theta


class Adamax(Rule):
    """AdaMax: Adam with the largest recent gradient in the place of the root of the average square.

        m     <- beta1 m + (1 - beta1) g
        u     <- max(beta2 u, |g| + eps)
        theta <- theta - lr / (1 - beta1^t) m / u

    Kingma & Ba 2015, section 7.1, Algorithm 2. The eps is PyTorch's; the paper has none.

    Where it goes wrong: without eps a coordinate whose gradient has been exactly 0 ever since the first step
    is 0/0, and the always-black border pixels of MNIST make such coordinates. A maximum needs no correction
    for its start at 0, so only m has one.
    """

    def __init__(
        self,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.m = 0.0
        self.u = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.u = max(self.beta2 * self.u, abs(g) + self.eps)
        return theta - lr / (1 - self.beta1**self.t) * self.m / self.u


class RAdam(Rule):
    """RAdam: Adam that waits until its average of squares can be trusted.

        m     <- beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1^t)
        v     <- beta2 v + (1 - beta2) g^2
        rho_inf = 2 / (1 - beta2) - 1                the length of the average, in the end
        rho_t   = rho_inf - 2 t beta2^t / (1 - beta2^t)      and at step t (exactly 1 at the first)

        if rho_t > 5:
            l = sqrt(1 - beta2^t) / (sqrt(v) + eps)
            r = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t))
            theta <- theta - lr m_hat r l
        else:
            theta <- theta - lr m_hat

    L. Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020, arXiv:1908.03265,
    Algorithm 2.

    Where it goes wrong: the paper rectifies once rho_t > 4, PyTorch once rho_t > 5; for the usual beta2
    that is from step 5 on, or from step 6. Before that the step is not divided by anything, so that its
    length depends on the scale of the gradient. The paper has no eps; PyTorch's joins sqrt(v) *before* the
    bias correction (unlike its Adam). If beta2 <= 2/3, rho_inf is at most 5 and no step is ever rectified.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.m = 0.0
        self.v = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        t, beta1, beta2 = self.t, self.beta1, self.beta2
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g**2
        m_hat = self.m / (1 - beta1**t)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho <= 5:
            return theta - lr * m_hat
        l = math.sqrt(1 - beta2**t) / (math.sqrt(self.v) + self.eps)  # noqa: E741 (the paper's letter)
        r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        return theta - lr * m_hat * r * l


class AMSGrad(Adam):
    """AMSGrad: Adam that divides by the largest average of squares so far, so that no step's rate grows again.

        m     <- beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1^t)
        v     <- beta2 v + (1 - beta2) g^2
        v_max <- max(v_max, v)                       v_hat = v_max / (1 - beta2^t)
        theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

    S. J. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018, arXiv:1904.09237,
    Algorithm 2. PyTorch: Adam(amsgrad=True).

    Where it goes wrong: the paper corrects neither average for its start at 0 and has no eps. PyTorch corrects
    both, and the second *after* the maximum is taken: the largest corrected average would be another number,
    since the correction, 1 / (1 - beta2^t), falls from step to step. Ours is PyTorch's.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)
        self.v_max = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        self.v_max = max(self.v_max, self.v)
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v_max / (1 - self.beta2**self.t)
        return theta - lr * m_hat / (math.sqrt(v_hat) + self.eps)


class NAdam(Adam):
    """NAdam: Adam with Nesterov's step ahead, under a momentum that warms up.

        mu_t   = beta1 (1 - 0.96^(t momentum_decay) / 2)
        m     <- beta1 m + (1 - beta1) g
        v     <- beta2 v + (1 - beta2) g^2           v_hat = v / (1 - beta2^t)
        m_hat  = mu_{t+1} m / (1 - mu_1 mu_2 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)
        theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

    T. Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016, Algorithm 2.

    Where it goes wrong: m itself is averaged with beta1, in PyTorch, where the paper has mu_t; the two products
    differ by one factor; t counts from 1, so that mu_1 is beta1 (1 - 0.96^momentum_decay / 2), about half of
    beta1. PyTorch keeps the product in float32 (in its default dtype), even for float64 parameters: to follow
    it closer than 1e-7, set its default dtype to float64.
    """

    def __init__(
        self,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)
        self.momentum_decay = momentum_decay

    def mu(self, t: int) -> float:
        """Return the momentum of step t."""
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def update(self, theta: float, g: float, lr: float) -> float:
        t = self.t
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        product = math.prod(self.mu(i) for i in range(1, t + 1))
        ahead = self.mu(t + 1) * self.m / (1 - product * self.mu(t + 1))
        m_hat = ahead + (1 - self.mu(t)) * g / (1 - product)
        v_hat = self.v / (1 - self.beta2**t)
        return theta - lr * m_hat / (math.sqrt(v_hat) + self.eps)


class Lion(Rule):
    """Lion: the sign of an average of gradients, every coordinate moving by lr.

        c      = beta1 m + (1 - beta1) g
        theta <- theta - lr (sign(c) + weight_decay theta)
        m     <- beta2 m + (1 - beta2) g

    X. Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, arXiv:2302.06675,
    Algorithm 2 (program 1).

    Where it goes wrong: the step uses the *old* m, with beta1; m is renewed afterwards, with beta2, and from g,
    not from c. The decay is AdamW's kind, multiplied by the whole of lr, and shrinks the theta from before the
    step. sign(0) is 0: a coordinate that never had a gradient does not move. optax's own default for
    weight_decay is 1e-3; the paper has it as a choice, and here it is 0.
    """

    def __init__(
        self,
        lr: Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr)  # nothing is added to the gradient
        self.beta1, self.beta2 = betas
        self.decay = weight_decay
        self.m = 0.0

    def update(self, theta: float, g: float, lr: float) -> float:
        c = self.beta1 * self.m + (1 - self.beta1) * g
        sign = (c > 0) - (c < 0)
        self.m = self.beta2 * self.m + (1 - self.beta2) * g
        return theta - lr * (sign + self.decay * theta)


class ScheduleFreeAdamW(Rule):
    """Schedule-free AdamW: no schedule of the rate, but an average of the points passed, taken as one goes.

        z and x start at theta_0; the gradient g is taken at y = (1 - beta1) z + beta1 x, which is theta_0 at first
        lr_t   = lr min(1, t / warmup_steps)         (lr without warm-up)
        v     <- beta2 v + (1 - beta2) g^2           v_hat = v / (1 - beta2^t)
        z     <- z - lr_t (g / (sqrt(v_hat) + eps) + weight_decay y)
        w      = (max of lr_1 ... lr_t)^2            c = w / (sum of w up to now)
        x     <- (1 - c) x + c z

    A. Defazio et al., "The Road Less Scheduled", NeurIPS 2024, arXiv:2405.15682, Algorithm 1, with the
    defaults of the authors' package (r = 0, weight_lr_power = 2).

    theta, while training, is y; the model is tested at x, which `averaged` returns. `step` takes y and returns
    the next y.

    Where it goes wrong: there is no average of gradients, beta1 mixes z and x; the decay is taken at y, not at z;
    c is 1 at the first step, so that x = z = y after it; without warm-up and schedule c is 1 / t. Where the
    paper and the package differ, this is the package: Algorithm 1 has sqrt(1 - beta2^t) in lr_t, and so in the
    decay and in w too, instead of correcting v; and its w is lr_t^2, without the maximum. As long as every rate
    was 0, c is 0.
    """

    def __init__(
        self,
        lr: Rate = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(lr)  # nothing is added to the gradient
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.decay = weight_decay
        self.warmup_steps = warmup_steps
        self.v = 0.0
        self.z: float | None = None  # not known before the first step tells theta_0
        self.x = 0.0
        self.lr_max = 0.0
        self.weights = 0.0

    def averaged(self, theta: float) -> float:
        return theta if self.z is None else self.x

    def update(self, theta: float, g: float, lr: float) -> float:
        y = theta
        z, x = (y, y) if self.z is None else (self.z, self.x)
        if self.t < self.warmup_steps:
            lr = lr * self.t / self.warmup_steps
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        v_hat = self.v / (1 - self.beta2**self.t)
        z = z - lr * (g / (math.sqrt(v_hat) + self.eps) + self.decay * y)
        self.lr_max = max(self.lr_max, lr)
        self.weights += self.lr_max**2
        c = self.lr_max**2 / self.weights if self.weights else 0.0
        x = (1 - c) * x + c * z
        self.z, self.x = z, x
        return (1 - self.beta1) * z + self.beta1 * x


# --- Around another rule -----------------------------------------------------------------------------


class Lookahead(Rule):
    """Lookahead: k steps of another rule, then a part of the way towards where they led.

        slow starts at theta_0;  every step:  theta <- inner(theta, g);  every k-th step then:
        slow  <- slow + alpha (theta - slow)
        theta <- slow

    M. R. Zhang, J. Lucas, G. Hinton, J. Ba, "Lookahead Optimizer: k steps forward, 1 step back",
    NeurIPS 2019, arXiv:1907.08610, Algorithm 1.

    Where it goes wrong: slow is theta_0, from *before* the first inner step, and not theta_1; the inner
    rule's state is kept when theta jumps back. With alpha = 1 this is the inner rule and nothing else.
    Rate and weight decay are the inner rule's.
    """

    def __init__(self, inner: Rule, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__(inner.lr)
        self.inner = inner
        self.k = k
        self.alpha = alpha
        self.slow: float | None = None  # not known before the first step tells theta_0

    def where(self, theta: float) -> float:
        return self.inner.where(theta)

    def step(self, theta: float, g: float) -> float:
        slow = theta if self.slow is None else self.slow
        fast = self.inner.step(theta, g)
        self.t += 1
        if self.t % self.k == 0:
            slow = slow + self.alpha * (fast - slow)
            fast = slow
        self.slow = slow
        return fast


class Ranger(Lookahead):
    """Ranger: RAdam inside Lookahead.

    L. Wright, 2019, https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer (no paper). The defaults
    here are those of its two parts; Wright's own are k = 6, betas = (0.95, 0.999), eps = 1e-5.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        k: int = 5,
        alpha: float = 0.5,
    ) -> None:
        super().__init__(RAdam(lr, betas, eps, weight_decay), k, alpha)


class EMA(Rule):
    """EMA: another rule, and beside it an exponential average of the points it passed.

        average starts at theta_0;  every step:  theta <- inner(theta, g);  then
        average <- decay average + (1 - decay) theta

    B. T. Polyak, A. B. Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on
    Control and Optimization 30(4), 1992, for averaging the points (there all alike); with weights that fade as
    in PyTorch's torch.optim.swa_utils.get_ema_avg_fn.

    `averaged` returns the average; theta itself is the inner rule's and knows nothing of it. Where it goes
    wrong: the average starts at theta_0, from *before* the first step, and is not corrected for it (PyTorch's
    AveragedModel starts where its first `update_parameters` finds the model). With decay = 0 it is theta.
    """

    def __init__(self, inner: Rule, decay: float = 0.999) -> None:
        super().__init__(inner.lr)
        self.inner = inner
        self.decay = decay
        self.average: float | None = None  # not known before the first step tells theta_0

    def where(self, theta: float) -> float:
        return self.inner.where(theta)

    def averaged(self, theta: float) -> float:
        return theta if self.average is None else self.average

    def step(self, theta: float, g: float) -> float:
        average = theta if self.average is None else self.average
        theta = self.inner.step(theta, g)
        self.t += 1
        self.average = self.decay * average + (1 - self.decay) * theta
        return theta


def descend_sam(
    make: Callable[[], Rule],
    theta0: Sequence[float],
    gradient: Callable[[list[float], int], Sequence[float]],
    steps: int,
    rho: float = 0.05,
) -> list[list[float]]:
    """Run a rule inside SAM; return theta after each step (theta0 not among them).

        e      = rho g / |g|,  g the gradient at theta, |g| its length over *all* coordinates
        theta <- inner(theta, the gradient at theta + e)

    P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
    Generalization", ICLR 2021, arXiv:2010.01412, Algorithm 1, with p = 2.

    Arguments are those of `descend`; theta0 holds the numbers of every parameter, end to end. `gradient` is
    called twice at every step, with the same t: both times on the same mini-batch. Where it goes wrong: the
    inner rule steps from theta and not from theta + e, and only the second gradient enters its state. Where
    the first gradient is zero there is no direction to climb, and e is 0 (the paper leaves it open).
    """
    rules = [make() for _ in theta0]
    theta = list(theta0)
    path = []
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        norm = math.sqrt(sum(g_x**2 for g_x in g))
        climbed = [x + rho * g_x / norm for x, g_x in zip(theta, g, strict=True)] if norm else theta
        g = gradient(climbed, t)
        theta = [rule.step(x, g_x) for rule, x, g_x in zip(rules, theta, g, strict=True)]
        path.append(theta)
    return path


# --- A whole parameter at a time ---------------------------------------------------------------------

Matrix = list[list[float]]
"""A parameter, or its gradient, as a list of rows. What is no matrix, a bias say, is one row."""


def length(a: Matrix) -> float:
    """Return the square root of the sum of all squares."""
    return math.sqrt(sum(x**2 for row in a for x in row))


def transpose(a: Matrix) -> Matrix:
    """Return the matrix with rows for columns."""
    return [list(column) for column in zip(*a, strict=True)]


def times(a: Matrix, b: Matrix) -> Matrix:
    """Return the product of two matrices."""
    columns = transpose(b)
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def combine(a: float, x: Matrix, b: float, y: Matrix) -> Matrix:
    """Return a x + b y, for numbers a and b."""
    return [[a * p + b * q for p, q in zip(*rows, strict=True)] for rows in zip(x, y, strict=True)]


class ParameterRule:
    """One parameter's optimizer: as `Rule`, for a whole matrix at a time. A subclass writes `update`.

    A step changes neither of the lists it is given. Weight decay is each rule's own affair.
    """

    def __init__(self, lr: Rate) -> None:
        self.lr = lr
        self.t = 0

    def step(self, theta: Matrix, g: Matrix) -> Matrix:
        """Return theta after one step with the gradient g."""
        lr = self.lr(self.t) if callable(self.lr) else self.lr
        self.t += 1
        return self.update(theta, g, lr)

    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        """Return theta after step `self.t` (1 at the first) at the rate lr: the paper's formula."""
        raise NotImplementedError


class LAMB(ParameterRule):
    """LAMB: Adam's direction, made as long, for each parameter, as the parameter is.

        m     <- beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1^t)
        v     <- beta2 v + (1 - beta2) g^2           v_hat = v / (1 - beta2^t)
        u      = m_hat / (sqrt(v_hat) + eps) + weight_decay theta
        theta <- theta - lr |theta| / |u| u          |.| over the whole parameter

    Y. You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020,
    arXiv:1904.00962, Algorithm 2, with phi(z) = z. Not in PyTorch; defaults of optax.lamb.

    Where it goes wrong: a bias that starts at 0 would stay there for ever, and a parameter without gradients
    be 0/0: where |theta| or |u| is 0 the ratio is 1 (optax; the paper does not say). The decay is inside u, and
    so inside its length: with no gradient at all u is weight_decay theta, and theta shrinks by lr of itself,
    whatever weight_decay is.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.decay = weight_decay
        self.m: Matrix | None = None
        self.v: Matrix | None = None

    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        zero = [[0.0 for _ in row] for row in g]
        m, v = self.m or zero, self.v or zero
        squares = [[x**2 for x in row] for row in g]
        self.m = m = combine(self.beta1, m, 1 - self.beta1, g)
        self.v = v = combine(self.beta2, v, 1 - self.beta2, squares)
        correct1, correct2 = 1 - self.beta1**self.t, 1 - self.beta2**self.t
        adam = [
            [x / correct1 / (math.sqrt(y / correct2) + self.eps) for x, y in zip(*rows, strict=True)]
            for rows in zip(m, v, strict=True)
        ]
        u = combine(1.0, adam, self.decay, theta)
        ratio = length(theta) / length(u) if length(theta) and length(u) else 1.0
        return combine(1.0, theta, -lr * ratio, u)


def newton_schulz(
    a: Matrix,
    steps: int = 5,
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    eps: float = 1e-7,
) -> Matrix:
    """Return roughly the nearest matrix to `a` whose singular values are all 1 (U V^T, where a = U S V^T).

        X      = a / max(|a|, eps)                   |a| the root of the sum of squares; no singular value is above 1
        then, `steps` times:
        A      = X X^T
        X     <- c1 X + (c2 A + c3 A^2) X

    Each singular value s goes to c1 s + c2 s^3 + c3 s^5. With these coefficients it does not converge to 1 but stays
    near it: five steps bring what was between 0.002 and 1 to between 0.68 and 1.21. A tall matrix is transposed
    before and after, so that A is the smaller of the two squares; but for rounding it makes no difference.
    """
    c1, c2, c3 = coefficients
    tall = len(a) > len(a[0])
    x = transpose(a) if tall else a
    divisor = max(length(x), eps)
    x = [[number / divisor for number in row] for row in x]
    for _ in range(steps):
        square = times(x, transpose(x))
        polynomial = combine(c2, square, c3, times(square, square))
        x = combine(c1, x, 1.0, times(polynomial, x))
    return transpose(x) if tall else x


class Muon(ParameterRule):
    """Muon: momentum for a matrix, with all its singular values made about equal before the step.

        v     <- mu v + (1 - mu) g
        u      = mu v + (1 - mu) g  with Nesterov,  v  without
        theta <- theta - lr weight_decay theta - lr sqrt(max(1, rows / columns)) newton_schulz(u)

    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon/; the decay, and defaults, as torch.optim.Muon.

    Where it goes wrong: the text, and PyTorch's documentation, have v <- mu v + g and u = g + mu v, without the
    (1 - mu); PyTorch's code has what stands here. Newton-Schulz divides by the length of u, so that nothing
    differs unless that length is near eps = 1e-7: then PyTorch's step is shorter. The decay is multiplied by
    lr alone and not by the factor for tall matrices, and shrinks the theta from before the step. PyTorch does
    Newton-Schulz in bfloat16 whatever the parameter's dtype, which is good to 1e-2 of a step.
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        super().__init__(lr)
        self.decay = weight_decay
        self.mu = momentum
        self.nesterov = nesterov
        self.ns_steps = ns_steps
        self.v: Matrix | None = None

    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        v = self.v or [[0.0 for _ in row] for row in g]
        self.v = v = combine(self.mu, v, 1 - self.mu, g)
        u = combine(self.mu, v, 1 - self.mu, g) if self.nesterov else v
        taller = math.sqrt(max(1.0, len(theta) / len(theta[0])))
        return combine(1 - lr * self.decay, theta, -lr * taller, newton_schulz(u, self.ns_steps))


REFERENCES: dict[str, Callable[..., Rule]] = {
    "SGD": SGD,
    "Momentum": Momentum,
    "Nesterov": Nesterov,
    "Adagrad": Adagrad,
    "RMSprop": RMSprop,
    "Adam": Adam,
    "AdamW": AdamW,
    "Adadelta": Adadelta,
    "Adamax": Adamax,
    "RAdam": RAdam,
    "Lookahead": Lookahead,
    "Ranger": Ranger,
    "AMSGrad": AMSGrad,
    "NAdam": NAdam,
    "Lion": Lion,
    "ScheduleFreeAdamW": ScheduleFreeAdamW,
}
"""The reference of every public optimizer, by its class name in `minigrad.optim`. Each is called with the
optimizer's own hyperparameters and gives the rule of one coordinate; Lookahead takes a `Rule` first."""

WRAPPER_REFERENCES: dict[str, Callable[..., Rule]] = {"EMA": EMA}
"""The same for wrappers that train as what they wrap, and test another theta; each takes a `Rule` first."""

PARAMETER_REFERENCES: dict[str, Callable[..., ParameterRule]] = {"LAMB": LAMB, "Muon": Muon}
"""The references of the rules that take a whole parameter at a time. SAM's is `descend_sam`."""
