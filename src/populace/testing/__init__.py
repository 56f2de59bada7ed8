"""For tests: the laws that implementations of populace's protocols must obey."""

from populace.testing._checkpoints import CheckpointStoreConformance
from populace.testing._clock import FakeClock
from populace.testing._population import population_of
from populace.testing._simulate import Order, Problem, Simulation, simulate
from populace.testing._stores import StoreConformance

__all__ = [
    "CheckpointStoreConformance",
    "FakeClock",
    "Order",
    "Problem",
    "Simulation",
    "StoreConformance",
    "population_of",
    "simulate",
]
