"""Shrink and perturb: weights that have settled are made able to learn again without being thrown away.

Ash and Adams (2020, NeurIPS, arXiv 1910.08475, section 4): each weight becomes `keep` times itself plus `renew` times
one that was drawn anew. (1, 0) changes nothing, (0, 1) makes fresh weights. What of a state is a weight, and what
becomes of the rest (moments, counters, running means), only the user's code knows: it does the mixing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.core._segment import Why
from populace.core._whole import is_number

_NAME = "shrink"


@final
@dataclass(frozen=True, kw_only=True)
class Shrink:
    """How much of old and of fresh weights new ones are made."""

    keep: float
    """What old weights are multiplied by, in [0, 1]."""
    renew: float
    """What fresh weights are multiplied by, in [0, 1]."""

    def __post_init__(self) -> None:
        for name, value in (("keep", self.keep), ("renew", self.renew)):
            if not is_number(value) or not math.isfinite(value) or not 0 <= value <= 1:
                raise UsageError(
                    f"`0 <= {name} <= 1` must hold, but got Shrink({name}={value!r}): 0.2 of the old weights and 0.1 "
                    "of fresh ones are usual"
                )

    @classmethod
    def of(cls, why: Why) -> Shrink | None:
        """Returns what a decision's numbers say of it; None where they say nothing, as in all older logs."""
        told = why.get(_NAME)
        return cls(keep=told[0], renew=told[1]) if isinstance(told, list | tuple) and len(told) == 2 else None

    def told(self, why: Why) -> Why:
        """Returns a decision's numbers with this among them."""
        return {**why, _NAME: [self.keep, self.renew]}
