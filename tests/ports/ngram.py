"""An n-gram language model with an embedding."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(1)
CONTEXT, DIMENSION = 2, 10
text = """the cat sat on the mat and the dog sat on the log while the bird sang to the cat and
the dog and the cat and the dog went home and the bird went to sleep on the log""".split()
ngrams = [([text[i - j - 1] for j in range(CONTEXT)], text[i]) for i in range(CONTEXT, len(text))]
vocabulary = sorted(set(text))
word_to_ix = {word: i for i, word in enumerate(vocabulary)}
print(len(text), len(vocabulary), ngrams[0])


class NGramLanguageModeler(nn.Module):
    def __init__(self, vocab_size, embedding_dim, context_size):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.linear1 = nn.Linear(context_size * embedding_dim, 32)
        self.linear2 = nn.Linear(32, vocab_size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).view((1, -1))
        out = F.relu(self.linear1(embeds))
        return F.log_softmax(self.linear2(out), dim=1)


losses = []
loss_function = nn.NLLLoss()
model = NGramLanguageModeler(len(vocabulary), DIMENSION, CONTEXT)
optimizer = optim.SGD(model.parameters(), lr=0.05)
for epoch in range(10):
    total_loss = 0
    for context, target in ngrams:
        context_idxs = torch.tensor([word_to_ix[w] for w in context], dtype=torch.long)
        model.zero_grad()
        log_probs = model(context_idxs)
        loss = loss_function(log_probs, torch.tensor([word_to_ix[target]], dtype=torch.long))
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
    losses.append(total_loss)
print([f"{x:.2f}" for x in losses[::3]])
table = model.embeddings.weight
print(table.shape, table[word_to_ix["cat"]].detach()[:4])
cat, dog = table[word_to_ix["cat"]], table[word_to_ix["dog"]]
print(f"{F.cosine_similarity(cat.unsqueeze(0), dog.unsqueeze(0)).item():.3f}", f"{torch.norm(cat - dog):.3f}")
values, indices = log_probs.exp().topk(3)
print([vocabulary[i] for i in indices[0]], values.sum() < 1)
