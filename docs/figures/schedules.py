"""Figures of the page on schedules."""

from matplotlib.figure import Figure

from fastnn.optim import schedules as s


def schedules() -> Figure:
    """A panel for each schedule."""
    shown = {
        "step": s.step(1, 30),
        "exponential": s.exponential(1, 0.96),
        "inverse_time": s.inverse_time(1, 0.1),
        "inverse_sqrt": s.inverse_sqrt(1),
        "linear": s.linear(1, 100),
        "cosine": s.cosine(1, 100),
        "cosine_restarts": s.cosine_restarts(1, 14, 2),
        "one_cycle": s.one_cycle(1, 100),
        "warmup(cosine)": s.warmup(s.cosine(1, 100), 15),
    }
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    for (name, rate), axes in zip(
        shown.items(), figure.subplots(3, 3, sharex=True, sharey=True).flat, strict=True
    ):
        axes.plot([rate(t) for t in range(101)])
        axes.set(title=name, ylim=(0, 1.05))
        axes.grid(alpha=0.3)
    return figure
