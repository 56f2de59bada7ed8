"""Explore strategies: how copied hyperparameters change."""

from populace.core.explore._explore import (
    ExploreStrategy,
    FunctionExplore,
    InformedExplore,
    PacedExplore,
    PlainExplore,
    Scene,
    explored,
)
from populace.core.explore._pairwise import Pairwise
from populace.core.explore._pb2 import PB2
from populace.core.explore._region import TrustRegion
from populace.core.explore._strategies import Mixture, NoExplore, Perturb, Resample
from populace.core.explore._strides import Strides

__all__ = [
    "PB2",
    "ExploreStrategy",
    "FunctionExplore",
    "InformedExplore",
    "Mixture",
    "NoExplore",
    "PacedExplore",
    "Pairwise",
    "Perturb",
    "PlainExplore",
    "Resample",
    "Scene",
    "Strides",
    "TrustRegion",
    "explored",
]
