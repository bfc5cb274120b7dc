"""The update rules, one number at a time: the page to read beside the papers.

Every rule here is written from its paper for a single coordinate, in plain Python floats, with nothing
imported but `math`. It shares no line with `minigrad.optim`, which is tested against it; it is itself
tested against trajectories recorded from PyTorch and against steps worked out by hand
(`test_references.py`). Where the paper and PyTorch differ, PyTorch is followed and the difference is said.

How to use it. A rule holds the state of one coordinate; `step(theta, g)` takes the coordinate and its
gradient and returns the coordinate after the step:

    rule = Adam(lr=0.1)
    theta = 1.0
    for _ in range(100):
        theta = rule.step(theta, 2 * theta)          # f = theta^2

All these rules treat each coordinate by itself, so a vector is a list of rules, and `descend` runs one:

    path = descend(lambda: Adam(lr=0.1), [-1.0, 1.0], rosenbrock_gradient, steps=100)

Constructor arguments, and their defaults, are those of PyTorch. Symbols are those of the papers:

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
}
"""The reference of every public optimizer, by its class name in `minigrad.optim`. Each is called with the
optimizer's own hyperparameters and gives the rule of one coordinate; Lookahead takes a `Rule` first."""
