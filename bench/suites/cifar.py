"""Networks for 32 x 32 images."""

from collections.abc import Iterator

from fastnn import models

from .layers import (
    Item,
    conv,
    dense,
    loss,
    max_pool,
    mean_pool,
    norm,
    parameters,
    pointwise,
    update,
)


def resnet20() -> Iterator[Item]:
    """He et al., CVPR 2016, section 4.2, at batch 128."""
    n = 128
    yield conv(n, 3, 32, 16)
    for c, size in ((16, 32), (32, 16), (64, 8)):
        if c > 16:
            yield conv(n, c // 2, 2 * size, c, stride=2)
            yield conv(n, c // 2, 2 * size, c, kernel=1, stride=2)
        yield conv(n, c, size, c)
        yield norm(n, c, size)
        yield norm(n, c, size, residual=True)
    yield pointwise("add", n, 16, 32, 32, arrays=("x", "other"))
    yield pointwise("relu", n, 16, 32, 32)
    yield mean_pool(n, 64, 8)
    yield dense(n, 64, 10)
    yield loss(n, 10)
    yield update("sgd_step_", parameters(models.resnet(20)))
    yield update("adam_step_", parameters(models.resnet(20)))


def vgg() -> Iterator[Item]:
    """``fastnn.models.vgg_small`` at batch 64."""
    n = 64
    for channels, out, size in ((3, 64, 32), (64, 128, 16), (128, 256, 8)):
        yield conv(n, channels, size, out)
        yield conv(n, out, size, out)
        yield norm(n, out, size)
        yield max_pool(n, out, size, 2)
    yield pointwise("flatten", n, 256, 4, 4)
    yield pointwise("dropout", n, 4096, seed=1)
    yield dense(n, 4096, 10)
    yield update("adam_step_", parameters(models.vgg_small()))
