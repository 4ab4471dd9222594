"""Figures of the page on update rules."""

import numpy as np
from matplotlib.figure import Figure

from fastnn import optim
from fastnn.nn import Parameter

CURVATURE = np.array([1.0, 15.0])


def ravine() -> Figure:
    """Paths of four rules on (x^2 + 15 y^2) / 2 from the same start."""
    rules = {
        "SGD, lr 0.12": lambda p: optim.SGD(p, lr=0.12),
        "momentum 0.9, lr 0.02": lambda p: optim.SGD(p, lr=0.02, momentum=0.9),
        "RMSprop, lr 0.1": lambda p: optim.RMSprop(p, lr=0.1),
        "Adam, lr 0.2": lambda p: optim.Adam(p, lr=0.2),
    }
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    axes = figure.subplots()
    x, y = np.meshgrid(np.linspace(-4.5, 1.5, 121), np.linspace(-1.4, 1.4, 81))
    height = (x**2 + 15 * y**2) / 2
    levels = np.geomspace(0.05, 20, 12)
    axes.contour(x, y, height, levels=levels, colors="0.8", linewidths=0.8)
    for name, make in rules.items():
        w = Parameter(np.array([-4.0, 1.0]))
        optimizer, path = make([w]), [w.data.copy()]
        for _ in range(60):
            optimizer.zero_grad()
            w.add_grad(CURVATURE * w.data)
            optimizer.step()
            path.append(w.data.copy())
        axes.plot(*np.transpose(path), ".-", linewidth=1, markersize=3, label=name)
    axes.plot(0, 0, "k*", markersize=9)
    axes.legend(loc="lower left", fontsize=8)
    axes.set(xlabel="$w_0$", ylabel="$w_1$")
    return figure
