"""What an executor is: it places workers and waits for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from populace.checkpoints import CheckpointStore, LocalCheckpoints
from populace.core import RunSpec
from populace.executors._outages import Outages
from populace.store import Store
from populace.worker import Loop, Trainable

LEASE_S = 60.0
CHECKPOINTS = "checkpoints"
SCRATCH = "scratch"


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be trained: what every worker needs."""

    directory: Path
    """The run's folder: `store.sqlite` and `checkpoints/`."""
    spec: RunSpec
    """The run."""
    trainable: Trainable | Loop
    """The user's code."""

    def store(self, *, lease_s: float = LEASE_S) -> Store:
        """Opens the run's log, for one thread."""
        from populace.store import SqliteStore  # not before a run needs it: SQLAlchemy is slow to import

        return SqliteStore(self.directory, lease_s=lease_s)

    @property
    def scratch(self) -> Path:
        """Where files lie for a moment; what a killed worker leaves there is removed with the folder."""
        return self.directory / SCRATCH

    def checkpoints(self) -> CheckpointStore:
        """Opens the run's checkpoints."""
        return LocalCheckpoints(self.directory / CHECKPOINTS)


class Executor(ABC):
    """Places workers. Whatever it is, the workers take the same decisions and write the same log."""

    @abstractmethod
    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        """Trains a run until every member is done, or until it is asked to stop.

        Args:
            job: The run; its store exists and no other worker trains it.
            watch: To be called now and then, several times a second if possible.
            stopping: Whether workers should stop at their next ready point.
            outages: Told who waits on a full disk.

        Raises:
            KeyboardInterrupt: The run is to stop while there is no space to do so at a ready point.
            RunFailed: The run cannot go on.
            StoreError: The store or the checkpoints cannot be used.
        """

    @abstractmethod
    def check(self, job: Job) -> None:
        """Refuses what cannot work, before anything is created.

        Raises:
            UsageError: What, and what to do.
        """

    @abstractmethod
    def warnings(self, spec: RunSpec) -> list[str]:
        """Returns what the user should know of this executor for a run, a line each."""
