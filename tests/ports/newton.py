"""Newton's method and Hessian-vector products on the Rosenbrock function."""

import torch
from torch.autograd.functional import hessian, hvp, jacobian


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
for step in range(7):
    value = rosenbrock(x)
    (g,) = torch.autograd.grad(value, x)
    H = hessian(rosenbrock, x.detach())
    a, b, c, d = H.flatten().unbind()
    inverse = torch.stack([torch.stack([d, -b]), torch.stack([-c, a])]) / (a * d - b * c)
    with torch.no_grad():
        x -= inverse @ g
    print(f"{step}: f = {value.item():.6f}, |g| = {g.norm().item():.4f}")
print(x.detach().numpy().round(4), x)

y = torch.tensor([0.5, -0.3, 0.8], dtype=torch.float64)
v = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
value, product = hvp(rosenbrock, y, v)
full = hessian(rosenbrock, y)
print(torch.allclose(full @ v, product), full.shape, f"{value.item():.4f}", f"{full.trace().item():.2f}")
print(jacobian(lambda z: torch.outer(z, z).sum(0), y))

w = y.clone().requires_grad_()
first = torch.autograd.grad(rosenbrock(w), w, create_graph=True)[0]
second = torch.autograd.grad((first * v).sum(), w, retain_graph=True)[0]
print((second - product).abs().max().item() < 1e-9, first.requires_grad, second.requires_grad)
w.grad = None
(first**2).sum().backward()
print(torch.allclose(w.grad, 2 * full @ first.detach()))
