"""Honest comparison: algorithms on one task at equal cost, and what a short pilot says beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.comparison._advice import Advice
from populace.comparison._advise import advise
from populace.comparison._algorithms import Algorithm, Baseline, Plan
from populace.comparison._baselines import (
    FinalHyperparameters,
    Fixed,
    SequentialSearch,
    SuccessiveHalving,
    WinningSchedule,
)
from populace.comparison._compare import compare
from populace.comparison._comparison import Comparison, Row
from populace.comparison._outcome import Outcome
from populace.comparison._pilot import Pilot
from populace.comparison._statistics import Paired

if TYPE_CHECKING:
    from populace.comparison._settings import CompareSettings, PilotSettings, read_comparison, read_pilot

__all__ = [
    "Advice",
    "Algorithm",
    "Baseline",
    "CompareSettings",
    "Comparison",
    "FinalHyperparameters",
    "Fixed",
    "Outcome",
    "Paired",
    "Pilot",
    "PilotSettings",
    "Plan",
    "Row",
    "SequentialSearch",
    "SuccessiveHalving",
    "WinningSchedule",
    "advise",
    "compare",
    "read_comparison",
    "read_pilot",
]


_SETTINGS = ("CompareSettings", "PilotSettings", "read_comparison", "read_pilot")


def __getattr__(name: str) -> object:
    if name in _SETTINGS:  # only the command line needs pydantic
        from populace.comparison import _settings

        return getattr(_settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
