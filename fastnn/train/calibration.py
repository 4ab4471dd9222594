"""Calibration: whether a model that says 80 % is right in 80 % of the cases."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Reliability:
    """Confidence and accuracy by bin of confidence.

    Attributes
    ----------
    confidence, accuracy : float64 (B,)
        Means over the bin's samples; NaN where it has none.
    count : int64 (B,)
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def _gaps(self) -> np.ndarray:
        return np.asarray(np.nan_to_num(np.abs(self.accuracy - self.confidence)))

    @property
    def ece(self) -> float:
        """Expected calibration error: sum over bins of count / N * abs(accuracy - confidence)."""
        return float(np.average(self._gaps, weights=self.count))

    @property
    def mce(self) -> float:
        """Maximum calibration error: the largest abs(accuracy - confidence) of a bin."""
        return float(self._gaps.max())


def reliability(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> Reliability:
    """Bin the samples by confidence, the largest probability, and compare with their accuracy.

    Bin b of B holds the confidences in (b / B, (b + 1) / B].

    Parameters
    ----------
    probabilities : float ndarray (N, C)
        Rows add up to 1.
    targets : integer ndarray (N,)
    bins : int

    Raises
    ------
    ValueError
        Shapes do not fit, there are no samples, ``bins`` is not positive, or the rows are no
        probabilities.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017, section 2;
    M. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
    """
    _check("reliability", "probabilities", probabilities, targets)
    if bins < 1:
        raise ValueError(f"reliability: bins must be positive, got {bins}")
    slack = np.sqrt(np.finfo(probabilities.dtype).eps)
    sums = probabilities.sum(1)
    if probabilities.min() < 0 or not np.abs(sums - 1).max() <= slack:
        raise ValueError(
            "reliability: probabilities must be at least 0 with rows that add up to 1, got "
            f"values from {probabilities.min():g} and sums from {sums.min():g} to {sums.max():g}; "
            "logits need softmax first"
        )
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == targets
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidences = np.bincount(place, confidence, minlength=bins) / count
        accuracies = np.bincount(place, right, minlength=bins) / count
    return Reliability(confidences, accuracies, count)


def expected_calibration_error(
    probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15
) -> float:
    """``reliability(...).ece``: 0 is perfect; arguments and errors as in :func:`reliability`."""
    return reliability(probabilities, targets, bins=bins).ece


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The T > 0 for which softmax(logits / T) has the smallest cross-entropy.

    Fit it on validation data and divide the test logits by it: accuracy stays, since the order of
    the classes does, and over-confident models (T > 1) are calibrated. The loss is convex in 1 / T;
    T is sought in [0.01, 100], whose ends are returned where it lies outside.

    Parameters
    ----------
    logits : float ndarray (N, C)
    targets : integer ndarray (N,)

    Raises
    ------
    ValueError
        Shapes do not fit or there are no samples.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    _check("fit_temperature", "logits", logits, targets)
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    chosen = np.take_along_axis(z, targets[:, None].astype(np.intp), 1)[:, 0]

    def slope(inverse: float) -> float:
        """Derivative of the loss with respect to 1 / T: mean of (sum of p z) - z_target."""
        p = np.exp(inverse * z)
        return float(((p * z).sum(1) / p.sum(1) - chosen).mean())

    low, high = 0.01, 100.0
    for _ in range(50):  # halvings of a ratio of 10^4: to 10^-11
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / float(np.sqrt(low * high))


def _check(function: str, name: str, values: np.ndarray, targets: np.ndarray) -> None:
    if values.ndim != 2 or not len(values) or targets.shape != values.shape[:1]:
        raise ValueError(
            f"{function}: {name} must be (N, C) and targets (N,), "
            f"got {values.shape} and {targets.shape}"
        )
    if values.dtype.kind != "f" or targets.dtype.kind not in "iu":
        raise TypeError(
            f"{function}: {name} must be floats and targets integers, "
            f"got {values.dtype} and {targets.dtype}"
        )
    if targets.min() < 0 or targets.max() >= values.shape[1]:
        raise ValueError(
            f"{function}: targets must be in [0, {values.shape[1]}), "
            f"got {targets.min()} to {targets.max()}"
        )


def plot_reliability(
    results: Mapping[str, Reliability] | Reliability, path: str | os.PathLike[str]
) -> None:
    """Reliability diagrams: accuracy against confidence, and how many samples each bin has.

    Parameters
    ----------
    results : Reliability, or mapping of str to Reliability
        One panel each.
    path : path

    Raises
    ------
    ValueError
        There is nothing to plot.
    ImportError
        matplotlib is not installed.
    """
    named = {"": results} if isinstance(results, Reliability) else dict(results)
    if not named:
        raise ValueError("plot_reliability: results must hold at least one, got none")
    figure = new_figure(3.2 * len(named) + 0.6, 4.6)
    grid = figure.subplots(
        2, len(named), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 1]
    )
    for column, (name, result) in enumerate(named.items()):
        _diagram(grid[0, column], grid[1, column], result)
        ece = f"ECE {100 * result.ece:.1f} %"
        grid[0, column].set_title(f"{name}\n{ece}" if name else ece, fontsize=10)
        grid[1, column].set_xlabel("confidence")
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set(ylabel="samples", yscale="log", ylim=(0.7, None))
    grid[0, 0].legend(fontsize=8, loc="upper left")
    figure.savefig(path, dpi=120)


def _diagram(upper: "Axes", lower: "Axes", result: Reliability) -> None:
    bins = len(result.count)
    centers = (np.arange(bins) + 0.5) / bins
    full = result.count > 0
    accuracy, confidence = result.accuracy[full], result.confidence[full]
    bars: dict[str, Any] = {"width": 1 / bins, "linewidth": 0.5, "edgecolor": "white"}
    sure = np.minimum(accuracy, confidence)
    upper.bar(centers[full], sure, color="C0", label="accuracy", **bars)
    for gap, color, name in (
        (confidence - accuracy, "C3", "over-confident by"),
        (accuracy - confidence, "C2", "under-confident by"),
    ):
        height = np.maximum(gap, 0)
        upper.bar(centers[full], height, bottom=sure, color=color, alpha=0.4, label=name, **bars)
    upper.plot([0, 1], [0, 1], "k--", linewidth=1, label="perfect")
    upper.set(xlim=(0, 1), ylim=(0, 1))
    lower.bar(centers[full], result.count[full], color="0.5", **bars)
