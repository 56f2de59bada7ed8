"""The second shape of a user's code: three functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from populace.space import Key

if TYPE_CHECKING:
    from populace.worker._member import Member


class Trainable(ABC):
    """A training task as three functions; its state is saved, copied and restored without a line from the user.

    The state is any tree of arrays (numpy, torch, JAX) and plain values. Hyperparameters are arguments at every
    step, so a change of them needs no rebuild. Data that the functions need belongs in attributes of the object.

    A task may have a fourth method, `test(state)` or `test(key, state)`, which measures a selected state on data that
    selected nothing; `compare` calls it once per run.
    """

    @abstractmethod
    def init(self, key: Key, hp: Mapping[str, Any]) -> Any:
        """Returns the state before the first step."""

    @abstractmethod
    def step(self, key: Key, state: Any, hp: Mapping[str, Any]) -> Any:
        """Returns the state after one step with hyperparameters `hp`."""

    @abstractmethod
    def evaluate(self, key: Key, state: Any) -> float | Mapping[str, float]:
        """Returns the score of a state, or several named metrics of which the run names one as the score."""


class Driven(Trainable):
    """A task that brings the loop of its three functions itself, such as one that compiles them."""

    @abstractmethod
    def loop(self) -> Callable[[Member], object]:
        """Returns the task as a loop of one member."""
