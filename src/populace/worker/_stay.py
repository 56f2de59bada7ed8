"""A stay: one worker trains one member, segment after segment, until it hands the member over.

What happens at a ready point, in order: save (bytes durable), publish (the row is the commit point), forget (what
nothing needs), then decide on a fresh snapshot, begin (the decision and its numbers in one transaction), restore.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import final

from populace._errors import DamagedCheckpoint, DonorGone, RunFailed, StaleClaim, StoreError
from populace.checkpoints import CheckpointStore, pack
from populace.core import (
    Decision,
    Evaluation,
    Exploit,
    Failed,
    Population,
    Retire,
    RunSpec,
    Segment,
    SegmentId,
    Shrink,
    Wait,
    decide,
    decision_key,
    outcome_of,
    parent_of,
)
from populace.space import Key
from populace.store import Claim, Draft, Ending, Store
from populace.worker._drafts import first_draft, hopeless, next_draft
from populace.worker._life import Life, State, Stretch
from populace.worker._view import View

_MOST_FAILED_IN_A_ROW = 10  # clones explore: even where half of what they find fails, this is one in a thousand


@final
class Stay(Life):
    """The life of a claimed member.

    Args:
        spec: The run.
        store: Its log.
        checkpoints: Its checkpoints.
        view: The worker's view of the population.
        claim: The member and its epoch.
        next_claim: Called with the member just published and released; returns the worker's next claim, or None at the
            end. If it is the same member again, the stay goes on in place.
        holding: Told whenever a segment has been published.
        stopping: Whether to release the member at the next ready point.
        scratch: Where files may lie for a moment; None: where the system keeps such files.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        store: Store,
        checkpoints: CheckpointStore,
        view: View,
        claim: Claim,
        next_claim: Callable[[int], Claim | None],
        holding: Callable[[Claim | None], None],
        stopping: Callable[[], bool],
        scratch: Path | None,
    ) -> None:
        self._spec = spec
        self._store = store
        self._checkpoints = checkpoints
        self._view = view
        self._next_claim = next_claim
        self._holding = holding
        self._stopping = stopping
        self._scratch = scratch
        self._in_memory: SegmentId | None = None
        self._segment: Segment | None = None
        self._stretch: Stretch | None = None
        self._source: Segment | None = None
        self.claim: Claim | None = claim
        """The claim held; None between two."""
        self.handed: Claim | None = None
        """The claim to go on with: on another member, or on this one where it begins anew."""
        self.broken: StoreError | RunFailed | None = None
        """What ended the stay from outside the user's code, which may have caught it on its way."""
        self.damage: DamagedCheckpoint | None = None
        """Why the parent's checkpoint cannot be loaded; the user's code may have caught that too."""

    @property
    def seed(self) -> int:
        return self._spec.seed

    @property
    def metric(self) -> str | None:
        return self._spec.metric

    @property
    def names(self) -> Collection[str]:
        return list(self._spec.space)

    @property
    def allow_pickle(self) -> bool:
        return self._spec.allow_pickle

    @property
    def scratch(self) -> Path | None:
        return self._scratch

    @property
    def shrinks(self) -> bool:
        return self._spec.policy.shrinks

    @property
    def segment(self) -> Segment:
        """The running segment; after the stay, its last one."""
        assert self._segment is not None, "a stay begins before it trains"
        return self._segment

    @property
    def stretch(self) -> Stretch:
        assert self._stretch is not None, "a stay begins before it trains"
        return self._stretch

    @property
    def init_key(self) -> Key:
        return self._spec.init_key(*self.segment.id)

    def begin(self) -> bool:
        """Begins the claimed member's next segment, or takes up the one that was never ended.

        Returns:
            Whether there is one; if not, the claim has been released.
        """
        assert self.claim is not None
        if self.claim.running is not None:
            self._take_up(self.claim.running)
            return True
        while True:
            draft = self._draft(self.claim)
            if draft is None:
                self.claim = None
                return False
            try:
                self._take_up(self._store.begin(self.claim, draft))
                return True
            except DonorGone:
                continue  # the donor has moved on since the snapshot: decide again on a newer one

    def checkpoint(self) -> bytes | None:
        parent = self.segment.parent
        if parent is None or parent == self._in_memory:
            return None
        known = self._source is not None and self._source.id == parent
        with self._marked():
            source = self._source if known else self._store.segment(parent)
            assert source is not None, "a parent is in the log"
            assert source.checkpoint is not None, "a parent has a checkpoint"
            try:
                return self._checkpoints.get(source.checkpoint)
            except DamagedCheckpoint as error:
                self.spoilt(error)
                raise

    def spoilt(self, error: DamagedCheckpoint) -> None:
        self.damage = error

    def finish(self, evaluations: Sequence[Evaluation], save: Callable[[], State], written: Callable[[], None]) -> bool:
        if self.damage is not None:
            raise self.damage  # what was trained since started from other weights
        segment = self.segment
        label = {"member": segment.member, "generation": segment.generation}
        chunks = pack(save(), label=label, allow_pickle=self._spec.allow_pickle)
        with self._marked():
            digest = self._checkpoints.put(chunks)
            written()
            ending = Ending(
                generation=segment.generation,
                outcome=outcome_of(evaluations[-1].score if evaluations else None),
                evaluations=evaluations,
                checkpoint=digest,
                checkpoint_bytes=sum(memoryview(chunk).nbytes for chunk in chunks),
            )
            return self._publish(ending)

    def _publish(self, ending: Ending) -> bool:
        """Publishes the running segment; returns whether this stay goes on with a next one."""
        assert self.claim is not None
        published = self._store.publish(self.claim, ending)
        self._in_memory = published.segment.id
        self.claim = published.claim
        for gone in published.collected:
            self._checkpoints.delete(gone)
        self._holding(self.claim)
        if self.claim is not None and self._stopping():
            self._store.release(self.claim)
            self.claim = None
            return False
        if self.claim is None:
            member = published.segment.member
            claim = None if published.stopping else self._next_claim(member)
            if claim is None or claim.member != member or self._moved_on(claim):
                self.handed = claim
                return False
            self.claim = claim
        return self.begin() and not self._begins_anew()

    def _begins_anew(self) -> bool:
        """Whether the segment just begun starts from `init`: then a new stay is due, for new weights.

        Only a new call of the user's function makes them.
        """
        if self.segment.parent is not None or self.claim is None:
            return False
        self.handed, self.claim = replace(self.claim, running=self.segment), None
        return True

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Remembers what went wrong with the run itself: inside the user's loop, the user's code may catch it."""
        try:
            yield
        except (StoreError, RunFailed) as error:
            self.broken = error
            raise

    def _moved_on(self, claim: Claim) -> bool:
        """Whether somebody else has trained the member since this stay last did."""
        return claim.newest is None or claim.newest.id != self._in_memory

    def _take_up(self, segment: Segment) -> None:
        self._segment = segment
        self._stretch = Stretch(
            member=segment.member,
            generation=segment.generation,
            start_step=segment.start_step,
            end_step=segment.end_step,
            hyperparameters=self._spec.space.active(segment.hyperparameters),
            evaluate_every=self._spec.evaluate_every,
            shrink=Shrink.of(segment.why),
        )

    def _draft(self, claim: Claim) -> Draft | None:
        """Decides; returns the next segment, or None where there is none now."""
        num_steps = min(self._spec.interval, self._spec.steps - claim.steps)
        newest = claim.newest
        if newest is None:
            return first_draft(self._spec, claim.member, num_steps)
        generation = newest.generation + 1
        population = self._view.after(newest, claim.joined)
        stands = population.latest[claim.member]
        if stands is None or stands.id != newest.id:
            raise StaleClaim(f"member {claim.member} was taken from worker {claim.worker}: trained by others since")
        if population.num_unknown == 0 and not any(map(math.isfinite, population.better_P)):
            self._check_hope(newest)
        decision = self._decide(population, claim.member, generation)
        if isinstance(decision, Exploit) and self._is_beyond_help(newest):
            decision = Retire(why={"rule": "beyond help", "failed": _MOST_FAILED_IN_A_ROW})
        if isinstance(decision, Wait):
            self._store.release(claim)
            return None
        if isinstance(decision, Retire):
            self._store.retire(claim, decision.why)
            return None
        parent = parent_of(decision, newest)
        self._source = None if parent is None else self._read(population, newest, parent)
        return next_draft(decision, newest, self._source, num_steps, population.sequence)

    def _read(self, population: Population, newest: Segment, id: SegmentId) -> Segment | None:
        """Returns a segment, from the log only where it has not been seen."""
        if id == newest.id:
            return newest
        stands = population.latest[id.member] if id.member < population.size else None  # members may have left the run
        if stands is not None and stands.id == id:
            return stands
        return population.forest.get(id) or self._store.segment(id)

    def _is_beyond_help(self, newest: Segment) -> bool:
        """Whether the clones that replaced a member failed one after another so often that trying might never end."""
        member, generation, in_a_row = newest.member, newest.generation, 0
        segment: Segment | None = newest
        while segment is not None and isinstance(segment.outcome, Failed):
            in_a_row += 1
            if in_a_row >= _MOST_FAILED_IN_A_ROW:
                return True
            segment = self._store.segment(SegmentId(member, generation - in_a_row))
        return False

    def _decide(self, population: Population, member: int, generation: int) -> Decision:
        """Asks the policy, which may hold a user's function. It is pure: what it raises now it would raise again."""
        key = decision_key(self._spec.seed, member, generation)
        try:
            return decide(population, member, self._spec.policy, key)
        except StoreError:
            raise  # a snapshot reads what it is asked for
        except Exception as error:
            told = "".join(traceback.format_exception(error)).rstrip()
            raise RunFailed(
                f"the policy could not decide on member {member}, generation {generation}:\n{told}"
            ) from error

    def _check_hope(self, newest: Segment) -> None:
        """Stops a run in which nobody has ever had a finite score: there is nothing to select."""
        if self._store.state().best is None:
            raise hopeless(self._spec, newest)
