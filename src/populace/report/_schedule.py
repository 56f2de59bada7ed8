"""Hyperparameters over steps: what the population tried, and the schedule that made the winner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from populace.core import Piece, Schedule, Segment, SegmentId
from populace.report._canvas import (
    FAINT,
    INK,
    SOLID,
    Canvas,
    Dash,
    add_winner,
    dress,
    handle,
    literal,
    new_figure,
    say_empty,
    style_of,
    write_around,
    write_legend,
)
from populace.report._descent import Descent
from populace.report._panel import Panel, Run
from populace.report._scores import legend
from populace.space import Constant, Space, Value


def figure_schedule(
    segments: Iterable[Segment], schedule: Schedule | None, space: Space, *, title: str | None = None
) -> Figure:
    """Returns a figure of every hyperparameter over weight steps, a panel each; constants are named below.

    Args:
        segments: All segments of one run.
        schedule: The schedule that stands out, of this run or of another; None: none does.
        space: The search space.
        title: What stands above; None: what the figure shows.
    """
    listed = list(segments)
    figure = new_figure(schedule_height_in(space))
    draw_schedule(figure, Descent.of(listed, _trained_by(schedule, listed)), schedule, space, title=title)
    return figure


def schedule_height_in(space: Space) -> float:
    """Returns the height in inches at which each panel can be read."""
    num_rows, _ = _grid(len(_tuned(space)))
    return 1.7 + ((2.2 if num_rows > 1 else 3.2) * num_rows if _tuned(space) else 0.8)


def draw_schedule(
    canvas: Canvas, descent: Descent, schedule: Schedule | None, space: Space, *, title: str | None
) -> None:
    """Draws what `figure_schedule` returns onto a canvas."""
    tuned = _tuned(space)
    pieces = () if schedule is None else schedule.pieces
    num_rows, num_columns = _grid(len(tuned))
    grid = canvas.subplots(num_rows, num_columns, squeeze=False)
    steps = [0, *(segment.end_step for segment in descent.lineage), *(piece.end_step for piece in pieces)]
    runs = _runs(descent, space)
    for index, axes in enumerate(grid.flat):
        dress(axes)
        axes.xaxis.set_major_locator(MaxNLocator(10 // num_columns, integer=True))
        axes.set_xlim(0, max(steps) * 1.02 or 1)
        if index >= max(len(tuned), 1):
            axes.set_visible(False)
        if index + num_columns >= len(tuned):
            axes.set_xlabel("weight steps")
        else:
            axes.tick_params(labelbottom=False)
    if not tuned:
        say_empty(grid[0, 0], "every hyperparameter is constant")
        grid[0, 0].set_ylabel("value")
    for name, axes in zip(tuned, grid.flat, strict=False):
        axes.set_title(literal(name), loc="left", fontsize=10, color=INK)
        panel = Panel(axes, space[name], descent.num_members)
        for (color, dash, width, z), group in runs.items():
            panel.add(group, name, color=color, dash=dash, width=width, z=z)
        add_winner(axes, *panel.corners(_stretches(pieces), name))
    entries = legend(descent, line="schedule")
    if pieces and not descent.winner:
        entries.insert(0, handle("the schedule", color=INK, width=2.6))
    write_legend(canvas, entries)
    write_around(canvas, title or "Schedule of hyperparameters", _caption(space, has_winner=bool(pieces)))


def _tuned(space: Space) -> list[str]:
    return [name for name, dimension in space.items() if not isinstance(dimension, Constant)]


def _grid(num_panels: int) -> tuple[int, int]:
    """Returns rows and columns: stacked up to three, then two and three side by side."""
    num_columns = 1 if num_panels <= 3 else 2 if num_panels <= 6 else 3
    return max(1, -(-num_panels // num_columns)), num_columns


def _trained_by(schedule: Schedule | None, segments: Sequence[Segment]) -> SegmentId | None:
    """Returns the segment at whose end a schedule stands, None where it is not of this run."""
    if schedule is None or not schedule.pieces:
        return None
    last = schedule.pieces[-1]
    known = {segment.id: segment for segment in segments}
    found = known.get(SegmentId(last.member, last.generation))
    return found.id if found is not None and found.end_step == last.end_step else None


def _stretches(pieces: Sequence[Piece]) -> Run:
    return Run(None, [(piece.start_step, piece.end_step, dict(piece.hyperparameters)) for piece in pieces])


def _runs(descent: Descent, space: Space) -> dict[tuple[str, Dash, float, float], list[Run]]:
    """Returns the population's lines, grouped by their look; an inactive hyperparameter has no value in them."""
    active: dict[SegmentId, dict[str, Value]] = {s.id: space.active(s.hyperparameters) for s in descent.lineage}
    looks = {root: (*style_of(index), 1.3, 2.0) for index, root in enumerate(descent.roots)}
    groups: dict[tuple[str, Dash, float, float], list[Run]] = {}
    for chain in descent.chains:
        look = (FAINT, SOLID, 0.8, 1.0) if chain.root is None else looks[chain.root]
        stretches = [(s.start_step, s.end_step, active[s.id]) for s in chain.links]
        if chain.anchor is not None:
            stretches.insert(0, (chain.anchor.end_step, chain.anchor.end_step, active[chain.anchor.id]))
        groups.setdefault(look, []).append(Run(chain.links[0].member, stretches))
    return groups


def _caption(space: Space, *, has_winner: bool) -> str:
    caption = (
        "each line is a hyperparameter of one member as its weights see it; a jump is an exploit followed by explore; "
        "colours show what the final population descends from, grey what died out; axes span the search space"
    )
    if has_winner:
        caption += "; the bold line is the schedule that trained the best model"
    if any(dimension.conditions for dimension in space.values()):
        caption += "; where a line is missing, the hyperparameter was not in force"
    constants = [f"{name} = {d.value!r}" for name, d in space.items() if isinstance(d, Constant)]
    return literal(caption + (f". Constant: {', '.join(constants)}." if constants else "."))
