"""PyTorch: `watch` before the loop, `step` in it."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/torch"
images, labels = load_digits(return_X_y=True)
images = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
labels = torch.tensor(labels)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 9, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)

probe = (images[:16], labels[:16])  # always the same few inputs, with their targets
with fm.torch.watch(model, logdir, probe=probe, every=50, loss_fn=loss_fn, optimizer=optimizer) as watcher:
    for _ in range(200):
        batch = torch.randint(len(images), (64,))
        optimizer.zero_grad()
        loss = loss_fn(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        watcher.step(loss)  # after every optimizer.step(); the loss is not read until a record is due
print(f"last loss {loss.item():.3f}")
