"""A step: accumulated batches, soft labels, class weights, numbers that are not finite."""

import math

import numpy as np
import pytest
from training import problem, setup

from fastnn import data, models, nn, optim, train
from fastnn import functional as F

EPS = 2.0**-24
"""Unit roundoff of float32."""


def one_hot(y, number=3):
    return np.eye(number, dtype=np.float32)[y]


def mixed(x, y, share=0.8):
    """Samples mixed with those before them, as mixup does, and their soft labels."""
    soft, rest = one_hot(y), np.float32(1 - share)
    return (
        np.float32(share) * x + rest * np.roll(x, 1, 0),
        np.float32(share) * soft + rest * np.roll(soft, 1, 0),
    )


def train_mlp(size, accumulate, *, loss=None, n=96, targets=lambda y: y, dropout=0.0):
    """Weights, losses and row after an epoch of SGD in batches of ``size``."""
    x, y = problem(n)
    model = models.mlp([36, 20, 3], dropout)
    sgd = optim.SGD(model.parameters(), 0.1)
    trainer = train.Trainer(model, sgd, loss, accumulate=accumulate)
    loader = data.Loader(x.reshape(n, 36), targets(y), size, seed=3, drop_last=False)
    history = trainer.fit(loader, 1)
    return model.state_dict(), history.steps, history.epochs[0]


def rare_first(y):
    """Classes of which some batches have much more than others, and some rows that do not count."""
    y = np.sort(y)
    return np.where(np.arange(len(y)) % 7 == 0, -100, y)


@pytest.mark.parametrize(
    ("n", "size", "k"), [(96, 24, 2), (96, 8, 4), (96, 10, 3), (97, 8, 5), (96, 4, 99)]
)
@pytest.mark.parametrize("case", ["classes", "soft", "weights", "dropout"])
def test_accumulated_batches_equal_a_large_one(n, size, k, case):
    """The rest of the epoch and batches of unequal weight included."""
    settings = {
        "classes": {},
        "soft": {"targets": lambda y: mixed(np.zeros((len(y), 1)), y)[1]},
        "weights": {"loss": nn.CrossEntropyLoss(weight=[0.1, 1.0, 7.0]), "targets": rare_first},
        "dropout": {"dropout": 0.3},  # the stream goes on: the masks are those of the large batch
    }[case]
    weights, losses, row = train_mlp(size, k, n=n, **settings)
    expected, big_losses, big_row = train_mlp(size * k, 1, n=n, **settings)
    assert len(losses) == len(big_losses) == -(-n // (size * k))
    # Sums of at most n products in another order, once forward and once backward, a step.
    bound = 2 * n * EPS * len(losses)
    np.testing.assert_allclose(losses, big_losses, rtol=bound)
    for name, array in weights.items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=bound * scale, err_msg=name)
    assert row["loss"] == pytest.approx(big_row["loss"], rel=bound)
    assert row["accuracy"] == pytest.approx(big_row["accuracy"], abs=1e-12)


def test_accumulation_must_be_positive():
    with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
        setup(accumulate=0)


def test_soft_labels_from_the_loader_to_the_metrics():
    x, y = mixed(*problem())
    trainer, _ = setup(metrics={"accuracy": train.accuracy, "f1": train.F1()})
    history = trainer.fit(data.Loader(x, y, 10), 12, validation=(x, y))
    matrix = train.confusion_matrix(trainer.predict(x), y)
    assert history["val_accuracy"][-1] == matrix.accuracy > 0.9
    assert history["val_f1"][-1] == matrix.f1.mean()
    # A soft target cannot be met with certainty: its entropy is the least loss there is.
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    assert history["val_loss"][-1] > entropy


@pytest.mark.parametrize("case", ["nothing", "weight", "ignored", "both", "soft"])
def test_divisor_is_what_the_mean_divides_by(case):
    logits = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    target = np.array([0, 1, 2, 2, -100, 1, 0, -100]) if case in ("ignored", "both") else None
    target = np.arange(8) % 3 if target is None else target
    weight = [0.5, 2.0, 3.0] if case in ("weight", "both") else None
    if case == "soft":
        target = one_hot(target)
    loss = nn.CrossEntropyLoss(weight=weight)
    total = F.softmax_cross_entropy(
        logits,
        target,
        reduction="sum",
        weight=None if weight is None else np.array(weight, np.float32),
    )[0]
    assert loss(logits, target)[0] * loss.divisor(target) == pytest.approx(total, rel=16 * EPS)


# --- numbers that are not finite ----------------------------------------------------------------


class Spoiled(nn.Module):
    """Passes its input on, but for a number in the output or in the gradient."""

    def __init__(self, output=None, gradient=None):
        self.output, self.gradient = output, gradient

    def forward(self, x):
        self._saved = True
        return x if self.output is None else np.where(np.arange(len(x)) == 1, self.output, x.T).T

    def backward(self, dy, *, input_grad=True):
        self._take()
        return dy if self.gradient is None else dy * np.float32(self.gradient)


def broken_model(**where):
    layers = [nn.Linear(36, 8), nn.ReLU(), Spoiled(**where), nn.Linear(8, 5), nn.ReLU()]
    return nn.Sequential(nn.Sequential(*layers), nn.Dropout(0.5), nn.Linear(5, 3)).reset_parameters(
        0
    )


def fails(model, x, y, **arguments):
    before = model.state_dict()
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.1), **arguments)
    rng = model.rng_state()
    with pytest.raises(FloatingPointError) as caught:
        trainer.fit(data.Loader(x, y, 10, shuffle=False), 1)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    steps = len(trainer.history.steps)
    assert steps or model.rng_state() == {n: (s, 10 * 5) for n, (s, _) in rng.items()}
    assert all(m._saved is None for m in model.modules())
    return str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_layer_with_a_bad_output_is_named(value):
    x, y = problem()
    message = fails(broken_model(output=np.float32(value)), x.reshape(96, 36), y)
    assert message.startswith("Trainer: the loss is nan at step 0 (epoch 1, lr 0.1): ")
    assert "the first layer whose output is not finite is 0.2 (Spoiled);" in message


@pytest.mark.parametrize("max_norm", [None, 1.0])
def test_the_first_bad_gradient_is_named_before_it_is_applied(max_norm):
    """Backward goes from the end: 0.0 is the only layer behind the fault."""
    x, y = problem()
    message = fails(broken_model(gradient=np.nan), x.reshape(96, 36), y, max_norm=max_norm)
    assert "the norm of the gradient is nan at step 0 (epoch 1, lr 0.1): " in message
    assert "the first gradient that is not finite is that of 0.0.bias;" in message


def test_a_norm_that_overflows_names_the_largest_gradient():
    x, y = problem()
    message = fails(broken_model(gradient=1e25), x.reshape(96, 36), y)
    assert "the norm of the gradient is inf" in message
    assert (
        "no gradient is infinite, but their norm is; the largest gradient is that of 0.0."
        in message
    )


def test_bad_data_are_told_from_bad_layers():
    x, y = problem()
    x = x.reshape(96, 36)
    x[5, 3] = np.nan
    assert "1 of the 360 values of the batch x are not finite" in fails(broken_model(), x, y)


def test_bad_parameters_and_targets_are_told():
    x, y = problem()
    x = x.reshape(96, 36)
    model = broken_model()
    model[0][3].weight.data[0, 0] = np.inf
    assert "the parameter 0.3.weight is not finite" in fails(model, x, y)
    soft = one_hot(y)
    soft[0] = np.nan
    assert "every layer's output is finite: look at the targets and the loss" in fails(
        broken_model(), x, soft
    )


def test_a_loss_that_is_no_number_is_refused():
    trainer, loader = setup()
    trainer.loss = lambda outputs, targets: (np.zeros(len(outputs)), outputs)
    with pytest.raises(TypeError, match=r"loss must be a number, got an array of shape \(10,\)"):
        trainer.fit(loader, 1)
