"""Plots of preprocessing: what they show is there, and what they refuse."""

import sys

import numpy as np
import pytest

from fastnn import data
from fastnn.data.plot import _shades, plot_components, plot_images, plot_preprocessing

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig

    def savefig(figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def test_six_clouds_and_their_ellipses(tmp_path, drawn):
    x = RNG.normal(size=(200, 2)) @ np.array([[3, 1], [0, 0.5]]) + 4
    plot_preprocessing(x, tmp_path / "a.png", y=np.arange(200) % 3)
    panels = drawn[0].axes
    assert len(panels) == 6 and (tmp_path / "a.png").stat().st_size > 10_000
    np.testing.assert_array_equal(panels[0].collections[0].get_offsets(), x)
    for axes in panels:
        points, ellipse = np.asarray(axes.collections[0].get_offsets()), axes.patches[0]
        np.testing.assert_allclose(ellipse.center, points.mean(0), atol=1e-12)
        turn = np.radians(ellipse.angle)
        first = np.array([np.cos(turn), np.sin(turn)])
        np.testing.assert_allclose(2 * (points @ first).std(), ellipse.width / 2, rtol=1e-9)
    whitened = np.asarray(panels[5].collections[0].get_offsets())
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(2), atol=1e-4)
    constant = np.ones((5, 2))
    plot_preprocessing(constant, tmp_path / "b.png")


def test_rows_of_images(tmp_path, drawn):
    x = RNG.integers(0, 256, (12, 3, 6, 6), dtype=np.uint8)
    ways = {"standardised": data.Standardize().fit(x), "ZCA": data.ZCAWhitening().fit(x)}
    plot_images(x, ways, tmp_path / "a.png", limit=5)
    panels = drawn[0].axes
    assert len(panels) == 15
    assert [panels[i].get_ylabel() for i in (0, 5, 10)] == ["original", "standardised", "ZCA"]
    shown = panels[2].images[0].get_array()
    np.testing.assert_allclose(shown, _shades(x[:5])[2])
    plot_images(x[:2, :1], {}, tmp_path / "b.png")
    assert drawn[1].axes[0].images[0].get_array().shape == (6, 6)


def test_components_are_images(tmp_path, drawn):
    x = RNG.normal(size=(90, 1, 4, 4)).cumsum(2)
    pca = data.PCA().fit(x)
    plot_components(pca, tmp_path / "a.png", limit=6)
    upper, lower = drawn[0].subfigs
    titles = [axes.get_title() for axes in upper.axes]
    assert titles[0] == "mean" and len(titles) == 7
    assert titles[1] == f"1: {100 * pca.explained_variance_ratio_[0]:.1f} %"
    curve = lower.axes[0].lines[0].get_ydata()
    assert len(curve) == 16 and curve[-1] == pytest.approx(100)


def test_plots_refuse(tmp_path, monkeypatch):
    path, x = tmp_path / "a.png", np.ones((5, 3, 2, 2))
    with pytest.raises(ValueError, match=r"x must be \(N, 2\)"):
        plot_preprocessing(np.ones((5, 3)), path)
    with pytest.raises(ValueError, match=r"y must be \(5,\)"):
        plot_preprocessing(np.ones((5, 2)), path, y=np.ones(4))
    with pytest.raises(ValueError, match=r"x must be \(N, 1 or 3, H, W\)"):
        plot_images(x[:, :2], {}, path)
    with pytest.raises(ValueError, match=r"'PCA' must give images \(5, 3, 2, 2\), got \(5, 12\)"):
        plot_images(x, {"PCA": data.PCA().fit(x)}, path)
    with pytest.raises(ValueError, match="pca must be of images"):
        plot_components(data.PCA().fit(np.ones((5, 3))), path)
    with pytest.raises(RuntimeError, match="call fit"):
        plot_components(data.PCA(), path)
    assert not path.exists()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
        plot_images(x, {}, path)
    monkeypatch.setitem(sys.modules, "matplotlib.patches", None)
    with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
        plot_preprocessing(np.ones((5, 2)), path)
