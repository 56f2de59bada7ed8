"""For tests: the laws that implementations of populace's protocols must obey."""

from populace.testing._between import Between, PastLog
from populace.testing._checkpoints import CheckpointStoreConformance
from populace.testing._clock import FakeClock
from populace.testing._full import FillableCheckpoints, FillableStore
from populace.testing._mutations import MUTATIONS, mutant_of
from populace.testing._population import population_of
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
    "NoisyBowl",
    "Order",
    "PastLog",
    "Problem",
    "Simulation",
    "StoreConformance",
    "ToyError",
    "bowl_loop",
    "mutant_of",
    "population_of",
    "simulate",
    "tune_toy",
]
