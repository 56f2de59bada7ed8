"""Composition: settings to objects, runs from beginning to end, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.run._callbacks import Callback
from populace.run._directory import find_run, list_runs, make_directory
from populace.run._display import Display
from populace.run._entry import load_entry
from populace.run._replay import Replayed, replay
from populace.run._result import Best, Result
from populace.run._tune import resume, tune
from populace.run._verify import verify
from populace.run._words import change_in_words, exploit_in_words, fallback_in_words

if TYPE_CHECKING:
    from populace.run._settings import ExecutorSettings, RunSettings, arguments_of, read_settings

__all__ = [
    "Best",
    "Callback",
    "Display",
    "ExecutorSettings",
    "Replayed",
    "Result",
    "RunSettings",
    "arguments_of",
    "change_in_words",
    "exploit_in_words",
    "fallback_in_words",
    "find_run",
    "list_runs",
    "load_entry",
    "make_directory",
    "read_settings",
    "replay",
    "resume",
    "tune",
    "verify",
]

_SETTINGS = ("ExecutorSettings", "RunSettings", "arguments_of", "read_settings")


def __getattr__(name: str) -> object:
    if name in _SETTINGS:  # only the command line needs pydantic
        from populace.run import _settings

        return getattr(_settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
