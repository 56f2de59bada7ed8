"""For tests: the laws that implementations of populace's protocols must obey."""

from populace.testing._checkpoints import CheckpointStoreConformance
from populace.testing._simulate import Order, Problem, Simulation, simulate

__all__ = ["CheckpointStoreConformance", "Order", "Problem", "Simulation", "simulate"]
