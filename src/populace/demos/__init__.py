"""Demos: whole runs of small tasks, told to a reader."""

from __future__ import annotations

import importlib
import importlib.util
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from populace._errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from rich.console import Console

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

DEMOS = {"digits": ("sklearn", "matplotlib"), "quadratic": ("matplotlib",)}
"""The demos, and the packages that each needs."""


def run_demo(name: str, *, directory: str | Path = "runs", seed: int = 0, console: Console | None = None) -> None:
    """Runs a demo: PBT and random search from the same start, and what came of them.

    Args:
        name: One of `DEMOS`.
        directory: Where run folders and figures go.
        seed: Root of all randomness.
        console: Where the story is told; None is the terminal.

    Raises:
        UsageError: There is no such demo.
        MissingExtra: It needs a package that is not installed.
    """
    from rich.console import Console

    if name not in DEMOS:
        raise UsageError(f"a demo is one of {', '.join(DEMOS)}, but got {name!r}")
    missing = [package for package in DEMOS[name] if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(f'the {name} demo needs {" and ".join(missing)}: pip install "populace[demo]"')
    module = importlib.import_module(f"populace.demos._{name}")
    run = getattr(module, f"run_{name}")
    stem = f"demo-{name}-{datetime.now():%Y%m%d-%H%M%S}"
    run(directory=Path(directory), seed=seed, stem=stem, console=console or Console())


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"populace.demos.{module}"), name)
    raise AttributeError(f"module 'populace.demos' has no attribute {name!r}")
