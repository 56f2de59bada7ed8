"""Executors: they place workers."""

from populace.executors._by_value import to_bytes
from populace.executors._executor import CHECKPOINTS, LEASE_S, SCRATCH, Executor, Job
from populace.executors._forkserver import die_with_parent, environment, start_process
from populace.executors._inline import Inline
from populace.executors._outages import Outages
from populace.executors._processes import Processes

__all__ = [
    "CHECKPOINTS",
    "LEASE_S",
    "SCRATCH",
    "Executor",
    "Inline",
    "Job",
    "Outages",
    "Processes",
    "die_with_parent",
    "environment",
    "start_process",
    "to_bytes",
]
