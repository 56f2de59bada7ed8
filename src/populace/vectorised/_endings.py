"""From what a program measured to how segments ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from populace.core import Evaluation, RunSpec, outcome_of
from populace.jax import SCORE
from populace.store import Draft, Ending
from populace.vectorised._quickly import quickly
from populace.worker import score_name

# Array names end in their axes: M members, E evaluations of an interval.


@final
class Endings:
    """Makes endings of metrics.

    Args:
        spec: The run.
        plan: Steps before each evaluation.
    """

    def __init__(self, spec: RunSpec, plan: Sequence[int]) -> None:
        self._metric = spec.metric
        self._after: list[int] = np.cumsum(plan).tolist()

    def of(
        self,
        members: Sequence[int],
        metrics: Mapping[str, np.ndarray],
        drafts: Mapping[int, Draft],
        generation: Mapping[int, int],
    ) -> dict[int, Ending]:
        """Returns the endings of members.

        Args:
            members: Who.
            metrics: What was measured, with axes M, E; rows after the members' are left out.
            drafts: What they trained, by member.
            generation: Which of its segments, by member.
        """
        name = self.score(metrics)
        by_name = {n: values_ME.tolist() for n, values_ME in metrics.items()}
        endings = {}
        for place, member in enumerate(members):
            start = drafts[member].start_step
            evaluations = tuple(
                quickly(
                    Evaluation,
                    step=start + done,
                    score=by_name[name][place][e],
                    metrics=self._told(by_name, place, e),
                )
                for e, done in enumerate(self._after)
            )
            endings[member] = quickly(
                Ending,
                generation=generation[member],
                outcome=outcome_of(evaluations[-1].score),
                evaluations=evaluations,
                checkpoint=None,
                checkpoint_bytes=0,
            )
        return endings

    def score(self, metrics: Mapping[str, object]) -> str:
        """Returns which of the metrics is the score.

        Raises:
            UsageError: The run's metric is not among them.
        """
        return SCORE if SCORE in metrics else score_name(self._metric, metrics)

    def _told(self, by_name: Mapping[str, list[list[float]]], place: int, e: int) -> dict[str, float]:
        if SCORE not in by_name:
            return {name: values[place][e] for name, values in by_name.items()}
        return {} if self._metric is None else {self._metric: by_name[SCORE][place][e]}


def plan_of(num_steps: int, evaluate_every: int | None) -> tuple[int, ...]:
    """Returns the steps before each evaluation of an interval."""
    every = num_steps if evaluate_every is None else evaluate_every
    whole, rest = divmod(num_steps, every)
    return (*[every] * whole, *([rest] if rest else []))
