"""One worker in the caller's own thread: the deterministic reference, and the place for debuggers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from populace.core import RunSpec
from populace.executors._executor import LEASE_S, Executor, Job
from populace.executors._outages import Outages
from populace.worker import PatientCheckpoints, PatientStore, Worker, loop_of

_NAME = "inline"


@final
@dataclass(frozen=True)
class Inline(Executor):
    """Trains the members in turn in this process."""

    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        patience = outages.patience(_NAME, lease_s=LEASE_S, stopping=stopping)
        store = PatientStore(job.store(), patience)
        try:
            Worker(
                name=_NAME,
                spec=job.spec,
                store=store,
                checkpoints=PatientCheckpoints(job.checkpoints(), patience),
                loop=loop_of(job.trainable),
                pause=time.sleep,
                holding=lambda _: watch(),
                stopping=stopping,
                scratch=job.scratch,
            ).run()
        finally:
            store.close()

    def check(self, job: Job) -> None:
        loop_of(job.trainable)

    def warnings(self, spec: RunSpec) -> list[str]:
        return []
