"""`compare`: several algorithms on one task at equal cost, seed by seed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from populace._errors import PopulaceError, RunExists, RunInterrupted, UsageError
from populace.comparison._algorithms import Algorithm, Baseline, check_algorithms, plan_of, summary_of
from populace.comparison._comparison import Comparison
from populace.comparison._crew import interrupted, train_alone, train_side_by_side
from populace.comparison._entries import Entry, Field
from populace.comparison._outcome import Outcome, write_text
from populace.comparison._terms import Terms
from populace.comparison._test import Test, measure_of
from populace.core import PBT, Mode, RandomSearch, policy_to_json
from populace.run import (
    Interrupts,
    choose_display,
    code_of,
    entry_of,
    fresh_name,
    list_runs,
    make_directory,
    refuse_while_loading,
    run_directory,
)
from populace.space import Key, Space
from populace.worker import Loop, Trainable, loop_of

SETTINGS = "settings.json"
_MOST_SEEDS = 1000
_LIMITS = ("seeds", "algorithms")


def compare(
    trainable: Trainable | Loop,
    space: Space | Mapping[str, Any],
    *,
    population: int,
    steps: int,
    interval: int = 1,
    algorithms: Mapping[str, Algorithm] | None = None,
    seeds: int | Sequence[int] = 8,
    metric: str | None = None,
    mode: str = "max",
    test: Test | None = None,
    evaluate_every: int | None = None,
    synchronous: bool = True,
    max_failures: int = 3,
    allow_pickle: bool = False,
    workers: int | None = None,
    directory: str | os.PathLike[str] = "runs",
    name: str | None = None,
) -> Comparison:
    """Compares algorithms on a task at equal cost, from the same starts, on the same seeds.

    Every algorithm trains `population` x `steps` member-steps per seed, those of discarded weights and restarts
    included, through the same engine; each is an ordinary run in the comparison's folder. Of each run the best
    checkpoint by validation is selected and measured once by `test`. The first algorithm is judged against the others.

    Args:
        trainable: A function of a `Member`, or a `Trainable`. If it has a method `test(state)` or `test(key, state)`,
            that measures the selected checkpoints.
        space: The search space.
        population: Number of members, N.
        steps: Steps that each member trains, T; a multiple of `interval`.
        interval: Steps between two ready points.
        algorithms: Policies and baselines by name, the judged one first; None: `PBT()` and `RandomSearch()`.
        seeds: How many (0, 1, 2, ...), or which ones. Fewer than 6 can show nothing; 8 or more are usual.
        metric: The name of the reported metric that is the score.
        mode: "max" or "min".
        test: A function of a state, or of a key and a state, that measures on data or episodes which selected nothing.
            Without any, the selected maximum is reported, which is too good.
        evaluate_every: Steps between evaluations inside an interval.
        synchronous: Whether members wait for one another; then every run depends on its seed alone.
        max_failures: Failures in a row after which a member is replaced.
        allow_pickle: Whether checkpoints may hold pickles.
        workers: Runs trained at a time, each in a process of its own; None: one per core. 1: in this process.
        directory: Where the comparison's folder lies.
        name: The comparison's name; one that exists goes on, also with more seeds or algorithms.

    Returns:
        What was found; the report (`comparison.json`, `.md`, `.png`, `.html`) lies in the comparison's folder.

    Raises:
        UsageError: An argument does not obey its rule; nothing has been created.
        RunExists: A comparison of this name exists and differs; nothing has been changed.
        RunFailed: A run cannot be trained.
        RunInterrupted: It was stopped by Ctrl-C; the same call goes on.
        MissingExtra: An algorithm or the statistics need a package that is not installed.
    """
    refuse_while_loading()
    chosen = {"PBT": PBT(), "random search": RandomSearch()} if algorithms is None else algorithms
    check_algorithms(chosen)
    numbers = _seeds(seeds)
    count = _workers(workers)
    if mode not in ("max", "min"):
        raise UsageError(f"`mode` must be 'max' or 'min', but got {mode!r}")
    if not isinstance(directory, str | os.PathLike) or not os.fspath(directory):
        raise UsageError(f"`directory` must be the path of a folder, but got {directory!r}: '.' is this one")
    for flag, value in (("synchronous", synchronous), ("allow_pickle", allow_pickle)):
        if not isinstance(value, bool):
            raise UsageError(f"`{flag}` must be True or False, but got {value!r}")
    loop_of(trainable)
    measure = measure_of(trainable, test)
    terms = Terms(
        space=Space.of(space),
        population=population,
        steps=steps,
        interval=interval,
        metric=metric,
        mode=Mode(mode),
        evaluate_every=evaluate_every,
        synchronous=synchronous,
        max_failures=max_failures,
        allow_pickle=allow_pickle,
        entry=entry_of(trainable),
        code=code_of(trainable),
    )
    _check(terms, chosen, numbers)
    label = getattr(trainable, "__name__", type(trainable).__name__)
    name = fresh_name(f"compare-{label}", directory, datetime.now()) if name is None else name
    folder = run_directory(directory, name).absolute()
    settings = _settings(terms, chosen, numbers, tested=measure is not None)
    held = _held(folder, settings)
    make_directory(folder)
    write_text(folder / SETTINGS, json.dumps({**settings, **held}, indent=1, allow_nan=False))
    field = Field(folder=folder, terms=terms, algorithms=dict(chosen), trainable=trainable, test=measure)
    _train(field, field.entries(numbers), count)
    found = Comparison(
        folder=folder,
        terms=terms,
        algorithms={label: summary_of(algorithm) for label, algorithm in chosen.items()},
        seeds=numbers,
        outcomes=[cast("Outcome", field.outcome(entry)) for entry in field.entries(numbers)],
        tested=measure is not None,
    )
    found.save()
    return found


def _train(field: Field, entries: Sequence[Entry], workers: int) -> None:
    missing = [entry for entry in entries if field.outcome(entry) is None]
    display = choose_display(sys.stderr)
    total = len(entries)
    budget = f"{field.terms.budget} member-steps each"
    if missing:
        display.note(f"comparison {field.folder.name}: {len(missing)} of {total} runs to train, {budget}")
    hint = f"the same call with name={field.folder.name!r}"
    left = len(missing)

    def done(entry: Entry) -> None:
        nonlocal left
        left -= 1
        outcome = field.outcome(entry)
        assert outcome is not None, "an entry that is done has its outcome"
        told = outcome.failure.splitlines()[0] if outcome.failure else _told(outcome)
        display.note(f"{total - left}/{total} runs: {entry.algorithm}, seed {entry.seed}: {told}")

    interrupts = Interrupts(display.note)
    try:
        with interrupts:
            if workers == 1:
                train_alone(field, missing, done, interrupts.asked)
            elif missing:
                train_side_by_side(field, missing, min(workers, len(missing)), done, interrupts.asked)
    except (KeyboardInterrupt, RunInterrupted):
        raise interrupted(left, total, hint) from None
    if left:
        raise interrupted(left, total, hint)


def _told(outcome: Outcome) -> str:
    test = "" if outcome.test is None else f", test {outcome.test:.6g}"
    return f"best {outcome.score:.6g}{test}"


def _check(terms: Terms, algorithms: Mapping[str, Algorithm], seeds: tuple[int, ...]) -> None:
    """Refuses what cannot be trained, before anything is created."""
    for seed in seeds:
        Key(seed)  # knows how large a seed may be
    for name, algorithm in algorithms.items():
        try:
            if isinstance(algorithm, Baseline):
                algorithm.check(terms)
            else:
                for seed in seeds:
                    terms.spec(plan_of(algorithm, terms, None), name=name, seed=seed)
        except PopulaceError as error:
            error.args = (f"algorithm {name!r}: {error}",)
            raise
    if terms.steps % terms.interval:
        raised = -(-terms.steps // terms.interval) * terms.interval
        raise UsageError(
            f"`steps` must be a multiple of `interval` so that all algorithms end at a ready point, but got "
            f"(steps={terms.steps}, interval={terms.interval}): take steps={raised}"
        )


def _settings(
    terms: Terms, algorithms: Mapping[str, Algorithm], seeds: tuple[int, ...], *, tested: bool
) -> dict[str, object]:
    described = {
        name: algorithm.to_json() if isinstance(algorithm, Baseline) else policy_to_json(algorithm)
        for name, algorithm in algorithms.items()
    }
    return {**terms.to_json(), "tested": tested, "seeds": list(seeds), "algorithms": described}


def _held(folder: Path, asked: Mapping[str, object]) -> dict[str, object]:
    """Returns what the folder's settings hold beyond what is asked: other algorithms and seeds, whose runs stay.

    Raises:
        RunExists: A comparison is there that differs in more.
    """
    path = folder / SETTINGS
    if folder in list_runs(folder.parent):
        raise RunExists(f"{folder.name!r} is a run, not a comparison: choose another name")
    if not os.path.isfile(path):  # unlike Path's, it takes a name that no file system takes
        return {}
    try:
        held: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunExists(f"{path} holds no comparison's settings: choose another name") from error
    asked_plain = json.loads(json.dumps(asked))
    lines = [
        f"  {name}: {held.get(name)!r} became {value!r}"
        for name, value in asked_plain.items()
        if name not in _LIMITS and held.get(name) != value
    ]
    known, wanted = held.get("algorithms", {}), asked_plain["algorithms"]
    lines += [
        f"  algorithm {name!r}: {known[name]} became {wanted[name]}"
        for name in wanted
        if name in known and known[name] != wanted[name]
    ]
    if lines:
        told = "\n".join(lines)
        raise RunExists(
            f"comparison {folder.name!r} exists, and only seeds and algorithms may be added when it goes on, but:\n"
            f"{told}\nchoose another name"
        )
    return {
        "algorithms": {**known, **wanted},
        "seeds": sorted({*held.get("seeds", []), *asked_plain["seeds"]}),
    }


def _seeds(seeds: object) -> tuple[int, ...]:
    if type(seeds) is int and 1 <= seeds <= _MOST_SEEDS:
        return tuple(range(seeds))
    is_list = isinstance(seeds, Sequence) and not isinstance(seeds, str) and 1 <= len(seeds) <= _MOST_SEEDS
    if is_list and all(type(seed) is int and seed >= 0 for seed in cast("Sequence[object]", seeds)):
        numbers = tuple(cast("Sequence[int]", seeds))
        if len(set(numbers)) == len(numbers):
            return numbers
    raise UsageError(
        f"`seeds` must be how many seeds (1 to {_MOST_SEEDS}) or a list of different ones, but got {seeds!r}: "
        "8 are usual"
    )


def _workers(workers: object) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1
    if type(workers) is int and 1 <= workers <= _MOST_SEEDS:
        return workers
    raise UsageError(f"`1 <= workers <= {_MOST_SEEDS}` must hold, but got {workers!r}: leave it out to use all cores")
