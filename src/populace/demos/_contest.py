"""A contest: the same task, start and code path under two policies, one run each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from populace.core import Mode, Policy, RandomSearch
from populace.report import best_so_far, figure_comparison, figure_overview, save_figure
from populace.run import Result, tune
from populace.worker import Trainable


@final
@dataclass(frozen=True, kw_only=True)
class Contest:
    """Two finished runs of one task."""

    pbt: Result
    """Population Based Training."""
    random: Result
    """Random search: the same members from the same start, nobody copies."""

    @property
    def mode(self) -> Mode:
        """Whether a larger score is better."""
        return self.pbt.spec.mode

    @property
    def passing_step(self) -> int | None:
        """Member steps after which PBT's best was as good as random search's final best; None if it never was."""
        target = self.mode.orient(self.random.best.score)
        curve = best_so_far(self.pbt.segments, mode=self.mode)
        return next((round(step) for step, score in curve if self.mode.orient(score) >= target), None)

    def draw(self, stem: str, about: str = "") -> list[Path]:
        """Draws the comparison and the winner's page beside PBT's run; returns the files.

        Args:
            stem: The files' names begin with it.
            about: The task and its score in a few words, for who sees nothing but the pictures.
        """
        spec, folder = self.pbt.spec, self.pbt.directory.parent
        curves = {
            "PBT": best_so_far(self.pbt.segments, mode=self.mode),
            "random search": best_so_far(self.random.segments, mode=self.mode),
        }
        page = figure_overview(
            self.pbt.segments,
            space=spec.space,
            mode=self.mode,
            metric=spec.metric,
            title=f"{about}: PBT's run" if about else f"Run {spec.name}",
        )
        comparison = figure_comparison(
            curves, mode=self.mode, metric=spec.metric, title=f"{about}: best score so far" if about else None
        )
        return [
            save_figure(comparison, folder / f"{stem}-comparison.png"),
            save_figure(page, folder / f"{stem}-pbt.png"),
        ]


def hold_contest(
    task: Trainable, space: Mapping[str, Any], *, policy: Policy, stem: str, mode: str = "min", **settings: Any
) -> Contest:
    """Trains a task under a policy and under random search, from the same start and in lockstep.

    Args:
        task: What is trained.
        space: What is tuned.
        policy: What decides in the first run.
        stem: The runs' names begin with it.
        mode: "max" or "min".
        settings: What else `tune` takes.
    """
    runs = {
        label: tune(task, space, policy=each, name=f"{stem}-{label}", mode=mode, synchronous=True, **settings)
        for label, each in (("pbt", policy), ("random", RandomSearch()))
    }
    return Contest(pbt=runs["pbt"], random=runs["random"])
