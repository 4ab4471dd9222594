"""float16 and bfloat16 on the emulated device: stored so, computed in float32."""

import re
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays
from cuda_on_cpu.half import FORMATS, Format, check, patterns
from test_cuda_on_cpu import OPS

from fastnn import functional as F
from fastnn.specs import Case, Spec

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")
EACH_FORMAT = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)

NAMES = [
    "relu leaky_relu elu sigmoid tanh selu gelu silu softplus hardswish add",
    "dropout dropout2d alpha_dropout stochastic_depth prelu maxout",
    "max_pool2d avg_pool2d adaptive_avg_pool2d fractional_max_pool2d",
    "batch_norm layer_norm group_norm instance_norm",
    "softmax log_softmax softmax_cross_entropy multiclass_hinge",
    "mse_loss l1_loss huber_loss binary_cross_entropy_with_logits",
]


def cases() -> list[Any]:
    """Every case in one of the formats, the first of each op in both."""
    found = []
    for name in " ".join(NAMES).split():
        for i, case in enumerate(OPS[name].cases):
            forms = FORMATS if i == 0 else (FORMATS[i % 2],)
            for form in forms:
                label = f"{name}: {case.label}, {form.name}"
                found.append(pytest.param(OPS[name], case, form, id=label))
    return found


@pytest.mark.parametrize("spec, case, form", cases())
def test_agrees_with_the_reference(spec: Spec, case: Case, form: Format) -> None:
    check(spec, case, form)


@EACH_FORMAT
def test_every_value_comes_back(form: Format) -> None:
    x = patterns(form)
    y = F.leaky_relu(arrays.to_device(x), 1.0).get()
    assert y.dtype == form.dtype
    number = ~np.isnan(form.widened(x))
    assert (y.view(np.uint16)[number] == x.view(np.uint16)[number]).all()
    assert np.isnan(form.widened(y)[~number]).all()


@EACH_FORMAT
def test_results_are_rounded_to_the_nearest_even(form: Format) -> None:
    rng = np.random.default_rng(0)
    x, other = (rng.permutation(np.repeat(patterns(form), 2)) for _ in range(2))
    close = (patterns(form), np.roll(patterns(form), 1 << 7))  # of like exponents: ties
    x, other = (np.concatenate(pair) for pair in zip((x, other), close, strict=True))
    with np.errstate(all="ignore"):
        exact = form.widened(x) + form.widened(other)
    y = F.add(arrays.to_device(x), arrays.to_device(other)).get()
    expected = form.stored(exact)
    number = ~np.isnan(exact)
    assert (y.view(np.uint16)[number] == expected.view(np.uint16)[number]).all()
    assert np.isnan(form.widened(y)[~number]).all()


def of(form: Format, *shape: int) -> Any:
    return arrays.to_device(form.stored(np.ones(shape, np.float32)))


def single(*shape: int) -> Any:
    return arrays.to_device(np.ones(shape, np.float32))


@EACH_FORMAT
def test_dtypes_do_not_mix(form: Format) -> None:
    x, other = of(form, 2, 3), next(f for f in FORMATS if f != form)
    for call, message in (
        (lambda: F.add(x, single(2, 3)), f"add: other must be {form.name} like x, got float32"),
        (
            lambda: F.add(x, of(other, 2, 3)),
            f"add: other must be {form.name} like x, got {other.name}",
        ),
        (
            lambda: F.batch_norm(x, None, None, weight=of(form, 3), training=True),
            f"batch_norm: weight must be float32 beside x of {form.name}, got {form.name}",
        ),
        (
            lambda: F.relu_backward(single(2, 3), x),
            f"relu_backward: dy must be {form.name} like x, got float32",
        ),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            call()


@EACH_FORMAT
def test_ops_without_half_say_so(form: Format) -> None:
    message = f"linear: x must be float32 or float64, got {form.name} (2, 3)"
    with pytest.raises(TypeError, match=re.escape(message)):
        F.linear(of(form, 2, 3), of(form, 4, 3))


def test_dtypes_that_no_kernel_takes() -> None:
    message = "relu: x must be float16, bfloat16, float32 or float64, got int32 (3,)"
    with pytest.raises(TypeError, match=re.escape(message)):
        F.relu(arrays.to_device(np.ones(3, np.int32)))


def test_masks_are_those_of_float32() -> None:
    x = np.ones((3, 5, 4, 7), np.float32)
    for p in (0.3, 0.5):
        expected = F.dropout(x, p, seed=7, offset=3) != 0
        for form in FORMATS:
            y = F.dropout(arrays.to_device(form.stored(x)), p, seed=7, offset=3)
            assert ((form.widened(y.get()) != 0) == expected).all()
