"""Honest comparison: algorithms on one task at equal cost, and what a short pilot says beforehand."""

from __future__ import annotations

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
from populace.comparison._statistics import Paired

__all__ = [
    "Algorithm",
    "Baseline",
    "Comparison",
    "FinalHyperparameters",
    "Fixed",
    "Outcome",
    "Paired",
    "Plan",
    "Row",
    "SequentialSearch",
    "SuccessiveHalving",
    "WinningSchedule",
    "compare",
]
