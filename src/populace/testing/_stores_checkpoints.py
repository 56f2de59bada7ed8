"""The laws of every store on checkpoints that are needed, dropped or damaged, as tests of `StoreConformance`."""

from __future__ import annotations

import pytest

from populace._errors import DonorGone, StaleClaim, StoreError
from populace.core import PBT, Failed, Finite, Mode, SegmentId, base_of, kept
from populace.core.exploit import Backtrack
from populace.store import Claim, EventKind, FellBack, Store
from populace.testing._store_calls import begin, claim_of, ending_of, publish, spec_of, train


class CheckpointLaws:
    """What is kept, and what becomes of a member whose parent's checkpoint is damaged.

    The fixtures are those of `StoreConformance`.
    """

    def test_begin_refuses_a_parent_whose_checkpoint_was_collected(self, store: Store) -> None:
        """The donor moved on between the snapshot and the begin; the clone must decide again, not load nothing."""
        train(store, 4)
        assert not [s for s in store.segments() if s.id == SegmentId(1, 0) and s.checkpoint_kept]
        with pytest.raises(DonorGone, match="m01/0 was collected"):
            begin(store, claim_of(store), parent=SegmentId(1, 0))

    def test_begin_pins_the_parent_until_the_segment_ends(self, store: Store) -> None:
        """A clone loads its donor's checkpoint while the donor trains on."""
        train(store, 4)
        clone, donor = claim_of(store, prefer=0), claim_of(store)
        segment = begin(store, clone, parent=SegmentId(donor.member, 1))
        assert publish(store, donor).collected == ()
        collected = store.publish(clone, ending_of(segment, Finite(value=0.0))).collected
        assert "digest of m01/1" in collected
        assert set(collected).isdisjoint(store.referenced())

    def test_only_what_is_needed_is_kept(self, store: Store) -> None:
        """Disk in use stays near one checkpoint per member, and the best."""
        for score in (0.0, 3.0, 1.0, 2.0, 0.5, 0.25):
            train(store, 1, score)
            newest = store.snapshot().ended
            best = store.state().best
            assert best is not None
            expected = kept(newest=newest, best=best.id, running=[])
            assert {s.id for s in store.segments() if s.checkpoint_kept} == expected
            assert store.referenced() == {f"digest of {id}" for id in expected}

    @pytest.mark.parametrize("mode", Mode)
    def test_best_stays_until_all_have_decided_on_it(self, empty: Store, mode: Mode) -> None:
        """The last to decide in lockstep may go back to what was the best then, though a better one has ended since."""
        empty.create(spec_of(synchronous=True, mode=mode, policy=PBT(exploit=Backtrack())))
        sign = 1 if mode is Mode.MAX else -1
        for score in (5.0, 4.0, 1.0, 1.0):
            train(empty, 1, sign * score)
        publish(empty, claim_of(empty, prefer=1), sign * 9.0)
        assert empty.collect() == ()
        late = claim_of(empty)
        segment = begin(empty, late, parent=SegmentId(0, 0))
        empty.publish(late, ending_of(segment, Finite(value=sign * 1.0)))
        assert "digest of m00/0" not in empty.referenced()

    def test_best_of_equals_is_the_earliest_in_place(self, empty: Store) -> None:
        """In lockstep the run's result depends on the seed alone, not on who publishes first."""
        empty.create(spec_of(synchronous=True))
        publish(empty, claim_of(empty, prefer=1), 3.0)
        publish(empty, claim_of(empty, prefer=0), 3.0)
        best = empty.state().best
        assert best is not None
        assert best.id == SegmentId(0, 0)

    def test_asked_checkpoint_is_kept_until_told_otherwise(self, store: Store) -> None:
        """The user wants to look at a member's beginning when the run is over."""
        train(store, 2, 0.0)
        store.keep(SegmentId(0, 0))
        train(store, 6)
        assert "digest of m00/0" in store.referenced()
        store.keep(SegmentId(0, 0), keep=False)
        assert store.collect() == ("digest of m00/0",)
        with pytest.raises(StoreError, match="m00/0 is stored no more"):
            store.keep(SegmentId(0, 0))

    def test_damage_is_told_once_and_costs_no_retry(self, store: Store) -> None:
        """The bytes would be the same at a second look; the log tells which were lost, and what follows."""
        train(store, 2)
        claim = claim_of(store, prefer=0)
        running = begin(store, claim)
        fell = store.fall_back(claim, "its bytes have changed")
        ended = store.segment(running.id)
        assert ended == fell.segment
        assert ended is not None
        assert (ended.outcome, ended.parent_damaged) == (Failed(reason="its bytes have changed"), True)
        assert ended.end_step == ended.start_step
        event = store.events()[-1]
        assert (event.kind, event.sequence, event.generation) == (EventKind.DAMAGED, ended.ended, 1)
        assert event.detail == {
            "reason": "its bytes have changed",
            "parent": "m00/0",
            "checkpoint": "digest of m00/0",
            "fallback": None,
        }
        lost = store.segment(SegmentId(0, 0))
        assert lost is not None
        assert (lost.damaged, lost.checkpoint_kept) == (ended.ended, False)
        assert "digest of m00/0" not in store.referenced()
        assert fell.collected == ("digest of m00/0",)
        again = _claim(store, 0)
        assert again.newest == ended
        assert (again.running, again.steps) == (None, 1)

    def test_member_falls_back_to_its_last_good_ancestor(self, store: Store) -> None:
        """The best so far is an ancestor and still stored: an interval is lost, not the member's life."""
        for score in (5.0, 0.0, 4.0, 0.0, 3.0, 0.0):
            train(store, 1, score)
        fell = _damage(store, 0)
        assert fell.segment.parent == SegmentId(0, 2)
        assert fell.segment.fallback == SegmentId(0, 0)
        assert base_of(fell.segment) == SegmentId(0, 0)
        assert store.events()[-1].detail["fallback"] == "m00/0"
        resumed = begin(store, _claim(store, 0))
        assert (resumed.parent, resumed.start_step) == (SegmentId(0, 0), 1)

    def test_fallback_is_kept_when_it_is_no_longer_the_best(self, store: Store) -> None:
        """Between the damage and the next begin, another member may take the lead."""
        for score in (5.0, 0.0, 4.0, 0.0):
            train(store, 1, score)
        assert _damage(store, 0).segment.fallback == SegmentId(0, 0)
        publish(store, _claim(store, 1), 9.0)
        assert "digest of m00/0" in store.referenced()
        assert begin(store, _claim(store, 0)).parent == SegmentId(0, 0)

    def test_copy_that_cannot_be_loaded_leaves_the_member_where_it_was(self, store: Store) -> None:
        """The donor's bytes are gone, but the member's own are not."""
        train(store, 2)
        claim = claim_of(store, prefer=0)
        begin(store, claim, parent=SegmentId(1, 0))
        assert store.fall_back(claim, "missing").segment.fallback == SegmentId(0, 0)

    def test_nobody_copies_what_is_known_as_damaged(self, store: Store) -> None:
        """One lost file must not stop one member after another."""
        train(store, 2)
        before = store.snapshot().sequence
        claim = claim_of(store, prefer=0)
        begin(store, claim, parent=SegmentId(1, 0))
        store.fall_back(claim, "missing")
        assert [(s.id, s.can_donate) for s in store.snapshot(before).damaged] == [(SegmentId(1, 0), False)]
        assert [s.can_donate for s in store.standings(before).stands if s.member == 1] == [False]
        assert store.snapshot(store.snapshot().sequence).damaged == ()
        assert store.snapshot().damaged == ()
        assert not any(s.can_donate for s in store.snapshot().ended if s.id == SegmentId(1, 0))
        with pytest.raises(DonorGone, match="decide again"):
            begin(store, _claim(store, 0), parent=SegmentId(1, 0))

    def test_owner_may_go_on_with_weights_it_holds_in_memory(self, store: Store) -> None:
        """Its own file is lost, but its worker has not died: nothing needs to be read."""
        train(store, 2)
        claim = claim_of(store, prefer=0)
        begin(store, claim, parent=SegmentId(1, 0))
        store.fall_back(claim, "missing")
        owner = claim_of(store, prefer=1)
        assert owner.member == 1
        published = store.publish(owner, ending_of(begin(store, owner), Finite(value=1.0))).segment
        assert published.parent == SegmentId(1, 0)

    def test_damage_that_is_met_twice_is_dated_once(self, store: Store) -> None:
        """Decisions are derived again from what was known when they were taken."""
        train(store, 2)
        owner = claim_of(store, "ann", prefer=1)
        begin(store, owner)
        claim = claim_of(store, "bob", prefer=0)
        begin(store, claim, parent=SegmentId(1, 0))
        first = store.fall_back(claim, "missing")
        second = store.fall_back(owner, "missing")
        lost = store.segment(SegmentId(1, 0))
        assert lost is not None
        assert lost.damaged == first.segment.ended
        assert (second.segment.fallback, second.collected) == (None, ())

    def test_stale_fall_back_is_refused_and_changes_nothing(self, store: Store) -> None:
        """A worker wakes up and finds the file collected: its member has gone on without it."""
        train(store, 2)
        claim = claim_of(store, prefer=0)
        begin(store, claim)
        store.release(claim)
        claim_of(store, "bob", prefer=0)
        before = (store.events(), store.segments(), store.state())
        with pytest.raises(StaleClaim, match="taken from worker ann"):
            store.fall_back(claim, "missing")
        assert (store.events(), store.segments(), store.state()) == before


def _claim(store: Store, member: int) -> Claim:
    """Claims a member, and whoever comes before it."""
    claim = claim_of(store)
    while claim.member != member:
        claim = claim_of(store)
    return claim


def _damage(store: Store, member: int) -> FellBack:
    """Begins a member's next segment and finds its parent damaged."""
    claim = claim_of(store, prefer=member)
    assert claim.member == member
    begin(store, claim)
    return store.fall_back(claim, "damaged")
