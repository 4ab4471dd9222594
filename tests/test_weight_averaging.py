"""The callback that averages weights along a run."""

import os
import signal

import numpy as np
import pytest

from fastnn import data, nn, optim, train
from fastnn.models.small import conv_bn_relu


def problem(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.standard_normal((n, 1, 3, 3)).astype(np.float32)
    x[np.arange(n), 0, y] += 2
    return x, y


def setup(every=1, start=0, kind=optim.EMA):
    model = nn.Sequential(
        *conv_bn_relu(1, 4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(36, 3)
    ).reset_parameters(0)
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.05, momentum=0.9))
    loader = data.Loader(*problem(), 10)
    average = kind(model)
    callback = train.WeightAveraging(
        average,
        every=every,
        start=start,
        validation=problem(seed=1),
        batch_norm=None if kind is optim.EMA else loader,
    )
    return trainer, loader, average, callback


@pytest.mark.parametrize("every, start, updates", [(1, 0, 18), (1, 2, 6), (None, 1, 2)])
def test_it_takes_the_weights_and_measures_the_average(every, start, updates):
    trainer, loader, average, callback = setup(every, start, optim.AveragedModel)
    history = trainer.fit(loader, 3, validation=problem(seed=1), callbacks=[callback])
    assert int(average.n_averaged) == updates
    measured = [row.get("avg_accuracy") for row in history.epochs]
    assert measured[:start] == [None] * start and None not in measured[start:]
    outputs = average.eval()(problem(seed=1)[0])
    assert train.accuracy(outputs, problem()[1]) == measured[-1]
    state = average.module.state_dict()
    optim.update_bn(loader.in_order(), average)
    np.testing.assert_array_equal(state["1.running_var"], average.module[1].running_var)


def test_the_model_trains_as_without_it():
    plain, loader, _, _ = setup()
    plain.fit(loader, 2)
    for kind in (optim.EMA, optim.AveragedModel):
        trainer, loader, average, callback = setup(None, kind=kind)
        trainer.fit(loader, 2, callbacks=[callback])
        for name, value in trainer.model.state_dict().items():
            np.testing.assert_array_equal(value, plain.model.state_dict()[name])
        assert not np.array_equal(average.module[0].weight.data, trainer.model[0].weight.data)


def test_resume_is_bitwise(tmp_path):
    whole, loader, expected, callback = setup()
    whole.fit(loader, 3, callbacks=[callback], out=tmp_path / "whole")
    broken, loader, _, callback = setup()

    class Stop(train.Callback):
        def on_batch_end(self, trainer, logs):
            if logs["step"] == 8:
                os.kill(os.getpid(), signal.SIGINT)

    history = broken.fit(loader, 3, callbacks=[callback, Stop()], out=tmp_path / "parts")
    assert history.interrupted and len(history.steps) == 8
    resumed, loader, average, callback = setup()
    resumed.fit(loader, 3, callbacks=[callback], out=tmp_path / "parts", resume=True)
    assert int(average.n_averaged) == 18
    for name, value in expected.state_dict().items():
        np.testing.assert_array_equal(average.state_dict()[name], value)
