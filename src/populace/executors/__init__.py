"""Executors: they place workers."""

from populace.executors._executor import CHECKPOINTS, LEASE_S, SCRATCH, Executor, Job
from populace.executors._inline import Inline
from populace.executors._outages import Outages
from populace.executors._processes import Processes

__all__ = ["CHECKPOINTS", "LEASE_S", "SCRATCH", "Executor", "Inline", "Job", "Outages", "Processes"]
