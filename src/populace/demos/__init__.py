"""Demos: whole runs of small tasks, told to a reader."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from populace.demos._run import DEMOS, run_demo

if TYPE_CHECKING:
    from populace.demos._acrobot import Acrobot
    from populace.demos._breakout import contest as breakout_contest
    from populace.demos._breakout import fresh_returns_of
    from populace.demos._breakout_game import Breakout
    from populace.demos._digits import contest as digits_contest
    from populace.demos._digits_task import DIGITS_SPACE, Digits
    from populace.demos._environment import Environment
    from populace.demos._figure2 import (
        FIGURE2_INITIAL,
        FIGURE2_INTERVAL,
        FIGURE2_PANELS,
        FIGURE2_SPACE,
        FIGURE2_STEPS,
        Figure2,
    )
    from populace.demos._pendulum import Pendulum
    from populace.demos._ppo import FRAMES_PER_STEP, PPO, PPO_SPACE
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
    "FRAMES_PER_STEP",
    "PPO",
    "PPO_SPACE",
    "QUADRATIC_SPACE",
    "TRIANGLE_SPACE",
    "Acrobot",
    "Breakout",
    "Digits",
    "Environment",
    "Figure2",
    "NoisyQuadratic",
    "Pendulum",
    "TriangleWave",
    "best_constant",
    "breakout_contest",
    "digits_contest",
    "fresh_returns_of",
    "oracle_schedule",
    "run_demo",
]

_HOMES = {
    "_acrobot": ("Acrobot",),
    "_breakout": ("fresh_returns_of",),
    "_breakout_game": ("Breakout",),
    "_digits_task": ("Digits", "DIGITS_SPACE"),
    "_environment": ("Environment",),
    "_figure2": (
        *("Figure2", "FIGURE2_INITIAL", "FIGURE2_INTERVAL"),
        *("FIGURE2_PANELS", "FIGURE2_SPACE", "FIGURE2_STEPS"),
    ),
    "_pendulum": ("Pendulum",),
    "_ppo": ("FRAMES_PER_STEP", "PPO", "PPO_SPACE"),
    "_quadratic_task": ("NoisyQuadratic", "QUADRATIC_SPACE", "best_constant", "oracle_schedule"),
    "_triangle": ("TriangleWave", "TRIANGLE_SPACE"),
}
_CONTESTS = {"breakout_contest": "_breakout", "digits_contest": "_digits"}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"populace.demos.{module}"), name)
    if name in _CONTESTS:
        return importlib.import_module(f"populace.demos.{_CONTESTS[name]}").contest
    raise AttributeError(f"module 'populace.demos' has no attribute {name!r}")
