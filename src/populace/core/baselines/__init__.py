"""Policies of rivals: settings tried one after another, and schedules that are given."""

from populace.core.baselines._attempts import Attempts, Pruner, Sampler
from populace.core.baselines._follow import Follow
from populace.core.baselines._rally import Rally

__all__ = ["Attempts", "Follow", "Pruner", "Rally", "Sampler"]
