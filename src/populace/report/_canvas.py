"""What all figures share: paper, colours, title, caption, legend.

Everything goes through matplotlib's objects; its global state is neither read for a figure nor changed by one.
Colours are Okabe and Ito's (2008, "Color Universal Design"), which colour-blind readers can tell apart; a second sign
always says the same: a dash pattern, a width, a mark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from populace.core import Mode

Canvas: TypeAlias = Figure | SubFigure
"""What is drawn on: a figure of its own or a part of a page."""

Dash: TypeAlias = tuple[float, tuple[float, ...] | None]
"""Offset and lengths of dashes and gaps, in line widths; None: solid."""

Vertices: TypeAlias = npt.NDArray[np.float64]
"""A line's corners, shape (points, 2)."""

WIDTH_IN: Final = 10.0
INK: Final = "#1a1a1a"
FAINT: Final = "#b8b8b8"
QUIET: Final = "#555555"
ALARM: Final = "#a50f15"
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
SOLID: Final[Dash] = (0, None)
DOTTED: Final[Dash] = (0, (1, 1.6))
DASHES: Final[tuple[Dash, ...]] = (SOLID, (0, (5, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (2.2, 1)))

# Letters that fit into an inch of a caption.
_LETTERS_PER_IN = 14.5


def new_figure(height_in: float) -> Figure:
    """Returns an empty figure of the usual width."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def style_of(index: int) -> tuple[str, Dash]:
    """Returns colour and dash pattern number `index`; the first is solid, twelve are different."""
    return COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]


def score_label(metric: str | None, mode: Mode, *, is_log: bool = False) -> str:
    """Returns the label of a score's axis: what it is and which way is better."""
    direction = "lower" if mode is Mode.MIN else "higher"
    return f"{literal(metric or 'score')} ({direction} is better{', log axis' if is_log else ''})"


def literal(text: str) -> str:
    """Returns a user's text so that it is shown as it is, not read as a formula."""
    return text.replace("$", r"\$")


def write_around(canvas: Canvas, title: str, caption: str) -> None:
    """Writes the title above and the caption, which says how to read the figure, below."""
    canvas.suptitle(literal(title), x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    lines = textwrap.fill(f"How to read this: {caption}", int(WIDTH_IN * _LETTERS_PER_IN))
    canvas.supxlabel(lines, x=0.01, ha="left", fontsize=8.5, color=QUIET)


def write_legend(canvas: Canvas, handles: Sequence[Line2D]) -> None:
    """Writes the legend to the right of the axes, where it hides nothing."""
    if handles:
        canvas.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=8.5, handlelength=2.8)


def dress(axes: Axes, *, whole_steps: bool = True) -> None:
    """Gives axes the house's look: no box, a light grid behind, whole numbers for steps."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(labelsize=8.5, colors=QUIET)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(True, color="#e8e8e8", linewidth=0.7)
    axes.set_axisbelow(True)
    if whole_steps:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def say_empty(axes: Axes, text: str) -> None:
    """Writes into empty axes why they are empty."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET)


def add_lines(
    axes: Axes, lines: Sequence[Vertices], *, color: str, width: float, dash: Dash = SOLID, alpha: float = 1.0, z: float
) -> None:
    """Draws many lines of one look at once."""
    if lines:
        axes.add_collection(
            LineCollection(lines, colors=color, linewidths=width, linestyles=[dash], alpha=alpha, zorder=z)
        )


def add_winner(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
    """Draws the winner's line, bold and with a white edge; NaN breaks it."""
    halo = [Stroke(linewidth=4.6, foreground="white"), Normal()]
    axes.plot(x, y, color=INK, linewidth=2.6, zorder=5, path_effects=halo, solid_capstyle="butt")


def handle(
    label: str, *, color: str, width: float = 1.6, dash: Dash = SOLID, marker: str = "", hollow: bool = False
) -> Line2D:
    """Returns a legend entry: a line, or a mark alone where `marker` is given."""
    return Line2D(
        [],
        [],
        label=label,
        color=color,
        linewidth=width,
        linestyle="" if marker else dash,
        marker=marker or None,
        markerfacecolor="white" if hollow else color,
        markersize=6,
    )
