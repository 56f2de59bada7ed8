"""Rivals at equal cost: how fast each algorithm found something good, and where it ended, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from populace._errors import UsageError
from populace.core import Mode
from populace.report._canvas import (
    INK,
    QUIET,
    add_lines,
    dress,
    handle,
    literal,
    new_figure,
    score_label,
    style_of,
    write_around,
    write_legend,
)
from populace.report._curves import Band, Curve
from populace.report._shown import Shown

_SPREAD = 0.24  # of the dots of one algorithm, in widths of its column


def figure_rivals(
    curves: Mapping[str, Sequence[Curve]],
    finals: Mapping[str, Sequence[float | None]],
    *,
    mode: Mode,
    budget: int,
    metric: str | None = None,
    tested: bool,
    title: str,
) -> Figure:
    """Returns a figure of several algorithms over several seeds.

    On the left the best validation score so far over the member-steps spent, as a median with its quartiles; on the
    right one dot per seed for what was reported in the end.

    Args:
        curves: Per algorithm and seed the best score so far over the member-steps of the whole population; the judged
            algorithm first.
        finals: Per algorithm and seed what was reported; None where nothing was found.
        mode: Whether a larger or a smaller score is better.
        budget: Member-steps that every algorithm spent.
        metric: Name of the score.
        tested: Whether what was reported was measured on data that selected nothing.
        title: What stands above.

    Raises:
        UsageError: No algorithm has a curve.
    """
    bands = {
        name: Band.of(curve for curve in runs if len(curve)) for name, runs in curves.items() if any(map(len, runs))
    }
    if not bands:
        raise UsageError("a comparison needs at least one run that found something, but got none: look at its runs")
    figure = new_figure(5.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1.0))
    looks = {name: style_of(index) for index, name in enumerate(curves)}
    remark = _draw_bands(left, bands, looks, mode=mode, budget=budget, metric=metric)
    _draw_finals(right, finals, looks, mode=mode, metric=metric, tested=tested)
    write_legend(
        figure, [handle(literal(name), color=color, dash=dash, width=2.2) for name, (color, dash) in looks.items()]
    )
    held_out = "measured once on data that selected nothing" if tested else "the selected validation score itself"
    write_around(
        figure,
        title,
        "left, the best validation score found after so many member-steps (the cost: steps of all members together, "
        "those of discarded weights included): the line is the median over the seeds, the shade spans the middle half "
        f"of them. Right, the end of every seed, {held_out}: a dot per seed, the bar is the median.{remark}",
    )
    return figure


def _draw_bands(
    axes: Axes,
    bands: Mapping[str, Band],
    looks: Mapping[str, tuple[str, object]],
    *,
    mode: Mode,
    budget: int,
    metric: str | None,
) -> str:
    dress(axes)
    middles = [band.middle[-1] for band in bands.values()]
    shown = Shown.of([y for band in bands.values() for y in (*band.low, *band.middle, *band.high)], mode, middles)
    if shown is not None:
        if shown.is_log:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
            axes.tick_params(which="minor", labelsize=7.5, colors=QUIET)
        axes.set_ylim(shown.low, shown.high)
    # The judged algorithm, which comes first, lies on top.
    for depth, (name, band) in enumerate(reversed(list(bands.items()))):
        color, dash = looks[name]
        held = np.append(band.steps, budget)
        low, middle, high = (np.append(edge, edge[-1]) for edge in (band.low, band.middle, band.high))
        axes.fill_between(held, low, high, step="post", color=color, alpha=0.16, linewidth=0)
        corners = np.stack([np.repeat(held, 2)[1:], np.repeat(middle, 2)[:-1]], axis=1)
        add_lines(axes, [corners], color=color, width=2.2, dash=dash, z=3 + 0.1 * depth)  # type: ignore[arg-type]  # a dash of style_of
        axes.plot(budget, middle[-1], marker="o", markersize=5, color=color, zorder=4, clip_on=False)
    axes.set_xlim(0, budget)
    axes.set_xlabel("member-steps spent, per seed")
    axes.set_ylabel(f"best validation so far: {score_label(metric, mode, is_log=shown is not None and shown.is_log)}")
    return "" if shown is None else shown.remark


def _draw_finals(
    axes: Axes,
    finals: Mapping[str, Sequence[float | None]],
    looks: Mapping[str, tuple[str, object]],
    *,
    mode: Mode,
    metric: str | None,
    tested: bool,
) -> None:
    dress(axes, whole_steps=False)
    axes.grid(False, axis="x")
    every = [score for scores in finals.values() for score in scores if score is not None]
    medians = [float(np.median(kept)) for s in finals.values() if (kept := [x for x in s if x is not None])]
    shown = Shown.of(every, mode, medians)
    is_log = shown is not None and shown.is_log
    if shown is not None:
        if is_log:
            axes.set_yscale("log")
        axes.set_ylim(shown.low, shown.high)
    for place, (name, scores) in enumerate(finals.items()):
        color, _ = looks[name]
        kept = [score for score in scores if score is not None and math.isfinite(score)]
        # Seeds keep their place from one algorithm to the next.
        spots = [
            place + _SPREAD * (2 * index / max(1, len(scores) - 1) - 1)
            for index, score in enumerate(scores)
            if score is not None and math.isfinite(score)
        ]
        clamped = kept if shown is None else np.clip(kept, shown.low, shown.high)
        if kept:
            axes.plot(spots, clamped, linestyle="", marker="o", markersize=5, color=color, alpha=0.75, clip_on=False)
            axes.plot([place - 0.36, place + 0.36], [np.median(kept)] * 2, color=INK, linewidth=2.0, zorder=5)
        if len(kept) < len(scores):
            axes.annotate(
                f"{len(scores) - len(kept)} found\nnothing",
                (place, 0.01),
                xycoords=axes.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=QUIET,
            )
    axes.set_xlim(-0.6, len(finals) - 0.4)
    axes.set_xticks(
        range(len(finals)), [literal(name) for name in finals], rotation=20 if len(finals) > 3 else 0, ha="center"
    )
    what = "test" if tested else "selected validation"
    axes.set_ylabel(f"{what}: {score_label(metric, mode, is_log=is_log)}")
