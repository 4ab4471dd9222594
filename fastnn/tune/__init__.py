"""Hyper-parameter search on Optuna, the extra ``fastnn[tune]``: spaces, searches, reports."""

from .cross_validate import CrossValidation, cross_validate
from .curves import diagnose, plot_curves
from .objective import Objective
from .plot import plot_grid_and_random, plot_parallel, plot_search
from .recipe import Recipe
from .refine import refine
from .search import load_study, search
from .space import Categorical, Integer, LogInteger, LogUniform, Uniform, grid, suggest
from .table import table

__all__ = [
    "Categorical",
    "CrossValidation",
    "Integer",
    "LogInteger",
    "LogUniform",
    "Objective",
    "Recipe",
    "Uniform",
    "cross_validate",
    "diagnose",
    "grid",
    "load_study",
    "plot_curves",
    "plot_grid_and_random",
    "plot_parallel",
    "plot_search",
    "refine",
    "search",
    "suggest",
    "table",
]
