"""What has ended and is not written yet: generations, the best state among them, and when it is time to write."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from populace.core import Finite, RunSpec, Segment, SegmentId, Why
from populace.store import Claim, Draft, Ending, Trained
from populace.vectorised._memory import give_back
from populace.vectorised._quickly import quickly
from populace.vectorised._rows import Rows
from populace.vectorised._writer import Batch, Writer

_WRITE_EVERY_S = 1.0
_WRITE_SHARE = 0.025


@final
class Backlog:
    """Holds generations until they are written behind a checkpoint of the population.

    Args:
        spec: The run.
        claims: The members that train.
        writer: Writes.
        every: Generations between checkpoints; None: so that writing takes little time.
        best: The best segment so far.
        best_state: Its state, where the policy may go back to it.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        claims: Sequence[Claim],
        writer: Writer,
        every: int | None,
        best: Segment | None,
        best_state: Any,
    ) -> None:
        self._mode = spec.mode
        self._keeps_best = spec.looks.best
        self._claims = claims
        self._writer = writer
        self._every = every
        self.best = -math.inf if best is None else best.better(spec.mode)
        """The best score so far, larger being better."""
        self.best_state = best_state
        """The best segment's state, where the policy may go back to it."""
        self._best_state: tuple[SegmentId, Any] | None = None
        self._unwritten: list[list[Trained]] = []
        self._written_at = time.perf_counter()

    def __len__(self) -> int:
        return len(self._unwritten)

    @property
    def room(self) -> int | None:
        """How many generations may end before a checkpoint is due; None where it goes by time."""
        return None if self._every is None else max(1, self._every - len(self._unwritten))

    def add(self, drafts: Mapping[int, Draft], endings: Mapping[int, Ending]) -> SegmentId | None:
        """Adds a generation; returns its best segment if it is the best so far, whose state is to be held."""
        self._unwritten.append(
            [quickly(Trained, member=m, draft=draft, ending=endings[m]) for m, draft in drafts.items()]
        )
        found = None
        for member in drafts:
            outcome = endings[member].outcome
            if isinstance(outcome, Finite) and (better := self._mode.orient(outcome.value)) > self.best:
                self.best, found = better, SegmentId(member, endings[member].generation)
                self._best_state = None  # before its successor is copied: a state may be large
        return found

    def hold(self, best: SegmentId, state: Any) -> None:
        """Holds a copy of the best state, which nothing else may have when it is to be saved."""
        self._best_state = best, state
        if self._keeps_best:
            self.best_state = state

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        if self._every is not None:
            return len(self._unwritten) >= self._every
        waited = time.perf_counter() - self._written_at
        return not self._writer.is_busy and waited >= max(_WRITE_EVERY_S, self._writer.last_s / _WRITE_SHARE)

    def write(self, rows: Rows) -> None:
        """Begins to write everything, with the states as they are now."""
        self._writer.wait()  # two copies of the population would be one too many
        give_back()
        frozen = rows.copied()
        states: dict[SegmentId, Callable[[], Any]] = {
            SegmentId(one.member, one.ending.generation): frozen[one.member] for one in self._unwritten[-1]
        }
        if self._best_state is not None and self._best_state[0] not in states:
            id, state = self._best_state
            states[id] = lambda: state
        self._best_state = None
        self._writer.write(Batch(claims=self._claims, generations=self._unwritten, states=states))
        self._unwritten = []
        self._written_at = time.perf_counter()

    def retire(self, retired: Mapping[int, Why], rows: Rows) -> None:
        """Ends members for good, once what they have trained is written."""
        if self._unwritten:
            self.write(rows)
        self.wait()
        for claim in self._claims:
            if claim.member in retired:
                self._writer.retire(claim, retired[claim.member])
        self._claims = [claim for claim in self._claims if claim.member not in retired]

    def wait(self) -> None:
        """Waits until what is being written is written.

        Raises:
            StoreError: It cannot be.
        """
        self._writer.wait()
