"""The laws of every store on generations that are written at once, as tests of `StoreConformance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from populace._errors import StaleClaim
from populace.core import Diverged, Finite, Segment, SegmentId
from populace.store import EventKind, Idle, Store
from populace.testing._store_calls import claim_of, train


class GenerationLaws:
    """What a process leaves behind that trains the population in one program.

    The fixtures are those of `StoreConformance`: two members with four steps each.
    """

    def test_all_members_are_claimed_at_once(self, store: Store) -> None:
        """One program trains them all, and whoever held them before is dead."""
        before = claim_of(store)
        claims = store.claim_all("eve")
        assert [(c.member, c.epoch) for c in claims] == [(0, before.epoch + 1), (1, 1)]
        assert store.claim("ann") == Idle(finished=False, stopping=False)
        store.command("stop")
        assert store.claim_all("eve") == []

    def test_generation_of_one_member_is_a_generation(self, store: Store) -> None:
        """The others have ended, or left the run."""
        (claim, _) = store.claim_all("eve")
        store.publish_all([claim], [_generation(0, {0: 1.0}, saved=True)])
        assert [(s.id, s.score) for s in store.segments()] == [(SegmentId(0, 0), 1.0)]
        assert {(e.worker, e.epoch) for e in store.events()[1:]} == {("eve", claim.epoch)}

    def test_generations_at_once_are_those_written_one_by_one(self, store: Store) -> None:
        """Every tool reads one kind of log, whoever wrote it."""
        claims = store.claim_all("eve")
        store.publish_all(claims, [_generation(0, {0: 1.0, 1: 3.0}), _generation(1, {0: 2.0, 1: 0.0}, saved=True)])
        segments = {s.id: s for s in store.segments()}
        assert [(s.parent, s.score, s.start_step, s.member_end) for s in segments.values()] == [
            (None, 1.0, 0, 1),
            (None, 3.0, 0, 1),
            (SegmentId(0, 0), 2.0, 1, 2),
            (SegmentId(1, 0), 0.0, 1, 2),
        ]
        kinds = [e.kind for e in store.events()[1:]]
        assert kinds == [*[EventKind.BEGUN] * 2, *[EventKind.PUBLISHED] * 2] * 2
        state = store.state()
        assert state.best is not None
        assert (state.best.id, state.steps, state.num_segments) == (SegmentId(1, 0), (2, 2), 4)

    def test_only_what_is_better_becomes_the_best(self, store: Store) -> None:
        """Weights that diverged, or only equal the best, must not cost the best its checkpoint."""
        claims = store.claim_all("eve")
        store.publish_all(claims, [_generation(0, {0: None, 1: None})])
        assert store.state().best is None
        store.publish_all(claims, [_generation(1, {0: 1.0, 1: 3.0}, saved=True)])
        gone = store.publish_all(claims, [_generation(2, {0: 3.0, 1: None}, saved=True)])
        best = store.state().best
        assert best is not None
        assert best.id == SegmentId(1, 1)
        assert best.checkpoint_kept
        assert gone == ("digest of m00/1",)

    def test_snapshot_of_a_generation_holds_all_of_the_one_before(self, store: Store) -> None:
        """`verify` derives its decisions again from exactly that."""
        store.publish_all(store.claim_all("eve"), [_generation(0, {0: 1.0, 1: 3.0}), _generation(1, {0: 2.0, 1: 0.0})])
        ended = max(s.ended or 0 for s in store.segments() if s.generation == 0)
        assert [s.snapshot for s in store.segments() if s.generation == 1] == [ended, ended]

    def test_what_was_not_saved_says_so(self, store: Store) -> None:
        """A segment without a checkpoint is a fault anywhere else."""
        store.publish_all(
            store.claim_all("eve"), [_generation(0, {0: 1.0, 1: 3.0}), _generation(1, {0: 2.0, 1: 0.0}, saved=True)]
        )
        told = [e.detail for e in store.events() if e.kind is EventKind.PUBLISHED]
        assert told == [{"unsaved": True}, {"unsaved": True}, {}, {}]
        assert store.referenced() == {"digest of m00/1", "digest of m01/1"}

    def test_generations_free_what_they_supersede(self, store: Store) -> None:
        """Disk in use stays near one checkpoint per member, and the best."""
        train(store, 2)
        gone = store.publish_all(store.claim_all("eve"), [_generation(1, {0: 2.0, 1: 0.0}, saved=True)])
        assert set(gone) == {"digest of m00/0", "digest of m01/0"}

    def test_repeated_generations_change_nothing(self, store: Store) -> None:
        """The disk was full after the commit, and the call is made again."""
        claims, generations = store.claim_all("eve"), [_generation(0, {0: 1.0, 1: 3.0}, saved=True)]
        store.publish_all(claims, generations)
        before = (store.events(), store.segments(), store.state())
        assert store.publish_all(claims, generations) == ()
        assert (store.events(), store.segments(), store.state()) == before

    def test_stale_generations_are_refused(self, store: Store) -> None:
        """The run was taken over meanwhile."""
        claims = store.claim_all("eve")
        store.claim_all("ann")
        before = (store.events(), store.segments())
        with pytest.raises(StaleClaim, match="taken from worker eve"):
            store.publish_all(claims, [_generation(0, {0: 1.0, 1: 3.0})])
        assert (store.events(), store.segments()) == before

    def test_members_go_on_where_generations_ended(self, store: Store) -> None:
        """A run that one executor began is finished by another."""
        claims = store.claim_all("eve")
        store.publish_all(claims, [_generation(0, {0: 1.0, 1: 3.0}, saved=True)])
        for claim in claims:
            store.release(claim)
        train(store, 6)
        assert store.state().steps == (4, 4)


def _generation(generation: int, scores: Mapping[int, float | None], *, saved: bool = False) -> Sequence[Segment]:
    return [
        Segment(
            member=member,
            generation=generation,
            parent=SegmentId(member, generation - 1) if generation else None,
            donor=None,
            start_step=generation,
            end_step=generation + 1,
            member_start=generation,
            hyperparameters={"lr": 0.5},
            why={"rule": "test"},
            snapshot=0,
            begun=0,
            outcome=Diverged(reason="nan") if score is None else Finite(value=score),
            checkpoint=f"digest of {SegmentId(member, generation)}" if saved else None,
            checkpoint_bytes=7 if saved else 0,
        )
        for member, score in scores.items()
    ]
