"""What has ended and is not written yet: generations, the best state among them, and when it is time to write."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from populace.core import RunSpec, Segment, SegmentId, Why
from populace.store import Claim
from populace.vectorised._generation import Ended
from populace.vectorised._memory import give_back
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
        self._unwritten: list[Sequence[Segment]] = []
        self._newest: Ended | None = None
        self._written_at = time.perf_counter()

    def __len__(self) -> int:
        return len(self._unwritten) + (self._newest is not None)

    @property
    def room(self) -> int | None:
        """How many generations may end before a checkpoint is due; None where it goes by time."""
        return None if self._every is None else max(1, self._every - len(self))

    def add(self, ended: Ended) -> SegmentId | None:
        """Adds a generation; returns its best segment if it is the best so far, whose state is to be held."""
        self.catch_up()
        self._newest = ended
        place = int(ended.better_P.argmax())
        if not ended.better_P[place] > self.best:
            return None
        self.best = float(ended.better_P[place])
        self._best_state = None  # before its successor is copied: a state may be large
        return SegmentId(ended.members[place], ended.generations[place])

    def catch_up(self) -> None:
        """Makes the segments of the newest generation, which is best done while the next one trains."""
        if self._newest is not None:
            self._unwritten.append(self._newest.segments)
            self._newest = None

    def hold(self, best: SegmentId, state: Any) -> None:
        """Holds a copy of the best state, which nothing else may have when it is to be saved."""
        self._best_state = best, state
        if self._keeps_best:
            self.best_state = state

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        if self._every is not None:
            return len(self) >= self._every
        waited = time.perf_counter() - self._written_at
        return not self._writer.is_busy and waited >= max(_WRITE_EVERY_S, self._writer.last_s / _WRITE_SHARE)

    def write(self, rows: Rows) -> None:
        """Begins to write everything, with the states as they are now."""
        self.catch_up()
        self._writer.wait()  # two copies of the population would be one too many
        give_back(rows.block.num_bytes)
        frozen = rows.copied()
        states: dict[SegmentId, Callable[[], Any]] = {
            segment.id: frozen[segment.member] for segment in self._unwritten[-1]
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
        if len(self):
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
