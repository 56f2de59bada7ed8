"""A panel: one hyperparameter over steps, on the axis that suits its dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from populace.report._canvas import Dash, Vertices, add_lines, literal
from populace.space import Choice, Dimension, IntUniform, Ordinal, Value

MOST_TICKS: Final = 12
MOST_LETTERS: Final = 12

# Half the width of the strip over which lines of one listed value are spread, in list places.
_SPREAD = 0.32


class Run(NamedTuple):
    """A line through a panel."""

    member: int | None
    """Who trained it; None: nobody in particular."""
    stretches: Sequence[tuple[int, int, Mapping[str, Value]]]
    """Start step, end step and the hyperparameters in force between."""


@final
class Panel:
    """Axes that show one dimension.

    Numbers stand where they are, on a log axis where the dimension is drawn by its logarithm; numbers below 1 by their
    distance from 1, on a log axis upside down. Listed values stand in order, each in a strip wide enough for all
    members side by side.
    """

    def __init__(self, axes: Axes, dimension: Dimension, num_members: int) -> None:
        self._axes, self._dimension, self._num_members = axes, dimension, num_members
        self._values = dimension.values if isinstance(dimension, Choice | Ordinal) else None
        if self._values is not None:
            self._list_values(self._values)
            return
        low, high = self._place(dimension.from_unit(0.0)), self._place(dimension.from_unit(1.0))
        if dimension.scale == "linear":
            margin = 0.04 * (high - low)
            axes.set_ylim(low - margin, high + margin)
            axes.set_ylabel("value", fontsize=8.5)
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=isinstance(dimension, IntUniform)))
            return
        axes.set_yscale("log")
        margin = (high / low) ** 0.04
        axes.set_ylim(low / margin, high * margin)
        axes.yaxis.set_major_locator(_log_locator(low, high))
        axes.yaxis.set_minor_formatter(NullFormatter())
        complement = dimension.scale == "complement"
        axes.yaxis.set_major_formatter(FuncFormatter(_below_one if complement else _plain))
        axes.set_ylabel("value\n(log of 1 − value)" if complement else "value (log axis)", fontsize=8.5)

    def add(self, runs: Sequence[Run], name: str, *, color: str, dash: Dash, width: float, z: float) -> None:
        """Draws lines of one look."""
        lines: list[Vertices] = []
        for run in runs:
            x, y = self.corners(run, name)
            # Cut at the steps where the hyperparameter was not in force.
            known = ~np.isnan(y)
            bounds = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
            lines.extend(np.stack([x[a:b], y[a:b]], axis=1) for a, b in bounds.reshape(-1, 2))
        add_lines(self._axes, lines, color=color, width=width, dash=dash, z=z)

    def corners(self, run: Run, name: str) -> tuple[Vertices, Vertices]:
        """Returns a step line's x and y, two points per stretch; y is NaN where the hyperparameter was not in force."""
        x = np.array([step for start, end, _ in run.stretches for step in (start, end)], dtype=np.float64)
        y = np.repeat([self._place(hp[name]) if name in hp else np.nan for *_, hp in run.stretches], 2)
        if self._values is not None and run.member is not None:
            y = y + _SPREAD * (2 * (run.member + 0.5) / max(self._num_members, run.member + 1) - 1)
        return x, y

    def _place(self, value: Value) -> float:
        """Returns where a value stands."""
        if self._values is not None:
            return self._dimension.to_unit(value) * len(self._values) - 0.5
        assert isinstance(value, int | float), "an unlisted dimension holds numbers"
        return 1 - value if self._dimension.scale == "complement" else float(value)

    def _list_values(self, values: Sequence[Value]) -> None:
        every = -(-len(values) // MOST_TICKS)
        self._axes.set_yticks(range(0, len(values), every), [_short(value) for value in values[::every]])
        self._axes.set_ylim(-0.6, len(values) - 0.4)
        self._axes.set_ylabel("one of", fontsize=8.5)


def _log_locator(low: float, high: float) -> LogLocator:
    """Returns decades, with steps between where there are few."""
    decades = abs(np.log10(high / low))
    return LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.2 else (1.0, 2.0, 3.0, 5.0, 7.0))


def _plain(value: float, _: int) -> str:
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def _below_one(distance: float, _: int) -> str:
    return f"{1 - distance:.12g}"


def _short(value: Value) -> str:
    text = str(value)
    return literal(text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…")
