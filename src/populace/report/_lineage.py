"""The lineage: who copied whom, and how good it was."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from populace.core import Mode, Segment, SegmentId, Status
from populace.report._canvas import (
    ALARM,
    DASHES,
    FAINT,
    INK,
    QUIET,
    SOLID,
    Canvas,
    Vertices,
    add_lines,
    dress,
    handle,
    new_figure,
    say_empty,
    score_label,
    write_around,
    write_legend,
)
from populace.report._descent import Descent, best_segment
from populace.report._scores import shown_scores
from populace.report._shown import Shown

# Share of a segment's length left free before its bar, so that arrows can be seen to lean from donor to copy.
_GAP = 0.22
# Width of a bar that died out, as a share of the others'.
_DEAD = 0.45


def figure_lineage(
    segments: Iterable[Segment],
    *,
    mode: Mode,
    best: SegmentId | str | None = None,
    metric: str | None = None,
    title: str | None = None,
) -> Figure:
    """Returns a figure of the lineage: a row per member, a bar per segment coloured by score, an arrow per exploit.

    Rows run over the steps that the member has trained, not over weight steps: after an asynchronous exploit of a
    younger donor the latter go back, and bars of one row would lie on one another.

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
    descent = Descent.of(listed, best or best_segment(listed, mode))
    figure = new_figure(lineage_height_in(descent))
    draw_lineage(figure, descent, mode=mode, metric=metric, title=title, height_in=lineage_height_in(descent))
    return figure


def lineage_height_in(descent: Descent) -> float:
    """Returns the height in inches at which rows can be told apart."""
    return float(np.clip(2.4 + 0.24 * descent.num_members, 3.4, 12.0))


def draw_lineage(
    canvas: Canvas, descent: Descent, *, mode: Mode, metric: str | None, title: str | None, height_in: float
) -> None:
    """Draws what `figure_lineage` returns onto a canvas of this height."""
    axes = canvas.subplots()
    dress(axes)
    axes.grid(False, axis="y")
    num_rows = 1 + max((segment.member for segment in descent.lineage), default=0)
    width = float(np.clip(0.55 * 72 * (height_in - 1.7) / num_rows, 1.2, 9.0))
    if not len(descent.lineage):
        say_empty(axes, "no segment has begun yet")
    shown = shown_scores(descent, mode)
    _draw_bars(canvas, axes, descent, mode, metric, shown, width, height_in)
    entries = [*_draw_links(axes, descent, width), *_draw_marks(axes, descent, width)]
    axes.set_xlim(0, max((segment.member_end for segment in descent.lineage), default=0) * 1.01 or 1)
    axes.set_ylim(num_rows - 0.4, -0.6)
    axes.set_yticks(range(0, num_rows, next((every for every in (1, 2, 5, 10, 20, 50) if num_rows <= 25 * every), 100)))
    axes.set_xlabel("member steps (steps that the member has trained)")
    axes.set_ylabel("member")
    write_legend(canvas, entries)
    write_around(
        canvas,
        title or "Lineage of the population",
        "a row is a member, a bar what it trained between two ready points: the darker the better, thin where it died "
        "out; an arrow leads from a donor to the member that copied it and dropped what it had; follow the outlined "
        "bars back from the star to see where the best model comes from."
        + (" Some scores are worse than the palest colour says." if shown is not None and shown.num_cut else ""),
    )


def _bar(segment: Segment) -> Vertices:
    length = segment.end_step - segment.start_step
    return np.array([(segment.member_start + _GAP * length, segment.member), (segment.member_end, segment.member)])


def _draw_bars(
    canvas: Canvas,
    axes: Axes,
    descent: Descent,
    mode: Mode,
    metric: str | None,
    shown: Shown | None,
    width: float,
    height_in: float,
) -> None:
    outlined = [_bar(segment) for segment in descent.winner]
    add_lines(axes, outlined, color=INK, width=width + (4.0 if width > 3 else 2.4), z=2.8)
    if width > 3:
        add_lines(axes, outlined, color="white", width=width + 1.6, z=2.9)
    lasting = [s for s in descent.lineage if s.end_step > s.start_step]
    bare = [_bar(s) for s in lasting if s.status is Status.DIVERGED]
    add_lines(axes, bare, color=FAINT, width=width * 0.5, z=2)
    planned = [_bar(s) for s in lasting if s.status is Status.RUNNING]
    add_lines(axes, planned, color=QUIET, width=max(1.0, width * 0.25), dash=DASHES[3], z=2)
    scored = [s for s in lasting if s.score is not None]
    if shown is None:
        return
    norm = LogNorm(shown.low, shown.high) if shown.is_log else Normalize(shown.low, shown.high)
    colours = ScalarMappable(norm, _darker_is_better(mode))
    shrink = min(1.0, 4.0 / height_in)
    bars = LineCollection(
        [_bar(s) for s in scored],
        colors=colours.to_rgba(np.clip([s.score for s in scored], shown.low, shown.high)),
        linewidths=[width if s.id in descent.living else width * _DEAD for s in scored],
        zorder=3,
    )
    axes.add_collection(bars)
    bar = canvas.colorbar(colours, ax=axes, pad=0.01, aspect=30 * shrink * height_in / 4, fraction=0.05, shrink=shrink)
    bar.set_label(score_label(metric, mode), color=INK)
    bar.ax.tick_params(labelsize=8.5, colors=QUIET)
    bar.outline.set_visible(False)
    if mode is Mode.MIN:
        bar.ax.invert_yaxis()


def _darker_is_better(mode: Mode) -> Colormap:
    """Returns viridis without its palest end, which white paper swallows."""
    name, ends = ("viridis", (0.0, 0.93)) if mode is Mode.MIN else ("viridis_r", (0.07, 1.0))
    return LinearSegmentedColormap.from_list("darker is better", colormaps[name](np.linspace(*ends, 256)))


def _draw_links(axes: Axes, descent: Descent, width: float) -> list[Line2D]:
    """Draws how bars hang together: within a row, and as arrows between rows; returns the legend entries."""
    lineage, living = descent.lineage, descent.living
    winner = {segment.id for segment in descent.winner}
    own: list[Vertices] = []
    dead: list[Vertices] = []
    alive: list[Vertices] = []
    winning: list[Vertices] = []
    for segment in lineage:
        start = _bar(segment)[0]
        if segment.parent is not None and segment.parent.member == segment.member:
            own.append(np.array([(segment.member_start, segment.member), start]))
        if segment.donor is not None and segment.donor.member != segment.member:
            donor = lineage[segment.donor]
            arrow = np.array([(donor.member_end, donor.member), start])
            copied = segment.parent == segment.donor
            group = winning if segment.id in winner and copied else alive if segment.id in living and copied else dead
            group.append(arrow)
    add_lines(axes, own, color=QUIET, width=max(0.6, width * 0.2), z=1)
    looks = ((dead, FAINT, 0.7, 1.2), (alive, "#4d4d4d", 1.1, 1.6), (winning, INK, 2.2, 4.0))
    labels = ("exploit, the copy died out", "exploit, the copy lives on", "exploit on the best's path")
    entries = []
    if descent.winner:
        entries.append(handle(f"best: {descent.winner[-1].id}, and\nits ancestry (outlined)", color=INK, width=4.0))
        end = _bar(descent.winner[-1])[1]
        axes.plot(*end, marker="*", markersize=14, color=INK, markeredgecolor="white", zorder=6, clip_on=False)
    for (arrows, color, line, z), label in zip(looks, labels, strict=True):
        if not arrows:
            continue
        add_lines(axes, arrows, color=color, width=line, dash=SOLID, z=z)
        heads = np.array([arrow[1] for arrow in arrows])
        axes.plot(*heads.T, linestyle="", marker=5, markersize=2 + 1.8 * line, color=color, zorder=z + 3)
        entries.append(handle(label, color=color, width=line))
    return entries


def _draw_marks(axes: Axes, descent: Descent, width: float) -> list[Line2D]:
    """Draws ends without a score; returns the legend entries of these and of segments that still train."""
    entries = []
    lost = [(s.member_end, s.member) for s in descent.lineage if s.status in (Status.DIVERGED, Status.FAILED)]
    if lost:
        size = float(np.clip(width * 1.1, 3.5, 7))
        axes.plot(*np.transpose(lost), linestyle="", marker="x", markersize=size, color=ALARM, zorder=4)
        entries.append(handle("diverged or failed", color=ALARM, marker="x"))
    if any(segment.status is Status.RUNNING for segment in descent.lineage):
        entries.append(handle("still training", color=QUIET, dash=DASHES[3]))
    return entries
