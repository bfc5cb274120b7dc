"""A critic with a gradient penalty: gradients of gradients."""

import torch
import torch.nn as nn
from torch import autograd

torch.manual_seed(3)
real = torch.randn(64, 2) * 0.5 + torch.tensor([2.0, 0.0])
critic = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
generator = nn.Linear(4, 2)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))


def penalty(real, fake):
    alpha = torch.rand(real.size(0), 1).expand_as(real)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = critic(mixed)
    gradients = autograd.grad(
        outputs=scores,
        inputs=mixed,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
        retain_graph=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


for step in range(31):
    for p in critic.parameters():
        p.requires_grad = True
    fake = generator(torch.randn(64, 4)).detach()
    critic_optimizer.zero_grad()
    gp = penalty(real, fake)
    critic_loss = critic(fake).mean() - critic(real).mean() + 10 * gp
    critic_loss.backward()
    critic_optimizer.step()
    for p in critic.parameters():
        p.requires_grad = False
    generator_optimizer.zero_grad()
    generator_loss = -critic(generator(torch.randn(64, 4))).mean()
    generator_loss.backward()
    generator_optimizer.step()
    if step % 10 == 0:
        print(
            f"{step}: critic {critic_loss.item():.3f}, penalty {gp.item():.3f}, generator {generator_loss.item():.3f}"
        )
print(all(p.grad is not None for p in generator.parameters()))
