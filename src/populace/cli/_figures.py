"""The command that draws: plot."""

from __future__ import annotations

from pathlib import Path

from populace._errors import UsageError
from populace.cli._output import write
from populace.cli._runs import open_run
from populace.core import Mode, Schedule
from populace.report import figure_lineage, figure_overview, figure_schedule, figure_scores, save_figure


def plot(name: str, directory: str, kind: str, out: Path | None) -> None:
    """Draws a run into a file.

    Raises:
        UsageError: There is nothing to draw yet, or the file's name is not that of a figure.
        MissingExtra: matplotlib is not installed.
    """
    with open_run(name, directory) as run:
        segments = run.store.segments()
        best = run.state().best
        mode = Mode(run.settings["mode"])
        metric = run.settings["metric"]
        assert metric is None or isinstance(metric, str)
        winner = None if best is None else best.id
        stitched = None if best is None else Schedule.of(run.ancestry(best), run.space, None)
        path = out or Path(f"{run.name}-{kind}.png")
        if not segments:
            raise UsageError(f"run {run.name!r} has no segments to draw: wait for its first interval")
        if kind == "overview":
            figure = figure_overview(segments, space=run.space, mode=mode, best=winner, metric=metric, title=run.name)
        elif kind == "scores":
            figure = figure_scores(segments, mode=mode, best=winner, metric=metric, title=run.name)
        elif kind == "schedule":
            figure = figure_schedule(segments, stitched, run.space, title=run.name)
        else:
            figure = figure_lineage(segments, mode=mode, best=winner, metric=metric, title=run.name)
    write(str(save_figure(figure, path)))
