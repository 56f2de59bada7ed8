"""What decisions look at: so much is loaded from the log, and kept, wherever one is taken; no more is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Looks:
    """What is looked at beyond each member's newest segment; `Looks()` is nothing."""

    memory: int = 0
    """How many evaluations back along the ancestry; 0 for the newest score alone."""
    history: bool = False
    """Whether at equal progress: along the ancestry to where the weights of all members have been."""
    depth: int = 0
    """How many of each member's newest segments, and the parents of those; 0 for none."""
    best: bool = False
    """Whether at `Population.best`, the best segment of the whole run, which may be copied then."""
    log: bool = False
    """Whether at all segments up to each member's newest, and not at ancestries alone."""
