"""One page that shows a run: scores, schedule, lineage."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure

from populace.core import Mode, Schedule, Segment, SegmentId
from populace.report._canvas import INK, literal, new_figure
from populace.report._descent import Descent, best_segment
from populace.report._lineage import draw_lineage, lineage_height_in
from populace.report._schedule import draw_schedule, schedule_height_in
from populace.report._scores import draw_scores
from populace.space import Space

_SCORES_HEIGHT_IN = 4.8


def figure_overview(
    segments: Iterable[Segment],
    *,
    space: Space,
    mode: Mode,
    best: SegmentId | str | None = None,
    metric: str | None = None,
    title: str | None = None,
) -> Figure:
    """Returns one page with the scores, the schedule of the best and the lineage.

    Args:
        segments: All segments of one run.
        space: The search space.
        mode: Whether a larger or a smaller score is better.
        best: The segment whose path and schedule stand out; None: the one with the best score.
        metric: Name of the score.
        title: What stands above the page, for example the run's name.

    Raises:
        UsageError: There is no segment `best`.
    """
    listed = list(segments)
    descent = Descent.of(listed, best or best_segment(listed, mode))
    schedule = Schedule.of(descent.winner, space, None) if descent.winner else None
    heights = [_SCORES_HEIGHT_IN, schedule_height_in(space), lineage_height_in(descent)]
    figure = new_figure(sum(heights) + (0.5 if title else 0))
    if title:
        figure.suptitle(literal(title), x=0.01, ha="left", fontsize=17, fontweight="bold", color=INK)
    parts = figure.subfigures(3, 1, height_ratios=heights, squeeze=False)[:, 0]
    draw_scores(parts[0], descent, mode=mode, metric=metric, title=None)
    draw_schedule(parts[1], descent, schedule, space, title=None)
    draw_lineage(parts[2], descent, mode=mode, metric=metric, title=None, height_in=heights[2])
    return figure
