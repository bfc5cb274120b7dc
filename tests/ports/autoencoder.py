"""An autoencoder of vectors that lie near a plane."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(5)
latent = torch.randn(200, 2)
mixing = torch.randn(2, 8)
data = torch.tanh(latent @ mixing) + 0.05 * torch.randn(200, 8)
data = (data - data.mean(dim=0)) / data.std(dim=0)


class Autoencoder(nn.Module):
    def __init__(self, size, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(size, 16), nn.SiLU(), nn.Linear(16, code))
        self.decoder = nn.Sequential(nn.Linear(code, 16), nn.SiLU(), nn.Linear(16, size))

    def forward(self, x):
        code = self.encoder(x)
        return self.decoder(code), code


model = Autoencoder(8, 2)
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002)
for step in range(300):
    reconstruction, code = model(data)
    loss = F.mse_loss(reconstruction, data) + 1e-3 * code.abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: {loss.item():.3f}")
print(model)
print(loss.item() < 0.5, code.shape, code.requires_grad, code.detach().requires_grad)
errors = (reconstruction - data).pow(2).sum(dim=1).sqrt()
worst = errors.argmax()
print(errors.shape, bool(errors[worst] == errors.max()), errors.min().item() < errors.median().item())
