"""Explore strategies: how copied hyperparameters change."""

from populace.core.explore._explore import ExploreStrategy, FunctionExplore, PlainExplore
from populace.core.explore._strategies import Mixture, NoExplore, Perturb, Resample

__all__ = ["ExploreStrategy", "FunctionExplore", "Mixture", "NoExplore", "Perturb", "PlainExplore", "Resample"]
