"""Training a run: everything between a specification and a result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast, final

from populace._errors import DiskFull, RunExists, RunFailed, RunInterrupted, StoreError, UnknownRun
from populace.checkpoints import LocalCheckpoints
from populace.core import Failed, RunSpec, Segment
from populace.executors import CHECKPOINTS, LEASE_S, SCRATCH, Executor, Job, Outages
from populace.run._callbacks import Callback, Callbacks
from populace.run._display import Display
from populace.run._interrupt import Interrupts
from populace.run._result import Result
from populace.run._watch import Watch
from populace.store import RunLock, RunState, RunStatus, SqliteStore, Store
from populace.worker import Loop, PatientStore, Trainable


@final
class Training:
    """One run in one folder, to be created or continued and then trained.

    Args:
        directory: The run's folder.
        spec: What is asked.
        trainable: The user's code.
        executor: What places the workers.
        display: What shows the run.
        callbacks: Who watches it.
        resume_hint: The command or call that resumes the run, for messages.
    """

    def __init__(
        self,
        *,
        directory: Path,
        spec: RunSpec,
        trainable: object,
        executor: Executor,
        display: Display,
        callbacks: Sequence[Callback],
        resume_hint: str,
    ) -> None:
        self._directory = directory
        self._spec = spec
        self._job = Job(directory=directory, spec=spec, trainable=cast("Trainable | Loop", trainable))
        self._executor = executor
        self._display = display
        self._callbacks = Callbacks(callbacks)
        self._resume_hint = resume_hint
        self._interrupts = Interrupts(display.note)
        self._outages = Outages(directory, display.note)

    def run(self) -> Result:
        """Trains until every member is done; a disk that is full once it trains is waited for.

        Raises:
            DiskFull: There is no space to begin with.
            RunBusy: Another process trains the run.
            RunFailed: The run cannot go on.
            RunInterrupted: The user stopped it; it can be resumed.
            StoreError: The store or the checkpoints cannot be used.
        """
        with RunLock(self._directory):
            store = SqliteStore(self._directory)
            try:
                if not is_created(self._directory):
                    store.create(self._spec)
                store.open(self._spec)
                self._sweep(store)
                try:
                    self._train(store)
                except BaseException:
                    with suppress(StoreError):  # what ended the run is what the user must hear
                        self._sweep(store)
                    raise
            except KeyboardInterrupt:
                raise RunInterrupted(
                    f"stopped at once; what was published is safe. Resume with: {self._resume_hint}"
                ) from None
            finally:
                store.close()
        result = Result(self._directory, trainable=self._job.trainable, policy=self._spec.policy)
        self._callbacks.each(lambda callback: callback.on_end(result), "on_end")
        return result

    def _train(self, impatient: SqliteStore) -> None:
        patience = self._outages.patience("the run", lease_s=LEASE_S, stopping=self._interrupts.asked)
        store = PatientStore(impatient, patience)
        for line in (*self._spec.policy.warnings(self._spec.population), *self._executor.warnings(self._spec)):
            self._display.note(line)
        changes = store.snapshot()
        self._display.start(self._spec, list(changes.ended), store.state().best)
        self._callbacks.each(lambda callback: callback.on_start(self._spec), "on_start")
        watch = Watch(store, self._callbacks, self._display, changes.sequence)
        try:
            with self._interrupts:
                self._guarded(impatient, watch)
            watch.look()
            self._end(store)
            self._sweep(store)
            self._outages.look()
        finally:
            self._display.stop()

    def _guarded(self, store: Store, watch: Callable[[], None]) -> None:
        def look() -> None:
            watch()
            self._outages.look()

        try:
            self._executor.execute(self._job, watch=look, stopping=self._interrupts.asked, outages=self._outages)
        except RunFailed as error:
            with suppress(DiskFull):  # the user must hear of the failure now
                store.end(RunStatus.FAILED, str(error))
            raise

    def _end(self, store: Store) -> None:
        state = store.state()
        unfinished = [m for m, steps in enumerate(state.steps) if steps < self._spec.steps and m not in state.retired]
        if unfinished:
            done = sum(state.steps)
            raise RunInterrupted(
                f"stopped after {done} of {self._spec.population * self._spec.steps} member-steps; "
                f"everything is saved. "
                f"Resume with: {self._resume_hint}"
            )
        failure = _failure(self._spec, state, store.snapshot().ended)
        if failure is not None:
            store.end(RunStatus.FAILED, failure)
            raise RunFailed(failure)
        store.end(RunStatus.FINISHED)

    def _sweep(self, store: Store) -> None:
        """Removes what a crash may have left; nobody is at work while the run's lock is held and no worker lives."""
        checkpoints = LocalCheckpoints(self._directory / CHECKPOINTS)
        shutil.rmtree(self._directory / SCRATCH, ignore_errors=True)
        with suppress(FileNotFoundError):
            checkpoints.sweep(store.referenced())
        for gone in store.collect():  # last: what is removed before may make the space that it needs
            checkpoints.delete(gone)


def is_created(directory: Path) -> bool:
    """Returns whether there is a run in a folder; a creation that was cut short has left a file, but no run."""
    store = SqliteStore(directory)
    try:
        store.read()
    except UnknownRun:
        return False
    finally:
        store.close()
    return True


def _failure(spec: RunSpec, state: RunState, newest: Sequence[Segment]) -> str | None:
    """Returns why a run whose members are all done has found nothing; None for one that has."""
    if len(state.retired) == spec.population:
        reasons = [s.outcome.reason for s in newest if isinstance(s.outcome, Failed)]
        return "\n".join(["every member was given up after its code failed; the last one with:", *reasons[-1:]])
    if state.best is None:
        return (
            f"no member has reported a finite {spec.metric or 'score'}: check what is reported, and the upper "
            "bounds of the search space"
        )
    return None


def continued(directory: Path, asked: RunSpec, *, force: bool) -> RunSpec:
    """Returns the specification under which an existing run goes on: its own, with the limits asked for.

    Raises:
        RunExists: What is asked differs in more than limits.
        StoreError: The run was written by a newer version.
    """
    store = SqliteStore(directory)
    try:
        held = RunSpec.from_json(store.read(), policy=asked.policy)
        recorded = store.read()
    finally:
        store.close()
    differences = held.differences(asked) + _policy_difference(recorded, asked)
    if not differences:
        return held.with_limits(asked)
    if not force:
        listed = "\n".join(f"  {line}" for line in differences)
        raise RunExists(
            f"run {asked.name!r} exists, and only limits (steps, population, max_failures) may change when it goes on, "
            f"but:\n"
            f"{listed}\nchoose another name for a new run, or go on all the same with populace.resume(..., force=True)"
        )
    if asked.space.differences(held.space) or asked.seed != held.seed:
        raise RunExists(
            f"run {asked.name!r} cannot go on with another space or seed, even by force: choose another name"
        )
    return asked


def _policy_difference(recorded: object, asked: RunSpec) -> list[str]:
    assert isinstance(recorded, dict)
    mine, theirs = recorded["policy"], asked.to_json()["policy"]
    return [] if mine == theirs else [f"policy: {mine} became {theirs}"]
