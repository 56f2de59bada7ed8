"""What part of the score axis is shown, so that one exploded member does not flatten all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from populace.core import Mode

LOG_FROM_RATIO = 10
"""Positive losses that span at least this factor are shown on a log axis."""

# In widths of the stretch from the best to the typical score: from where a score counts as exploded, and how much room
# is left beyond the typical score where one has.
_FAR_BEYOND = 1.5
_ROOM_BEYOND = 0.75
_MARGIN = 0.05
# Numbers and distances below it count as zero: near a float's end an axis cannot be divided.
_LEAST = 1e-200


@final
@dataclass(frozen=True, kw_only=True)
class Shown:
    """A stretch of the score axis."""

    low: float
    """Its lower end."""
    high: float
    """Its upper end."""
    is_log: bool
    """Whether the axis is logarithmic."""
    num_cut: int
    """How many of the scores lie outside."""
    num_all: int
    """How many scores there are."""

    @classmethod
    def of(cls, scores: Sequence[float], mode: Mode, always: Sequence[float] = ()) -> Shown | None:
        """Returns the stretch that shows a run; None where no score is finite.

        Call typical the worse of the 75% quantile and the worst of `always`. Where no score is more than one and a
        half times as far beyond it as it is from the best, all are shown; else the axis ends a little beyond it. Only
        bad scores are ever cut.

        Args:
            scores: All scores; those that are not finite are left out.
            mode: Whether a larger or a smaller score is better.
            always: Scores that must be seen: the winner's path.
        """
        finite, kept = _finite(scores), _finite(always)
        if not len(finite):
            return None
        typical = np.max([np.quantile(finite, 0.75), *kept])
        lowest = float(finite.min())
        is_log = mode is Mode.MIN and lowest > _LEAST and bool(typical >= LOG_FROM_RATIO * lowest)
        # On this scale smaller is better, whatever the mode.
        sign = 1.0 if mode is Mode.MIN else -1.0
        places, kept_places = (np.log10(part) if is_log else sign * part for part in (finite, kept))
        best, worst = float(places.min()), float(places.max())
        typical = float(np.max([np.quantile(places, 0.75), *kept_places]))
        width = typical - best
        if width <= max(1e-9 * abs(best), _LEAST):
            width = abs(best) * 0.1 or 1.0
        is_far = worst > typical + _FAR_BEYOND * width
        end = typical + _ROOM_BEYOND * width if is_far else worst
        margin = _MARGIN * ((end - best) or width)
        near, far = best - margin, end + margin
        ends = (10**near, 10**far) if is_log else (sign * near, sign * far)
        num_cut = int(np.count_nonzero(places > far))
        return cls(low=min(ends), high=max(ends), is_log=is_log, num_cut=num_cut, num_all=len(finite))

    def clamp(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Returns the scores, those far outside moved to just outside: drawing needs no astronomical numbers."""
        beyond = self.high - self.low
        floor = self.low / 10 if self.is_log else self.low - beyond
        return np.clip(np.asarray(scores, dtype=np.float64), floor, self.high + beyond)

    @property
    def remark(self) -> str:
        """A sentence for the caption, empty where nothing is cut."""
        if not self.num_cut:
            return ""
        return f" {self.num_cut} of {self.num_all} scores are so bad that they lie beyond the axis, which is cut there."


def _finite(scores: Sequence[float]) -> npt.NDArray[np.float64]:
    """Returns the finite scores; beyond 1e150 their differences would overflow."""
    array = np.asarray(scores, dtype=np.float64)
    return np.clip(array[np.isfinite(array)], -1e150, 1e150)
