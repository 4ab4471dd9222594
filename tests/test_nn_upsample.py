"""Upsample against PyTorch's, and as a linear map against its transpose."""

import numpy as np
import pytest

from fastnn import nn

CASES = {
    "nearest 2": {"scale_factor": 2},
    "nearest (3, 1)": {"scale_factor": (3, 1)},
    "nearest 1.5": {"scale_factor": 1.5},
    "nearest to (9, 4)": {"size": (9, 4)},
    "nearest to (10, 14)": {"size": (10, 14)},
    "bilinear 2": {"scale_factor": 2, "mode": "bilinear"},
    "bilinear (3, 1)": {"scale_factor": (3, 1), "mode": "bilinear"},
    "bilinear to (20, 28)": {"size": (20, 28), "mode": "bilinear", "align_corners": False},
    "bilinear (2.5, 3)": {"scale_factor": (2.5, 3.0), "mode": "bilinear"},
    "bilinear to (13, 3)": {"size": (13, 3), "mode": "bilinear"},
    "bilinear, corners": {"size": (9, 15), "mode": "bilinear", "align_corners": True},
    "bilinear to 1, corners": {"size": 1, "mode": "bilinear", "align_corners": True},
}
EACH = pytest.mark.parametrize("options", CASES.values(), ids=CASES)
EPS = np.finfo(np.float64).eps


def images(shape=(2, 3, 5, 7), seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@EACH
def test_agrees_with_torch(options):
    torch = pytest.importorskip("torch")
    ours, theirs = (module.Upsample(**options) for module in (nn, torch.nn))
    x = images()
    t = torch.tensor(x, requires_grad=True)
    y = theirs(t)
    dy = images(tuple(y.shape), 1)
    y.backward(torch.tensor(dy))
    # Weights rounded a few times; a pixel's gradient is a sum of at most 13 * 3 terms.
    np.testing.assert_allclose(ours(x), y.detach().numpy(), rtol=0, atol=32 * EPS * 4)
    np.testing.assert_allclose(ours.backward(dy), t.grad.numpy(), rtol=0, atol=64 * 39 * EPS)
    assert not ours.state_dict()


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_is_the_transpose(options, dtype):
    layer, x = nn.Upsample(**options), images().astype(dtype)
    y = layer(x)
    dy = images(y.shape, 1).astype(dtype)
    dx = layer.backward(dy)
    assert y.dtype == dx.dtype == dtype and dx.shape == x.shape
    bound = y.size * np.finfo(dtype).eps * np.abs(y).max() * np.abs(dy).max()
    assert abs(float((y * dy).sum()) - float((x * dx).sum())) < bound
    with pytest.raises(RuntimeError, match="forward in training mode"):
        layer.backward(dy)
    layer.eval()(x)
    assert layer._saved is None


def test_repeating_is_exact_and_spreads_nothing():
    x = images((2, 3, 4, 5))
    x[0, 0, 1, 1], x[1, 2, 3, 4] = np.inf, np.nan
    y = nn.Upsample(scale_factor=3)(x)
    np.testing.assert_array_equal(y, x.repeat(3, 2).repeat(3, 3))


def test_interpolation_of_single_rows_and_pixels():
    torch = pytest.importorskip("torch")
    for shape in ((1, 2, 1, 1), (2, 1, 1, 4), (0, 2, 3, 3)):
        x = images(shape)
        ours, theirs = (m.Upsample(scale_factor=2, mode="bilinear") for m in (nn, torch.nn))
        t = torch.tensor(x, requires_grad=True)
        y = ours(x)
        assert y.shape == (*shape[:2], 2 * shape[2], 2 * shape[3])
        dx = ours.backward(np.ones_like(y))
        if x.size:
            theirs(t).sum().backward()
            np.testing.assert_allclose(y, theirs(t).detach().numpy(), rtol=0, atol=32 * EPS * 4)
            np.testing.assert_allclose(dx, t.grad.numpy(), rtol=0, atol=64 * EPS)


def test_strides_do_not_matter():
    x = images((2, 4, 6, 6))
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for options in ({"scale_factor": 2}, {"scale_factor": 2, "mode": "bilinear"}):
        layer = nn.Upsample(**options)
        np.testing.assert_array_equal(layer(x), layer(last))


def test_wrong_arguments():
    for options, message in (
        ({}, "size must be given, or scale_factor instead, got None and None"),
        ({"size": 3, "scale_factor": 2}, "size must be given, or scale_factor instead, got 3 and"),
        ({"size": 3, "mode": "cubic"}, "mode must be .* got 'cubic'"),
        ({"size": 3, "align_corners": False}, 'align_corners must be None for "nearest"'),
        ({"size": (3, 0)}, r"size must be one or two numbers above 0, got \(3, 0\)"),
        (
            {"scale_factor": float("nan")},
            "scale_factor must be one or two numbers above 0, got nan",
        ),
    ):
        with pytest.raises(ValueError, match=f"^Upsample: {message}"):
            nn.Upsample(**options)
    with pytest.raises(ValueError, match=r"^Upsample: x must be of rank 4, got shape \(3, 4\)"):
        nn.Upsample(2)(np.zeros((3, 4)))
    with pytest.raises(TypeError, match=r"^Upsample: size must be one or two integers, got 2\.5"):
        nn.Upsample(2.5)
    with pytest.raises(TypeError, match=r"^Upsample: scale_factor must be .* numbers, got '3'"):
        nn.Upsample(scale_factor="3")
    with pytest.raises(ValueError, match=r"^Upsample: x must be larger for scale_factor=0.1"):
        nn.Upsample(scale_factor=0.1)(images())
