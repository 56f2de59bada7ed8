"""Several algorithms side by side: the best score each had found after so many steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from populace._errors import UsageError
from populace.core import Mode
from populace.report._canvas import (
    DOTTED,
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

_WORDS_WIDTH, _WORDS_HEIGHT = 0.36, 0.14  # of the axes, what is written where one passes the other


def figure_comparison(
    curves: Mapping[str, Curve | Band], *, mode: Mode, metric: str | None = None, title: str | None = None
) -> Figure:
    """Returns a figure of the best score so far over member steps, a line per algorithm.

    Where the algorithm that ends best passes the final score of the one that ends second, the step is named.

    Args:
        curves: What each algorithm had reached after how many member steps, by its name, the most interesting first.
        mode: Whether a larger or a smaller score is better.
        metric: Name of the score.
        title: What stands above; None: what the figure shows.

    Raises:
        UsageError: There is no curve.
    """
    bands = {name: _band(curve) for name, curve in curves.items()}
    bands = {name: band for name, band in bands.items() if len(band.steps)}
    if not bands:
        raise UsageError(f"a comparison needs at least one curve with points, but got {dict(curves)!r}: add one")
    figure = new_figure(5.2)
    axes = figure.subplots()
    dress(axes)
    last = max(band.steps[-1] for band in bands.values())
    middles = [y for band in bands.values() for y in band.middle]
    shown = Shown.of([y for band in bands.values() for y in (*band.low, *band.middle, *band.high)], mode, middles)
    if shown is not None:
        if shown.is_log:
            axes.set_yscale("log")
        axes.set_ylim(shown.low, shown.high)
    entries = []
    for index, (name, band) in enumerate(bands.items()):
        color, dash = style_of(index)
        held = np.append(band.steps, last)
        if list(band.low) != list(band.high):
            low, high = np.append(band.low, band.low[-1]), np.append(band.high, band.high[-1])
            axes.fill_between(held, low, high, step="post", color=color, alpha=0.18, linewidth=0)
        middle = np.append(band.middle, band.middle[-1])
        corners = np.stack([np.repeat(held, 2)[1:], np.repeat(middle, 2)[:-1]], axis=1)
        add_lines(axes, [corners], color=color, width=2.2, dash=dash, z=3)
        axes.plot(band.steps[-1], band.middle[-1], marker="o", markersize=5, color=color, zorder=4, clip_on=False)
        entries.append(handle(f"{literal(name)}\n(ends at {band.middle[-1]:.4g})", color=color, dash=dash, width=2.2))
    axes.set_xlim(0, last * 1.01 or 1)
    passing = _draw_passing(axes, bands, mode, last)
    axes.set_xlabel("member steps (steps that each member has trained)")
    axes.set_ylabel(f"best so far: {score_label(metric, mode, is_log=shown is not None and shown.is_log)}")
    write_legend(figure, entries)
    spread = "; the shade spans the middle half of the runs" if any(_is_spread(band) for band in bands.values()) else ""
    write_around(
        figure,
        title or f"Best score so far: {', '.join(bands)}",
        f"each line is the best score that an algorithm has found after so many steps{spread}{passing}."
        + ("" if shown is None else shown.remark),
    )
    return figure


def _band(curve: Curve | Band) -> Band:
    if isinstance(curve, Band):
        return curve
    points = [(float(x), float(y)) for x, y in curve if math.isfinite(y)]
    scores = [y for _, y in points]
    return Band(steps=[x for x, _ in points], low=scores, middle=scores, high=scores)


def _is_spread(band: Band) -> bool:
    return list(band.low) != list(band.high)


def _draw_passing(axes: Axes, bands: Mapping[str, Band], mode: Mode, last: float) -> str:
    """Marks where the best algorithm passes the second's final score; returns what the caption says of it."""
    order = sorted(bands, key=lambda name: -mode.orient(bands[name].middle[-1]))
    if len(order) < 2 or bands[order[0]].middle[-1] == bands[order[1]].middle[-1]:
        return ""
    first, second = order[:2]
    goal = bands[second].middle[-1]
    passed = [
        x for x, y in zip(bands[first].steps, bands[first].middle, strict=True) if mode.orient(y) > mode.orient(goal)
    ]
    axes.axhline(goal, color=QUIET, linewidth=1.0, linestyle=DOTTED, zorder=2)
    axes.plot([passed[0]], [goal], marker="D", markersize=7, color=INK, markeredgecolor="white", zorder=6)
    edge = axes.get_ylim()[0 if mode is Mode.MAX else 1]
    axes.plot([passed[0]] * 2, [goal, edge], color=QUIET, linewidth=1.0, linestyle=DOTTED, zorder=2)
    x, y = axes.transAxes.inverted().transform(axes.transData.transform((passed[0], goal)))
    room = 1 - y if mode is Mode.MAX else y
    # Nobody was better than the goal before it was passed, so that corner is empty; where it is too small for the words
    # they stand towards the bad edge, which the better curve has just left.
    is_before = x > _WORDS_WIDTH and room > _WORDS_HEIGHT
    at_left = not is_before and x < 0.5
    above = mode is Mode.MAX  # of the goal, or of the edge
    axes.annotate(
        f"{literal(first)} passes the final score of\n{literal(second)} after {passed[0]:g} of {last:g} steps",
        (passed[0], goal if is_before else edge),
        xytext=(7 if at_left else -7, 7 if above else -7),
        textcoords="offset points",
        ha="left" if at_left else "right",
        va="bottom" if above else "top",
        fontsize=10,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2},
        zorder=5,
    )
    return "; the diamond marks where the better one has passed all that the other reaches in the end (dotted line)"
