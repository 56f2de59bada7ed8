"""What a worker process does: it opens the run, trains, and says how it ended by its exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import final

import cloudpickle

from populace._errors import PopulaceError, RunFailed
from populace.executors._executor import Job
from populace.executors._forkserver import die_with_parent
from populace.store import RunStatus
from populace.worker import Heartbeat, Worker, loop_of


class Exit(IntEnum):
    """How a worker process ended."""

    DONE = 0
    RUN_FAILED = 10
    UNUSABLE = 11


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


def work(payload: bytes, assignment: Assignment, report: Connection) -> None:
    """Runs a worker process.

    Args:
        payload: The `Job`, pickled by value.
        assignment: What this worker is told.
        report: Where the reason goes if the process cannot work.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches all; the supervisor decides
    if assignment.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = assignment.device
    try:
        job: Job = cloudpickle.loads(payload)
    except BaseException as error:
        report.send(f"a worker could not load the training code: {type(error).__name__}: {error}")
        sys.exit(Exit.UNUSABLE)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(assignment.threads)
    sys.exit(_train(job, assignment, report))


def _train(job: Job, assignment: Assignment, report: Connection) -> Exit:
    store = job.store(lease_s=assignment.lease_s)
    try:
        with Heartbeat(lambda: job.store(lease_s=assignment.lease_s), assignment.lease_s / 4) as heartbeat:
            Worker(
                name=assignment.name,
                spec=job.spec,
                store=store,
                checkpoints=job.checkpoints(),
                loop=loop_of(job.trainable),
                pause=time.sleep,
                holding=heartbeat.hold,
            ).run()
        return Exit.DONE
    except RunFailed as error:
        store.end(RunStatus.FAILED, str(error))
        report.send(str(error))
        return Exit.RUN_FAILED
    except PopulaceError as error:
        report.send(str(error))
        return Exit.UNUSABLE
    finally:
        store.close()
