"""Demos: whole runs of small tasks, told to a reader."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from populace.demos._run import DEMOS, run_demo

if TYPE_CHECKING:
    from populace.demos._digits import contest as digits_contest
    from populace.demos._digits_task import DIGITS_SPACE, Digits
    from populace.demos._figure2 import (
        FIGURE2_INITIAL,
        FIGURE2_INTERVAL,
        FIGURE2_PANELS,
        FIGURE2_SPACE,
        FIGURE2_STEPS,
        Figure2,
    )
    from populace.demos._quadratic_task import QUADRATIC_SPACE, NoisyQuadratic, best_constant, oracle_schedule
    from populace.demos._triangle import TRIANGLE_SPACE, TriangleWave

__all__ = [
    "DEMOS",
    "DIGITS_SPACE",
    "FIGURE2_INITIAL",
    "FIGURE2_INTERVAL",
    "FIGURE2_PANELS",
    "FIGURE2_SPACE",
    "FIGURE2_STEPS",
    "QUADRATIC_SPACE",
    "TRIANGLE_SPACE",
    "Digits",
    "Figure2",
    "NoisyQuadratic",
    "TriangleWave",
    "best_constant",
    "digits_contest",
    "oracle_schedule",
    "run_demo",
]

_HOMES = {
    "_digits_task": ("Digits", "DIGITS_SPACE"),
    "_figure2": (
        *("Figure2", "FIGURE2_INITIAL", "FIGURE2_INTERVAL"),
        *("FIGURE2_PANELS", "FIGURE2_SPACE", "FIGURE2_STEPS"),
    ),
    "_quadratic_task": ("NoisyQuadratic", "QUADRATIC_SPACE", "best_constant", "oracle_schedule"),
    "_triangle": ("TriangleWave", "TRIANGLE_SPACE"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"populace.demos.{module}"), name)
    if name == "digits_contest":
        return importlib.import_module("populace.demos._digits").contest
    raise AttributeError(f"module 'populace.demos' has no attribute {name!r}")
