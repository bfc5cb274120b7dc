"""optimizer.step(closure), one optimizer after another, learning rates by a function."""

import torch
from torch.optim import SGD, Adadelta, Adagrad, Adam, Adamax, NAdam, RAdam, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, MultiStepLR, OneCycleLR

target = torch.tensor([1.0, -2.0, 0.5])


def run(make, steps=30):
    x = torch.zeros(3, requires_grad=True)
    optimizer = make([x])

    def closure():
        optimizer.zero_grad()
        loss = ((x - target) ** 2 * torch.tensor([1.0, 3.0, 0.5])).sum()
        loss.backward()
        return loss

    for _ in range(steps):
        loss = optimizer.step(closure)
    return loss.item(), x.detach()


for name, make in {
    "SGD": lambda p: SGD(p, lr=0.05),
    "momentum": lambda p: SGD(p, lr=0.02, momentum=0.9),
    "Nesterov": lambda p: SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "weight decay": lambda p: SGD(p, lr=0.05, weight_decay=0.1),
    "Adagrad": lambda p: Adagrad(p, lr=0.5),
    "RMSprop": lambda p: RMSprop(p, lr=0.05, alpha=0.9),
    "Adadelta": lambda p: Adadelta(p, lr=1.0),
    "Adam": lambda p: Adam(p, lr=0.1, betas=(0.8, 0.99)),
    "Adamax": lambda p: Adamax(p, lr=0.1),
    "NAdam": lambda p: NAdam(p, lr=0.1),
    "RAdam": lambda p: RAdam(p, lr=0.1),
}.items():
    loss, x = run(make)
    print(f"{name:12s} {loss:.4f} {x.numpy().round(3)}")

for make_scheduler in (
    lambda o: LambdaLR(o, lambda epoch: 0.9**epoch),
    lambda o: MultiStepLR(o, milestones=[2, 4], gamma=0.1),
    lambda o: ExponentialLR(o, gamma=0.5),
    lambda o: CosineAnnealingLR(o, T_max=6, eta_min=0.01),
    lambda o: LinearLR(o, start_factor=0.25, total_iters=4),
    lambda o: OneCycleLR(o, max_lr=0.5, total_steps=7, cycle_momentum=False),
):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    print(type(scheduler).__name__, [f"{rate:.4g}" for rate in rates])
