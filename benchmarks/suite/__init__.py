"""The tasks on which algorithms are compared."""

from __future__ import annotations

import importlib

from benchmarks.suite._task import NUM_TICKS, Task

_HOMES = {
    "_toys": ("triangle", "deceptive", "noise"),
    "_quadratic": ("nqm", "bowl", "nqm_noisy", "nqm_wide", "nqm_constant"),
    "_teacher": ("teacher",),
    "_digits": ("digits30", "digits_clean"),
    "_control": ("pendulum", "acrobot", "breakout"),
    "_ring": ("ring",),
    "_mixed": ("mixed",),
    "_translation": ("translation",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
ROWS = (
    *("triangle", "nqm", "bowl", "deceptive", "teacher", "digits30", "digits_clean"),
    *("nqm_noisy", "nqm_wide", "nqm_constant", "pendulum", "ring"),
)
"""The tasks of the table, in its order."""
TASKS = (*ROWS, "mixed", "breakout", "acrobot", "translation", "noise")
"""All tasks."""


def task_named(name: str) -> Task:
    """Returns a task.

    Raises:
        SystemExit: There is none of this name.
    """
    if name not in _HOME_OF:
        raise SystemExit(f"benchmarks: there is no task {name!r}: name some of {', '.join(TASKS)}")
    task = getattr(importlib.import_module(f"benchmarks.suite.{_HOME_OF[name]}"), name)()
    assert isinstance(task, Task), "a home makes tasks"
    return task


__all__ = ["NUM_TICKS", "ROWS", "TASKS", "Task", "task_named"]
