"""A small problem and network that the tests of training share."""

import numpy as np

from fastnn import data, io, models, nn, optim, train
from fastnn.optim import schedules


def problem(n=96, seed=0):
    """Three classes of 1 x 6 x 6 images that differ in which rows are bright."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.standard_normal((n, 1, 6, 6)).astype(np.float32)
    x[np.arange(n), 0, 2 * y] += 3
    return x, y


def small_model(seed=0):
    return nn.Sequential(
        *models.small.conv_bn_relu(1, 4),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(36, 3),
    ).reset_parameters(seed)


def setup(seed=0, **arguments):
    model = small_model(seed)
    rate = schedules.warmup(schedules.cosine(0.01, 40), 5)
    trainer = train.Trainer(model, optim.AdamW(model.parameters(), rate), **arguments)
    return trainer, data.Loader(*problem(), 10, seed=seed)


def same_tensors(a, b):
    a, b = io.load_safetensors(a), io.load_safetensors(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


class StopAt(train.Callback):
    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer, logs):
        if logs["step"] == self.step:
            trainer.stop(f"step {self.step}")


class Scripted(train.Callback):
    """Puts values into the history, so that a test knows which epoch is best."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, trainer, logs):
        logs["val_loss"] = self.values[logs["epoch"] - 1]


class WeightsByEpoch(train.Callback):
    def __init__(self):
        self.weights = {}

    def on_epoch_end(self, trainer, logs):
        self.weights[logs["epoch"]] = trainer.model.state_dict()


def same_weights(model, state):
    own = model.state_dict()
    return own.keys() == state.keys() and all(np.array_equal(own[n], state[n]) for n in own)
