"""Population Based Training for people who train models.

A population of models trains at once; members that lag copy better ones and change their hyperparameters. The result is
a trained model and the schedule of hyperparameters that made it. Start with `tune`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from populace._errors import PopulaceError

if TYPE_CHECKING:
    from populace.comparison import (
        Advice,
        Comparison,
        FinalHyperparameters,
        Fixed,
        SequentialSearch,
        SuccessiveHalving,
        WinningSchedule,
        advise,
        compare,
    )
    from populace.core import MFPBT, PBT, FirePBT, Guard, Oversampled, RandomSearch, Restart, Schedule
    from populace.core.exploit import (
        Backtrack,
        BinaryTournament,
        Halves,
        MultiFrequency,
        NoExploit,
        Truncation,
        TTest,
    )
    from populace.core.explore import PB2, Mixture, NoExplore, Pairwise, Perturb, Resample, Strides, TrustRegion
    from populace.executors import Inline, Processes
    from populace.run import Callback, Result, replay, resume, tune
    from populace.space import (
        Choice,
        Complement,
        Constant,
        IntUniform,
        Key,
        LogIntUniform,
        LogUniform,
        Ordinal,
        Space,
        Uniform,
    )
    from populace.vectorised import Vectorised
    from populace.worker import Member, Shrinkable, Trainable

__version__ = "0.1.0.dev0"

_HOMES = {
    "comparison": (
        *("advise", "Advice", "compare", "Comparison", "SequentialSearch", "SuccessiveHalving"),
        *("Fixed", "WinningSchedule", "FinalHyperparameters"),
    ),
    "run": ("tune", "resume", "replay", "Result", "Callback"),
    "worker": ("Trainable", "Shrinkable", "Member"),
    "core": ("PBT", "MFPBT", "Oversampled", "Restart", "FirePBT", "RandomSearch", "Guard", "Schedule"),
    "core.exploit": (
        *("Truncation", "TTest", "BinaryTournament", "NoExploit"),
        *("Backtrack", "MultiFrequency", "Halves"),
    ),
    "core.explore": (
        *("Perturb", "Resample", "Mixture", "NoExplore"),
        *("Strides", "PB2", "TrustRegion", "Pairwise"),
    ),
    "space": (
        *("Space", "Uniform", "LogUniform", "IntUniform", "LogIntUniform"),
        *("Complement", "Choice", "Ordinal", "Constant", "Key"),
    ),
    "executors": ("Inline", "Processes"),
    "vectorised": ("Vectorised",),
}
_HOME_OF = {name: f"populace.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "MFPBT",
    "PB2",
    "PBT",
    "Advice",
    "Backtrack",
    "BinaryTournament",
    "Callback",
    "Choice",
    "Comparison",
    "Complement",
    "Constant",
    "FinalHyperparameters",
    "FirePBT",
    "Fixed",
    "Guard",
    "Halves",
    "Inline",
    "IntUniform",
    "Key",
    "LogIntUniform",
    "LogUniform",
    "Member",
    "Mixture",
    "MultiFrequency",
    "NoExploit",
    "NoExplore",
    "Ordinal",
    "Oversampled",
    "Pairwise",
    "Perturb",
    "PopulaceError",
    "Processes",
    "RandomSearch",
    "Resample",
    "Restart",
    "Result",
    "Schedule",
    "SequentialSearch",
    "Shrinkable",
    "Space",
    "Strides",
    "SuccessiveHalving",
    "TTest",
    "Trainable",
    "Truncation",
    "TrustRegion",
    "Uniform",
    "Vectorised",
    "WinningSchedule",
    "advise",
    "compare",
    "replay",
    "resume",
    "tune",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'populace' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOME_OF]
