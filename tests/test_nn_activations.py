"""Activation layers without fusion, softmax, maxout, and the losses as modules."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import nn


def smooth_net():
    double = np.float64
    return nn.Sequential(
        nn.Linear(6, 8, dtype=double),
        nn.SELU(),
        nn.Linear(8, 8, dtype=double),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Linear(8, 8, dtype=double),
        nn.SiLU(),
        nn.Softplus(2.0, 30.0),
        nn.Hardswish(),
        nn.PReLU(8, dtype=double),
        nn.Linear(8, 8, dtype=double),
        nn.PReLU(dtype=double),
        nn.Maxout(2),
        nn.Softmax(),
        nn.LogSoftmax(1),
    ).reset_parameters(1)


def test_gradients_through_a_sequential():
    model, rng = smooth_net(), np.random.default_rng(2)
    x, weights = rng.standard_normal((5, 6)), rng.standard_normal((5, 4))
    model(x)
    dx = model.backward(weights)
    arrays = {name: (p.data, p.grad.copy()) for name, p in model.named_parameters()}
    h = 1e-6
    for name, (array, grad) in {**arrays, "x": (x, dx)}.items():
        direction, before = rng.standard_normal(array.shape), array.copy()
        array[...] = before + h * direction
        above = float((model(x) * weights).sum())
        array[...] = before - h * direction
        numeric = (above - float((model(x) * weights).sum())) / (2 * h)
        array[...] = before
        # truncation h^2 = 1e-12 and cancellation |loss| * eps / h = 1e-9, on sums of size 10
        assert abs(numeric - (grad * direction).sum()) <= 1e-7 * max(1, abs(numeric)), name


def test_state_dict_keys_are_those_of_torch():
    model = nn.Sequential(nn.PReLU(3), nn.GELU(), nn.PReLU())
    state = model.state_dict()
    assert {name: value.shape for name, value in state.items()} == {
        "0.weight": (3,),
        "2.weight": (1,),
    }
    assert (state["0.weight"] == np.float32(0.25)).all()


def test_a_frozen_prelu_gets_no_gradient():
    layer, x = nn.PReLU(3), np.ones((2, 3), np.float32)
    layer.freeze()
    layer(x)
    assert layer.backward(x) is not None and layer.weight.grad is None


@pytest.mark.parametrize(
    "layer",
    [
        nn.SELU(),
        nn.GELU(),
        nn.SiLU(),
        nn.Softplus(),
        nn.Hardswish(),
        nn.PReLU(),
        nn.Maxout(2),
        nn.Softmax(),
        nn.LogSoftmax(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_backward_needs_a_training_forward(layer):
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="needs a forward in training mode"):
            layer.backward(x)
        layer.backward(np.ones_like(layer(x)), input_grad=False)
    layer.eval()(x)
    assert layer._saved is None and type(layer).__name__ in repr(layer)


def test_loss_modules_call_their_op():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((2, 4, 3)).astype(np.float32)
    classes = np.array([0, 2, 1, 1])
    p = np.abs(target) / 4
    pairs = [
        (nn.MSELoss()(x, target), F.mse_loss(x, target)),
        (nn.L1Loss("sum")(x, target), F.l1_loss(x, target, "sum")),
        (nn.HuberLoss(delta=0.5)(x, target), F.huber_loss(x, target, 0.5)),
        (
            nn.BCEWithLogitsLoss(pos_weight=[1.0, 2.0, 3.0])(x, p),
            F.binary_cross_entropy_with_logits(x, p, np.array([1, 2, 3], np.float32)),
        ),
        (nn.MultiClassHingeLoss(0.5)(x, classes), F.multiclass_hinge(x, classes, 0.5)),
    ]
    for (loss, dx), (expected, gradient) in pairs:
        assert loss == expected
        np.testing.assert_array_equal(dx, gradient)
