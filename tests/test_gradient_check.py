"""The gradient check finds wrong gradients, and calls kinks kinks."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import nn
from fastnn.models.small import conv_bn_relu
from fastnn.train import gradient_check
from fastnn.train.objective import float64_copy


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def network(middle=None):
    return nn.Sequential(
        *conv_bn_relu(2, 4),
        nn.Residual(nn.Sequential(*conv_bn_relu(4, 4)[:2])),
        nn.MaxPool2d(2),
        nn.Dropout(0.4),
        nn.Flatten(),
        middle or nn.Tanh(),
        nn.Linear(16, 3),
    ).reset_parameters(1)


class Wrong(nn.Tanh):
    """Its backward forgets a factor that is almost 1."""

    def backward(self, dy, *, input_grad=True):
        dx = super().backward(dy, input_grad=input_grad)
        return None if dx is None else dx * (1 + 1e-4)


LOSSES = {
    "cross entropy": (None, np.array([0, 2, 1, 1])),
    "hinge": (nn.MultiClassHingeLoss(), np.array([0, 2, 1, 1])),
    "squares": (nn.MSELoss(), normal(4, 3, seed=5)),
    "no loss": (None, None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_right_gradients_pass_in_all_arrays(name):
    loss, y = LOSSES[name]
    model = network()
    report = gradient_check(model, normal(4, 2, 4, 4), y, loss)
    assert report.ok, report
    names = [row.name for row in report.rows]
    assert names == [*(n for n, _ in model.named_parameters()), "x"]
    assert [row.checked for row in report.rows] == [min(20, row.size) for row in report.rows]
    assert report.error < 1e-6
    assert str(report).count("ok") == len(names)


def test_a_wrong_backward_is_found_and_located():
    y = np.array([0, 2, 1, 1])
    report = gradient_check(network(Wrong()), normal(4, 2, 4, 4), y)
    assert not report.ok
    verdicts = {row.name: row.verdict for row in report.rows}
    assert {n for n, v in verdicts.items() if v == "ok"} == {"8.weight", "8.bias"}
    wrong = report.rows[0]
    assert 0.9e-4 < wrong.error < 1.1e-4
    assert f"WRONG: {wrong.failures} of 20, worst at {list(wrong.worst)}: analytic" in str(report)
    assert wrong.analytic == pytest.approx(wrong.numerical * (1 + 1e-4), rel=1e-6)
    assert gradient_check(network(Wrong()), normal(4, 2, 4, 4), y, rtol=1e-3).ok


class WrongLinear(nn.Linear):
    """Its backward forgets a factor that is almost 1."""

    def backward(self, dy, *, input_grad=True):
        return super().backward(dy * (1 + 1e-4), input_grad=input_grad)


@pytest.mark.parametrize(
    "layers",
    [(nn.Linear(5, 4), Wrong(), nn.Linear(4, 3)), (WrongLinear(5, 4), nn.Tanh(), nn.Linear(4, 3))],
    ids=["activation", "linear"],
)
def test_fusion_does_not_skip_a_backward_of_one_s_own(layers):
    report = gradient_check(nn.Sequential(*layers), normal(6, 5), np.arange(6) % 3)
    assert [row.verdict for row in report.rows[:4]] == ["WRONG", "WRONG", "ok", "ok"], report


def test_the_model_is_left_bit_for_bit():
    model, x = network(), normal(4, 2, 4, 4)
    model.backward(np.ones_like(model(x)))
    model(x)
    state, streams = model.state_dict(), model.rng_state()
    grads = [(p.grad, p.grad.copy()) for p in model.parameters()]
    data = x.copy()
    gradient_check(model.eval(), x, np.zeros(4, int), coordinates=2)
    assert not any(m.training for m in model.modules()) and model.rng_state() == streams
    np.testing.assert_array_equal(x, data)
    for name, value in model.state_dict().items():
        assert value.dtype == state[name].dtype
        np.testing.assert_array_equal(value, state[name])
    for parameter, (grad, values) in zip(model.parameters(), grads, strict=True):
        assert parameter.grad is grad
        np.testing.assert_array_equal(grad, values)


def test_float64_copy_keeps_order_sharing_and_frozenness():
    model = network()
    model[8].bias.requires_grad = False
    model[7].tied = model[8].weight
    clone = float64_copy(model)
    for (name, a), (_, b) in zip(model.named_parameters(), clone.named_parameters(), strict=True):
        assert b.data.dtype == np.float64 and a.requires_grad == b.requires_grad, name
        assert [s // 8 for s in b.data.strides] == [s // 4 for s in a.data.strides]
    assert clone[7].tied is clone[8].weight and clone[1].running_var.dtype == np.float64
    assert clone[1].num_batches_tracked.dtype == np.int64


def test_frozen_parameters_and_integer_inputs_are_left_out():
    model = network()
    model[0].freeze()
    names = [r.name for r in gradient_check(model, normal(4, 2, 4, 4), coordinates=1).rows]
    assert "0.weight" not in names and "1.weight" in names

    class Lookup(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(normal(5, 3))

        def forward(self, x):
            self._saved = x
            return self.weight.data[x]

        def backward(self, dy, *, input_grad=True):
            grad = np.zeros_like(self.weight.data)
            np.add.at(grad, self._take(), dy)
            self.weight.add_grad(grad)

    report = gradient_check(Lookup(), np.array([1, 3, 3]), coordinates=None)
    assert report.ok and [r.name for r in report.rows] == ["weight"], report


OPS = {
    "conv2d": (F.conv2d, [normal(2, 3, 5, 5), normal(4, 3, 3, 3), normal(4)], {"padding": 1}),
    "linear without bias": (F.linear, [normal(3, 5), normal(2, 5), None], {}),
    "tanh takes y": (F.tanh, normal(2, 3), {}),
    "softmax takes y": (F.softmax, [normal(2, 3)], {"axis": 0}),
    "avg_pool2d takes x_shape": (F.avg_pool2d, [normal(1, 2, 4, 4)], {"kernel_size": 2}),
    "layer_norm": (
        F.layer_norm,
        [normal(6, 3), (3,), normal(3), normal(3, seed=1)],
        {"eps": 1e-3},
    ),
    "dropout": (F.dropout, [normal(5, 4)], {"p": 0.3, "training": True, "seed": 7, "offset": 5}),
    "prelu": (F.prelu, [normal(4, 3), normal(3)], {}),
    "loss": (F.softmax_cross_entropy, [normal(4, 3), np.array([0, 1, 2, 0])], {}),
    "loss per sample": (
        F.multiclass_hinge,
        [normal(4, 3), np.array([0, 1, 2, 0])],
        {"reduction": "none"},
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_bare_ops_find_their_backward(name):
    op, arrays, options = OPS[name]
    if name == "linear without bias":
        arrays = arrays[:2]
        report = gradient_check(
            op, arrays, backward=lambda dy, x, w: F.linear_backward(dy, x, w)[:2]
        )
    else:
        report = gradient_check(op, arrays, options=options)
    assert report.ok and report.error < 1e-6, report


def test_saved_objects_and_own_backwards():
    def pool(x):
        return F.max_pool2d(x, 2)

    x = normal(2, 3, 4, 4)
    assert gradient_check(pool, x, backward=F.max_pool2d_backward).ok
    wrong = gradient_check(pool, x, backward=lambda dy, s: 1.01 * F.max_pool2d_backward(dy, s))
    assert wrong.rows[0].verdict == "WRONG" and wrong.error == pytest.approx(0.01 / 1.01, rel=1e-6)
    square = gradient_check(
        lambda a, b: a * b, [x, x + 1], backward=lambda dy, a, b: (dy * b, None)
    )
    assert square.ok and [r.name for r in square.rows] == ["a"]
    assert gradient_check(np.negative, x, backward=lambda dy, x: -dy).ok


@pytest.mark.parametrize("place", [0.0, 1e-7, 3e-6, 5e-6, 9.9e-6, 1e-5, 1.5e-5, 1.99e-5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_kink_is_a_kink_wherever_it_lies(place, sign):
    """With steps of 1e-5 and 2e-5 around the value; the slope jumps by 1, 0.01 and 100."""
    for slope in (1.0, 0.01, 100.0):
        x = np.array([sign * place])
        report = gradient_check(
            lambda x, s=slope: s * np.abs(x), x, backward=lambda dy, x, s=slope: dy * s * np.sign(x)
        )
        row = report.rows[0]
        assert not row.failures, report
        # The quotient over +-h is off by slope * (1 - place / h); beyond h it is right.
        assert row.kinks == (place < 1e-5 and place > 0), report


def test_a_wrong_gradient_is_no_kink_and_a_kink_excuses_no_other_value():
    x = np.array([1e-6, 0.3, -0.7])
    right = gradient_check(F.relu, x)
    assert right.ok and right.rows[0].kinks == 1
    report = gradient_check(F.relu, x, backward=lambda dy, x: dy * (x > 0) * 1.00001)
    row = report.rows[0]
    assert (row.kinks, row.failures, row.worst) == (1, 1, (1,))


def test_kinks_only_is_not_ok_and_says_what_to_do():
    report = gradient_check(F.relu, np.full(3, 1e-6))
    assert not report.ok and report.rows[0].verdict == "kinks only"
    assert "try another x" in str(report)


def test_curvature_is_not_taken_for_an_error():
    """exp(1000 x): the truncation error of the quotient is far above rtol; it is not a failure."""
    report = gradient_check(
        lambda x: np.exp(1000 * x), np.zeros(1), backward=lambda dy, x: 1000 * dy * np.exp(1000 * x)
    )
    assert not report.rows[0].failures


def test_rounding_is_not_taken_for_an_error():
    """The true gradient of a bias before BatchNorm is 0; so are both of them, to rounding."""
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    report = gradient_check(model, normal(9, 6), np.arange(9) % 3)
    assert report.ok and abs(report.rows[1].analytic) < 1e-12, report


def test_nan_is_a_failure():
    report = gradient_check(F.relu, normal(3), backward=lambda dy, x: dy * np.nan)
    assert report.rows[0].failures == 3 and not report.ok
    assert "analytic nan" in str(report)


def test_misuse_is_refused():
    x = normal(2, 3)
    for name in ("h", "rtol", "coordinates"):
        with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
            gradient_check(F.relu, x, **{name: 0})
    with pytest.raises(TypeError, match=r"backward must be given.* no reciprocal_backward"):
        gradient_check(np.reciprocal, x)
    with pytest.raises(ValueError, match=r"for each of the float arrays a, b, got 1"):
        gradient_check(lambda a, b: a + b, [x, x], backward=lambda dy, a, b: dy)
    with pytest.raises(ValueError, match=r"gradient of x must be of shape \(2, 3\), got \(3,\)"):
        gradient_check(F.relu, x, backward=lambda dy, x: dy[0])
    with pytest.raises(TypeError, match="x must be an array for a Module, got list"):
        gradient_check(network(), [x])
