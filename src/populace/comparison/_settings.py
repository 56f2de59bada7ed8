"""Settings of a comparison from a file: what `compare.toml` may hold, checked before anything happens.

Top-level keys are the arguments of `compare`; `[space]` holds a dimension per key, as for a run, and `[algorithms]` a
policy or baseline per name, the judged one first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict

from populace._errors import UsageError
from populace.comparison._baselines import (
    FinalHyperparameters,
    Fixed,
    SequentialSearch,
    SuccessiveHalving,
    WinningSchedule,
)
from populace.run import RunSettings, load_entry, read_model, read_policy, read_space

_BASELINES = (SequentialSearch, SuccessiveHalving, Fixed, WinningSchedule, FinalHyperparameters)


@final
class CompareSettings(BaseModel):
    """Everything that `compare` takes and a file can hold. What is left out is `compare`'s default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    population: int | None = None
    """Number of members."""
    steps: int | None = None
    """Steps each member trains."""
    interval: int | None = None
    """Steps between two ready points."""
    seeds: int | list[int] | None = None
    """How many seeds, or which ones."""
    metric: str | None = None
    """The reported metric that is the score."""
    mode: Literal["max", "min"] | None = None
    """Whether a larger or a smaller score is better."""
    test: str | None = None
    """The test function, as FILE:NAME."""
    workers: int | None = None
    """Runs trained at a time."""
    directory: str | None = None
    """Where the comparison's folder lies."""
    name: str | None = None
    """The comparison's name."""
    synchronous: bool | None = None
    """Whether members wait for one another."""
    evaluate_every: int | None = None
    """Steps between evaluations."""
    max_failures: int | None = None
    """Failures in a row after which a member is replaced."""
    allow_pickle: bool | None = None
    """Whether checkpoints may hold pickles."""
    space: dict[str, Any] = {}
    """The search space."""
    algorithms: dict[str, Any] = {}
    """What is compared: by name a table with a kind, or the bare name of one."""


@final
class PilotSettings(BaseModel):
    """What `advise` takes from a file, which may be that of a run or of a comparison: their other keys are let be."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    steps: int | None = None
    """Steps per member of the planned run."""
    metric: str | None = None
    """The reported metric that is the score."""
    mode: Literal["max", "min"] | None = None
    """Whether a larger or a smaller score is better."""
    seed: int | None = None
    """Root of all randomness."""
    directory: str | None = None
    """Where the pilot's folder lies."""
    name: str | None = None
    """The pilot's name."""
    max_failures: int | None = None
    """Failures in a row after which a member is given up."""
    allow_pickle: bool | None = None
    """Whether checkpoints may hold pickles."""
    space: dict[str, Any] = {}
    """The search space."""


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
    if not settings.space:
        raise UsageError("a pilot needs a space, but the settings hold none: write [space] with a dimension per line")
    plain = {name: getattr(settings, name) for name in PilotSettings.model_fields if name != "space"}
    return {
        **{name: value for name, value in plain.items() if value is not None},
        "space": read_space(settings.space),
    }


def read_comparison(file: Path | None, overrides: Mapping[str, object]) -> dict[str, Any]:
    """Returns a file's settings as arguments of `compare`, with those given elsewhere in their place.

    Raises:
        UsageError: The file cannot be read, a key or value is not one that settings take, or something is missing.
    """
    settings = read_model(CompareSettings, file, overrides)
    for name in ("population", "steps"):
        if getattr(settings, name) is None:
            raise UsageError(
                f"a comparison needs `{name}`, but the settings hold none: write {name} = 16, or give --{name}"
            )
    if not settings.space:
        raise UsageError(
            "a comparison needs a space, but the settings hold none: write [space] with a dimension per line"
        )
    tables = {"space", "algorithms", "test"}
    plain = {name: getattr(settings, name) for name in CompareSettings.model_fields if name not in tables}
    algorithms = {
        name: read_policy(data, f"algorithms.{name}", _BASELINES) for name, data in settings.algorithms.items()
    }
    return {
        **{name: value for name, value in plain.items() if value is not None},
        "space": read_space(settings.space),
        "algorithms": algorithms or None,
        "test": None if settings.test is None else load_entry(settings.test),
    }
