"""`advise`: a short pilot on the user's task, and what it says about a long run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from populace._errors import UsageError
from populace.comparison._advice import Advice, advise_on
from populace.comparison._pilot import measure_pilot
from populace.core import Mode, RunSpec, check_whole
from populace.core.baselines import Rally
from populace.executors import Executor
from populace.run import code_of, entry_of, fresh_name, refuse_while_loading, run_directory, train_run
from populace.space import Space
from populace.worker import Loop, Trainable

_SHARE = 50


def advise(
    trainable: Trainable | Loop,
    space: Space | Mapping[str, Any],
    *,
    steps: int,
    members: int = 8,
    interval: int | None = None,
    intervals: int = 4,
    until: float = 0.5,
    metric: str | None = None,
    mode: str = "max",
    seed: int = 0,
    max_failures: int = 3,
    allow_pickle: bool = False,
    executor: Executor | None = None,
    directory: str | os.PathLike[str] = "runs",
    name: str | None = None,
) -> Advice:
    """Trains a short pilot and recommends an interval, a population and a strategy, with the numbers behind them.

    The pilot is an ordinary run of `members` that goes a little beyond `until` of the planned steps.

    Args:
        trainable: A function of a `Member`, or a `Trainable`.
        space: The search space.
        steps: Steps per member of the run that is planned.
        members: Members of the pilot, at least 4.
        interval: Steps of one of its intervals; None: a fiftieth of `steps`.
        intervals: Intervals that they train after they all have the same weights.
        until: Share of `steps` after which all members take the best one's weights. Later tells more and costs more:
            whether a constant suffices cannot be seen at a run's beginning.
        metric: The name of the reported metric that is the score.
        mode: "max" or "min".
        seed: Root of all randomness.
        max_failures: Failures in a row after which a member is given up.
        allow_pickle: Whether checkpoints may hold pickles.
        executor: What places the workers; None is `Processes()`.
        directory: Where run folders lie.
        name: The pilot's name; None makes one up, one that exists goes on.

    Raises:
        UsageError: An argument does not obey its rule; nothing has been created.
        RunFailed: The pilot cannot go on, for example because every member fails.
    """
    refuse_while_loading()
    if mode not in ("max", "min"):
        raise UsageError(f"`mode` must be 'max' or 'min', but got {mode!r}")
    check_whole("steps", steps, 1, "it is the steps per member of the planned run")
    check_whole("members", members, 4, "fewer cannot be ranked")
    check_whole("intervals", intervals, 2, "differences are watched as they grow")
    if type(until) not in (int, float) or not 0 < until <= 1:
        raise UsageError(f"`0 < until <= 1` must hold, but got {until!r}: it is a share of the steps, 0.5 is usual")
    length = max(1, steps // _SHARE) if interval is None else interval
    check_whole("interval", length, 1, "it is the steps between two ready points")
    label = getattr(trainable, "__name__", type(trainable).__name__)
    name = fresh_name(f"pilot-{label}", directory, datetime.now()) if name is None else name
    folder = run_directory(directory, name)
    window = length * intervals
    rally = max(window, round(until * steps / length) * length)
    spec = RunSpec(
        name=name,
        space=Space.of(space),
        policy=Rally(step=rally),
        seed=seed,
        population=members,
        steps=rally + window,
        interval=length,
        evaluate_every=max(1, length // 2),
        metric=metric,
        mode=Mode(mode),
        synchronous=True,
        max_failures=max_failures,
        allow_pickle=allow_pickle,
        entry=entry_of(trainable),
        code=code_of(trainable),
    )
    result = train_run(folder, spec, trainable, executor)
    return advise_on(measure_pilot(result, window, rally), space=spec.space, steps=steps, metric=metric, mode=spec.mode)
