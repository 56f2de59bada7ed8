"""The simulator: real workers, stores, decisions and retention under simulated time, disk and bad luck, from one seed.

`python -m populace.testing.simulator --seeds 0:1000` runs a thousand schedules; a seed that breaks a law breaks it
again every time. `--mutant NAME` plants a bug first, to see whether it is found.
"""

from populace.testing.simulator._batch import BRANCHES, Broken, Report, run_batch, run_seeds
from populace.testing.simulator._mutants import MUTANTS
from populace.testing.simulator._plan import Fault
from populace.testing.simulator._planting import Mutant
from populace.testing.simulator._schedule import Outcome, run_schedule

__all__ = [
    "BRANCHES",
    "MUTANTS",
    "Broken",
    "Fault",
    "Mutant",
    "Outcome",
    "Report",
    "run_batch",
    "run_schedule",
    "run_seeds",
]
