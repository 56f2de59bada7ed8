"""What a task of the suite is: something to train, a score to select by, another to report."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from populace.space import Dimension, Hyperparameters, Key, Space
from populace.worker import Driven, Trainable

NUM_TICKS = 100
"""A run is a hundred ticks long, so that an interval of k ticks is k % of the run."""


class Herd(Trainable):
    """A plain task that trains several states at once faster than one after another."""

    @abstractmethod
    def steps(
        self, keys: Sequence[Sequence[Key]], states: Sequence[Any], hyperparameters: Sequence[Hyperparameters]
    ) -> list[Any]:
        """Returns states after some steps each: to rounding what `step` makes of each alone.

        Args:
            keys: For each step, a key for each state.
            states: The states.
            hyperparameters: Each one's.
        """

    @abstractmethod
    def scores(self, keys: Sequence[Key], states: Sequence[Any]) -> list[float]:
        """Returns what `evaluate` says of each state."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A task with its settings, fixed beforehand."""

    name: str
    """As in tables and on the command line."""
    trainable: Trainable | Driven
    """What is trained; its score is to be made large."""
    space: Mapping[str, Dimension]
    """What is tuned."""
    steps_per_tick: int
    """Steps in a hundredth of a run."""
    test: Callable[[Any, Any], Any]
    """`(key, state) -> scalar`, larger is better: measured once, on the state that was chosen by the score. The key is
    a JAX key where the task is written in JAX."""
    source: str
    """Where the task is from, and what is known of its optimum."""
    metric: str | None = None
    """Which of the measured values is the score; None where there is only one."""
    initial: Callable[[Key], Hyperparameters] | None = None
    """A member's first hyperparameters from its key; None: a draw from the space."""
    keeps_schedule: bool = False
    """Whether the schedule of a population's winner is kept with its result, to be replayed."""
    num_seeds: int = 16
    """Seeds that a report needs."""
    seeds_at_once: int = 16
    """Seeds that train in one program."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", Space.of(self.space))

    @property
    def num_steps(self) -> int:
        """Steps of a whole run."""
        return NUM_TICKS * self.steps_per_tick

    def starts(self, seed: int, population: int) -> tuple[Hyperparameters, ...]:
        """Returns the first hyperparameters of a population where the task draws them itself."""
        if self.initial is None:
            return ()
        return tuple(self.initial(Key(seed).fold(member, 0, "start")) for member in range(population))
