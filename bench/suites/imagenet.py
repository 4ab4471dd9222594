"""Networks for 224 x 224 images, at batch 8."""

from collections.abc import Iterator

from .layers import Item, Shape, conv, dense, loss, max_pool, mean_pool, norm, pointwise, update

N = 8
STAGES = ((64, 56), (128, 28), (256, 14), (512, 7))  # width and size


def stem() -> Iterator[Item]:
    yield conv(N, 3, 224, 64, kernel=7, stride=2)
    yield norm(N, 64, 112)
    yield max_pool(N, 64, 112, 3, stride=2, padding=1)


def head(channels: int) -> Iterator[Item]:
    yield mean_pool(N, channels, 7)
    yield dense(N, channels, 1000)
    yield loss(N, 1000, label_smoothing=0.1)


def resnet18() -> Iterator[Item]:
    """He et al., CVPR 2016, table 1."""
    yield from stem()
    for c, size in STAGES:
        if c > 64:
            yield conv(N, c // 2, 2 * size, c, stride=2)
            yield conv(N, c // 2, 2 * size, c, kernel=1, stride=2)
        yield conv(N, c, size, c)
        yield norm(N, c, size)
        yield norm(N, c, size, residual=True)
    yield from head(512)
    shapes: list[Shape] = [(64, 3, 7, 7), (1000, 512), (1000,)]
    for c, _ in STAGES:
        shapes += [(c, c, 3, 3)] * 3 + [(c, c if c == 64 else c // 2, 3, 3)] + [(c,)] * 8
    yield update("sgd_step_", shapes)


def resnet50() -> Iterator[Item]:
    """He et al., CVPR 2016, table 1; stride 2 in the 3 x 3 convolution, as in torchvision."""
    yield from stem()
    shapes: list[Shape] = [(64, 3, 7, 7), (1000, 2048), (1000,)]
    before = 64
    for (c, size), blocks in zip(STAGES, (3, 4, 6, 3), strict=True):
        outer = size if c == 64 else 2 * size
        yield conv(N, before, outer, c, kernel=1)
        yield conv(N, before, outer, 4 * c, kernel=1, stride=outer // size)
        if outer > size:
            yield conv(N, c, outer, c, stride=2)
        yield conv(N, c, size, c)
        yield conv(N, c, size, 4 * c, kernel=1)
        yield conv(N, 4 * c, size, c, kernel=1)
        yield norm(N, c, size)
        yield norm(N, 4 * c, size, residual=True)
        shapes += [(c, before, 1, 1), (4 * c, before, 1, 1), *[(c, 4 * c, 1, 1)] * (blocks - 1)]
        shapes += [(c, c, 3, 3), (4 * c, c, 1, 1), *[(c,)] * 4, *[(4 * c,)] * 2] * blocks
        before = 4 * c
    yield from head(2048)
    yield update("sgd_step_", shapes)


def mobilenet() -> Iterator[Item]:
    """Howard et al., "MobileNets", 2017, table 1: depthwise and 1 x 1 convolutions in turns."""
    yield conv(N, 3, 224, 32, stride=2)
    layers = (
        (32, 112, 64, 1),
        (64, 112, 128, 2),
        (128, 56, 128, 1),
        (128, 56, 256, 2),
        (256, 28, 256, 1),
        (256, 28, 512, 2),
        (512, 14, 512, 1),
        (512, 14, 1024, 2),
        (1024, 7, 1024, 1),
    )
    for channels, size, out, stride in layers:
        yield conv(N, channels, size, channels, stride=stride, groups=channels)
        yield conv(N, channels, size // stride, out, kernel=1)
        yield norm(N, channels, size // stride)
    yield pointwise("relu", N, 64, 112, 112)
    yield from head(1024)
