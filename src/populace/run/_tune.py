"""`tune` and `resume`: the two ways into a run."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from populace._errors import RunInterrupted, UsageError
from populace.core import PBT, Mode, Policy, RunSpec, source_digest
from populace.executors import Executor, Job, Processes
from populace.run._callbacks import Callback
from populace.run._directory import find_run, fresh_name, make_directory, run_directory
from populace.run._display import Display
from populace.run._displays import choose_display
from populace.run._entry import entry_of, load_entry, refuse_while_loading
from populace.run._result import Result
from populace.run._training import Training, continued, is_created
from populace.space import Space
from populace.store import RunStatus, SqliteStore
from populace.worker import Loop, Trainable


def tune(
    trainable: Trainable | Loop,
    space: Space | Mapping[str, Any],
    *,
    population: int,
    steps: int,
    interval: int = 1,
    metric: str | None = None,
    mode: str = "max",
    seed: int | None = None,
    policy: Policy | None = None,
    executor: Executor | None = None,
    directory: str | os.PathLike[str] = "runs",
    name: str | None = None,
    synchronous: bool = False,
    evaluate_every: int | None = None,
    max_failures: int = 3,
    allow_pickle: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Trains a population of models and returns the best, with the schedule of hyperparameters that made it.

    Args:
        trainable: A function of a `Member` (your loop), or a `Trainable` (three functions).
        space: The search space: a mapping of names to dimensions. Plain tuples and lists work, and so do the
            distributions of Optuna, Ray Tune, ConfigSpace and scipy.
        population: Number of members, N.
        steps: Steps that each member trains, T. The run costs exactly N x T member-steps. A clone's weights may have
            been trained longer than its member where members are not in step: an interval at most under the default
            policy.
        interval: Steps between two ready points, where a member is evaluated, saved, and may copy a better one. It
            should be long enough for the score to move by more than its noise.
        metric: The name of the reported metric that is the score; not needed where a single number is reported.
        mode: "max" or "min".
        seed: Root of all randomness; None draws one and records it.
        policy: What decides; None is `PBT()`. `RandomSearch()` is the same engine with exploit off.
        executor: What places the workers; None is `Processes()`.
        directory: Where run folders lie.
        name: The run's name; None makes one up. A run of this name that exists goes on: with the same arguments, or
            with other limits (`steps`, `population`, `max_failures`).
        synchronous: Whether members wait for one another at each ready point; then the log depends on the seed alone.
        evaluate_every: Steps between evaluations inside an interval; None evaluates once, at its end.
        max_failures: Failures in a row after which a member is replaced by a clone.
        allow_pickle: Whether checkpoints may hold pickles, for states of arbitrary Python objects. Only for runs whose
            folder nobody else can write.
        callbacks: Objects that watch the run.

    Returns:
        What the run has found.

    Raises:
        UsageError: An argument does not obey its rule; nothing has been created.
        RunExists: A run of this name exists and differs; nothing has been changed.
        RunFailed: The run cannot go on, for example because every member fails.
        RunInterrupted: It was stopped by Ctrl-C; it can be resumed.
    """
    refuse_while_loading()
    if mode not in ("max", "min"):
        raise UsageError(f"`mode` must be 'max' or 'min', but got {mode!r}")
    if policy is not None and not isinstance(policy, Policy):
        raise UsageError(f"`policy` must be a policy such as PBT() or RandomSearch(), but got {policy!r}")
    if seed is not None and not isinstance(seed, int):
        raise UsageError(f"`seed` must be a whole number or None, but got {seed!r}")
    for flag, value in (("synchronous", synchronous), ("allow_pickle", allow_pickle)):
        if not isinstance(value, bool):
            raise UsageError(f"`{flag}` must be True or False, but got {value!r}")
    _check_directory(directory)
    label = getattr(trainable, "__name__", type(trainable).__name__)
    name = fresh_name(label, directory, datetime.now()) if name is None else name
    folder = run_directory(directory, name)
    asked = RunSpec(
        name=name,
        space=Space.of(space),
        policy=policy or PBT(),
        seed=_seed(seed, folder),
        population=population,
        steps=steps,
        interval=interval,
        evaluate_every=evaluate_every,
        metric=metric,
        mode=Mode(mode),
        synchronous=synchronous,
        max_failures=max_failures,
        allow_pickle=allow_pickle,
        entry=entry_of(trainable),
        code=code_of(trainable),
    )
    return train_run(folder, asked, trainable, executor, callbacks)


def resume(
    name: str,
    trainable: Trainable | Loop | None = None,
    *,
    directory: str | os.PathLike[str] = "runs",
    steps: int | None = None,
    population: int | None = None,
    max_failures: int | None = None,
    policy: Policy | None = None,
    executor: Executor | None = None,
    force: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Continues a run from what it has published.

    Args:
        name: The run's name, or the path of its folder.
        trainable: The user's code; None loads it from the file where the run found it.
        directory: Where run folders lie.
        steps: A new limit; None keeps the run's.
        population: A new limit; None keeps the run's.
        max_failures: A new limit; None keeps the run's.
        policy: The policy, where it holds a user's function.
        executor: What places the workers; None is `Processes()`.
        force: Whether to go on although the code or settings differ from the run's.
        callbacks: Objects that watch the run.

    Raises:
        UnknownRun: There is no such run.
        UsageError: The code cannot be found again.
    """
    refuse_while_loading()
    _check_directory(directory)
    folder = find_run(name, directory)
    store = SqliteStore(folder)
    try:
        held = RunSpec.from_json(store.read(), policy=policy)
    finally:
        store.close()
    if trainable is None:
        if held.entry is None:
            raise UsageError(
                f"run {held.name!r} does not know where its code is: call populace.resume({held.name!r}, trainable) "
                f"with it"
            )
        trainable = cast("Trainable | Loop", load_entry(held.entry))
    limits = {"steps": steps, "population": population, "max_failures": max_failures}
    changes: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    asked = replace(held, **changes)
    asked = replace(asked, code=code_of(trainable), entry=entry_of(trainable) or held.entry)
    return train_run(folder, asked, trainable, executor, callbacks, force=force)


def train_run(
    folder: Path,
    asked: RunSpec,
    trainable: Trainable | Loop,
    executor: Executor | None,
    callbacks: Sequence[Callback] = (),
    *,
    force: bool = False,
    display: Display | None = None,
) -> Result:
    """Creates a run or goes on with it, and trains it; `tune` without its checks of what a user may write.

    Args:
        folder: The run's folder.
        asked: What is asked.
        trainable: The user's code.
        executor: What places the workers; None is `Processes()`.
        callbacks: Objects that watch the run.
        force: Whether to go on although the code or settings differ from the run's.
        display: What shows the run; None is chosen by where standard error goes.
    """
    executor = Processes() if executor is None else executor
    if not isinstance(executor, Executor):
        raise UsageError(
            f"`executor` must be an executor such as Processes(workers=4) or Inline(), but got {executor!r}"
        )
    if not isinstance(callbacks, Sequence):
        raise UsageError(f"`callbacks` must be a list of populace.Callback objects, but got {callbacks!r}: write [...]")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise UsageError(f"`callbacks` must hold populace.Callback objects, but got {callback!r}: derive from it")
    executor.check(Job(directory=folder, spec=asked, trainable=trainable))
    exists = is_created(folder)
    spec = continued(folder, asked, force=force) if exists else asked
    if exists and _is_done(folder, spec):
        return Result(folder.absolute(), trainable=trainable, policy=spec.policy)
    make_directory(folder)
    training = Training(
        directory=folder.absolute(),  # the user's code may change the working folder
        spec=spec,
        trainable=trainable,
        executor=executor,
        display=choose_display(sys.stderr) if display is None else display,
        callbacks=callbacks,
        resume_hint=_resume_hint(folder, spec),
    )
    try:
        return training.run()
    except RunInterrupted as error:
        raise error.with_traceback(None) from None  # where it stopped in our code tells the user nothing


def _is_done(folder: Path, spec: RunSpec) -> bool:
    store = SqliteStore(folder)
    try:
        state = store.state()
    finally:
        store.close()
    trained = all(steps >= spec.steps or member in state.retired for member, steps in enumerate(state.steps))
    return state.status is RunStatus.FINISHED and trained and len(state.steps) >= spec.population


def _resume_hint(folder: Path, spec: RunSpec) -> str:
    if spec.entry is None:
        return f"populace.resume({str(folder)!r}, trainable)"
    return f"populace resume {shlex.quote(str(folder))}"


def _check_directory(directory: object) -> None:
    if not isinstance(directory, str | os.PathLike) or not os.fspath(directory):
        raise UsageError(f"`directory` must be the path of a folder, but got {directory!r}: '.' is this one")


def _seed(seed: int | None, folder: Path) -> int:
    """Returns the seed: the one given, else that of the run that goes on, else a drawn one."""
    if seed is not None:
        return seed
    if not is_created(folder):
        return secrets.randbits(32)
    store = SqliteStore(folder)
    try:
        return cast("int", store.read()["seed"])
    finally:
        store.close()


def code_of(trainable: object) -> str | None:
    """Returns the fingerprint of a trainable's source."""
    return source_digest(type(trainable) if isinstance(trainable, Trainable) else trainable)
