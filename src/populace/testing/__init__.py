"""For tests: the laws that implementations of populace's protocols must obey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.testing._between import Between, PastLog
from populace.testing._checkpoints import CheckpointStoreConformance
from populace.testing._clock import FakeClock
from populace.testing._full import FillableCheckpoints, FillableStore
from populace.testing._mutations import MUTATIONS, mutant_of
from populace.testing._population import population_of, population_of_lives
from populace.testing._simulate import Order, Problem, Simulation, simulate
from populace.testing._stores import StoreConformance
from populace.testing._toys import (
    BOWL_SPACE,
    Bowl,
    DivergingBowl,
    FailingBowl,
    NoisyBowl,
    ToyError,
    bowl_loop,
    tune_toy,
)

if TYPE_CHECKING:
    from populace.testing._check_trainable import check_trainable
    from populace.testing._jax_toys import JaxBowl

__all__ = [
    "BOWL_SPACE",
    "MUTATIONS",
    "Between",
    "Bowl",
    "CheckpointStoreConformance",
    "DivergingBowl",
    "FailingBowl",
    "FakeClock",
    "FillableCheckpoints",
    "FillableStore",
    "JaxBowl",
    "NoisyBowl",
    "Order",
    "PastLog",
    "Problem",
    "Simulation",
    "StoreConformance",
    "ToyError",
    "bowl_loop",
    "check_trainable",
    "mutant_of",
    "population_of",
    "population_of_lives",
    "simulate",
    "tune_toy",
]


def __getattr__(name: str) -> object:
    if name == "check_trainable":  # these two need JAX
        from populace.testing._check_trainable import check_trainable

        return check_trainable
    if name == "JaxBowl":
        from populace.testing._jax_toys import JaxBowl

        return JaxBowl
    raise AttributeError(name)
