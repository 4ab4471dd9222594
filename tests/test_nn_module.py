"""Walking and switching a tree of layers, as PyTorch's users do."""

import numpy as np

from fastnn import models, nn


def test_children_and_apply_go_through_the_tree():
    model = models.resnet(8)
    assert [type(m) for m in model.children()] == [type(m) for m in model]
    seen = []
    assert model.apply(seen.append) is model
    assert sorted(map(id, seen)) == sorted(map(id, model.modules()))
    block = dict(model.named_modules())["layer2.0.downsample"]
    assert seen[-1] is model and seen.index(block[0]) < seen.index(block)


def test_requires_grad_leaves_statistics_adapting():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    assert model.requires_grad_(False) is model
    model.backward(np.ones_like(model(x)))
    assert all(p.grad is None for p in model.parameters())
    assert model[1].num_batches_tracked == 1 and model[1].running_mean.any()
    model.requires_grad_().backward(model(x))
    assert all(p.grad is not None for p in model.parameters())
