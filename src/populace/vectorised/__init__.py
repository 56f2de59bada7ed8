"""The executor that trains a whole population as one compiled JAX program."""

from populace.vectorised._vectorised import Vectorised

__all__ = ["Vectorised"]
