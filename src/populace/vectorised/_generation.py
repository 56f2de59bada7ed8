"""A generation that trains in one program: as it begins and as it ends, its segments made only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from populace.core import Answers, Segment, Shrink, Why, outcome_of
from populace.space import Hyperparameters
from populace.store import Draft
from populace.vectorised._measured import Measured
from populace.vectorised._quickly import quickly

_TOLD = {"ended", "outcome", "evaluations"}
_USUAL = {f.name: f.default for f in fields(Segment) if f.default is not MISSING and f.name not in _TOLD}
_USUAL |= {"checkpoint_kept": True}  # in memory


@final
@dataclass(frozen=True, kw_only=True)
class Begun:
    """A generation that begins."""

    num_steps: int
    """How many it trains."""
    courses: Mapping[int, tuple[Hyperparameters, int]]
    """What each member trains with, and the weight steps before."""
    make: Callable[[], Mapping[int, Draft]]
    """Makes its segments, by member."""
    sources: Mapping[int, int]
    """Whose weights members go on with, where these are not their own."""
    shrunk: Mapping[int, Shrink] = field(default_factory=dict)
    """Members whose weights are shrunk and perturbed before they train, and how."""
    anew: Mapping[int, Hyperparameters] = field(default_factory=dict)
    """What members begin with that start anew."""
    back: Sequence[int] = ()
    """Members that go on with the best state of the run, which its member has left behind since."""
    retired: Mapping[int, Why] = field(default_factory=dict)
    """Members that train no more, and why."""
    answers: Answers | None = None
    """What was decided for all at once; None where each was asked."""

    @cached_property
    def drafts(self) -> Mapping[int, Draft]:
        """Its segments, by member; made when first asked for, which is best done while the device trains."""
        return self.make()


@final
@dataclass(frozen=True, kw_only=True)
class Ended:
    """A generation that has ended."""

    members: Sequence[int]
    """Who trained."""
    generations: Sequence[int]
    """Which of its segments each ended."""
    better_P: npt.NDArray[np.float64]
    """Their scores, where larger is better; -inf for diverged members."""
    make: Callable[[], Sequence[Segment]]
    """Makes its segments."""

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """Its segments, by member; made when first asked for, which is best done while the device trains."""
        return self.make()


def segments_of(
    begun: Begun, generations: Sequence[int], measured: Measured, steps: int, sequence: int
) -> list[Segment]:
    """Returns the segments of a generation; their numbers in the log are not known yet.

    Args:
        begun: How it began.
        generations: Which of its segments each member ended.
        measured: What was measured, members in their order.
        steps: Member steps before it.
        sequence: The number of the snapshot that holds them.
    """
    drafts = begun.drafts
    evaluations = measured.evaluations([draft.start_step for draft in drafts.values()])
    return [
        quickly(
            Segment,
            **_USUAL,
            member=member,
            generation=generation,
            parent=draft.parent,
            donor=draft.donor,
            start_step=draft.start_step,
            end_step=draft.start_step + draft.num_steps,
            member_start=steps,
            hyperparameters=draft.hyperparameters,
            why=draft.why,
            snapshot=sequence - 1,
            begun=sequence - 1,
            ended=sequence,
            outcome=outcome_of(taken[-1].score),
            evaluations=taken,
        )
        for (member, draft), generation, taken in zip(drafts.items(), generations, evaluations, strict=True)
    ]
