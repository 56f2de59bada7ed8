"""The simulator."""

from populace.testing.simulator._schedule import Outcome, run_schedule

__all__ = ["Outcome", "run_schedule"]
