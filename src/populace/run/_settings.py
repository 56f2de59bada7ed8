"""Settings of a run from a file: what `run.toml` may hold, checked before anything happens.

Top-level keys are the arguments of `tune`; `[space]` holds a dimension per key, `[policy]` a policy with its
strategies, `[executor]` what places the workers. An array of two numbers is a range, as a tuple is in Python; any other
array lists choices.
"""

from __future__ import annotations

import difflib
import inspect
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, final

from pydantic import BaseModel, ConfigDict, ValidationError

from populace._errors import UsageError
from populace.core import MFPBT, PBT, FirePBT, Guard, Oversampled, Policy, RandomSearch, Restart
from populace.core.exploit import (
    Backtrack,
    BinaryTournament,
    Halves,
    MultiFrequency,
    NoExploit,
    Truncation,
    TTest,
)
from populace.core.explore import PB2, Mixture, NoExplore, Pairwise, Perturb, Resample, Strides, TrustRegion
from populace.executors import Executor, Inline, Processes
from populace.space import Dimension, Space, dimension_from_json
from populace.vectorised import Vectorised

M = TypeVar("M", bound=BaseModel)
_KINDS: Mapping[str, Sequence[Any]] = {
    "policy": (PBT, PBT.paper, MFPBT, RandomSearch, Oversampled, Restart, FirePBT),
    "exploit": (Halves, Truncation, TTest, BinaryTournament, MultiFrequency, NoExploit, Backtrack),
    "explore": (Strides, Perturb, Resample, Mixture, NoExplore, PB2, TrustRegion, Pairwise),
    "guard": (Guard,),
    "region": (TrustRegion,),
}
"""What a table may be, by the name under which it stands."""


@final
class ExecutorSettings(BaseModel):
    """What places the workers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Literal["Processes", "Inline", "Vectorised"] = "Processes"
    """`Processes`, `Inline` for one worker in the starting process, or `Vectorised` for one program of all members."""
    workers: int | None = None
    """Number of worker processes; left out: one per core."""
    devices: list[int | str] | int | None = None
    """Devices shared out among the workers; for `Vectorised`, how many. Left out: all that the machine shows."""
    threads: int | None = None
    """Numerical threads of each worker; left out: the cores are shared."""
    preload: list[str] = []
    """Modules that workers should find imported."""
    lease_s: float = 60.0
    """Seconds without a sign of life after which a worker loses its member."""
    chunk: int | Literal["auto"] = "auto"
    """`Vectorised`: members in one vectorised call; left out: measured."""
    checkpoint_every: int | None = None
    """`Vectorised`: generations between checkpoints; left out: about one a second."""
    generations_per_call: int | Literal["auto"] = "auto"
    """`Vectorised`: generations that the device trains before the host looks; left out: as many as pay."""

    def make(self) -> Executor:
        """Returns the executor.

        Raises:
            UsageError: A value breaks its rule.
        """
        arguments = {name: getattr(self, name) for name in self.model_fields_set if name != "kind"}
        foreign = sorted(arguments.keys() - _TAKEN[self.kind])
        if foreign:
            trains = "in worker processes" if self.kind == "Processes" else "in one process"
            raise UsageError(
                f"{self.kind} trains {trains} and takes no {', '.join(foreign)}: leave it out, or choose another kind "
                "of executor ('Processes' without --inline, 'Inline', 'Vectorised')"
            )
        match self.kind:
            case "Processes":
                return Processes(**arguments)
            case "Inline":
                return Inline()
            case "Vectorised":
                return Vectorised(**arguments)


_TAKEN = {kind.__name__: {field.name for field in fields(kind)} for kind in (Processes, Inline, Vectorised)}


class TaskSettings(BaseModel):
    """What runs, comparisons and pilots all take."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    steps: int | None = None
    """Steps each member trains."""
    metric: str | None = None
    """The reported metric that is the score."""
    mode: Literal["max", "min"] | None = None
    """Whether a larger or a smaller score is better."""
    directory: str | None = None
    """Where its folder lies."""
    name: str | None = None
    """Its name."""
    max_failures: int | None = None
    """Failures in a row after which a member is replaced, or given up where nobody is copied."""
    allow_pickle: bool | None = None
    """Whether checkpoints may hold pickles."""
    space: dict[str, Any] = {}
    """The search space."""


class PopulationSettings(TaskSettings):
    """What runs and comparisons take."""

    population: int | None = None
    """Number of members."""
    interval: int | None = None
    """Steps between two ready points."""
    synchronous: bool | None = None
    """Whether members wait for one another."""
    evaluate_every: int | None = None
    """Steps between evaluations."""


@final
class RunSettings(PopulationSettings):
    """Everything that `tune` takes and a file can hold. What is left out is `tune`'s default."""

    seed: int | None = None
    """Root of all randomness."""
    callbacks: list[str] = []
    """Callbacks, each as FILE:NAME."""
    policy: Any = None
    """What decides: a table with a kind, or the bare name of one."""
    executor: ExecutorSettings = ExecutorSettings()
    """What places the workers."""


def read_settings(file: Path | None, overrides: Mapping[str, object]) -> RunSettings:
    """Returns the settings of a run; see `read_model`."""
    return read_model(RunSettings, file, overrides)


def read_model(
    model: type[M], file: Path | None, overrides: Mapping[str, object], *, let_be: Collection[str] = ()
) -> M:
    """Returns the settings of a file, with those given elsewhere in their place.

    A table is merged key by key, unless the one given names its own `kind`.

    Args:
        model: What settings there are.
        file: A TOML file; None is an empty one.
        overrides: What wins over the file, by the same keys; None values count as not given.
        let_be: Keys of the file that are read over.

    Raises:
        UsageError: The file cannot be read, or a key or value is not one that settings take.
    """
    held = {} if file is None else {name: value for name, value in _read(file).items() if name not in let_be}
    for name, value in overrides.items():
        before = held.get(name)
        if value is None:
            continue
        merges = isinstance(before, dict) and isinstance(value, dict) and "kind" not in value
        held[name] = {**before, **value} if merges else value  # type: ignore[dict-item]  # both are dicts then
    try:
        return model.model_validate(held)
    except ValidationError as error:
        at = error.errors()[0]["loc"][0]
        source = "the command line" if file is None or overrides.get(str(at)) is not None else str(file)
        raise UsageError(_told(error, source, model)) from error


def arguments_of(settings: RunSettings) -> dict[str, Any]:
    """Returns the settings as arguments of `tune`, without those left out and without callbacks.

    Raises:
        UsageError: `population`, `steps` or the space is missing, or a table breaks a rule.
    """
    return {
        **given(settings, "a run", needed=("population", "steps"), apart={"policy", "executor", "callbacks"}),
        "policy": None if settings.policy is None else cast("Policy", read_policy(settings.policy)),
        "executor": settings.executor.make(),
    }


def given(
    settings: TaskSettings, whose: str, *, needed: Sequence[str] = (), apart: Collection[str] = ()
) -> dict[str, Any]:
    """Returns settings as arguments, without those left out; the space is read.

    Args:
        settings: The settings.
        whose: Whose they are, for messages.
        needed: Numbers that must be given, beside the space.
        apart: Settings that are not wanted.

    Raises:
        UsageError: One that is needed is missing, or a dimension breaks a rule.
    """
    for name in needed:
        if getattr(settings, name) is None:
            raise UsageError(f"{whose} needs `{name}`, but the settings hold none: write {name} = 16, or give --{name}")
    if not settings.space:
        raise UsageError(f"{whose} needs a space, but the settings hold none: write [space] with a dimension per line")
    held = {name: getattr(settings, name) for name in type(settings).model_fields if name not in apart}
    return {**{name: value for name, value in held.items() if value is not None}, "space": read_space(settings.space)}


def read_space(dimensions: Mapping[str, object]) -> Space:
    """Returns the space of a settings file's table.

    Raises:
        UsageError: A dimension breaks a rule.
    """
    return Space({name: _dimension(name, value) for name, value in dimensions.items()})


def read_policy(data: object, where: str = "policy", others: Sequence[Any] = ()) -> object:
    """Returns the policy that a table or a bare name stands for, or one of other kinds.

    Args:
        data: A table with a `kind`, or the bare name of one.
        where: Where it stands, for messages.
        others: Further classes that it may name.

    Raises:
        UsageError: A kind or key is unknown, or a value breaks its rule; the message says where.
    """
    table = {"kind": data} if isinstance(data, str) else data
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: it must be the name of a kind or a table with one, but got {data!r}: write 'PBT'")
    return _made(where, table, (*_KINDS["policy"], *others))


def _made(where: str, table: Mapping[str, object], known_kinds: Sequence[Any]) -> object:
    """Returns what a table makes."""
    kinds = {kind.__qualname__: kind for kind in known_kinds}
    if "kind" not in table:
        raise UsageError(f"{where}: a table says its `kind`, but got {table!r}: add kind = {next(iter(kinds))!r}")
    kind = table["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        listed = " or ".join(kinds)
        raise UsageError(f"{where}: `kind` must be {listed}, but got {kind!r}{_nearest(str(kind), kinds)}")
    parameters = inspect.signature(kinds[kind]).parameters
    known = list(parameters)
    given = {name: value for name, value in table.items() if name != "kind"}
    for name in given:
        if name not in known:
            takes = ", ".join(known) or "no settings"
            raise UsageError(f"{where}: {kind} takes {takes}, but got {name!r}{_nearest(name, known)}")
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in given]
    if missing:
        raise UsageError(f"{where}: {kind} needs {' and '.join(missing)}, but got {sorted(given)}: add {missing[0]}")
    arguments = {
        name: _made(f"{where}.{name}", {"kind": value} if isinstance(value, str) else value, _KINDS[name])
        if name in _KINDS and isinstance(value, Mapping | str)
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in given.items()
    }
    try:
        return kinds[kind](**arguments)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


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
        return tomllib.loads(file.read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise UsageError(f"the settings {str(file)!r} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} is {error.object[error.start]:#x}"
        raise UsageError(f"the settings {str(file)!r} are not UTF-8 ({byte}): save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:  # the latter for arrays within arrays without end
        raise UsageError(f"the settings {str(file)!r} are not TOML: {error}") from error


_RULES = {
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "string_type": "be a text in quotes",
    "bool_type": "be true or false",
    "list_type": "be a list such as [...]",
    "dict_type": "be a table of names and values",
    "model_type": "be a table such as {kind = 'Processes', workers = 4}",
}
"""What a value must be, in the words of a file, by the kind of mistake."""


def _told(error: ValidationError, source: str, top: type[BaseModel]) -> str:
    """Returns the first mistake in a line: where, what, and the nearest known key."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        rule = _RULES.get(first["type"], first["msg"].removeprefix("Input should "))
        return f"{source}: {where.removesuffix('.int')} must {rule}, but got {first['input']!r}"
    model = ExecutorSettings if first["loc"][0] == "executor" else top
    known = model.model_fields
    near = _nearest(str(first["loc"][-1]), known) or f": the settings there are {', '.join(known)}"
    return f"{source}: there is no setting {where!r}{near}"


def _nearest(name: str, known: Iterable[str]) -> str:
    """Returns the end of a message that names the known word nearest to one that is not; empty where none is near."""
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f": did you mean {by_lower[close[0]]!r}?" if close else ""
