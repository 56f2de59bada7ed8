"""The one place where commands load what they need: `populace --help` loads none of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from populace.cli import _care as care
    from populace.cli import _comparing as comparing
    from populace.cli import _doctor as doctor
    from populace.cli import _figures as figures
    from populace.cli import _reading as reading
    from populace.cli import _training as training
    from populace.cli import _views as views

__all__ = ["care", "comparing", "doctor", "figures", "reading", "training", "views"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"populace.cli._{name}")
