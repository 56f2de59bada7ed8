"""Scores over steps: who trained to what, who was copied, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from populace.core import Mode, Segment, SegmentId, Status
from populace.report._canvas import (
    ALARM,
    DOTTED,
    FAINT,
    INK,
    QUIET,
    Canvas,
    Vertices,
    add_lines,
    add_winner,
    dress,
    handle,
    new_figure,
    say_empty,
    score_label,
    style_of,
    write_around,
    write_legend,
)
from populace.report._curves import Point
from populace.report._descent import Descent, best_segment
from populace.report._shown import Shown

MOST_ROOTS_NAMED = 8


def figure_scores(
    segments: Iterable[Segment],
    *,
    mode: Mode,
    best: SegmentId | str | None = None,
    metric: str | None = None,
    title: str | None = None,
) -> Figure:
    """Returns a figure of all evaluations over weight steps.

    What the final population descends from is coloured by initial member; the rest is grey.

    Args:
        segments: All segments of one run.
        mode: Whether a larger or a smaller score is better.
        best: The segment whose path stands out; None: the one with the best score.
        metric: Name of the score.
        title: What stands above; None: what the figure shows.

    Raises:
        UsageError: There is no segment `best`.
    """
    listed = list(segments)
    figure = new_figure(5.4)
    draw_scores(figure, Descent.of(listed, best or best_segment(listed, mode)), mode=mode, metric=metric, title=title)
    return figure


def draw_scores(canvas: Canvas, descent: Descent, *, mode: Mode, metric: str | None, title: str | None) -> None:
    """Draws what `figure_scores` returns onto a canvas."""
    axes = canvas.subplots()
    dress(axes)
    shown = shown_scores(descent, mode)
    if shown is None:
        say_empty(axes, "no segment has a finite score yet")
    else:
        if shown.is_log:
            axes.set_yscale("log")
        axes.set_ylim(shown.low, shown.high)
        _draw_lines(axes, descent, shown)
    marks = _draw_marks(axes, descent, mode, shown)
    axes.set_xlim(0, max((segment.end_step for segment in descent.lineage), default=0) * 1.02 or 1)
    axes.set_xlabel("weight steps (steps that the weights have been trained, through all copies)")
    axes.set_ylabel(score_label(metric, mode, is_log=shown is not None and shown.is_log))
    write_legend(canvas, [*legend(descent, line="score"), *marks])
    write_around(
        canvas,
        title or "Scores of the population",
        "each line is a member being evaluated as it trains; where a dotted line leaves it, the member dropped its "
        "weights and went on from a copy of another's; colours show what the final population descends from, "
        "grey what died out." + ("" if shown is None else shown.remark),
    )


def curve(segment: Segment) -> list[Point]:
    """Returns a segment's finite evaluations: weight steps and score."""
    points = [(float(e.step), e.score) for e in segment.evaluations if math.isfinite(e.score)]
    if not points and segment.score is not None:
        points = [(float(segment.end_step), segment.score)]
    return points


def shown_scores(descent: Descent, mode: Mode) -> Shown | None:
    """Returns the stretch of the score axis that shows a run; None where no score is finite."""
    everything = [score for segment in descent.lineage for _, score in curve(segment)]
    return Shown.of(everything, mode, [score for segment in descent.winner for _, score in curve(segment)])


def legend(descent: Descent, *, line: str) -> list[Line2D]:
    """Returns legend entries for the winner, the roots that live on and what died out."""
    entries = []
    if descent.winner:
        entries.append(handle(f"best: {descent.winner[-1].id}, its {line}\nalong its ancestry", color=INK, width=2.6))
    for index, (root, num_members) in enumerate(descent.roots.items()):
        if index == MOST_ROOTS_NAMED:
            rest = len(descent.roots) - index
            entries.append(handle(f"... and {rest} more initial members", color="none"))
            break
        color, dash = style_of(index)
        of = f"{num_members} of {descent.num_members}"
        entries.append(handle(f"from initial member {root.member}\n({of} final members)", color=color, dash=dash))
    if any(chain.root is None for chain in descent.chains):
        entries.append(handle("died out", color=FAINT, width=0.9))
    return entries


def _draw_lines(axes: Axes, descent: Descent, shown: Shown) -> None:
    dead: list[Vertices] = []
    living: dict[SegmentId, list[Vertices]] = {root: [] for root in descent.roots}
    for chain in descent.chains:
        points = [point for segment in chain.links for point in curve(segment)]
        if not points:
            continue
        if chain.anchor is not None and chain.anchor.score is not None:
            points.insert(0, (chain.anchor.end_step, chain.anchor.score))
        vertices = _vertices(points, shown)
        (dead if chain.root is None else living[chain.root]).append(vertices)
    _draw_group(axes, dead, index=None)
    for index, root in enumerate(descent.roots):
        _draw_group(axes, living[root], index=index)
    jumps = _jumps(descent, shown)
    add_lines(axes, jumps, color=QUIET, width=0.8, dash=DOTTED, alpha=_alpha(len(jumps)), z=1.5)
    path = [point for segment in descent.winner for point in curve(segment)]
    if path:
        vertices = _vertices(path, shown)
        add_winner(axes, vertices[:, 0], vertices[:, 1])
        axes.plot(*vertices[-1], marker="*", markersize=13, color=INK, markeredgecolor="white", zorder=6, clip_on=False)


def _draw_group(axes: Axes, lines: list[Vertices], index: int | None) -> None:
    """Draws lines of one root; those that are a single point as a dot."""
    color, dash = style_of(index) if index is not None else (FAINT, style_of(0)[1])
    width, z = (0.9, 1.0) if index is None else (1.5, 2.0)
    add_lines(axes, lines, color=color, width=width, dash=dash, alpha=_alpha(len(lines)), z=z)
    dots = [line[0] for line in lines if len(line) == 1]
    if dots:
        axes.plot(*np.transpose(dots), linestyle="", marker="o", markersize=3, color=color, zorder=z)


def _jumps(descent: Descent, shown: Shown) -> list[Vertices]:
    """Returns, for every copy of weights, the way from the member's own last score to the donor's."""
    lines = []
    for segment in descent.lineage.exploits:
        if segment.parent is None or segment.parent.member == segment.member:
            continue
        own, parent = (
            descent.lineage[SegmentId(segment.member, segment.generation - 1)],
            descent.lineage[segment.parent],
        )
        if own.score is not None and parent.score is not None:
            lines.append(_vertices([(own.end_step, own.score), (parent.end_step, parent.score)], shown))
    return lines


def _alpha(num_lines: int) -> float:
    """Returns how strongly lines are drawn: the more there are, the fainter."""
    return float(np.clip(100 / max(num_lines, 1), 0.3, 1.0))


def _vertices(points: list[Point], shown: Shown) -> Vertices:
    array = np.asarray(points, dtype=np.float64)
    array[:, 1] = shown.clamp(array[:, 1])
    return array


def _draw_marks(axes: Axes, descent: Descent, mode: Mode, shown: Shown | None) -> list[Line2D]:
    """Draws copies, ends without a score and segments that still train; returns their legend entries."""
    entries = []
    if any(s.parent is not None and s.parent.member != s.member for s in descent.lineage.exploits):
        entries.append(handle("exploit: from the dropped\nto the copied score", color=QUIET, width=1.0, dash=DOTTED))
    lost = [s for s in descent.lineage if s.status in (Status.DIVERGED, Status.FAILED)]
    if lost:
        places = [_place(descent, segment, mode, shown) for segment in lost]
        axes.plot(*np.transpose(places), linestyle="", marker="x", markersize=6, color=ALARM, zorder=4, clip_on=False)
        entries.append(handle("diverged or failed", color=ALARM, marker="x"))
    training = [curve(s)[-1] for s in descent.lineage if s.status is Status.RUNNING and curve(s)]
    if training and shown is not None:
        open_ends = _vertices(training, shown)
        axes.plot(*open_ends.T, linestyle="", marker="o", markerfacecolor="white", color=INK, markersize=5, zorder=6)
        entries.append(handle("still training", color=INK, marker="o", hollow=True))
    return entries


def _place(descent: Descent, segment: Segment, mode: Mode, shown: Shown | None) -> Point:
    """Returns where a segment without a score is marked: at the last score of its line, else at the bad edge."""
    known = [point for ancestor in descent.lineage.ancestry(segment.id) for point in curve(ancestor)]
    if shown is None:
        return (float(segment.end_step), 0.02)
    edge = shown.high if mode is Mode.MIN else shown.low
    score = min(max(known[-1][1], shown.low), shown.high) if known else edge
    return (float(segment.end_step), score)
