"""``cs231n/layers.py``: each ``*_forward`` returns (out, cache), each ``*_backward`` takes
(dout, cache)."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from ... import functional as F

__all__ = [
    "affine_backward",
    "affine_forward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "conv_backward_naive",
    "conv_forward_naive",
    "dropout_backward",
    "dropout_forward",
    "layernorm_backward",
    "layernorm_forward",
    "max_pool_backward_naive",
    "max_pool_forward_naive",
    "relu_backward",
    "relu_forward",
    "softmax_loss",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
    "svm_loss",
]

Array = np.ndarray
Forward = tuple[Array, Any]
Gradients = tuple[Array, Array, Array]


def affine_forward(x: Array, w: Array, b: Array) -> Forward:
    """out = x w + b for ``x`` (N, d_1, ..., d_k), ``w`` (d_1 * ... * d_k, M), ``b`` (M,).

    The cache is (x, w, b).
    """
    return F.linear(x.reshape(len(x), -1), w.T, b), (x, w, b)


def affine_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dw, db) for ``dout`` (N, M)."""
    x, w, _ = cache
    rows = x.reshape(len(x), -1)
    dx, dw = F.matmul_backward(dout, rows, w)
    assert dx is not None and dw is not None
    return dx.reshape(x.shape), dw, dout.sum(axis=0)


def relu_forward(x: Array) -> Forward:
    """out = max(x, 0). The cache is x."""
    return F.relu(x), x


def relu_backward(dout: Array, cache: Any) -> Array:
    """dx = dout where x > 0, else 0."""
    return F.relu_backward(dout, cache)


def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Mean cross entropy of the softmax of scores ``x`` (N, C) and classes ``y`` (N,), and dx."""
    loss, dx = F.softmax_cross_entropy(x, y)
    return float(loss), dx


def svm_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Mean over the batch of sum over j != y of max(0, x_j - x_y + 1), and dx."""
    loss, dx = F.multiclass_hinge(x, y)
    return float(loss), dx


def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: MutableMapping[str, Any]
) -> Forward:
    """Batch normalisation of ``x`` (N, D) with ``gamma`` and ``beta`` (D,).

    Parameters
    ----------
    bn_param : dict
        ``mode``: "train" or "test", required; ``eps``: 1e-5; ``momentum``: 0.9; ``running_mean``
        and ``running_var`` (D,): zeros at first, replaced in training by
        momentum * running + (1 - momentum) * sample, the sample variance being the biased one.

    Raises
    ------
    ValueError
        The mode is unknown, or training sees a single sample.
    """
    mode = _mode("batchnorm_forward", bn_param)
    eps = bn_param.get("eps", 1e-5)
    running = [bn_param.get(key) for key in ("running_mean", "running_var")]
    mean, var = (np.zeros(x.shape[1], x.dtype) if old is None else old for old in running)
    if mode == "test":
        y, saved = F.batch_norm(x, mean, var, gamma, beta, False, 0.0, eps)
    else:
        # Momentum 1 hands over the statistics of the batch, its variance over n - 1 values.
        sample_mean, sample_var = np.zeros_like(mean), np.zeros_like(var)
        y, saved = F.batch_norm(x, sample_mean, sample_var, gamma, beta, True, 1.0, eps)
        n, keep = x.size // x.shape[1], bn_param.get("momentum", 0.9)
        mean = keep * mean + (1 - keep) * sample_mean
        var = keep * var + (1 - keep) * ((n - 1) / n) * sample_var
    bn_param["running_mean"], bn_param["running_var"] = mean, var
    return y, saved


def batchnorm_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dgamma, dbeta)."""
    dx, dgamma, dbeta = F.batch_norm_backward(dout, cache)
    assert dx is not None and dgamma is not None and dbeta is not None
    return dx, dgamma, dbeta


def batchnorm_backward_alt(dout: Array, cache: Any) -> Gradients:
    """:func:`batchnorm_backward`: the kernel computes the simplified formula already."""
    return batchnorm_backward(dout, cache)


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: Mapping[str, Any]) -> Forward:
    """Normalise every row of ``x`` (N, D); ``ln_param``: ``eps`` (1e-5)."""
    return F.layer_norm(x, x.shape[1], gamma, beta, ln_param.get("eps", 1e-5))


def layernorm_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dgamma, dbeta)."""
    dx, dgamma, dbeta = F.layer_norm_backward(dout, cache)
    assert dx is not None and dgamma is not None and dbeta is not None
    return dx, dgamma, dbeta


def dropout_forward(x: Array, dropout_param: Mapping[str, Any]) -> Forward:
    """Inverted dropout.

    Parameters
    ----------
    x : ndarray, any shape
    dropout_param : mapping
        ``p``: probability of KEEPING a value; ``mode``: "train" or "test"; ``seed``: optional,
        makes the mask the same in every call. Without it the seed is drawn from NumPy's global
        generator, so that ``np.random.seed`` makes a notebook repeatable, as in the course.

    Returns
    -------
    out : ndarray
    cache : (dropout_param, mask)
        ``mask`` is the number from which backward makes the mask again; None in test mode.

    Raises
    ------
    ValueError
        The mode is unknown or ``p`` is no probability.
    """
    keep, mode = dropout_param["p"], _mode("dropout_forward", dropout_param)
    if not 0 <= keep <= 1:
        raise ValueError(f"dropout_forward: dropout_param['p'] must be in [0, 1], got {keep}")
    if mode == "test":
        return x.copy(), (dropout_param, None)
    seed = dropout_param.get("seed")
    if seed is None:
        seed = np.random.randint(1 << 62, dtype=np.int64)
    return F.dropout(x, 1 - keep, seed=int(seed)), (dropout_param, int(seed))


def dropout_backward(dout: Array, cache: Any) -> Array:
    """dx: ``dout`` through the same mask."""
    dropout_param, seed = cache
    if seed is None:
        return dout.copy()
    return F.dropout_backward(dout, 1 - dropout_param["p"], seed=seed)


def conv_forward_naive(x: Array, w: Array, b: Array, conv_param: Mapping[str, int]) -> Forward:
    """Cross-correlation of ``x`` (N, C, H, W) with ``w`` (F, C, HH, WW), plus ``b`` (F,).

    ``conv_param``: ``stride`` and ``pad``. The cache is (x, w, b, conv_param). Not naive here.
    """
    return F.conv2d(x, w, b, conv_param["stride"], conv_param["pad"]), (x, w, b, conv_param)


def conv_backward_naive(dout: Array, cache: Any) -> Gradients:
    """(dx, dw, db)."""
    x, w, _, conv_param = cache
    dx, dw, db = F.conv2d_backward(dout, x, w, conv_param["stride"], conv_param["pad"])
    assert dx is not None and dw is not None and db is not None
    return dx, dw, db


def _pool(x: Array, pool_param: Mapping[str, int]) -> tuple[Array, object]:
    size = pool_param["pool_height"], pool_param["pool_width"]
    return F.max_pool2d(x, size, pool_param["stride"])


def max_pool_forward_naive(x: Array, pool_param: Mapping[str, int]) -> Forward:
    """Maxima of ``x`` (N, C, H, W); ``pool_param``: ``pool_height``, ``pool_width``, ``stride``.

    The cache is (x, pool_param).
    """
    return _pool(x, pool_param)[0], (x, pool_param)


def max_pool_backward_naive(dout: Array, cache: Any) -> Array:
    """dx: each dout goes to the first maximum of its window."""
    return F.max_pool2d_backward(dout, _pool(*cache)[1])


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: MutableMapping[str, Any]
) -> Forward:
    """:func:`batchnorm_forward` of each channel of ``x`` (N, C, H, W)."""
    return batchnorm_forward(x, gamma, beta, bn_param)


def spatial_batchnorm_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dgamma, dbeta)."""
    return batchnorm_backward(dout, cache)


def spatial_groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: Mapping[str, Any]
) -> Forward:
    """Normalise ``G`` groups of channels of every image of ``x`` (N, C, H, W).

    ``gamma`` and ``beta`` are (1, C, 1, 1) or (C,); ``gn_param``: ``eps`` (1e-5).
    """
    eps = gn_param.get("eps", 1e-5)
    y, saved = F.group_norm(x, G, gamma.reshape(-1), beta.reshape(-1), eps)
    return y, (saved, gamma.shape)


def spatial_groupnorm_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dgamma, dbeta), the latter two of the shape of gamma."""
    saved, shape = cache
    dx, dgamma, dbeta = F.group_norm_backward(dout, saved)
    assert dx is not None and dgamma is not None and dbeta is not None
    return dx, dgamma.reshape(shape), dbeta.reshape(shape)


def _mode(function: str, param: Mapping[str, Any]) -> str:
    mode = param.get("mode")
    if mode not in ("train", "test"):
        raise ValueError(f"{function}: mode must be 'train' or 'test', got {mode!r}")
    return str(mode)
