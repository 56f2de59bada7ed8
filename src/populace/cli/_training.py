"""Commands that train: run, resume, replay, demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from populace import Callback, Result, tune
from populace import replay as replay_schedule
from populace import resume as resume_run
from populace._errors import ReplayMismatch, UsageError
from populace.cli._given import dimensions_given, kind_given
from populace.cli._output import assigned, text, write, write_pairs
from populace.cli._runs import folder_of
from populace.demos import run_demo
from populace.run import ExecutorSettings, arguments_of, load_entry, read_settings


def executor_table(
    workers: int | None, devices: str | None, threads: int | None, *, inline: bool
) -> dict[str, object] | None:
    """Returns the options of an executor as the table a file would hold; None where none was given."""
    listed = None if devices is None else [d.strip() for d in devices.split(",") if d.strip()]
    given = {"workers": workers, "devices": listed, "threads": threads}
    table: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if inline:
        return {"kind": "Inline", **table}
    return table or None


def run(
    code: str, config: Path | None, given: Mapping[str, object], *, space: Sequence[str], policy: str | None
) -> None:
    """Trains a population and says what came of it."""
    dimensions = dimensions_given(space)
    overrides = {
        **given,
        "space": dimensions or None,
        "policy": None if policy is None else kind_given("--policy", policy),
    }
    settings = read_settings(config, overrides)
    arguments = arguments_of(settings)
    callbacks = [_callback(entry) for entry in settings.callbacks]
    result = tune(cast("Any", load_entry(code)), callbacks=callbacks, **arguments)
    _tell(result)


def resume(
    run: str,
    limits: Mapping[str, int | None],
    executor: Mapping[str, object] | None,
    *,
    code: str | None,
    force: bool,
    directory: str,
) -> None:
    """Goes on with a run and says what came of it."""
    made = ExecutorSettings.model_validate(executor or {}).make()
    trainable = None if code is None else cast("Any", load_entry(code))
    folder = folder_of(run, directory)
    _tell(resume_run(str(folder), trainable, executor=made, force=force, **limits))  # type: ignore[arg-type]  # three ints


def replay(run: str, directory: str, *, seed: int | None, code: str | None) -> None:
    """Trains one model along the winner's schedule.

    Raises:
        ReplayMismatch: The seed is the run's, and the weights are not those of the run.
    """
    result = Result(folder_of(run, directory))
    spec, best = result.spec, result.best
    entry = spec.entry if code is None else code
    if entry is None:
        raise UsageError(f"run {spec.name!r} does not know where its code is: name it with --code FILE:NAME")
    replayed = replay_schedule(
        best.schedule,
        cast("Any", load_entry(entry)),
        seed=seed,
        metric=spec.metric,
        evaluate_every=spec.evaluate_every,
        allow_pickle=spec.allow_pickle,
    )
    is_equal = replayed.checkpoint == best.segment.checkpoint
    write_pairs(
        {
            "schedule": f"of {best.segment.id} in {spec.name}, {best.schedule.num_steps} steps",
            "score": f"{text(replayed.score)} (the run's: {text(best.score)})",
            "weights": "bit-equal to the run's checkpoint" if is_equal else "other than the run's checkpoint",
        }
    )
    if seed in (None, spec.seed) and not is_equal:
        raise ReplayMismatch(
            f"the replay of {best.segment.id} with the run's seed gave other weights than the run: "
            "the code has changed, or draws random numbers elsewhere than from its keys"
        )


def demo(name: str, directory: str, seed: int) -> None:
    """Runs a demo."""
    run_demo(name, directory=directory, seed=seed)


def _tell(result: Result) -> None:
    """Says what a run has found, and how to look further."""
    best = result.best
    write(f"run {result.name} is finished: {sum(result.state.steps)} member-steps", style="bold")
    write_pairs(
        {
            "best": f"{text(best.score)} ({best.segment.id}, step {best.step})",
            "hyperparameters": assigned(best.hyperparameters),
            "folder": result.directory,
            "look further": f"populace show {result.directory}, or schedule, lineage, plot",
        }
    )


def _callback(entry: str) -> Callback:
    made = load_entry(entry, Callback)
    if not isinstance(made, Callback):
        raise UsageError(f"a callback must be a populace.Callback, but {entry!r} is {made!r}: derive from it")
    return made
