"""The crew: worker processes that train entries side by side, one process per entry."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import final

from populace._errors import RunFailed, RunInterrupted
from populace.comparison._entries import Entry, Field
from populace.comparison._work import Ended, work
from populace.executors import environment, start_process, to_bytes

_TICK_S = 0.1


@final
@dataclass(frozen=True, kw_only=True)
class _Place:
    """A process that trains an entry."""

    entry: Entry
    process: BaseProcess
    report: Connection


def train_alone(
    field: Field, entries: Sequence[Entry], done: Callable[[Entry], None], stopping: Callable[[], bool]
) -> None:
    """Trains entries one after another in this process.

    Raises:
        RunInterrupted: The user stopped it.
    """
    for entry in entries:
        if stopping():
            return
        field.train(entry)
        done(entry)


def train_side_by_side(
    field: Field,
    entries: Sequence[Entry],
    workers: int,
    done: Callable[[Entry], None],
    stopping: Callable[[], bool],
) -> None:
    """Trains entries in worker processes; returns when all are done, or at their next ready points when asked to stop.

    Args:
        field: What they are trained from.
        entries: Which ones, whoever is needed by another before that one.
        workers: Processes at a time.
        done: Told of each entry that is done.
        stopping: Whether the user has asked to stop.

    Raises:
        RunFailed: An entry cannot be trained or its process died.
    """
    crew = _Crew(field, workers)
    try:
        crew.train(list(entries), done, stopping)
    finally:
        crew.kill()


@final
class _Crew:
    def __init__(self, field: Field, workers: int) -> None:
        self._field = field
        self._payload = to_bytes(field)
        self._workers = workers
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self._places: list[_Place] = []

    def train(self, waiting: list[Entry], done: Callable[[Entry], None], stopping: Callable[[], bool]) -> None:
        told = False
        while self._places or (waiting and not stopping()):
            while not stopping() and len(self._places) < self._workers and (entry := self._next(waiting)) is not None:
                waiting.remove(entry)
                self._places.append(self._start(entry))
            wait([place.process.sentinel for place in self._places], timeout=_TICK_S)
            if stopping() and not told:
                told = True
                for place in self._places:
                    place.process.terminate()  # it ends at its next ready point
            for place in [place for place in self._places if place.process.exitcode is not None]:
                self._places.remove(place)
                if self._hear(place, asked=told):
                    done(place.entry)

    def kill(self) -> None:
        """Ends what is left, at once."""
        for place in self._places:
            place.process.kill()
            place.process.join()

    def _next(self, waiting: Sequence[Entry]) -> Entry | None:
        """Returns the first entry that waits for nobody."""
        for entry in waiting:
            needed = self._field.needed_by(entry)
            if needed is None or (needed not in waiting and all(needed != place.entry for place in self._places)):
                return entry
        return None

    def _start(self, entry: Entry) -> _Place:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = start_process(
            work,
            self._payload,
            entry,
            environment(self._threads),
            theirs,
            name=f"populace-{entry.run}",
            preload=["populace.comparison._work"],
            threads=self._threads,
        )
        theirs.close()
        return _Place(entry=entry, process=process, report=ours)

    def _hear(self, place: _Place, *, asked: bool) -> bool:
        """Returns whether an ended process has trained its entry to the end; one that was asked to stop need not."""
        try:
            ended, text = place.report.recv() if place.report.poll() else (None, "")
        except EOFError:
            ended, text = None, ""
        place.report.close()
        match ended:
            case Ended.DONE:
                return True
            case Ended.INTERRUPTED:
                return False
            case Ended.REFUSED:
                raise RunFailed(f"{place.entry.algorithm}, seed {place.entry.seed}: {text}")
        if asked:
            return False
        raise RunFailed(
            f"the process that trained {place.entry.algorithm}, seed {place.entry.seed}, died (exit code "
            f"{place.process.exitcode}); what was published is safe: make the same call again, with fewer workers if "
            "memory runs out"
        )


def interrupted(missing: int, all_entries: int, hint: str) -> RunInterrupted:
    """Returns what a comparison that was stopped ends with."""
    return RunInterrupted(
        f"stopped with {all_entries - missing} of {all_entries} runs done; everything is saved. Go on with: {hint}"
    )
