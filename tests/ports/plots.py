"""matplotlib with tensors: curves, a contour, a histogram, an image."""

import os
import tempfile

import matplotlib
import torch
import torch.nn.functional as F

matplotlib.use("Agg")
import matplotlib.pyplot as plt

torch.manual_seed(6)
x = torch.linspace(-4, 4, 101, requires_grad=True)
figure, axes = plt.subplots(2, 2, figsize=(6, 5))
for name in ("relu", "elu", "gelu", "silu", "softplus"):
    y = getattr(F, name)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    axes[0, 0].plot(x.detach(), y.detach().numpy(), label=name)
    axes[0, 1].plot(x.detach().numpy(), slope)
    print(name, f"{y.sum().item():.3f}", f"{slope[50].item():.3f}")
axes[0, 0].legend()

a, b = torch.meshgrid(torch.linspace(-1, 1, 20), torch.linspace(-1, 1, 30), indexing="xy")
z = torch.sin(3 * a) * torch.cos(2 * b)
axes[1, 0].contour(a, b, z, levels=5)
print(a.shape, z.shape, f"{z.max():.3f}", tuple(divmod(z.argmax().item(), 20)))

noise = torch.normal(mean=0.0, std=2.0, size=(500,))
axes[1, 1].hist(noise.numpy(), bins=20)
axes[1, 1].axvline(noise.mean().item())
print(f"{noise.mean():.3f} {noise.std():.3f} {noise.min():.3f} {noise.clamp(-1, 1).abs().mean():.3f}")
path = os.path.join(tempfile.mkdtemp(), "figure.png")
figure.savefig(path)
print(os.path.getsize(path) > 5000, len(axes[0, 0].lines))
plt.figure()
plt.imshow(torch.rand(8, 8).permute(1, 0), cmap="gray")
plt.close("all")
losses = [torch.tensor(1.0 / (k + 1)) for k in range(5)]
print([round(float(v), 3) for v in losses], torch.tensor(losses))
