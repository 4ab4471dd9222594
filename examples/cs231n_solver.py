"""An assignment of CS231n on fastnn's kernels: a fully connected network and its solver.

The network and the solver are written the way the course has it: ``loss(X, y)`` gives the loss and
a dictionary of gradients, ``*_forward`` and ``*_backward`` pass caches, the solver looks its update
rule up by name in ``optim``. Only the imports are not the course's. The script checks the gradients
numerically, overfits 50 images, and compares the four update rules on the digits.

    python examples/cs231n_solver.py
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastnn import data
from fastnn.compat.cs231n import optim
from fastnn.compat.cs231n.gradient_check import eval_numerical_gradient, rel_error
from fastnn.compat.cs231n.layer_utils import (
    affine_bn_relu_backward,
    affine_bn_relu_forward,
    affine_relu_backward,
    affine_relu_forward,
)
from fastnn.compat.cs231n.layers import (
    affine_backward,
    affine_forward,
    dropout_backward,
    dropout_forward,
    softmax_loss,
)


class FullyConnectedNet:
    """{affine - [batch norm] - ReLU - [dropout]} x (L - 1) - affine - softmax."""

    def __init__(
        self,
        hidden_dims,
        input_dim,
        num_classes=10,
        dropout_keep_ratio=1.0,
        normalization=None,
        reg=0.0,
        dtype=np.float32,
        seed=0,
    ):
        self.reg, self.dtype, self.depth = reg, dtype, len(hidden_dims) + 1
        self.batchnorm, self.keep = normalization == "batchnorm", dropout_keep_ratio
        self.params, rng = {}, np.random.default_rng(seed)
        dims = [input_dim, *hidden_dims, num_classes]
        for i, (fan_in, fan_out) in enumerate(pairwise(dims), start=1):
            self.params[f"W{i}"] = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
            self.params[f"b{i}"] = np.zeros(fan_out)
            if self.batchnorm and i < self.depth:
                self.params[f"gamma{i}"], self.params[f"beta{i}"] = (
                    np.ones(fan_out),
                    np.zeros(fan_out),
                )
        self.params = {name: value.astype(dtype) for name, value in self.params.items()}
        self.bn_params = [{} for _ in hidden_dims]
        self.dropout_param = {"p": dropout_keep_ratio}

    def loss(self, X, y=None):
        """Scores of X; with y the loss and the gradients of all parameters."""
        mode = "test" if y is None else "train"
        self.dropout_param["mode"] = mode
        out, caches = X.astype(self.dtype), []
        for i in range(1, self.depth):
            W, b = self.params[f"W{i}"], self.params[f"b{i}"]
            if self.batchnorm:
                gamma, beta = self.params[f"gamma{i}"], self.params[f"beta{i}"]
                self.bn_params[i - 1]["mode"] = mode
                out, cache = affine_bn_relu_forward(out, W, b, gamma, beta, self.bn_params[i - 1])
            else:
                out, cache = affine_relu_forward(out, W, b)
            drop = None
            if self.keep < 1:
                out, drop = dropout_forward(out, self.dropout_param)
            caches.append((cache, drop))
        last = self.depth
        scores, cache = affine_forward(out, self.params[f"W{last}"], self.params[f"b{last}"])
        if y is None:
            return scores

        grads = {}
        loss, dout = softmax_loss(scores, y)
        dout, grads[f"W{last}"], grads[f"b{last}"] = affine_backward(dout, cache)
        for i in reversed(range(1, last)):
            cache, drop = caches[i - 1]
            if drop is not None:
                dout = dropout_backward(dout, drop)
            if self.batchnorm:
                dout, *rest = affine_bn_relu_backward(dout, cache)
                names = (f"W{i}", f"b{i}", f"gamma{i}", f"beta{i}")
            else:
                dout, *rest = affine_relu_backward(dout, cache)
                names = (f"W{i}", f"b{i}")
            grads |= zip(names, rest, strict=True)
        for name, value in self.params.items():
            if name.startswith("W"):
                loss += 0.5 * self.reg * float(np.sum(value * value))
                grads[name] += self.reg * value
        return loss, grads


class Solver:
    """Epochs of minibatches, an update rule by name, a learning rate that decays."""

    def __init__(
        self,
        model,
        data,
        update_rule="sgd",
        optim_config=None,
        lr_decay=1.0,
        batch_size=100,
        num_epochs=10,
        seed=0,
    ):
        self.model, self.data = model, data
        self.update_rule = getattr(optim, update_rule)
        self.lr_decay, self.batch_size, self.num_epochs = lr_decay, batch_size, num_epochs
        self.configs = {name: dict(optim_config or {}) for name in model.params}
        self.rng = np.random.default_rng(seed)
        self.loss_history, self.train_acc_history, self.val_acc_history = [], [], []

    def step(self, rows):
        loss, grads = self.model.loss(self.data["X_train"][rows], self.data["y_train"][rows])
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            update = self.update_rule(w, grads[name], self.configs[name])
            self.model.params[name], self.configs[name] = update

    def check_accuracy(self, X, y):
        return float((self.model.loss(X).argmax(1) == y).mean())

    def train(self):
        count = len(self.data["X_train"])
        for _ in range(self.num_epochs):
            order = self.rng.permutation(count)
            for start in range(0, count, self.batch_size):
                self.step(order[start : start + self.batch_size])
            for config in self.configs.values():
                config["learning_rate"] *= self.lr_decay
            for part, history in (("train", self.train_acc_history), ("val", self.val_acc_history)):
                history.append(self.check_accuracy(self.data[f"X_{part}"], self.data[f"y_{part}"]))


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="a few epochs")
parser.add_argument("--out", type=Path, default=Path("runs/cs231n_solver"))
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
epochs = 5 if args.quick else 20
np.random.seed(231)  # of dropout

print("1. numerical gradients, float64: relative errors")
rng = np.random.default_rng(1)
X, y = rng.standard_normal((4, 15)), rng.integers(0, 10, 4)
for normalization in (None, "batchnorm"):
    model = FullyConnectedNet([20, 30], 15, normalization=normalization, reg=0.1, dtype=np.float64)
    _, grads = model.loss(X, y)
    for name, value in sorted(model.params.items()):
        numeric = eval_numerical_gradient(lambda _, m=model: m.loss(X, y)[0], value, verbose=False)
        if np.abs(numeric).max() > 1e-8:  # a bias before batch normalisation has no effect
            error = rel_error(numeric, grads[name])
            print(f"    {normalization or 'plain':9} {name:6} {error:.1e}")

x, labels = data.load_digits()
X_train, X_val, y_train, y_val = data.train_test_split(x, labels, test_size=360)
mean = X_train.mean(axis=0)
digits = {"X_train": (X_train - mean) / 8, "y_train": y_train}
digits |= {"X_val": (X_val - mean) / 8, "y_val": y_val}

print("2. overfit 50 images")
small = digits | {"X_train": digits["X_train"][:50], "y_train": y_train[:50]}
config = {"learning_rate": 1e-2}
solver = Solver(FullyConnectedNet([100, 100], 64), small, "adam", config, 1.0, 25, 20)
solver.train()
print(
    f"    training accuracy {100 * solver.train_acc_history[-1]:.0f} %, "
    f"validation {100 * solver.val_acc_history[-1]:.0f} %"
)

print(f"3. four update rules, {epochs} epochs of {len(y_train)} images")
rates = {"sgd": 5e-2, "sgd_momentum": 2e-2, "rmsprop": 1e-3, "adam": 2e-3}
runs = {}
for rule, rate in rates.items():
    model = FullyConnectedNet(
        [100, 100], 64, dropout_keep_ratio=0.8, normalization="batchnorm", reg=1e-4
    )
    start = time.perf_counter()
    solver = Solver(model, digits, rule, {"learning_rate": rate}, 0.95, num_epochs=epochs)
    solver.train()
    runs[rule] = solver
    accuracy, seconds = 100 * solver.val_acc_history[-1], time.perf_counter() - start
    print(f"    {rule:13} validation accuracy {accuracy:.2f} % in {seconds:.2f} s")

figure = Figure(figsize=(10, 4), layout="constrained")
left, right = figure.subplots(1, 2)
for rule, solver in runs.items():
    smooth = np.convolve(solver.loss_history, np.full(15, 1 / 15), "valid")
    left.plot(np.arange(len(smooth)) + 14, smooth, label=rule)
    error = 100 * (1 - np.array(solver.val_acc_history))
    right.plot(np.arange(1, epochs + 1), error, ".-", label=rule)
left.set(xlabel="step", ylabel="loss, mean of 15 steps", yscale="log", title="Training loss")
right.set(xlabel="epoch", ylabel="validation error (%)", title="Validation error", ylim=(0, None))
right.xaxis.get_major_locator().set_params(integer=True)
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig(args.out / "update-rules.png", dpi=120)
print(f"figure: {args.out / 'update-rules.png'}")
