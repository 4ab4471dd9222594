"""Results of a search as a table."""

from typing import TYPE_CHECKING, Any

from .refine import best_trials

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


def table(study: "Study", *, style: str = "text", top: int | None = None) -> str:
    """Trials, best first, then those that did not finish, as text or Markdown.

    Parameters
    ----------
    study : optuna study
    style : "text" or "markdown"
    top : int, optional
        Rows at most.

    Raises
    ------
    ValueError
        The style is another.
    """
    if style not in ("text", "markdown"):
        raise ValueError(f'table: style must be "text" or "markdown", got {style!r}')
    trials = study.get_trials(deepcopy=False)
    done = best_trials(study)
    rest = [t for t in trials if t.state.name != "COMPLETE"]
    names = list(dict.fromkeys(name for t in [*done, *rest] for name in t.params))
    rows = [["trial", "value", *names, "state"]]
    rows += [_row(trial, names) for trial in [*done, *rest][:top]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    if style == "text":
        return "\n".join("  ".join(line).rstrip() for line in lines)
    rule = ["-" * (width - 1) + ":" for width in widths]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def last_value(trial: "FrozenTrial") -> float | None:
    """The result of a trial, of a pruned one the last that it reported, None if there is none."""
    reported = trial.intermediate_values
    if trial.value is None and reported:
        return float(reported[max(reported)])
    return trial.value


def _row(trial: "FrozenTrial", names: list[str]) -> list[str]:
    value = last_value(trial)
    state = trial.state.name.lower()
    if "diverged" in trial.user_attrs:
        state = "diverged"
    elif state == "pruned":
        state = f"pruned at {len(trial.intermediate_values)}"
    cells = [_text(trial.params.get(name, "")) for name in names]
    return [str(trial.number), _text("" if value is None else value), *cells, state]


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
