"""Executors: they place workers."""

from populace.executors._executor import CHECKPOINTS, SCRATCH, Executor, Job
from populace.executors._inline import Inline
from populace.executors._processes import Processes

__all__ = ["CHECKPOINTS", "SCRATCH", "Executor", "Inline", "Job", "Processes"]
