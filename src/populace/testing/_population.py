"""Snapshots made of nothing but scores, to ask a policy or strategy what it would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from populace.core import (
    Diverged,
    Evaluation,
    Failed,
    Finite,
    Mode,
    Outcome,
    Population,
    Segment,
    SegmentId,
    outcome_of,
)
from populace.space import Hyperparameters, Space, Uniform


def population_of(
    scores: Sequence[float | Outcome | None],
    *,
    mode: Mode = Mode.MAX,
    seed: int = 0,
    space: Space | None = None,
    hyperparameters: Sequence[Hyperparameters] | None = None,
) -> Population:
    """Returns a population in which every member has ended one segment of one step.

    Args:
        scores: By member: a score, an outcome, or None for a member that has ended nothing yet.
        mode: Whether a larger or a smaller score is better.
        seed: The run's seed; it orders equal scores.
        space: The search space; None: one dimension `x` in [0, 1].
        hyperparameters: By member; None: spread evenly from end to end of every dimension.

    >>> population_of([1.0, 3.0, 2.0]).ranking.tolist()
    [1, 2, 0]
    """
    whole = space or Space.of({"x": Uniform(0, 1)})
    size = len(scores)
    population = Population.empty(space=whole, mode=mode, seed=seed, size=size)
    ended = []
    for member, score in enumerate(scores):
        if score is None:
            continue
        outcome = score if isinstance(score, Finite | Diverged | Failed) else outcome_of(float(score))
        measured = [outcome.value] if isinstance(outcome, Finite) else []
        place = (member + 0.5) / size
        spread = {name: dimension.from_unit(place) for name, dimension in whole.items()}
        ended.append(
            Segment(
                member=member,
                generation=0,
                parent=None,
                donor=None,
                start_step=0,
                end_step=0 if isinstance(outcome, Failed) else 1,
                member_start=0,
                hyperparameters=spread if hyperparameters is None else hyperparameters[member],
                why={"rule": "start"},
                snapshot=0,
                begun=member + 1,
                ended=size + member + 1,
                outcome=outcome,
                evaluations=tuple(Evaluation(step=1, score=value, metrics={}) for value in measured),
                checkpoint=None if isinstance(outcome, Failed) else str(SegmentId(member, 0)),
                checkpoint_kept=not isinstance(outcome, Failed),
            )
        )
    return population.with_ended(ended, 2 * size)


def population_of_lives(
    scores: Sequence[Sequence[float]], *, steps: int | None = 100, space: Space | None = None
) -> Population:
    """Returns a population in which every member has lived through a segment of one step for each of its scores.

    Args:
        scores: By member, oldest first.
        steps: Length of the run; None: not known.
        space: As in `population_of`.
    """
    base = population_of([0.0] * len(scores), space=space)
    population = Population.empty(space=base.space, mode=Mode.MAX, seed=0, size=len(scores), steps=steps, interval=1)
    for member, life in enumerate(scores):
        first = base.latest[member]
        assert first is not None, "every member has ended one"
        for generation, score in enumerate(life):
            segment = replace(
                first,
                generation=generation,
                parent=SegmentId(member, generation - 1) if generation else None,
                start_step=generation,
                end_step=generation + 1,
                member_start=generation,
                outcome=outcome_of(float(score)),
                evaluations=(Evaluation(step=generation + 1, score=score, metrics={}),),
            )
            population = population.with_ended([segment], population.sequence + 1)
    return population
