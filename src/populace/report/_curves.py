"""Curves to compare: the best score so far over member steps, of one run or of several runs of one algorithm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from populace._errors import UsageError
from populace.core import Mode, Segment

Point: TypeAlias = tuple[float, float]
"""Member steps and a score."""

Curve: TypeAlias = Sequence[Point]
"""Points in order of their steps; a score holds until the next point."""


@final
@dataclass(frozen=True, kw_only=True)
class Band:
    """A curve with its spread over several runs; four sequences of one length."""

    steps: Sequence[float]
    """Member steps, rising."""
    low: Sequence[float]
    """Lower edge of the spread."""
    middle: Sequence[float]
    """The line drawn."""
    high: Sequence[float]
    """Upper edge of the spread."""

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("steps", "low", "middle", "high")}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name}={length}" for name, length in lengths.items())
            raise UsageError(f"a band's sequences must have one length, but got ({shown}): give one value per step")

    @classmethod
    def of(cls, curves: Iterable[Curve]) -> Band:
        """Returns the median and the quartiles of several curves, from the step at which all of them have begun.

        Raises:
            UsageError: There is no curve, or one of them has no point.
        """
        runs = [np.asarray(curve, dtype=np.float64) for curve in curves]
        if not runs or not all(len(run) for run in runs):
            raise UsageError(f"a band needs curves with points, but got {len(runs)} curves: leave empty ones out")
        begun = max(run[0, 0] for run in runs)
        steps = np.unique(np.concatenate([run[:, 0] for run in runs]))
        steps = steps[steps >= begun]
        held = [run[np.searchsorted(run[:, 0], steps, side="right") - 1, 1] for run in runs]
        low, middle, high = np.quantile(held, (0.25, 0.5, 0.75), axis=0)
        return cls(steps=steps.tolist(), low=low.tolist(), middle=middle.tolist(), high=high.tolist())


def best_so_far(segments: Iterable[Segment], *, mode: Mode) -> list[Point]:
    """Returns the population's best score over member steps, a point wherever members end segments.

    Members count as training side by side: a point at x holds the best score of all segments that ended with their
    member having trained at most x steps. Segments without a finite score count for nothing.
    """
    points: list[Point] = []
    for step, score in sorted((s.member_end, s.score) for s in segments if s.score is not None):
        best = score if not points or mode.orient(score) > mode.orient(points[-1][1]) else points[-1][1]
        if points and points[-1][0] == step:
            points.pop()
        points.append((float(step), best))
    return points
