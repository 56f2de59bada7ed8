"""What a member's loop is driven by: one stretch of steps after another.

`Member` turns a life into the user's `for` loop. A worker's stay and a replay are lives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from populace._errors import DamagedCheckpoint
from populace.core import Evaluation, Shrink
from populace.space import Hyperparameters, Key

State = dict[str, object]


@final
@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Steps with fixed hyperparameters."""

    member: int
    """The member that trains."""
    generation: int
    """Its generation."""
    start_step: int
    """Weight steps before."""
    end_step: int
    """Weight steps after."""
    hyperparameters: Hyperparameters
    """The active ones."""
    evaluate_every: int | None = None
    """Steps between evaluations; None evaluates at the end."""
    shrink: Shrink | None = None
    """How the weights are shrunk and perturbed before the first step; None: they stay as they are."""


class Life(ABC):
    """One stay of one member."""

    @property
    @abstractmethod
    def seed(self) -> int:
        """Root of the member's random keys."""

    @property
    @abstractmethod
    def metric(self) -> str | None:
        """The metric that is the score."""

    @property
    @abstractmethod
    def stretch(self) -> Stretch:
        """What to train now."""

    @property
    @abstractmethod
    def init_key(self) -> Key:
        """The key of `init`, the same whenever the member's first weights are made."""

    @property
    @abstractmethod
    def names(self) -> Collection[str]:
        """The names of all hyperparameters, those included whose condition does not hold now."""

    @property
    @abstractmethod
    def allow_pickle(self) -> bool:
        """Whether checkpoints may hold pickles."""

    @property
    @abstractmethod
    def scratch(self) -> Path | None:
        """Where files may lie while a checkpoint is written or read; None: where the system keeps such files."""

    @property
    @abstractmethod
    def shrinks(self) -> bool:
        """Whether weights may have to be shrunk and perturbed."""

    @abstractmethod
    def checkpoint(self) -> bytes | None:
        """Returns the checkpoint to start from, or None where the weights are those in memory or of `init`."""

    @abstractmethod
    def spoilt(self, error: DamagedCheckpoint) -> None:
        """Is told that what `checkpoint` returned cannot be read."""

    @abstractmethod
    def finish(self, evaluations: Sequence[Evaluation], save: Callable[[], State], written: Callable[[], None]) -> bool:
        """Ends the stretch and moves on to the next.

        Args:
            evaluations: What was measured.
            save: Gives the state.
            written: Called when the state has been written and `save`'s result is needed no more.

        Returns:
            Whether there is a next stretch in this stay.
        """
