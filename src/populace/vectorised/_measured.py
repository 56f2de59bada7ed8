"""What a program measured in a generation: the score that everything goes by, and evaluations for the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from populace.core import Evaluation, RunSpec
from populace.jax import SCORE
from populace.vectorised._quickly import quickly
from populace.worker import score_name

# Array names end in their axes: P members, E evaluations of an interval.


@final
class Measured:
    """A generation's metrics.

    Args:
        spec: The run.
        plan: Steps before each evaluation.
        metrics: By name, with axes P, E.

    Raises:
        UsageError: The run's metric is not among them.
    """

    def __init__(self, spec: RunSpec, plan: Sequence[int], metrics: Mapping[str, np.ndarray]) -> None:
        self._metric, self._metrics = spec.metric, metrics
        self._after: list[int] = np.cumsum(plan).tolist()
        self.score = SCORE if SCORE in metrics else score_name(spec.metric, metrics)
        """Which of the metrics is the score."""
        last_P = metrics[self.score][:, -1].astype(np.float64) + 0.0  # no negative zero, as in outcomes
        self.better_P: npt.NDArray[np.float64] = np.where(np.isfinite(last_P), spec.mode.orient(1.0) * last_P, -np.inf)
        """The last scores, where larger is better; -inf for diverged members."""

    def evaluations(self, starts: Sequence[int]) -> list[tuple[Evaluation, ...]]:
        """Returns the evaluations of each member.

        Args:
            starts: Weight steps of each before it trained.
        """
        by_name = {name: values_PE.tolist() for name, values_PE in self._metrics.items()}
        scores = by_name[self.score]
        return [
            tuple(
                quickly(Evaluation, step=start + done, score=scores[place][e], metrics=self._told(by_name, place, e))
                for e, done in enumerate(self._after)
            )
            for place, start in enumerate(starts)
        ]

    def _told(self, by_name: Mapping[str, list[list[float]]], place: int, e: int) -> dict[str, float]:
        if SCORE not in by_name:
            return {name: values[place][e] for name, values in by_name.items()}
        return {} if self._metric is None else {self._metric: by_name[SCORE][place][e]}


def plan_of(num_steps: int, evaluate_every: int | None) -> tuple[int, ...]:
    """Returns the steps before each evaluation of an interval."""
    every = num_steps if evaluate_every is None else evaluate_every
    whole, rest = divmod(num_steps, every)
    return (*[every] * whole, *([rest] if rest else []))


def by_member(
    members: Sequence[int], told: Iterable[tuple[Sequence[int | None], Mapping[str, Any]]]
) -> dict[str, np.ndarray]:
    """Returns metrics with axes P, E, in the order of members.

    Args:
        members: Who trained.
        told: For some members at a time, their metrics; the last axis is E, and None is padding.
    """
    trained: list[int | None] = []
    parts: dict[str, list[np.ndarray]] = {}
    for some, metrics in told:
        trained += some
        for name, values in metrics.items():
            parts.setdefault(name, []).append(np.reshape(values, (-1, np.shape(values)[-1])))
    place = {member: row for row, member in enumerate(trained)}
    order = [place[member] for member in members]
    return {name: np.concatenate(values)[order] for name, values in parts.items()}
