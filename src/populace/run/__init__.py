"""Composition: settings to objects, runs from beginning to end, and their results."""

from populace.run._callbacks import Callback
from populace.run._directory import find_run, list_runs
from populace.run._display import Display
from populace.run._entry import load_entry
from populace.run._replay import Replayed, replay
from populace.run._result import Best, Result
from populace.run._tune import resume, tune
from populace.run._verify import verify
from populace.run._words import change_in_words, exploit_in_words

__all__ = [
    "Best",
    "Callback",
    "Display",
    "Replayed",
    "Result",
    "change_in_words",
    "exploit_in_words",
    "find_run",
    "list_runs",
    "load_entry",
    "replay",
    "resume",
    "tune",
    "verify",
]
