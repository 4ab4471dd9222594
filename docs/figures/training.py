"""Figure of the page on training."""

import numpy as np
from matplotlib.figure import Figure

from fastnn.train import EarlyStopping


def early_stopping() -> Figure:
    """Where patience ends a noisy curve, and where it ends the smoothed one."""
    epochs = np.arange(1, 41)
    clean = 0.3 + np.exp(-epochs / 8) + 0.00012 * epochs**2
    noisy = clean + 0.05 * np.random.default_rng(5).standard_normal(len(epochs))
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for smoothing, axes in zip((0.0, 0.8), figure.subplots(1, 2, sharey=True), strict=True):
        stopper = EarlyStopping(patience=4, smoothing=smoothing)
        waited = [stopper.epochs_without_improvement(noisy[:t].tolist()) for t in epochs]
        end = next((t for t, w in zip(epochs, waited, strict=True) if w >= 4), epochs[-1])
        mean = np.zeros(len(epochs))
        for t in range(len(epochs)):
            mean[t] = smoothing * mean[t - 1] + (1 - smoothing) * noisy[t]
        axes.plot(epochs, noisy, ".", color="C0", alpha=0.6, label="validation loss")
        axes.plot(epochs, mean / (1 - smoothing**epochs), color="C1", label="what is judged")
        axes.axvline(end, color="C3", ls="--", label=f"stopped after epoch {end}")
        axes.axvline(1 + noisy[:end].argmin(), color="C2", ls=":", label="best weights")
        axes.set(xlabel="epoch", title=f"patience 4, smoothing {smoothing:g}")
        axes.legend(fontsize=8, framealpha=1)
        axes.grid(alpha=0.3)
    return figure
