"""Executors: they place workers."""

from populace.executors._executor import CHECKPOINTS, Executor, Job
from populace.executors._inline import Inline
from populace.executors._processes import Processes

__all__ = ["CHECKPOINTS", "Executor", "Inline", "Job", "Processes"]
