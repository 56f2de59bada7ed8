"""Settings of a comparison from a file: what `compare.toml` may hold, checked before anything happens.

Top-level keys are the arguments of `compare`; `[space]` holds a dimension per key, as for a run, and `[algorithms]` a
policy or baseline per name, the judged one first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from pydantic import Field

from populace._errors import UsageError
from populace.comparison._baselines import (
    FinalHyperparameters,
    Fixed,
    SequentialSearch,
    SuccessiveHalving,
    WinningSchedule,
)
from populace.run import PopulationSettings, RunSettings, TaskSettings, given, load_entry, read_model, read_policy

_BASELINES = (SequentialSearch, SuccessiveHalving, Fixed, WinningSchedule, FinalHyperparameters)


@final
class CompareSettings(PopulationSettings):
    """Everything that `compare` takes and a file can hold. What is left out is `compare`'s default."""

    seeds: int | list[int] | None = None
    """How many seeds, or which ones."""
    test: str | None = None
    """The test function, as FILE:NAME."""
    workers: int | None = None
    """Runs trained at a time."""
    algorithms: dict[str, Any] = Field(default_factory=dict)
    """What is compared: by name a table with a kind, or the bare name of one."""


@final
class PilotSettings(TaskSettings):
    """What `advise` takes from a file, which may be that of a run or of a comparison: their other keys are let be."""

    seed: int | None = None
    """Root of all randomness."""


def read_pilot(file: Path | None, overrides: Mapping[str, object]) -> dict[str, Any]:
    """Returns a file's settings as arguments of `advise`, with those given elsewhere in their place.

    The file may be that of a run or of a comparison. Their name is not the pilot's: that is only given elsewhere.

    Raises:
        UsageError: The file cannot be read, a key or value is not one that settings take, or something is missing.
    """
    known = {*RunSettings.model_fields, *CompareSettings.model_fields} - {*PilotSettings.model_fields} | {"name"}
    settings = read_model(PilotSettings, file, overrides, let_be=known)
    if settings.steps is None:
        raise UsageError("a pilot needs `steps` of the planned run, but the settings hold none: give --steps")
    return given(settings, "a pilot")


def read_comparison(file: Path | None, overrides: Mapping[str, object]) -> dict[str, Any]:
    """Returns a file's settings as arguments of `compare`, with those given elsewhere in their place.

    Raises:
        UsageError: The file cannot be read, a key or value is not one that settings take, or something is missing.
    """
    settings = read_model(CompareSettings, file, overrides)
    held = given(settings, "a comparison", needed=("population", "steps"), apart={"algorithms", "test"})
    algorithms = {
        name: read_policy(data, f"algorithms.{name}", _BASELINES) for name, data in settings.algorithms.items()
    }
    return {
        **held,
        "algorithms": algorithms or None,
        "test": None if settings.test is None else load_entry(settings.test),
    }
