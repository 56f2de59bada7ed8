"""Running a demo by name."""

from __future__ import annotations

import importlib
import importlib.util
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from populace._errors import MissingExtra, UsageError
from populace.run import make_directory
from populace.space import Key

if TYPE_CHECKING:
    from rich.console import Console

DEMOS = {
    "digits": ("sklearn", "matplotlib"),
    "quadratic": ("matplotlib",),
    "breakout": ("jax", "matplotlib"),
}
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
        extra = "jax,demo" if "jax" in missing else "demo"
        raise MissingExtra(f'the {name} demo needs {" and ".join(missing)}: pip install "populace[{extra}]"')
    Key(seed)
    make_directory(Path(directory))  # what cannot begin tells nothing
    module = importlib.import_module(f"populace.demos._{name}")
    run = getattr(module, f"run_{name}")
    stem = f"demo-{name}-{datetime.now():%Y%m%d-%H%M%S}"
    run(directory=Path(directory), seed=seed, stem=stem, console=console or Console())
