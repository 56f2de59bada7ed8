"""Explore strategies: how copied hyperparameters change."""

from populace.core.explore._explore import ExploreStrategy, FunctionExplore, PacedExplore, PlainExplore
from populace.core.explore._strategies import Mixture, NoExplore, Perturb, Resample
from populace.core.explore._strides import Strides

__all__ = [
    "ExploreStrategy",
    "FunctionExplore",
    "Mixture",
    "NoExplore",
    "PacedExplore",
    "Perturb",
    "PlainExplore",
    "Resample",
    "Strides",
]
