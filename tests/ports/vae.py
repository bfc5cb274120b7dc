"""A variational autoencoder: reparameterization, a Kullback-Leibler term, samples from the prior."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(2)
data = (torch.rand(128, 12) < torch.linspace(0.1, 0.9, 12)).float()


class VAE(nn.Module):
    def __init__(self, size=12, hidden=24, code=3):
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.fc21 = nn.Linear(hidden, code)
        self.fc22 = nn.Linear(hidden, code)
        self.fc3 = nn.Linear(code, hidden)
        self.fc4 = nn.Linear(hidden, size)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(reconstruction, x, mu, logvar):
    bce = F.binary_cross_entropy(reconstruction, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(21):
    optimizer.zero_grad()
    reconstruction, mu, logvar = model(data)
    loss = loss_function(reconstruction, data, mu, logvar)
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: {loss.item() / len(data):.3f}")
with torch.no_grad():
    sample = model.decode(torch.randn(64, 3))
print(sample.shape, f"{sample.mean():.3f}", mu.size(), (sample >= 0).all() and (sample <= 1).all())
print((sample > 0.5).int().sum(0).float().argsort().shape)
