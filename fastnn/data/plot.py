"""Data before and after preprocessing, as PNG files. Needs matplotlib: the extra "plot"."""

import os
from collections.abc import Mapping

import numpy as np

from .._figure import new_figure
from .pca import PCA
from .preprocess import Preprocess
from .standardize import ChannelMean, Standardize
from .whiten import PCAWhitening, ZCAWhitening

StrPath = str | os.PathLike[str]


def plot_preprocessing(x: np.ndarray, path: StrPath, *, y: np.ndarray | None = None) -> None:
    """Scatter plots of a table of two columns: original, zero-centred, normalised, decorrelated,
    whitened by PCA and by ZCA; each with the ellipse of two standard deviations.

    Parameters
    ----------
    x : ndarray (N, 2), N > 1
    path : path
        PNG file to write.
    y : ndarray (N,), optional
        Classes, for the colours.

    Raises
    ------
    ValueError
        ``x`` is not of that shape, or ``y`` not as long.
    ImportError
        matplotlib is not installed.
    """
    if x.ndim != 2 or x.shape[1] != 2 or len(x) < 2:
        raise ValueError(f"plot_preprocessing: x must be (N, 2) with N > 1, got {x.shape}")
    if y is not None and len(y) != len(x):
        raise ValueError(f"plot_preprocessing: y must be ({len(x)},), got {y.shape}")
    panels: list[tuple[str, Preprocess | None]] = [
        ("original, $x$", None),
        ("zero-centred, $x - m$", ChannelMean(np.float64)),
        (r"normalised, $(x - m)\,/\,\sigma$", Standardize(np.float64)),
        (r"decorrelated, $U^\top (x - m)$", PCA(dtype=np.float64)),
        (r"PCA-whitened, $\Lambda^{-1/2} U^\top (x - m)$", PCAWhitening(dtype=np.float64)),
        (r"ZCA-whitened, $U \Lambda^{-1/2} U^\top (x - m)$", ZCAWhitening(dtype=np.float64)),
    ]
    figure = new_figure(10.5, 7.4)
    from matplotlib.patches import Ellipse  # after new_figure, which says what is missing

    for axes, (title, preprocess) in zip(figure.subplots(2, 3).flat, panels, strict=True):
        points = x if preprocess is None else preprocess.fit(x)(x)
        axes.axhline(0, color="0.75", lw=0.8, zorder=0)
        axes.axvline(0, color="0.75", lw=0.8, zorder=0)
        colours = {"color": "C0"} if y is None else {"c": y, "cmap": "tab10"}
        axes.scatter(*points.T, s=7, alpha=0.5, lw=0, **colours)
        values, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
        width, height = 4 * np.sqrt(np.maximum(values, 0))
        angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
        ellipse = Ellipse(points.mean(0), width, height, angle=angle, fill=False, ec="C3", lw=1.8)
        axes.add_patch(ellipse)
        turned = isinstance(preprocess, PCA) and not isinstance(preprocess, ZCAWhitening)
        name = "component" if turned else "column"
        axes.set(title=title, aspect="equal", xlabel=f"{name} 1", ylabel=f"{name} 2")
        # one scale for what has the units of x, one for what has none
        units = preprocess is None or type(preprocess) in (ChannelMean, PCA)
        least = np.abs(x).max() if units else 4
        reach = 1.08 * max(least, np.abs(points).max())
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    figure.suptitle("red: two standard deviations in every direction")
    figure.savefig(path, dpi=120)


def plot_images(
    x: np.ndarray, preprocesses: Mapping[str, Preprocess], path: StrPath, *, limit: int = 10
) -> None:
    """Images in the first row, and in a row each what becomes of them.

    Preprocessed values have no natural black and white: a row goes from its 0.5th percentile to
    its 99.5th.

    Parameters
    ----------
    x : ndarray (N, C, H, W), C = 1 or 3
    preprocesses : mapping of str to Preprocess
        Titles of the rows; fitted, with results of the shape of ``x``.
    path : path
        PNG file to write.
    limit : int
        Images shown at most.

    Raises
    ------
    ValueError
        ``x`` is not of that shape, or a result is not.
    ImportError
        matplotlib is not installed.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or len(x) == 0:
        raise ValueError(f"plot_images: x must be (N, 1 or 3, H, W) with N > 0, got {x.shape}")
    shown = x[:limit]
    rows = {"original": shown, **{name: p(shown) for name, p in preprocesses.items()}}
    for name, images in rows.items():
        if images.shape != shown.shape:
            raise ValueError(
                f"plot_images: {name!r} must give images {shown.shape}, got {images.shape}"
            )
    figure = new_figure(1.1 * len(shown) + 1.6, 1.15 * len(rows) + 0.2)
    grid = figure.subplots(len(rows), len(shown), squeeze=False)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, _shades(images), strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=120)


def plot_components(pca: PCA, path: StrPath, *, limit: int = 31) -> None:
    """The mean image, the first principal components as images, and the variance they explain.

    Parameters
    ----------
    pca : PCA
        Fitted to images (N, C, H, W), C = 1 or 3.
    path : path
        PNG file to write.
    limit : int
        Components shown at most.

    Raises
    ------
    ValueError
        It was fitted to something else.
    ImportError
        matplotlib is not installed.
    """
    mean = pca.mean_
    if mean.ndim != 3 or mean.shape[0] not in (1, 3):
        raise ValueError(f"plot_components: pca must be of images (1 or 3, H, W), got {mean.shape}")
    components = pca.components_[:limit].reshape(-1, *mean.shape)
    ratio = pca.explained_variance_ratio_
    columns = min(8, 1 + len(components))
    lines = -(-(1 + len(components)) // columns)
    figure = new_figure(1.15 * columns, 1.32 * lines + 3)
    upper, lower = figure.subfigures(2, squeeze=False, height_ratios=[1.32 * lines, 3])[:, 0]
    for place, axes in enumerate(upper.subplots(lines, columns, squeeze=False).flat):
        axes.axis("off")
        if place <= len(components):
            image = mean if place == 0 else components[place - 1]
            axes.imshow(_shades(image[None])[0], cmap="gray", vmin=0, vmax=1)
            title = "mean" if place == 0 else f"{place}: {100 * ratio[place - 1]:.1f} %"
            axes.set_title(title, fontsize=9)
    axes = lower.subplots()
    total = 100 * np.cumsum(ratio)
    axes.plot(np.arange(1, len(total) + 1), total)
    for share in (90, 99):
        if total[-1] >= share:
            k = int(np.searchsorted(total, share)) + 1
            axes.plot(k, total[k - 1], "C3o")
            axes.annotate(
                f"{k} for {share} %",
                (k, total[k - 1]),
                (8, -14),
                textcoords="offset points",
            )
    axes.set(xlabel="components", ylabel="variance explained (%)", xscale="log", ylim=(0, 105))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _shades(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (N, H, W) or (N, H, W, 3) in [0, 1]."""
    low, high = np.percentile(images, [0.5, 99.5])
    scaled = (images.astype(np.float64) - low) / max(high - low, 1e-12)
    shades: np.ndarray = np.clip(scaled, 0, 1).transpose(0, 2, 3, 1)
    return shades[..., 0] if shades.shape[3] == 1 else shades
