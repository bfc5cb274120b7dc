"""A tour of tensors, as at the beginning of a tutorial."""

import numpy as np
import torch

print(torch.tensor([[1, 2], [3, 4]]))
print(torch.zeros(2, 3), torch.ones(2), torch.eye(2), sep="\n")
x = torch.arange(12).reshape(3, 4)
print(x, x.shape, x.size(0), x.numel(), x.ndim, x.dim())
print(x[1], x[:, 1], x[-1, ::2], x[x > 6], x[[0, 2]], sep="\n")
print(x.float().mean(), x.sum(dim=0), x.max(dim=1), x.float().std(dim=1, keepdim=True), sep="\n")
y = torch.tensor([1.0, 2.0, 3.0])
print(y + 1, y * y, y @ y, torch.dot(y, y), y.pow(2).sum().sqrt(), y.norm())
print(torch.cat([y, y]), torch.stack([y, y]).shape, y.repeat(2, 2), y.expand(2, 3))
print(y.unsqueeze(0).shape, y.view(3, 1).squeeze().shape, y.view(-1, 1).t().shape, x.T.shape, x.permute(1, 0).shape)
print(x / 2, x // 5, x % 5, -x[0], x[0] ** 2, 2**y)
print((x > 5).sum(), (x > 5).any(), (x >= 0).all(), torch.where(x > 5, x, -1))
a = np.ones(3)
t = torch.from_numpy(a)
a[0] = 5
print(t, t.numpy() is not None, torch.tensor(a).dtype, torch.as_tensor([1, 2.5]))
print(y.int(), y.long(), y.bool(), (y > 1).float(), y.double().dtype == torch.float64)
z = torch.zeros(3, 3)
z[0] = 1
z[:, 1] += 2
z[1:, 2] = torch.tensor([7.0, 8.0])
z.add_(1).mul_(2)
print(z)
print(torch.sort(torch.tensor([3, 1, 2]), descending=True), torch.topk(y, 2).indices, torch.argmin(y).item())
print(torch.cumsum(y, 0), torch.prod(y), torch.clamp(y, max=2), torch.unique(torch.tensor([1, 2, 2, 1])))
print(torch.triu(torch.ones(3, 3)), torch.diag(y), torch.outer(y, y), torch.einsum("i,j->ij", y, y).trace(), sep="\n")
print(
    torch.isnan(torch.tensor([1.0, float("nan")])),
    torch.sign(torch.tensor([-2.0, 0.0, 3.0])),
    torch.round(torch.tensor(2.5)),
)
print(torch.linspace(0, 1, 5), torch.full((2, 2), 7), torch.rand(2, 3).shape, torch.randint(0, 10, (3,)).dtype)
w = torch.tensor([2.0, 3.0], requires_grad=True)
loss = (w**2).sum() + w.prod()
loss.backward()
print(w.grad, loss.item(), w.is_leaf, loss.is_leaf, w.detach() * 2, f"{loss:.2f}")
torch.manual_seed(0)
print(torch.rand(3), torch.randn(3), torch.randperm(5), torch.randint(10, (4,)), sep="\n")
