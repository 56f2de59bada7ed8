"""Figures of a run, made from core values alone: scores, schedule, lineage, comparison, and one page with all.

matplotlib is loaded when the first figure is asked for, not when this room is entered.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from populace._errors import MissingExtra as _MissingExtra
from populace.report._curves import Band, best_so_far

if TYPE_CHECKING:
    from populace.report._comparison import figure_comparison
    from populace.report._lineage import figure_lineage
    from populace.report._overview import figure_overview
    from populace.report._rivals import figure_rivals
    from populace.report._save import save_figure
    from populace.report._schedule import figure_schedule
    from populace.report._scores import figure_scores

__all__ = [
    "Band",
    "best_so_far",
    "figure_comparison",
    "figure_lineage",
    "figure_overview",
    "figure_rivals",
    "figure_schedule",
    "figure_scores",
    "save_figure",
]

_MODULES: Mapping[str, str] = {
    "figure_comparison": "_comparison",
    "figure_lineage": "_lineage",
    "figure_overview": "_overview",
    "figure_rivals": "_rivals",
    "figure_schedule": "_schedule",
    "figure_scores": "_scores",
    "save_figure": "_save",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise _MissingExtra('figures need matplotlib: pip install "populace[plot]"') from error
    return getattr(module, name)
