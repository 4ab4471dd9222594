"""``cs231n/layer_utils.py``: layers in a row; the cache is the tuple of their caches.

ReLU runs inside the layer before it. Its cache is then its output, which is positive where its
input is, so that ``relu_backward`` takes either.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from ... import functional as F
from .layers import (
    Array,
    Forward,
    Gradients,
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
    relu_backward,
    relu_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

__all__ = [
    "affine_bn_relu_backward",
    "affine_bn_relu_forward",
    "affine_relu_backward",
    "affine_relu_forward",
    "conv_bn_relu_backward",
    "conv_bn_relu_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
]

Five = tuple[Array, Array, Array, Array, Array]


def affine_relu_forward(x: Array, w: Array, b: Array) -> Forward:
    """Affine, ReLU."""
    out = F.linear(x.reshape(len(x), -1), w.T, b, activation="relu")
    return out, ((x, w, b), out)


def affine_relu_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dw, db)."""
    fc_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), fc_cache)


def affine_bn_relu_forward(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, bn_param: MutableMapping[str, Any]
) -> Forward:
    """Affine, batch normalisation, ReLU."""
    a, fc_cache = affine_forward(x, w, b)
    a, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, bn_cache, relu_cache)


def affine_bn_relu_backward(dout: Array, cache: Any) -> Five:
    """(dx, dw, db, dgamma, dbeta)."""
    fc_cache, bn_cache, relu_cache = cache
    da, dgamma, dbeta = batchnorm_backward(relu_backward(dout, relu_cache), bn_cache)
    return *affine_backward(da, fc_cache), dgamma, dbeta


def conv_relu_forward(x: Array, w: Array, b: Array, conv_param: Mapping[str, int]) -> Forward:
    """Convolution, ReLU."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    out = F.conv2d(x, w, b, stride, pad, activation="relu")
    return out, ((x, w, b, conv_param), out)


def conv_relu_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dw, db)."""
    conv_cache, relu_cache = cache
    return conv_backward_naive(relu_backward(dout, relu_cache), conv_cache)


def conv_bn_relu_forward(
    x: Array,
    w: Array,
    b: Array,
    gamma: Array,
    beta: Array,
    conv_param: Mapping[str, int],
    bn_param: MutableMapping[str, Any],
) -> Forward:
    """Convolution, spatial batch normalisation, ReLU."""
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    a, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, bn_cache, relu_cache)


def conv_bn_relu_backward(dout: Array, cache: Any) -> Five:
    """(dx, dw, db, dgamma, dbeta)."""
    conv_cache, bn_cache, relu_cache = cache
    da, dgamma, dbeta = spatial_batchnorm_backward(relu_backward(dout, relu_cache), bn_cache)
    return *conv_backward_naive(da, conv_cache), dgamma, dbeta


def conv_relu_pool_forward(
    x: Array,
    w: Array,
    b: Array,
    conv_param: Mapping[str, int],
    pool_param: Mapping[str, int],
) -> Forward:
    """Convolution, ReLU, max pooling."""
    a, (conv_cache, relu_cache) = conv_relu_forward(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_naive(a, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def conv_relu_pool_backward(dout: Array, cache: Any) -> Gradients:
    """(dx, dw, db)."""
    conv_cache, relu_cache, pool_cache = cache
    da = max_pool_backward_naive(dout, pool_cache)
    return conv_relu_backward(da, (conv_cache, relu_cache))
