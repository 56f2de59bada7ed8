"""The second shape of a user's code: three functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from populace.space import Key

if TYPE_CHECKING:
    from populace.worker._member import Member


NOT_SHRINKABLE = (
    "the policy shrinks and perturbs weights, which only your code can do: derive the task from populace.Shrinkable "
    "too and write its `shrink`, call member.shrink_by(function) before the loop, or use Restart(anew=1.0), which "
    "begins every member anew"
)
"""What is told to whose weights cannot be shrunk."""


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


class Shrinkable(ABC):
    """A task whose weights can be shrunk and perturbed, as `Restart` asks for: a base class beside `Trainable`.

    ```python
    class Digits(populace.Trainable, populace.Shrinkable):
        def shrink(self, state, fresh, keep, renew):
            mixed = {n: keep * w + renew * fresh["weights"][n] for n, w in state["weights"].items()}
            return {**fresh, "weights": mixed}
    ```
    """

    @abstractmethod
    def shrink(self, state: Any, fresh: Any, keep: float, renew: float) -> Any:
        """Returns the state with which training goes on; its weights are `keep` of the old and `renew` of fresh ones.

        Args:
            state: What was trained.
            fresh: What `init` has just returned; what is no weight (moments, counters, running means) is best taken
                from here. A state that was made of NaN is not asked about.
            keep: What old weights are to be multiplied by, in [0, 1].
            renew: What fresh weights are to be multiplied by, in [0, 1].
        """


class Driven(Trainable):
    """A task that brings the loop of its three functions itself, such as one that compiles them."""

    @abstractmethod
    def loop(self) -> Callable[[Member], object]:
        """Returns the task as a loop of one member."""
