"""Settings of a run from a file: what `run.toml` may hold, checked before anything happens.

Top-level keys are the arguments of `tune`; `[space]` holds a dimension per key, `[policy]` a policy with its
strategies, `[executor]` what places the workers. An array of two numbers is a range, as a tuple is in Python; any other
array lists choices.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, ValidationError

from populace._errors import UsageError
from populace.core import PBT, Guard, Policy, RandomSearch
from populace.core.exploit import BinaryTournament, NoExploit, Truncation, TTest
from populace.core.explore import Mixture, NoExplore, Perturb, Resample
from populace.executors import Executor, Inline, Processes
from populace.space import Dimension, Space, dimension_from_json

_POLICIES = (PBT, Guard, Truncation, TTest, BinaryTournament, NoExploit, Perturb, Resample, Mixture, NoExplore)
_KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in _POLICIES}


@final
class ExecutorSettings(BaseModel):
    """What places the workers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Literal["Processes", "Inline"] = "Processes"
    """`Processes`, or `Inline` for one worker in the starting process."""
    workers: int | None = None
    """Number of worker processes; left out: one per core."""
    devices: list[int | str] | None = None
    """Devices shared out among the workers; left out: all that the machine shows."""
    threads: int | None = None
    """Numerical threads of each worker; left out: the cores are shared."""
    preload: list[str] = []
    """Modules that workers should find imported."""
    lease_s: float = 60.0
    """Seconds without a sign of life after which a worker loses its member."""

    def make(self) -> Executor:
        """Returns the executor.

        Raises:
            UsageError: A value breaks its rule.
        """
        arguments = {name: getattr(self, name) for name in self.model_fields_set if name != "kind"}
        if self.kind == "Processes":
            return Processes(**arguments)
        if arguments:
            raise UsageError(
                f"Inline trains in one process and takes no {', '.join(sorted(arguments))}: use kind = 'Processes'"
            )
        return Inline()


@final
class RunSettings(BaseModel):
    """Everything that `tune` takes and a file can hold. What is left out is `tune`'s default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    population: int | None = None
    """Number of members."""
    steps: int | None = None
    """Steps each member trains."""
    interval: int | None = None
    """Steps between two ready points."""
    metric: str | None = None
    """The reported metric that is the score."""
    mode: Literal["max", "min"] | None = None
    """Whether a larger or a smaller score is better."""
    seed: int | None = None
    """Root of all randomness."""
    directory: str | None = None
    """Where run folders lie."""
    name: str | None = None
    """The run's name."""
    synchronous: bool | None = None
    """Whether members wait for one another."""
    evaluate_every: int | None = None
    """Steps between evaluations."""
    max_failures: int | None = None
    """Failures in a row after which a member is replaced."""
    allow_pickle: bool | None = None
    """Whether checkpoints may hold pickles."""
    callbacks: list[str] = []
    """Callbacks, each as FILE:NAME."""
    space: dict[str, Any] = {}
    """The search space."""
    policy: str | dict[str, Any] | None = None
    """What decides: a table with a kind, or the bare name of one."""
    executor: ExecutorSettings = ExecutorSettings()
    """What places the workers."""


def read_settings(file: Path | None, overrides: Mapping[str, object]) -> RunSettings:
    """Returns the settings of a file, with those given elsewhere in their place.

    A table is merged key by key, unless the one given names its own `kind`.

    Args:
        file: A TOML file; None is an empty one.
        overrides: What wins over the file, by the same keys; None values count as not given.

    Raises:
        UsageError: The file cannot be read, or a key or value is not one that settings take.
    """
    held: dict[str, object] = {} if file is None else _read(file)
    for name, value in overrides.items():
        before = held.get(name)
        if value is None:
            continue
        merges = isinstance(before, dict) and isinstance(value, dict) and "kind" not in value
        held[name] = {**before, **value} if merges else value  # type: ignore[dict-item]  # both are dicts then
    try:
        return RunSettings.model_validate(held)
    except ValidationError as error:
        at = error.errors()[0]["loc"][0]
        source = "the command line" if file is None or overrides.get(str(at)) is not None else str(file)
        raise UsageError(_told(error, source)) from error


def arguments_of(settings: RunSettings) -> dict[str, Any]:
    """Returns the settings as arguments of `tune`, without those left out and without callbacks.

    Raises:
        UsageError: `population`, `steps` or the space is missing, or a table breaks a rule.
    """
    for name in ("population", "steps"):
        if getattr(settings, name) is None:
            raise UsageError(f"a run needs `{name}`, but the settings hold none: write {name} = 16, or give --{name}")
    if not settings.space:
        raise UsageError("a run needs a space, but the settings hold none: write [space] with a dimension per line")
    tables = {"space", "policy", "executor", "callbacks"}
    plain = {name: getattr(settings, name) for name in RunSettings.model_fields if name not in tables}
    return {
        **{name: value for name, value in plain.items() if value is not None},
        "space": Space({name: _dimension(name, value) for name, value in settings.space.items()}),
        "policy": None if settings.policy is None else read_policy(settings.policy),
        "executor": settings.executor.make(),
    }


def read_policy(data: object) -> Policy:
    """Returns the policy that a table or a bare name stands for.

    Raises:
        UsageError: A kind or key is unknown, or a value breaks its rule; the message says where.
    """
    table = {"kind": data} if isinstance(data, str) else data
    if isinstance(table, Mapping) and table == {"kind": "RandomSearch"}:
        return RandomSearch()
    policy = _strategy("policy", table)
    if not isinstance(policy, Policy):
        raise UsageError(
            f"policy: the kind must be PBT or RandomSearch, but got {type(policy).__name__}: put it inside one"
        )
    return policy


def _strategy(where: str, data: object) -> object:
    if isinstance(data, list):
        return tuple(data)
    if not isinstance(data, Mapping):
        return data
    kind = str(data.get("kind"))
    if kind not in _KINDS:
        raise UsageError(
            f"{where}: `kind` must be one of {', '.join(_KINDS)}, but got {kind!r}{_nearest(kind, _KINDS)}"
        )
    known = [field.name for field in fields(_KINDS[kind])]
    for name in data:
        if name != "kind" and name not in known:
            raise UsageError(
                f"{where}: {kind} takes {', '.join(known) or 'no settings'}, but got {name!r}{_nearest(name, known)}"
            )
    arguments = {name: _strategy(f"{where}.{name}", value) for name, value in data.items() if name != "kind"}
    try:
        return _KINDS[kind](**arguments)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except TypeError as error:
        raise UsageError(f"{where}: {kind} cannot be made of {arguments!r}: {error}") from error


def _dimension(name: str, value: object) -> Dimension:
    if isinstance(value, Mapping):
        try:
            return dimension_from_json(value)
        except UsageError as error:
            raise UsageError(f"space.{name}: {error}") from error
    numbers = isinstance(value, Sequence) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    entry = tuple(value) if isinstance(value, list) and len(value) == 2 and numbers else value
    return Space.of({name: entry})[name]


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"the settings {str(file)!r} cannot be read ({error.strerror}): check the path") from error
    except ValueError as error:
        raise UsageError(f"the settings {str(file)!r} are not TOML: {error}") from error


def _told(error: ValidationError, source: str) -> str:
    """Returns the first mistake in a line: where, what, and the nearest known key."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{source}: {where}: {first['msg'][:1].lower()}{first['msg'][1:]}, but got {first['input']!r}"
    model = ExecutorSettings if first["loc"][0] == "executor" else RunSettings
    return f"{source}: there is no setting {where!r}{_nearest(str(first['loc'][-1]), model.model_fields)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else f": the settings there are {', '.join(known)}"
