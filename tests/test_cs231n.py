"""The course's functions against its formulas in plain NumPy, and against numerical gradients."""

import numpy as np
import pytest

from fastnn.compat import cs231n
from fastnn.compat.cs231n import eval_numerical_gradient_array, optim, rel_error

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64)}
DTYPES = [np.float32, np.float64]


def randn(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def agree(got, expected, terms, dtype):
    """``terms``: the number of roundings that a value adds up."""
    assert got.dtype == dtype and got.shape == expected.shape
    bound = terms * EPS[dtype] * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_affine(dtype):
    x, w, b = randn(3, 4, 5, dtype=dtype), randn(20, 6, dtype=dtype), randn(6, dtype=dtype)
    out, cache = cs231n.affine_forward(x, w, b)
    agree(out, x.reshape(3, 20).astype(float) @ w + b, 40, dtype)
    assert all(a is b for a, b in zip(cache, (x, w, b), strict=True))


def normalised(x, axes, eps=1e-5):
    """(x - mean) / sqrt(var + eps) with the biased variance."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_batchnorm_keeps_the_courses_running_averages(dtype):
    gamma, beta = randn(4, dtype=dtype), randn(4, dtype=dtype, seed=1)
    mean, var, param = np.zeros(4), np.zeros(4), {"mode": "train"}
    for step in range(5):
        x = 3 + 2 * randn(7, 4, dtype=dtype, seed=step)
        out, _ = cs231n.batchnorm_forward(x, gamma, beta, param)
        agree(out, normalised(x.astype(float), 0) * gamma + beta, 20, dtype)
        mean = 0.9 * mean + 0.1 * x.astype(float).mean(0)
        var = 0.9 * var + 0.1 * x.astype(float).var(0)  # over n, not n - 1
        agree(param["running_mean"], mean, 20, dtype)
        agree(param["running_var"], var, 20, dtype)
    param["mode"] = "test"
    out, _ = cs231n.batchnorm_forward(x, gamma, beta, param)
    agree(out, (x - mean) / np.sqrt(var + 1e-5) * gamma + beta, 40, dtype)
    agree(param["running_mean"], mean, 20, dtype)


def test_batchnorm_takes_the_courses_options():
    x, ones, zeros = randn(5, 3), np.ones(3), np.zeros(3)
    start = {"running_mean": np.full(3, 2.0), "running_var": np.full(3, 3.0)}
    param = {"mode": "train", "eps": 0.5, "momentum": 0.25, **start}
    out, _ = cs231n.batchnorm_forward(x, ones, zeros, param)
    agree(out, normalised(x, 0, eps=0.5), 20, np.float64)
    agree(param["running_mean"], 0.25 * 2 + 0.75 * x.mean(0), 20, np.float64)
    agree(param["running_var"], 0.25 * 3 + 0.75 * x.var(0), 20, np.float64)
    test = {"mode": "test", "eps": 0.5, **start}
    agree(cs231n.batchnorm_forward(x, ones, zeros, test)[0], (x - 2) / np.sqrt(3.5), 20, np.float64)
    assert (start["running_mean"] == 2).all(), "the old array is replaced, not written to"
    with pytest.raises(ValueError, match="mode must be 'train' or 'test', got 'eval'"):
        cs231n.batchnorm_forward(x, ones, zeros, {"mode": "eval"})
    with pytest.raises(ValueError, match="mode must be 'train' or 'test', got None"):
        cs231n.batchnorm_forward(x, ones, zeros, {})


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_other_norms(dtype):
    x, gamma, beta = randn(4, 6, dtype=dtype), randn(6, dtype=dtype), randn(6, dtype=dtype, seed=1)
    out, _ = cs231n.layernorm_forward(x, gamma, beta, {})
    agree(out, normalised(x.astype(float), 1) * gamma + beta, 20, dtype)
    x, shape = randn(2, 6, 4, 5, dtype=dtype), (1, 6, 1, 1)
    scale, shift = gamma.reshape(shape), beta.reshape(shape)
    grouped = normalised(x.astype(float).reshape(2, 3, -1), 2).reshape(x.shape)
    for g, b in ((scale, shift), (gamma, beta)):
        out, cache = cs231n.spatial_groupnorm_forward(x, g, b, 3, {"eps": 1e-5})
        agree(out, grouped * scale + shift, 40, dtype)
        _, dgamma, dbeta = cs231n.spatial_groupnorm_backward(x, cache)
        assert dgamma.shape == dbeta.shape == g.shape
    param = {"mode": "train"}
    out, _ = cs231n.spatial_batchnorm_forward(x, gamma, beta, param)
    agree(out, normalised(x.astype(float), (0, 2, 3)) * scale + shift, 40, dtype)
    agree(param["running_var"], 0.1 * x.astype(float).var((0, 2, 3)), 40, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution_and_pooling(dtype):
    x, w, b = (randn(*s, dtype=dtype) for s in ((2, 3, 6, 7), (4, 3, 3, 4), (4,)))
    out, _ = cs231n.conv_forward_naive(x, w, b, {"stride": 2, "pad": 1})
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 4), (2, 3))[:, :, ::2, ::2]
    expected = np.einsum("nchwij,fcij->nfhw", windows, w) + b[:, None, None]
    agree(out, expected, 2 * 36, dtype)
    pool_param = {"pool_height": 2, "pool_width": 3, "stride": 2}
    out, cache = cs231n.max_pool_forward_naive(x, pool_param)
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(out, windows.max((-2, -1)))
    assert cache[0] is x and cache[1] is pool_param
    assert cs231n.conv_forward_fast is cs231n.fast_layers.conv_forward_im2col


def test_losses():
    x, y = randn(5, 4), np.array([0, 3, 1, 1, 2])
    shifted = np.exp(x - x.max(1, keepdims=True))
    expected = -np.log((shifted / shifted.sum(1, keepdims=True))[range(5), y]).mean()
    assert abs(cs231n.softmax_loss(x, y)[0] - expected) <= 20 * EPS[np.float64]
    margins = np.maximum(0, x - x[range(5), y][:, None] + 1)
    margins[range(5), y] = 0
    assert abs(cs231n.svm_loss(x, y)[0] - margins.sum() / 5) <= 20 * EPS[np.float64]
    for loss in (cs231n.softmax_loss, cs231n.svm_loss):
        numeric = cs231n.eval_numerical_gradient(lambda x, f=loss: f(x, y)[0], x, verbose=False)
        assert rel_error(numeric, loss(x, y)[1]) < 1e-7


def test_dropout_keeps_with_probability_p():
    x = np.ones((200, 500))
    for p in (0.25, 0.4, 0.7):
        param = {"mode": "train", "p": p, "seed": 123}
        out, cache = cs231n.dropout_forward(x, param)
        # Kept: binomial, five standard deviations.
        assert abs((out != 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / x.size)
        np.testing.assert_allclose(out[out != 0], 1 / p, rtol=2 * EPS[np.float64])
        np.testing.assert_array_equal(cs231n.dropout_backward(x, cache), out)
        np.testing.assert_array_equal(cs231n.dropout_forward(x, param)[0], out)
        out, cache = cs231n.dropout_forward(x, {**param, "mode": "test"})
        np.testing.assert_array_equal(out, x)
        np.testing.assert_array_equal(cs231n.dropout_backward(x, cache), x)
    free = {"mode": "train", "p": 0.5}
    np.random.seed(231)
    first, second = (cs231n.dropout_forward(x, free)[0] for _ in range(2))
    np.random.seed(231)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(cs231n.dropout_forward(x, free)[0], first)
    with pytest.raises(ValueError, match=r"dropout_param\['p'\] must be in \[0, 1\], got 1.5"):
        cs231n.dropout_forward(x, {"mode": "train", "p": 1.5})


CONV, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
ROWS, MAPS = (5, 4), (2, 3, 4, 4)
DROP = {"mode": "train", "p": 0.6, "seed": 5}
# Name -> shapes of the arrays, further arguments.
GRADIENTS = {
    "affine": ([(2, 3, 2), (6, 4), (4,)], ()),
    "relu": ([ROWS], ()),
    "batchnorm": ([ROWS, (4,), (4,)], ({"mode": "train"},)),
    "layernorm": ([ROWS, (4,), (4,)], ({},)),
    "dropout": ([ROWS], (DROP,)),
    "conv_*_naive": ([MAPS, (2, 3, 3, 3), (2,)], (CONV,)),
    "conv_*_fast": ([MAPS, (2, 3, 3, 3), (2,)], (CONV,)),
    "max_pool_*_naive": ([MAPS], (POOL,)),
    "spatial_batchnorm": ([MAPS, (3,), (3,)], ({"mode": "train"},)),
    "spatial_groupnorm": ([(2, 6, 2, 2), (1, 6, 1, 1), (1, 6, 1, 1)], (3, {})),
    "affine_relu": ([(2, 3, 2), (6, 4), (4,)], ()),
    "affine_bn_relu": ([ROWS, (4, 3), (3,), (3,), (3,)], ({"mode": "train"},)),
    "conv_relu": ([MAPS, (2, 3, 3, 3), (2,)], (CONV,)),
    "conv_bn_relu": ([MAPS, (2, 3, 3, 3), (2,), (2,), (2,)], (CONV, {"mode": "train"})),
    "conv_relu_pool": ([MAPS, (2, 3, 3, 3), (2,)], (CONV, POOL)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    shapes, rest = GRADIENTS[name]
    forward, backward = (
        getattr(cs231n, name.replace("*", way) if "*" in name else f"{name}_{way}")
        for way in ("forward", "backward")
    )
    arrays = [randn(*shape, seed=i) for i, shape in enumerate(shapes)]
    out, cache = forward(*arrays, *rest)
    dout = randn(*out.shape, seed=9)
    grads = backward(dout, cache)
    for array, grad in zip(arrays, grads if isinstance(grads, tuple) else (grads,), strict=True):
        numeric = eval_numerical_gradient_array(lambda _: forward(*arrays, *rest)[0], array, dout)
        # Truncation h^2 = 1e-10 times third derivatives, cancellation eps / h = 2e-11 a term.
        bound = 1e-8 * max(1, np.abs(numeric).max())
        np.testing.assert_allclose(grad, numeric, rtol=0, atol=bound)
    if name == "batchnorm":
        for a, b in zip(grads, cs231n.batchnorm_backward_alt(dout, cache), strict=True):
            np.testing.assert_array_equal(a, b)


def plain_sgd(w, dw, c):
    return w - c["learning_rate"] * dw


def plain_momentum(w, dw, c):
    c["velocity"] = c["momentum"] * c["velocity"] - c["learning_rate"] * dw
    return w + c["velocity"]


def plain_rmsprop(w, dw, c):
    c["cache"] = c["decay_rate"] * c["cache"] + (1 - c["decay_rate"]) * dw**2
    return w - c["learning_rate"] * dw / (np.sqrt(c["cache"]) + c["epsilon"])


def plain_adam(w, dw, c):
    c["t"] += 1
    c["m"] = c["beta1"] * c["m"] + (1 - c["beta1"]) * dw
    c["v"] = c["beta2"] * c["v"] + (1 - c["beta2"]) * dw**2
    m, v = c["m"] / (1 - c["beta1"] ** c["t"]), c["v"] / (1 - c["beta2"] ** c["t"])
    return w - c["learning_rate"] * m / (np.sqrt(v) + c["epsilon"])


RULES = {
    "sgd": (plain_sgd, {"learning_rate": 1e-2}),
    "sgd_momentum": (plain_momentum, {"learning_rate": 1e-2, "momentum": 0.9, "velocity": 0.0}),
    "rmsprop": (
        plain_rmsprop,
        {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8, "cache": 0.0},
    ),
    "adam": (
        plain_adam,
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
        | {"m": 0.0, "v": 0.0, "t": 0},
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RULES)
def test_update_rules_with_a_rate_that_decays(name, dtype):
    plain, theirs = RULES[name][0], dict(RULES[name][1])
    rule, w = getattr(optim, name), randn(5, 7, dtype=dtype)
    expected, config = w.astype(float), None
    for step in range(6):
        dw = randn(5, 7, dtype=dtype, seed=step)
        expected = plain(expected, dw.astype(float), theirs)
        before, given = w.copy(), dict(config or {})
        states = {k: v.copy() for k, v in given.items() if isinstance(v, np.ndarray)}
        w, config = rule(w, dw, config)
        agree(w, expected, 10 * (step + 1), dtype)
        for key, value in config.items():
            bound = 10 * (step + 1) * EPS[dtype] * np.abs(theirs[key]).max()
            np.testing.assert_allclose(value, theirs[key], rtol=0, atol=bound)
        for key, value in states.items():
            np.testing.assert_array_equal(given[key], value)
        assert name == "sgd" or not np.array_equal(w, before)
        config["learning_rate"] *= 0.5  # what the course's Solver does: lr_decay
        theirs["learning_rate"] *= 0.5


def test_only_sgd_works_in_place():
    for name in RULES:
        w, dw = randn(3), randn(3, seed=1)
        before = w.copy()
        after, config = getattr(optim, name)(w, dw)
        assert (after is w) == (name == "sgd")
        assert name == "sgd" or np.array_equal(w, before)
        assert config.keys() == RULES[name][1].keys()


def test_numerical_gradients_leave_their_input_alone(capsys):
    x = randn(2, 2)
    before = x.copy()
    grad = cs231n.eval_numerical_gradient(lambda x: float((x**3).sum()), x, h=1e-5)
    np.testing.assert_allclose(grad, 3 * x**2, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(x, before)
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert rel_error(np.array([1.0, 0]), np.array([3.0, 0])) == 0.5
