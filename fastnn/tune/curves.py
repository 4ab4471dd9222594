"""Learning curves of a search's best trials: what they look like and what they say."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .._figure import new_figure
from .refine import best_trials

if TYPE_CHECKING:
    from optuna.study import Study

    from .plot import Path

POINTS = 0.01
"""A difference in accuracy that counts as one: a percentage point."""


def plot_curves(study: "Study", path: "Path", *, top: int = 4) -> None:
    """Loss and accuracy by epoch of the best trials: dashed in training, solid in validation.

    The trials must have been made by an :class:`Objective`, which keeps the curves.

    Parameters
    ----------
    study : optuna study
    path : path
    top : int
        Trials shown at most.

    Raises
    ------
    ValueError
        No finished trial has curves.
    ImportError
        matplotlib is not installed.
    """
    trials = [t for t in best_trials(study) if t.user_attrs.get("history")][:top]
    if not trials:
        raise ValueError("plot_curves: study must have trials with learning curves, got none")
    names = [n for n in trials[0].user_attrs["history"] if n != "lr" and not n.startswith("val_")]
    figure = new_figure(4.6 * len(names), 3.8)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for color, trial in enumerate(trials):
            curves = trial.user_attrs["history"]
            for column, style in ((name, "--"), (f"val_{name}", ".-")):
                if column in curves:
                    label = f"trial {trial.number}: {trial.value:.4g}" if style == ".-" else None
                    epochs = range(1, len(curves[column]) + 1)
                    axes.plot(epochs, curves[column], style, color=f"C{color}", label=label)
        axes.set(xlabel="epoch", ylabel=name, yscale="log" if name.endswith("loss") else "linear")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    figure.suptitle("dashed: training, solid: validation", fontsize=10)
    figure.savefig(path, dpi=120)


def diagnose(curves: Mapping[str, Sequence[float]]) -> list[str]:
    """What learning curves say, in sentences: the rules of thumb of step 6.

    Training accuracy is that of the batches as they were trained on, with dropout and augmentation.

    Parameters
    ----------
    curves : mapping of str to sequence of float
        ``accuracy`` and ``val_accuracy``, one value an epoch, as an :class:`Objective` keeps them.

    Returns
    -------
    list of str
        Empty without these columns.

    References
    ----------
    CS231n course notes, "Neural networks 3: babysitting the learning process".
    """
    train, held_out = curves.get("accuracy"), curves.get("val_accuracy")
    if not train or not held_out:
        return []
    said = []
    last, third = held_out[-1], max(1, len(held_out) // 3)
    gap = train[-1] - last
    best = max(range(len(held_out)), key=lambda epoch: held_out[epoch])
    if len(held_out) > 1 and last - held_out[-1 - third] > POINTS:
        said.append("validation accuracy still rises at the end: train longer")
    if held_out[best] - last > POINTS:
        said.append(f"validation was best after epoch {best + 1}: stop there, or lower the rate")
    if gap > 5 * POINTS:
        said.append(
            f"training accuracy is {100 * gap:.0f} points above validation: the model overfits; "
            "more regularisation, augmentation or data"
        )
    elif gap < POINTS and train[-1] < 1 - 2 * POINTS:
        said.append("hardly a gap between training and validation: try a larger model or less")
        said[-1] += " regularisation"
    return said or ["nothing to object to"]
