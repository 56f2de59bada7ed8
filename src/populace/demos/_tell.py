"""What every demo tells at its end: when PBT passed random search, the schedule it found, where to look further."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table

from populace.core import Schedule
from populace.demos._contest import Contest

_ROWS = 8


def tell_schedule(contest: Contest, console: Console, *, unit: str) -> None:
    """Tells when PBT passed random search, and the winner's schedule."""
    spec, passing = contest.pbt.spec, contest.passing_step
    if passing is None:
        console.print("PBT's best validation score never reached random search's final one.")
    else:
        share = passing / spec.steps
        console.print(
            f"PBT's best passed random search's final score at step {passing} of {spec.steps}, "
            f"{share:.0%} of the budget."
        )
    best = contest.pbt.best
    exploits = sum(s.donor is not None for s in best.ancestry)
    console.print(
        f"\nThe winner is member {best.member}; its weights came through {exploits} exploit{'s' * (exploits != 1)}. "
        f"The schedule that trained them ({unit}):"
    )
    console.print(_table(best.schedule))


def tell_end(contest: Contest, stem: str, console: Console, *, about: str = "") -> None:
    """Draws the figures; tells their paths and the commands to look further."""
    files = contest.draw(stem, about)
    run = shlex.quote(str(contest.pbt.directory))
    console.print("\nFigures:")
    for file in files:
        console.print(f"  {file}", soft_wrap=True)
    console.print("Look further:")
    for command in (
        f"populace show {run}",
        f"populace lineage {run}",
        f"populace schedule {run}",
        f"populace verify {run}",
    ):
        console.print(f"  {command}", soft_wrap=True)


def _table(schedule: Schedule) -> Table:
    """Returns a table of the schedule, thinned to a few rows if it is long."""
    pieces = list(schedule)
    every = max(1, -(-len(pieces) // _ROWS))
    shown = pieces[::every] if pieces[::every][-1] is pieces[-1] else [*pieces[::every], pieces[-1]]
    table = Table()
    table.add_column("from step", justify="right")
    for name in schedule.names:
        table.add_column(name, justify="right")
    for piece in shown:
        values = [piece.hyperparameters.get(name) for name in schedule.names]
        table.add_row(
            str(piece.start_step),
            *(f"{v:.3g}" if isinstance(v, float) else "" if v is None else str(v) for v in values),
        )
    if len(shown) < len(pieces):
        table.caption = f"{len(shown)} of {len(pieces)} stretches; `populace schedule` gives all"
    return table
