"""Explore strategies: how copied hyperparameters change."""

from populace.core.explore._explore import (
    ExploreStrategy,
    FunctionExplore,
    InformedExplore,
    PlainExplore,
    Scene,
    explored,
)
from populace.core.explore._pairwise import Pairwise
from populace.core.explore._pb2 import PB2
from populace.core.explore._region import TrustRegion
from populace.core.explore._strategies import Mixture, NoExplore, Perturb, Resample

__all__ = [
    "PB2",
    "ExploreStrategy",
    "FunctionExplore",
    "InformedExplore",
    "Mixture",
    "NoExplore",
    "Pairwise",
    "Perturb",
    "PlainExplore",
    "Resample",
    "Scene",
    "TrustRegion",
    "explored",
]
