"""Data sets of one's own, collating, subsets, mini-batches."""

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split


class Squares(Dataset):
    def __init__(self, n, transform=None):
        self.x = torch.arange(n, dtype=torch.float32)
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        x = self.x[index]
        if self.transform:
            x = self.transform(x)
        return x, x**2


squares = Squares(10, transform=lambda x: x + 1)
for x, y in DataLoader(squares, batch_size=4, shuffle=False):
    print(x, y)
print(len(DataLoader(squares, batch_size=4)), len(DataLoader(squares, batch_size=4, drop_last=True)))

x, y = next(iter(DataLoader(squares, batch_size=3)))
print(x.shape, y.dtype, x.device)


def pad(batch):
    longest = max(len(sequence) for sequence, _ in batch)
    padded = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, (sequence, _) in enumerate(batch):
        padded[row, : len(sequence)] = torch.tensor(sequence)
    return padded, torch.tensor([label for _, label in batch])


sequences = [([1, 2, 3], 0), ([4], 1), ([5, 6], 0)]
for tokens, labels in DataLoader(sequences, batch_size=2, collate_fn=pad):
    print(tokens.tolist(), labels)

train, valid = random_split(squares, [0.8, 0.2], generator=torch.Generator().manual_seed(42))
print(len(train), len(valid), valid.indices)
both = ConcatDataset([Subset(squares, [0, 2, 4]), TensorDataset(torch.ones(2), torch.zeros(2))])
print(len(both), both[1], both[-1])
print(torch.stack([a for a, _ in both]).sum())

loader = DataLoader(TensorDataset(torch.arange(12).view(6, 2), torch.eye(6)), batch_size=6, shuffle=True)
for rows, one_hot in loader:
    order = one_hot.argmax(dim=1)
    print(torch.equal(rows[:, 0] // 2, order), order.sort().values.tolist())
parts = torch.arange(10).chunk(3)
print([p.tolist() for p in parts], torch.cat(parts).numpy().sum())
