"""Mutants: bugs planted in the engine, to see whether the simulator finds them.

A checker that misses a bug which is known to be there proves nothing about those that are not known.
"""

from __future__ import annotations

from collections.abc import Mapping

from populace.testing.simulator._mutants_store import STORE_MUTANTS
from populace.testing.simulator._mutants_worker import WORKER_MUTANTS
from populace.testing.simulator._planting import Mutant

MUTANTS: Mapping[str, Mutant] = {mutant.name: mutant for mutant in (*STORE_MUTANTS, *WORKER_MUTANTS)}
"""Every mutant by its name."""
