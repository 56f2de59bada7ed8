"""Composition: settings to objects, runs from beginning to end, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.run._callbacks import Callback
from populace.run._directory import find_run, fresh_name, list_runs, make_directory, run_directory
from populace.run._display import Display, Silence
from populace.run._displays import choose_display
from populace.run._entry import entry_of, load_entry, refuse_while_loading
from populace.run._interrupt import Interrupts
from populace.run._replay import Replayed, replay
from populace.run._result import Best, Result
from populace.run._tune import code_of, resume, train_run, tune
from populace.run._verify import verify
from populace.run._words import change_in_words, exploit_in_words, fallback_in_words

if TYPE_CHECKING:
    from populace.run._settings import (
        ExecutorSettings,
        PopulationSettings,
        RunSettings,
        TaskSettings,
        arguments_of,
        given,
        read_model,
        read_policy,
        read_settings,
    )

__all__ = [
    "Best",
    "Callback",
    "Display",
    "ExecutorSettings",
    "Interrupts",
    "PopulationSettings",
    "Replayed",
    "Result",
    "RunSettings",
    "Silence",
    "TaskSettings",
    "arguments_of",
    "change_in_words",
    "choose_display",
    "code_of",
    "entry_of",
    "exploit_in_words",
    "fallback_in_words",
    "find_run",
    "fresh_name",
    "given",
    "list_runs",
    "load_entry",
    "make_directory",
    "read_model",
    "read_policy",
    "read_settings",
    "refuse_while_loading",
    "replay",
    "resume",
    "run_directory",
    "train_run",
    "tune",
    "verify",
]

_SETTINGS = (
    *("ExecutorSettings", "PopulationSettings", "RunSettings", "TaskSettings", "arguments_of", "given"),
    *("read_model", "read_policy", "read_settings"),
)


def __getattr__(name: str) -> object:
    if name in _SETTINGS:  # only the command line needs pydantic
        from populace.run import _settings

        return getattr(_settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
