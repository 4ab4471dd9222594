"""Averages of the weights along a run: equal (SWA) and exponential (EMA)."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np

from .. import functional as F
from ..cuda._arrays import dtype_of
from ..nn import BatchNorm, Module


class AveragedModel(Module):
    """Copy of a model whose weights are the mean of those at every :meth:`update_parameters`.

    avg = avg + (w - avg) / (n + 1): stochastic weight averaging. The statistics of BatchNorm belong
    to single weights, not to their mean: call :func:`update_bn` before the average is used.
    ``state_dict`` has PyTorch's keys, ``n_averaged`` and ``module.*``.

    Parameters
    ----------
    model : Module
        It is copied; the copy is frozen.
    use_buffers : bool
        Average float buffers (running statistics) too; False copies the model's at each update.

    Attributes
    ----------
    module : Module
        The averaged model; calling this object calls it.
    n_averaged : int64 array ()
        Updates so far. The first one copies the model.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018,
    algorithm 1; Polyak and Juditsky, SIAM J. Control Optim. 30(4), 1992.
    """

    n_averaged: np.ndarray
    _transient = ("_saved", "_plan")
    _plan: "_Plan | None" = None

    def __init__(self, model: Module, *, use_buffers: bool = False) -> None:
        self.module = copy.deepcopy(model)
        for parameter in self.module.parameters():
            parameter.requires_grad = False
        self.use_buffers = use_buffers
        self.register_buffer("n_averaged", np.zeros((), np.int64))

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.module(x)

    def weight_of_new(self) -> float:
        """Share of the model's weights in the next average, once there has been a first."""
        return 1 / (int(self.n_averaged) + 1)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present weights into the average.

        Raises
        ------
        ValueError
            The model's parameters are not those of the copy.
        """
        if self._plan is None:
            self._plan = _Plan(self.module, self.use_buffers)
        own, new = self._plan.arrays, dict(model._named_state())
        if own.keys() != new.keys() or any(new[n].shape != a.shape for n, a in own.items()):
            shapes = [{name: a.shape for name, a in arrays.items()} for arrays in (new, own)]
            raise ValueError(
                "update_parameters: model must have the parameters and buffers of the model that "
                f"was copied, got {shapes[0]}, need {shapes[1]}"
            )
        for name in self._plan.copied if self.n_averaged else own:
            own[name][...] = new[name]
        for names in self._plan.blended if self.n_averaged else ():
            # An SGD step whose gradient is avg - w, in one pass and without a temporary array.
            F.sgd_step_(
                [own[name] for name in names],
                [new[name] for name in names],
                lr=self.weight_of_new(),
                weight_decay=1.0,
                grad_scale=-1.0,
            )
        self.n_averaged += 1

    @contextmanager
    def applied(self, model: Module) -> Iterator[Module]:
        """Inside the block ``model`` has the averaged weights and buffers; then its own again."""
        own = model.state_dict()
        model.load_state_dict(self.module.state_dict())
        try:
            yield model
        finally:
            model.load_state_dict(own)


class EMA(AveragedModel):
    """Exponential moving average of the weights: avg = decay * avg + (1 - decay) * w.

    Call ``ema.update_parameters(model)`` after every optimizer step, and evaluate ``ema(x)``, or
    the model itself inside ``with ema.applied(model):``.

    Parameters
    ----------
    model : Module
        It is copied; the copy is frozen.
    decay : float in [0, 1)
        The average spans about 1 / (1 - decay) updates.
    warmup : bool
        Use min(decay, (1 + n) / (10 + n)) at update n, so that the first weights are forgotten.
    use_buffers : bool
        Average the running statistics of BatchNorm as well, so that they belong to the averaged
        weights; False copies the model's.

    Raises
    ------
    ValueError
        ``decay`` is outside [0, 1).

    References
    ----------
    Tarvainen and Valpola, "Mean teachers are better role models", NIPS 2017, equation 1; the
    warm-up is that of ``tf.train.ExponentialMovingAverage``.
    """

    def __init__(
        self, model: Module, decay: float = 0.999, *, warmup: bool = True, use_buffers: bool = True
    ) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be in [0, 1), got {decay}")
        super().__init__(model, use_buffers=use_buffers)
        self.decay, self.warmup = decay, warmup

    def weight_of_new(self) -> float:
        n = int(self.n_averaged)
        return 1 - (min(self.decay, (1 + n) / (10 + n)) if self.warmup else self.decay)


class _Plan:
    """What an update writes to: all arrays by name, the names of those to blend, of one dtype
    together, and of those to copy."""

    def __init__(self, module: Module, use_buffers: bool) -> None:
        self.arrays = dict(module._named_state())
        buffers = {name for name, _ in module.named_buffers()}
        by_dtype: dict[np.dtype, list[str]] = {}
        self.copied: list[str] = []
        for name, array in self.arrays.items():
            if dtype_of(array).kind == "f" and (use_buffers or name not in buffers):
                by_dtype.setdefault(dtype_of(array), []).append(name)
            else:
                self.copied.append(name)
        self.blended = list(by_dtype.values())


def update_bn(loader: Iterable[np.ndarray | tuple[np.ndarray, np.ndarray]], model: Module) -> None:
    """Replace the running statistics of BatchNorm by their mean over all batches of ``loader``.

    Needed after weights were averaged. Layers with frozen statistics keep theirs; modes, momenta
    and random streams are the same afterwards. Dropout is active, as in training.

    Parameters
    ----------
    loader : iterable of (x, y) or of x
        Such as a :class:`fastnn.data.Loader`, of which it uses up an epoch.
    model : Module

    Raises
    ------
    ValueError
        ``loader`` gives no batch, though the model has BatchNorm.

    References
    ----------
    Izmailov et al., UAI 2018, section 3.2.
    """
    layers = [
        module
        for module in model.modules()
        if isinstance(module, BatchNorm)
        and module.num_batches_tracked is not None
        and not module.frozen_statistics
    ]
    if not layers:
        return
    batches = iter(loader)
    first = next(batches, None)
    if first is None:
        raise ValueError("update_bn: loader must give at least one batch, got none")
    modes = [(module, module.training) for module in model.modules()]
    momenta, streams = [layer.momentum for layer in layers], model.rng_state()
    for layer in layers:
        for name in layer._buffers:
            getattr(layer, name)[...] = 1 if name == "running_var" else 0
        layer.momentum = None
    try:
        model.train()
        for batch in chain([first], batches):
            model(batch[0] if isinstance(batch, tuple) else batch)
    finally:
        model.release()
        model.load_rng_state(streams)
        for module, training in modes:
            module.training = training
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
