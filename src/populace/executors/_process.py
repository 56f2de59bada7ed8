"""What a worker process does: it opens the run, trains, and says how it ended."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import final

import cloudpickle

from populace._errors import PopulaceError, RunFailed
from populace.executors._executor import Job
from populace.executors._forkserver import die_with_parent
from populace.store import HostClock, Store, has_room
from populace.worker import Heartbeat, Patience, PatientCheckpoints, PatientStore, Record, Worker, loop_of

_MAX_TEXT = 10_000  # a pipe that nobody reads yet holds 64 kB


class Word(Enum):
    """What a worker process says of itself; one that ends without one of the last three words has died."""

    PAUSED = "the disk is full"
    RESUMED = "there is space again"
    DONE = "done"
    RUN_FAILED = "the run cannot go on"
    UNUSABLE = "the store or the checkpoints cannot be used"


@final
@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What one worker process is told."""

    name: str
    """The worker's name in the log."""
    device: str | None
    """What CUDA_VISIBLE_DEVICES is set to; None leaves it."""
    threads: int
    """Numerical threads."""
    lease_s: float
    """Seconds that a claim lasts without a heartbeat."""
    since: float
    """When it was told, on the host's clock; the run could be written then."""
    environment: Mapping[str, str]
    """The environment variables; the fork server has those of the time when it was started."""


def work(payload: bytes, assignment: Assignment, report: Connection) -> None:
    """Runs a worker process.

    Args:
        payload: The `Job`, pickled by value.
        assignment: What this worker is told.
        report: Where its words go: a `Word` and a text.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches all; the supervisor decides
    os.environ.clear()
    os.environ.update(assignment.environment)
    if assignment.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = assignment.device
    word, text = _work(payload, assignment, lambda word: report.send((word, "")))
    report.send((word, text[-_MAX_TEXT:]))
    report.close()


def _work(payload: bytes, assignment: Assignment, say: Callable[[Word], None]) -> tuple[Word, str]:
    try:
        job: Job = cloudpickle.loads(payload)
    except BaseException as error:
        return Word.RUN_FAILED, f"a worker could not load the training code: {type(error).__name__}: {error}"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(assignment.threads)
    record = Record(
        now=HostClock().now,
        lease_s=assignment.lease_s,
        has_room=lambda: has_room(job.directory),
        since=assignment.since,
    )
    patience = Patience(
        record=record, pause=time.sleep, paused=lambda: say(Word.PAUSED), resumed=lambda: say(Word.RESUMED)
    )

    def open_store() -> Store:
        return PatientStore(job.store(lease_s=assignment.lease_s), patience)

    store = open_store()
    try:
        with Heartbeat(open_store, assignment.lease_s / 4) as heartbeat:
            Worker(
                name=assignment.name,
                spec=job.spec,
                store=store,
                checkpoints=PatientCheckpoints(job.checkpoints(), patience),
                loop=loop_of(job.trainable),
                pause=time.sleep,
                holding=heartbeat.hold,
                scratch=job.scratch,
            ).run()
        return Word.DONE, ""
    except RunFailed as error:
        return Word.RUN_FAILED, str(error)
    except PopulaceError as error:
        return Word.UNUSABLE, str(error)
    finally:
        store.close()
