"""Optimizer updates on a CUDA device: long lists, and what must be refused."""

import numpy as np
import pytest
from cuda_on_cpu import arrays

from fastnn import functional as F

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def test_a_list_longer_than_a_launch_takes() -> None:
    """The CPU's bits, and with unaligned arrays too."""
    rng = np.random.default_rng(3)
    sizes = [int(n) for n in rng.integers(0, 40, 400)] + [5000, 2048, 2049]
    params = [rng.standard_normal(n).astype(np.float32) for n in sizes]
    grads = [rng.standard_normal(n + 1).astype(np.float32)[1:] for n in sizes]
    sent, sent_grads = arrays.to_device(params), arrays.to_device(grads)
    F.sgd_step_(sent, sent_grads, lr=0.1)
    F.sgd_step_(params, grads, lr=0.1)
    arrays.check_guards()
    for here, there in zip(params, sent, strict=True):
        assert there.get().tobytes() == here.tobytes()


def test_a_gradient_of_other_layout() -> None:
    w, g = np.ones((3, 4), np.float32), np.arange(12, dtype=np.float32).reshape(4, 3).T
    sent = arrays.to_device(w)
    F.sgd_step_(sent, arrays.to_device(g), lr=1.0)
    assert sent.get().tolist() == (1 - g).tolist()


def test_strided_parameters_are_refused() -> None:
    w = arrays.to_device(np.ones((4, 6), np.float32))
    view = arrays.Array(w.host[:, ::2])
    with pytest.raises(ValueError, match=r"sgd_step_: params must be contiguous"):
        F.sgd_step_(view, arrays.to_device(np.ones((4, 3), np.float32)), lr=0.1)


def test_state_on_another_device() -> None:
    w = arrays.to_device(np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"adagrad_step_: state_sums must be on cuda:0"):
        F.adagrad_step_(w, arrays.to_device(w.host), np.ones(3, np.float32), lr=0.1)
