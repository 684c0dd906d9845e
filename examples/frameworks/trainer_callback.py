"""Loggers already in use: a callback of a few lines for Lightning, and one for the Hugging Face Trainer.

Neither library is imported, so both classes are written without their base class; in your code inherit from `lightning.Callback` and
`transformers.TrainerCallback`. The small trainers below call them as the real ones do, so that this program runs by itself.
"""

import sys
from types import SimpleNamespace

import torch
from sklearn.datasets import load_digits
from torch import nn

import tb_featuremap_plugin as fm


class LightningFeatureMaps:  # (lightning.Callback)
    """Logs from `trainer.fit(model)`; `optimizer.step()` has been called when a batch ends."""

    def __init__(self, probe, **options):
        self.probe, self.options, self.watcher = probe, options, None

    def on_train_start(self, trainer, pl_module):
        self.watcher = fm.torch.watch(pl_module, trainer.log_dir, probe=self.probe, first_step=trainer.global_step, **self.options)
        self.seen = trainer.global_step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step > self.seen:  # with accumulated gradients not every batch is a step
            self.seen = trainer.global_step
            self.watcher.step(outputs["loss"] * trainer.accumulate_grad_batches)  # by which Lightning has divided it

    def on_train_end(self, trainer, pl_module):
        self.watcher.close()


class TrainerFeatureMaps:  # (transformers.TrainerCallback)
    """Logs from `Trainer.train()`, which tells its callbacks no loss of each step."""

    def __init__(self, logdir, probe, **options):
        self.logdir, self.probe, self.options, self.watcher = logdir, probe, options, None

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.watcher = fm.torch.watch(model, self.logdir, probe=self.probe, first_step=state.global_step, **self.options)

    def on_step_end(self, args, state, control, **kwargs):
        self.watcher.step()

    def on_train_end(self, args, state, control, **kwargs):
        self.watcher.close()


class SmallLightning:
    """Calls a callback in the order in which `lightning.Trainer` does, with gradients of two batches a step."""

    accumulate_grad_batches = 2

    def __init__(self, log_dir, callback):
        self.log_dir, self.callback, self.global_step = log_dir, callback, 0

    def fit(self, model, optimizer, batches):
        self.callback.on_train_start(self, model)
        for index, (images, labels) in enumerate(batches):
            loss = nn.functional.cross_entropy(model(images), labels) / self.accumulate_grad_batches
            loss.backward()
            if (index + 1) % self.accumulate_grad_batches == 0:
                optimizer.step()
                optimizer.zero_grad()
                self.global_step += 1
            self.callback.on_train_batch_end(self, model, {"loss": loss.detach()}, (images, labels), index)
        self.callback.on_train_end(self, model)


def train_as_transformers(callback, model, optimizer, batches):
    """Calls a callback in the order in which `transformers.Trainer` does."""
    state = SimpleNamespace(global_step=0)
    callback.on_train_begin(None, state, None, model=model)
    for images, labels in batches:
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        state.global_step += 1
        callback.on_step_end(None, state, None, model=model)
    callback.on_train_end(None, state, None)


def main(logdir):
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32), torch.tensor(labels)
    batches = list(zip(images.split(64), labels.split(64), strict=True))
    for name in ("lightning", "trainer"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        if name == "lightning":
            SmallLightning(f"{logdir}/{name}", LightningFeatureMaps(images[:16], every=10)).fit(model, optimizer, batches)
        else:
            train_as_transformers(TrainerFeatureMaps(f"{logdir}/{name}", images[:16], every=10), model, optimizer, batches)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "logs/callbacks")
