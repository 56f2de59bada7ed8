"""The laws of every store, as tests that an implementation inherits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest

from populace._errors import DonorGone, RunExists, StaleClaim, UnknownRun
from populace.core import Failed, Finite, Mode, RunSpec, SegmentId
from populace.store import Clock, Draft, EventKind, Idle, RunStatus, Store
from populace.testing._clock import FakeClock
from populace.testing._store_calls import begin, claim_of, ending_of, publish, spec_of, train
from populace.testing._stores_checkpoints import CheckpointLaws
from populace.testing._stores_generations import GenerationLaws

LEASE_S = 10.0


class StoreConformance(CheckpointLaws, GenerationLaws):
    """The conformance suite of stores: name a subclass `Test...` and define `make_store` and `reopen`."""

    @abstractmethod
    def make_store(self, tmp_path: Path, clock: Clock, lease_s: float) -> Store:
        """Returns a new store without a run; it may keep its files under `tmp_path`."""

    @abstractmethod
    def reopen(self, store: Store) -> Store:
        """Returns the log as another process sees it; the store itself where it lives in one process."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def empty(self, tmp_path: Path, clock: FakeClock) -> Store:
        return self.make_store(tmp_path, clock, LEASE_S)

    @pytest.fixture
    def store(self, empty: Store) -> Store:
        empty.create(spec_of())
        return empty

    def test_missing_run_is_unknown(self, empty: Store) -> None:
        """A misspelt name must not look like an empty run."""
        with pytest.raises(UnknownRun, match="there is no run"):
            empty.read()

    def test_run_is_created_once(self, store: Store) -> None:
        """Two people choose one name, and the second must not write over the first."""
        with pytest.raises(RunExists, match="created once"):
            store.create(spec_of())

    def test_specification_is_read_as_written(self, store: Store) -> None:
        """A run is resumed from what its log says it is."""
        assert RunSpec.from_json(self.reopen(store).read()) == spec_of()

    def test_what_was_written_is_seen_by_another_process(self, store: Store) -> None:
        """The dashboard, and whoever resumes the run after a crash, see what was acknowledged."""
        train(store, 3)
        other = self.reopen(store)
        assert other.segments() == store.segments()
        assert other.events() == store.events()
        assert other.state() == store.state()

    def test_published_segment_holds_what_was_begun_and_ended(self, store: Store, clock: FakeClock) -> None:
        """Every view of a run is made of these rows."""
        claim = claim_of(store)
        begun = begin(store, claim)
        assert store.segment(begun.id) == begun
        assert begun.outcome is None
        clock.advance(5.0)
        ended = store.publish(claim, ending_of(begun, Finite(value=0.25))).segment
        assert store.segment(begun.id) == ended
        assert (ended.parent, ended.start_step, ended.end_step, ended.member_end) == (None, 0, 1, 1)
        assert (ended.score, ended.checkpoint, ended.checkpoint_bytes) == (0.25, "digest of m00/0", 7)
        assert (ended.worker, ended.epoch, ended.checkpoint_kept) == ("ann", claim.epoch, True)
        assert ended.ended_at == begun.begun_at + 5.0

    def test_least_advanced_member_is_claimed_first(self, store: Store) -> None:
        """With fewer workers than members, nobody is left behind."""
        assert publish(store, claim_of(store)).claim is None
        assert claim_of(store).member == 1

    def test_member_that_waits_for_others_never_comes_before_them(self, empty: Store) -> None:
        """A failed member waits for somebody to copy; claimed again and again, it would keep that from happening."""
        empty.create(spec_of(max_failures=1))
        for claim in (claim_of(empty), claim_of(empty)):
            begin(empty, claim)
            empty.fail(claim, "broken")
        assert empty.fail(claim_of(empty, prefer=0), "broken").ended
        assert claim_of(empty, prefer=0).member == 1

    def test_preferred_member_wins_among_equals(self, store: Store) -> None:
        """A worker that has a member's weights in its memory need not load another's."""
        assert claim_of(store, prefer=1).member == 1

    def test_preference_does_not_let_a_member_run_ahead(self, store: Store) -> None:
        """Otherwise a worker would train its first member to the end before the others have begun."""
        train(store, 1)
        assert claim_of(store, prefer=0).member == 1

    def test_held_members_are_not_claimed_again(self, store: Store) -> None:
        """Two workers on one member would waste one of them."""
        assert {claim_of(store, "ann").member, claim_of(store, "bob").member} == {0, 1}
        assert store.claim("eve") == Idle(finished=False, stopping=False)

    def test_worker_keeps_its_member_while_nobody_waits(self, store: Store) -> None:
        """With a worker for each member, weights stay in memory from begin to end."""
        mine, _ = claim_of(store, "ann"), claim_of(store, "bob")
        published = publish(store, mine)
        assert published.claim is not None
        assert (published.claim.member, published.claim.steps, published.claim.newest) == (0, 1, published.segment)
        store.renew(published.claim)

    def test_worker_keeps_its_member_among_equals(self, store: Store) -> None:
        """To take one that is as far would change the weights in memory for nothing."""
        train(store, 1)
        kept = publish(store, claim_of(store)).claim
        assert kept is not None
        assert kept.member == 1

    def test_every_claim_raises_the_epoch(self, store: Store) -> None:
        """The number that tells a worker back from the dead that its member is another's now."""
        first = claim_of(store)
        store.release(first)
        assert claim_of(store).epoch == first.epoch + 1

    @pytest.mark.parametrize("act", ["renew", "begin", "publish", "fail", "retire"])
    def test_stale_epoch_is_refused_and_changes_nothing(self, store: Store, clock: FakeClock, act: str) -> None:
        """A laptop wakes up and its worker goes on, while another has trained the member since."""
        stale = claim_of(store, "ann", prefer=0)
        begun = begin(store, stale)
        clock.advance(LEASE_S + 1)
        assert claim_of(store, "ann", prefer=1).member == 1
        assert claim_of(store, "ann").member == 0
        before = (store.events(), store.segments(), store.state())
        acts: dict[str, Callable[[], object]] = {
            "renew": lambda: store.renew(stale),
            "begin": lambda: begin(store, stale),
            "publish": lambda: store.publish(stale, ending_of(begun, Finite(value=1.0))),
            "fail": lambda: store.fail(stale, "too late"),
            "retire": lambda: store.retire(stale, {}),
        }
        with pytest.raises(StaleClaim, match="taken from worker ann"):
            acts[act]()
        store.release(stale)
        assert (store.events(), store.segments(), store.state()) == before

    def test_publish_is_idempotent(self, store: Store) -> None:
        """The answer got lost and the worker asks again: the segment is not counted twice."""
        mine, _ = claim_of(store, "ann"), claim_of(store, "bob")
        ending = ending_of(begin(store, mine), Finite(value=1.0))
        first = store.publish(mine, ending)
        before = (store.events(), store.state())
        assert store.publish(mine, ending) == first
        assert (store.events(), store.state()) == before

    def test_repeated_publish_does_not_take_the_member_from_its_next_worker(self, store: Store) -> None:
        """The first publish handed the member over, and another worker trains it when the second arrives."""
        mine = claim_of(store, "ann")
        ending = ending_of(begin(store, mine), Finite(value=1.0))
        assert store.publish(mine, ending).claim is None
        claim_of(store, "bob")
        theirs = claim_of(store, "eve")
        assert theirs.member == mine.member
        assert store.publish(mine, ending).claim is None
        store.renew(theirs)

    def test_failures_are_retried_and_then_given_up(self, store: Store) -> None:
        """A member whose hyperparameters crash its training is replaced, but not for one hiccup."""
        train(store, 2)
        segment = begin(store, claim := claim_of(store, prefer=0))
        assert store.fail(claim, "hiccup").ended is False
        store.release(claim_of(store, prefer=1))
        again = claim_of(store, prefer=0)
        again = again if again.member == 0 else claim_of(store, prefer=0)
        assert again.running is not None
        assert again.running.id == segment.id
        verdict = store.fail(again, "broken")
        assert (verdict.failures, verdict.ended, verdict.hopeless) == (2, True, False)
        ended = store.segment(segment.id)
        assert ended is not None
        assert ended.outcome == Failed(reason="broken")
        assert ended.end_step == ended.start_step
        assert store.state().steps == (1, 1)
        assert "digest of m00/0" in store.referenced(), "the member may go on from it"

    def test_run_is_hopeless_only_if_every_member_failed_and_none_trained(self, store: Store) -> None:
        """A typing error hits every member at once: the run stops; one bad member stops nothing."""
        first, second = claim_of(store, prefer=0), claim_of(store, prefer=1)
        assert not store.fail(first, "typing error").hopeless
        assert store.fail(second, "typing error").hopeless
        publish(store, claim_of(store))
        assert not store.fail(claim_of(store), "hiccup").hopeless

    def test_lease_that_ran_out_costs_one_failure(self, store: Store, clock: FakeClock) -> None:
        """A worker that is killed again and again by its member must not keep the member for ever."""
        lost, _ = claim_of(store), claim_of(store)
        begin(store, lost)
        clock.advance(LEASE_S + 1)
        again = [claim_of(store), claim_of(store)]
        assert {(c.member, c.epoch) for c in again} == {(0, 2), (1, 2)}
        assert [e.kind for e in store.events()[-2:]] == [EventKind.LOST] * 2
        clock.advance(LEASE_S + 1)
        store.claim("ann")
        segment = store.segment(SegmentId(0, 0))
        assert segment is not None
        assert isinstance(segment.outcome, Failed)

    def test_renewed_lease_does_not_run_out(self, store: Store, clock: FakeClock) -> None:
        """An interval may last longer than a lease."""
        mine, other = claim_of(store), claim_of(store)
        for _ in range(5):
            clock.advance(LEASE_S - 1)
            store.renew(mine)
            store.renew(other)
        assert isinstance(store.claim("eve"), Idle)

    def test_nobody_is_dead_after_an_outage(self, store: Store, clock: FakeClock) -> None:
        """The disk was full and nobody could renew: the first to claim afterwards must not count the others as lost."""
        held = [claim_of(store), claim_of(store)]
        clock.advance(LEASE_S + 1)
        store.recover()
        assert isinstance(store.claim("eve"), Idle)
        clock.advance(LEASE_S - 1)
        for claim in held:
            store.renew(claim)
        assert EventKind.LOST not in {e.kind for e in store.events()}

    def test_who_died_in_an_outage_loses_its_member_a_lease_later(self, store: Store, clock: FakeClock) -> None:
        """A lease that was extended for ever would keep a dead worker's member from everybody."""
        lost, _ = claim_of(store), claim_of(store)
        store.recover()
        clock.advance(LEASE_S + 1)
        assert claim_of(store, prefer=lost.member).epoch == lost.epoch + 1

    def test_restart_of_the_host_is_no_outage(self, store: Store, clock: FakeClock) -> None:
        """The workers of before are dead, and their leases are dated on another clock."""
        lost, _ = claim_of(store), claim_of(store)
        clock.restart()
        store.recover()
        assert claim_of(store, prefer=lost.member).epoch == lost.epoch + 1

    def test_wrong_wall_clock_changes_nothing(self, store: Store, clock: FakeClock) -> None:
        """The host's clock is set, by a person or by daylight saving."""
        claim_of(store), claim_of(store)
        clock.wall_seconds += 1e6
        assert isinstance(store.claim("eve"), Idle)

    def test_restart_of_the_host_frees_leases(self, store: Store, clock: FakeClock) -> None:
        """After a power cut the monotonic clock begins anew, and old leases would last for days."""
        claim_of(store), claim_of(store)
        clock.restart()
        assert {claim_of(store).member, claim_of(store).member} == {0, 1}

    def test_expire_frees_a_dead_workers_member(self, store: Store) -> None:
        """Whoever sees a worker die need not wait for its lease."""
        claim_of(store, "ann"), claim_of(store, "bob")
        store.expire("ann")
        again = claim_of(store, "eve")
        assert (again.member, again.epoch) == (0, 2)
        assert store.events()[-1].detail == {"reason": "worker ann died"}

    def test_release_counts_nothing(self, store: Store) -> None:
        """Stopping a run in the middle of an interval is no failure."""
        claim = claim_of(store)
        segment = begin(store, claim)
        store.release(claim)
        again = claim_of(store, "bob", prefer=0)
        assert again.running is not None
        assert (again.running.id, again.running.worker) == (segment.id, "bob")
        assert EventKind.LOST not in {e.kind for e in store.events()}

    def test_synchronous_members_wait_for_each_other(self, empty: Store) -> None:
        """The whole log depends on the seed alone only if every decision sees the same population."""
        empty.create(spec_of(synchronous=True))
        first, second = claim_of(empty), claim_of(empty)
        assert publish(empty, first).claim is None
        assert empty.claim("ann") == Idle(finished=False, stopping=False)
        kept = publish(empty, second).claim
        assert kept is not None
        assert {begin(empty, kept).id, begin(empty, claim_of(empty)).id} == {SegmentId(0, 1), SegmentId(1, 1)}

    def test_synchronous_donors_stay_until_all_have_begun(self, empty: Store) -> None:
        """The last to decide may choose a donor that trains on already."""
        empty.create(spec_of(synchronous=True))
        train(empty, 2)
        first = claim_of(empty)
        publish(empty, first)
        begin(empty, late := claim_of(empty), parent=SegmentId(first.member, 0))
        assert late.member != first.member

    def test_member_given_up_in_synchronous_mode_waits_too(self, empty: Store, clock: FakeClock) -> None:
        """A lease that runs out may end the segment; the next decision still needs everybody's score."""
        empty.create(spec_of(synchronous=True, max_failures=0))
        begin(empty, claim_of(empty))
        clock.advance(LEASE_S + 1)
        assert claim_of(empty).member == 1
        assert empty.claim("bob") == Idle(finished=False, stopping=False)

    def test_every_member_trains_exactly_its_steps(self, store: Store) -> None:
        """The budget is what the user pays for."""
        train(store, 8)
        assert store.claim("ann") == Idle(finished=True, stopping=False)
        assert store.state().steps == (4, 4)

    def test_stop_is_obeyed_and_can_be_taken_back(self, store: Store) -> None:
        """`populace stop` ends a run at the next ready points."""
        claim = claim_of(store)
        store.command("stop")
        published = publish(store, claim)
        assert (published.claim, published.stopping) == (None, True)
        assert store.claim("ann") == Idle(finished=False, stopping=True)
        store.command("")
        claim_of(store)

    def test_retired_member_trains_no_more(self, store: Store) -> None:
        """A member that nothing can replace is given up, and the others go on."""
        store.retire(claim_of(store), {"rule": "nothing left"})
        assert store.state().retired == (0,)
        train(store, 4)
        assert store.claim("ann") == Idle(finished=True, stopping=False)

    def test_open_honours_changed_limits_and_frees_all(self, store: Store) -> None:
        """A resumed run may get more steps and more members."""
        held = claim_of(store)
        store.command("stop")
        self.reopen(store).open(spec_of(population=3, steps=5))
        with pytest.raises(StaleClaim):
            store.renew(held)
        train(store, 15)
        assert store.state().steps == (5, 5, 5)
        assert store.claim("ann") == Idle(finished=True, stopping=False)

    def test_events_are_numbered_without_gaps(self, store: Store) -> None:
        """Whoever follows a log knows from the numbers that nothing was missed."""
        train(store, 3)
        with pytest.raises(DonorGone):
            begin(store, claim_of(store), parent=SegmentId(7, 7))
        store.end(RunStatus.FINISHED)
        events = store.events()
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))
        assert store.events(after=3, limit=2) == events[3:5]

    def test_snapshot_tells_what_ended_since(self, store: Store) -> None:
        """A worker keeps its view up to date without reading the log again."""
        train(store, 3)
        before = store.snapshot()
        assert [s.id for s in before.ended] == [SegmentId(1, 0), SegmentId(0, 1)]
        assert before.sequence == len(store.events())
        assert store.snapshot(before.sequence).ended == ()
        train(store, 2)
        assert [s.id for s in store.snapshot(before.sequence).ended] == [SegmentId(1, 1), SegmentId(0, 2)]
        train(store, 1)
        seen = [store.snapshot(before.sequence, newest=newest) for newest in (False, True)]
        assert [[s.id for s in changes.ended] for changes in seen] == [
            [SegmentId(1, 1), SegmentId(0, 2), SegmentId(1, 2)],
            [SegmentId(0, 2), SegmentId(1, 2)],
        ]
        assert seen[0].ended[1:] == seen[1].ended
        assert store.snapshot(newest=True) == store.snapshot()

    @pytest.mark.parametrize(("mode", "best"), [(Mode.MAX, 2.0), (Mode.MIN, -1.0)])
    def test_state_names_the_best(self, empty: Store, mode: Mode, best: float) -> None:
        """The run's result, whatever came after it; a diverged segment is never the best."""
        empty.create(spec_of(mode=mode))
        for score in (0.0, 2.0, -1.0, None, 1.0, 2.0):
            train(empty, 1, score)
        empty.end(RunStatus.FAILED, "why")
        state = empty.state()
        assert state.best is not None
        assert (state.best.score, state.best.generation) == (best, 0 if mode is Mode.MAX else 1)
        assert (state.status, state.message, state.num_segments) == (RunStatus.FAILED, "why", 6)

    def test_values_that_were_read_never_change(self, store: Store) -> None:
        """A decision's numbers stay what they were when it was taken."""
        why: dict[str, object] = {"rule": "first"}
        draft = Draft(parent=None, donor=None, start_step=0, num_steps=1, hyperparameters={}, why=why, snapshot=0)
        claim = claim_of(store)
        begun = store.begin(claim, draft)
        why["rule"] = "changed"
        store.publish(claim, ending_of(begun, Finite(value=1.0)))
        assert begun.why == {"rule": "first"}
        assert begun.outcome is None
        assert store.segments()[0].why == {"rule": "first"}
