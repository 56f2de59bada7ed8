"""Explore strategies: how copied hyperparameters change."""

from populace.core.explore._explore import (
    ExploreStrategy,
    FunctionExplore,
    InformedExplore,
    PlainExplore,
    Scene,
    explored,
)
from populace.core.explore._pb2 import PB2
from populace.core.explore._strategies import Mixture, NoExplore, Perturb, Resample

__all__ = [
    "PB2",
    "ExploreStrategy",
    "FunctionExplore",
    "InformedExplore",
    "Mixture",
    "NoExplore",
    "Perturb",
    "PlainExplore",
    "Resample",
    "Scene",
    "explored",
]
