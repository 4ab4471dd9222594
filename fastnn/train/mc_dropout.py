"""Monte-Carlo dropout: dropout stays random at test time, and its spread is the uncertainty."""

from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..init import derive_seed
from ..nn import AlphaDropout, DropConnect, Dropout, Dropout2d, Module
from .predict import Inputs, batches
from .trainer import evaluating

DROPPING = (Dropout, Dropout2d, AlphaDropout, DropConnect)


def _entropy(p: np.ndarray) -> np.ndarray:
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(-1))


@dataclass(frozen=True)
class MCPrediction:
    """What :func:`mc_dropout` found.

    Attributes
    ----------
    samples : ndarray (T, N, C)
        Outputs of each of the T passes: probabilities, or the model's outputs.
    """

    samples: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Predictive mean (N, C)."""
        return np.asarray(self.samples.mean(0))

    @property
    def variance(self) -> np.ndarray:
        """Variance (N, C) over the passes."""
        return np.asarray(self.samples.var(0))

    @property
    def predictive_entropy(self) -> np.ndarray:
        """H[mean p] (N,) in nats: the whole uncertainty of a sample's class."""
        return _entropy(self.mean)

    @property
    def expected_entropy(self) -> np.ndarray:
        """mean of H[p] (N,): what stays uncertain whichever units are kept; noise in the data."""
        return np.asarray(_entropy(self.samples).mean(0))

    @property
    def mutual_information(self) -> np.ndarray:
        """H[mean p] - mean of H[p] (N,), at least 0: the passes disagree, the model does not know.

        Houlsby et al., "Bayesian active learning for classification", 2011, equation 2.
        """
        return np.asarray(np.maximum(self.predictive_entropy - self.expected_entropy, 0))


def mc_dropout(
    model: Module,
    data: Inputs,
    *,
    samples: int = 50,
    seed: int = 0,
    softmax: bool = True,
    batch_size: int = 256,
) -> MCPrediction:
    """Predict ``samples`` times with other dropout masks; a pure function of the seed.

    Dropout, Dropout2d, AlphaDropout and DropConnect draw as in training. All else is in eval mode:
    BatchNorm uses its running statistics, stochastic depth keeps every block. Modes and random
    streams of the model are afterwards what they were.

    Parameters
    ----------
    model : Module
        With at least one dropout layer.
    data : ndarray (N, ...) or Loader
    samples : int
        Passes T.
    seed : int
    softmax : bool
        Whether the outputs are logits; False for regression, where only ``mean`` and ``variance``
        have a meaning.
    batch_size : int
        For an array.

    Raises
    ------
    ValueError
        The model has no dropout, ``samples`` is not positive or there is no data.

    References
    ----------
    Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
    """
    layers = [module for module in model.modules() if isinstance(module, DROPPING)]
    if not layers:
        raise ValueError("mc_dropout: model must have a dropout layer, got none")
    if samples < 1:
        raise ValueError(f"mc_dropout: samples must be positive, got {samples}")
    streams = [layer.rng for layer in layers]
    parts = []
    with evaluating(model):
        try:
            for index, layer in enumerate(layers):
                layer.training, layer.rng = True, (derive_seed(seed, index), 0)
            for x in batches(data, batch_size):
                passes = [model(x) for _ in range(samples)]
                parts.append(np.stack([F.softmax(y) if softmax else y for y in passes]))
        finally:
            for layer, stream in zip(layers, streams, strict=True):
                layer.rng = stream
                layer.release()
    if not parts:
        raise ValueError("mc_dropout: data must hold samples, got none")
    return MCPrediction(np.concatenate(parts, axis=1))
