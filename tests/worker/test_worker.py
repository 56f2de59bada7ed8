"""Laws of the worker: what it claims, when it waits, stops, hands over and decides again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from populace._errors import DamagedCheckpoint, DonorGone, RunFailed, StaleClaim, StoreError
from populace.checkpoints import MemoryCheckpoints, pack
from populace.core import PBT, Chapter, RandomSearch, RunSpec, SegmentId, verify_log
from populace.core.baselines import Attempts
from populace.core.exploit import Truncation
from populace.core.explore import Pairwise
from populace.space import Hyperparameters, Key, Space
from populace.store import Claim, EventKind, Idle, MemoryStore
from populace.testing import BOWL_SPACE, Between, Bowl, FailingBowl, FakeClock, ToyError
from populace.testing._store_calls import begin, claim_of
from populace.worker import Loop, Member, Trainable
from populace.worker import _view as view_module
from populace.worker._loops import loop_of
from populace.worker._worker import Worker

LEASE_S = 10.0


class World:
    """One run on one host, whose time passes while a worker waits."""

    def __init__(self, **changes: object) -> None:
        fields = {"population": 3, "steps": 4, "policy": PBT(exploit=Truncation(0.5)), "space": Space.of(BOWL_SPACE)}
        self.spec = RunSpec(name="r", seed=0, **(fields | changes))
        self.clock, self.pauses = FakeClock(), []
        self.store = MemoryStore(clock=self.clock, lease_s=LEASE_S)
        self.store.create(self.spec)
        self.checkpoints = MemoryCheckpoints()
        self.held: list[Claim | None] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    def worker(self, trainable: Trainable | Loop | None = None, **changes: object) -> Worker:
        fields = {"store": self.store, "checkpoints": self.checkpoints, "loop": loop_of(trainable or Bowl())}
        fields |= {"pause": self.pause, "holding": self.held.append}
        return Worker(**({"name": "w", "spec": self.spec} | fields | changes))

    @property
    def trained(self) -> list[int]:
        steps = [0] * self.spec.population
        for segment in self.store.segments():
            steps[segment.member] += segment.end_step - segment.start_step if segment.ended is not None else 0
        return steps


def test_one_worker_trains_every_member_to_its_end() -> None:
    """The plainest run there is; at its end nothing is held."""
    world = World()
    world.worker().run()
    assert world.trained == [4, 4, 4]
    assert world.held[-1] is None
    assert world.store.claim("other") == Idle(finished=True, stopping=False)


def test_member_that_trains_on_loads_nothing() -> None:
    """With a worker for each member, weights stay in its memory from begin to end."""
    world = World(population=1)
    world.worker(checkpoints=Between(MemoryCheckpoints(), get=pytest.fail)).run()
    assert world.trained == [4]


def test_first_members_begin_as_they_were_given() -> None:
    """What last month's run has found is where this one starts."""
    world = World(policy=PBT(initial=[{"lr": 0.03}, {"lr": 0.02}]))
    world.worker().run()
    first = [s for s in world.store.segments() if s.generation == 0]
    assert [s.hyperparameters["lr"] for s in first if s.member < 2] == [0.03, 0.02]
    assert [s.why["rule"] for s in first] == ["given", "given", "start"]


@pytest.mark.parametrize("synchronous", [False, True])
def test_segments_that_a_worker_has_seen_are_not_read_again(synchronous: bool) -> None:
    """Reads of the log are most of what a worker does between two short intervals."""
    world = World(synchronous=synchronous)
    asked = []
    world.worker(store=Between(world.store, segment=asked.append)).run()
    assert world.trained == [4, 4, 4]
    donors = [] if synchronous else [s.donor for s in world.store.segments() if s.donor is not None]
    assert sorted(asked) == sorted(donors), "in lockstep it has seen them all, else it reads of each member the score"


def test_reason_of_a_failure_is_the_end_of_what_was_raised() -> None:
    """A traceback may hold a whole batch of data, and what is wrong stands in its last line."""
    world, told = World(population=1), []

    def fail(member: object) -> None:
        raise ToyError("x" * 20_000 + "the end")

    with pytest.raises(RunFailed):
        world.worker(fail, store=Between(world.store, fail=lambda _, reason: told.append(reason))).run()
    (reason,) = told
    assert (len(reason), reason[-8:]) == (9_999, "xthe end")  # 10,000 less the last line's end


def test_worker_that_is_to_stop_claims_nothing() -> None:
    """Ctrl-C before the first step must not begin one."""
    world = World()
    world.worker(stopping=lambda: True).run()
    assert world.store.segments() == []


def test_stopping_worker_ends_its_interval_and_lets_its_member_go() -> None:
    """What was trained is published, and the next worker need not wait for the lease."""
    world = World(population=1)
    world.worker(stopping=lambda: bool(world.store.segments())).run()
    assert world.trained == [1]
    again = world.store.claim("other")
    assert isinstance(again, Claim)
    assert again.steps == 1


def test_worker_waits_longer_and_longer_for_a_member_that_another_holds() -> None:
    """A thousand idle workers must not keep the store busy; but none may sleep through a free member."""
    world = World(population=1)
    assert isinstance(world.store.claim("dead"), Claim)
    world.worker().run()
    assert world.trained == [4]
    waited = [pause for pause in world.pauses if pause < 0.05]
    assert waited[0] == 0.0005
    assert all(later == pytest.approx(1.5 * pause) for pause, later in pairwise(waited))
    assert max(world.pauses) == 0.05
    assert LEASE_S <= sum(world.pauses) < LEASE_S + 0.1


def test_member_that_was_taken_is_left_to_its_new_owner() -> None:
    """The worker was paused past its lease: what it trained since is dropped, and it goes on with others."""
    world = World(population=1)
    taken = []

    def take(*_: object) -> None:
        if not taken:
            world.clock.advance(LEASE_S + 1)
            taken.append(world.store.claim("other"))
            world.store.release(taken[0])

    world.worker(store=Between(world.store, publish=take)).run()
    assert taken[0].epoch == 2
    assert world.trained == [4]
    assert world.store.segments()[0].epoch > 2


def test_donor_that_has_moved_on_is_chosen_again() -> None:
    """Between the snapshot and the begin, another worker's publish may drop the donor's checkpoint."""
    world, gone = World(), []

    def vanish(claim: Claim, draft: object) -> None:
        if claim.newest is not None and len(gone) < 2:
            gone.append(claim.member)
            raise DonorGone

    world.worker(store=Between(world.store, begin=vanish)).run()
    assert len(gone) == 2
    assert world.trained == [4, 4, 4]


def test_failed_member_waits_until_somebody_can_be_copied() -> None:
    """At the very start the first to be claimed may be the only one that fails; the others make its replacement."""
    world = World(max_failures=0)
    probe = World()
    probe.worker().run()
    first = {s.member: s.hyperparameters["lr"] for s in probe.store.segments() if s.generation == 0}
    bound = sorted(first.values())[-2] * 1.0001
    world.worker(FailingBowl(above=bound)).run()
    assert sum(world.trained) == 12
    assert [s.status.value for s in world.store.segments()].count("failed") >= 1


def test_worker_does_not_ask_at_once_for_a_member_that_must_wait() -> None:
    """Its replacement trains elsewhere, perhaps for hours: to claim it again and again would keep the store busy."""
    world = World(population=2, max_failures=0)
    assert isinstance(world.store.claim("other"), Claim)
    with pytest.raises(RunFailed):
        world.worker(FailingBowl(above=0.0)).run()
    assert set(world.pauses) == {0.05}
    assert LEASE_S <= sum(world.pauses) < LEASE_S + 0.1


def test_error_of_every_member_ends_the_run_with_its_traceback() -> None:
    """A bug that hits all must not be retried through the night."""
    world = World(max_failures=0)
    with pytest.raises(RunFailed, match=r"(?s)every member failed before any had trained an interval.*ToyError"):
        world.worker(FailingBowl(above=0.0)).run()
    assert world.held[-1] is None


def test_interrupted_worker_lets_its_member_go() -> None:
    """Whoever presses Ctrl-C resumes at once, without waiting for a lease."""
    world = World(population=1)

    def interrupt(member: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.worker(interrupt).run()
    assert isinstance(world.store.claim("other"), Claim)


def test_stale_release_hides_no_error() -> None:
    """What ended the worker is what its user must read."""
    world = World(population=1)

    def stale(*_: object) -> None:
        raise StaleClaim

    def interrupt(member: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.worker(interrupt, store=Between(world.store, release=stale)).run()


class Fading(Trainable):
    """Gets worse with every step, so that its first checkpoint stays the best and is kept."""

    def init(self, key: object, hp: object) -> dict[str, int]:
        return {"steps": 0}

    def step(self, key: object, state: dict[str, int], hp: object) -> dict[str, int]:
        return {"steps": state["steps"] + 1}

    def evaluate(self, key: object, state: dict[str, int]) -> float:
        return -float(state["steps"])


@pytest.mark.parametrize("policy", [PBT(exploit=Truncation(0.5)), PBT(explore=Pairwise())])
def test_worker_that_was_overtaken_does_not_decide(policy: PBT, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop sleeps between claim and decision; meanwhile another took its member and found a damaged checkpoint."""
    monkeypatch.setattr(view_module, "_SPARE", -(10**9))  # it remembers nothing that it could fall back to
    world, looks = World(population=1, policy=policy), []

    def overtake(*_: object) -> None:
        looks.append(len(looks))
        if len(looks) == 2:
            world.clock.advance(LEASE_S + 1)
            theirs = world.store.claim("other")
            assert isinstance(theirs, Claim)
            begin(world.store, theirs)
            fell = world.store.fall_back(theirs, "changed")
            assert fell.segment.fallback == SegmentId(0, 0)

    world.worker(Fading(), store=Between(world.store, snapshot=overtake, standings=overtake)).run()
    assert len(looks) > 2
    assert world.trained == [4]
    begun = [s for s in world.store.segments() if s.worker == "w"]
    assert all(s.snapshot >= (world.store.segment(SegmentId(0, s.generation - 1)).ended) for s in begun if s.generation)


def _lost(world: World, lost: SegmentId) -> Between:
    """The checkpoints of a world with that of one segment damaged."""

    def get(digest: str) -> None:
        if digest == world.store.segment(lost).checkpoint:
            raise DamagedCheckpoint(f"{lost} is damaged")

    return Between(world.checkpoints, get=get)


def _interrupted(trainable: Trainable | Loop, num_segments: int) -> World:
    """A world whose only member has trained some of its four intervals before its worker was stopped."""
    world = World(population=1)
    world.worker(trainable, stopping=lambda: sum(world.trained) >= num_segments).run()
    assert world.trained == [num_segments]
    return world


@pytest.mark.parametrize(("num_segments", "fallback"), [(3, SegmentId(0, 0)), (1, None)])
def test_member_whose_checkpoint_is_damaged_goes_back(num_segments, fallback, caplog) -> None:
    """A disk has lost the newest weights: an older good segment goes on, or new weights, and the log names both."""
    world = _interrupted(Fading(), num_segments)
    lost = SegmentId(0, num_segments - 1)
    digest = world.store.segment(lost).checkpoint
    world.worker(Fading(), checkpoints=_lost(world, lost)).run()
    given_up, next_ = (world.store.segment(SegmentId(0, num_segments + later)) for later in (0, 1))
    assert (given_up.parent, given_up.parent_damaged, given_up.fallback) == (lost, True, fallback)
    assert next_.parent == fallback
    assert next_.start_step == (0 if fallback is None else 1)
    assert world.trained == [4]
    assert not world.checkpoints.exists(digest)
    goes_on = "has no good ancestor left" if fallback is None else "goes on from m00/0"
    assert f"member 0 cannot load segment {lost} and {goes_on}: {lost} is damaged" in caplog.text
    assert [e.kind for e in world.store.events()].count(EventKind.DAMAGED) == 1


def test_loop_that_catches_the_damage_publishes_nothing_of_it() -> None:
    """The user's code has caught every error, and trains on from the weights that it happens to have."""
    world = _interrupted(Fading(), 1)

    written = bytearray(b"".join(pack({"state": {"flag": np.array([True])}}, label={})))
    written[-1] = 2  # nobody has ever written such a boolean, and it is found where the state is loaded
    caught = []

    def loop(member: Member) -> None:
        state = {"steps": 100}
        try:
            member.track(state=state)
        except DamagedCheckpoint:
            caught.append(member.id)
        for _ in member:
            state["steps"] += 1
            member.report(-float(state["steps"]))

    world.worker(loop, checkpoints=_Other(world.checkpoints, world.checkpoints.put([bytes(written)]))).run()
    assert caught == [0]
    assert world.store.segment(SegmentId(0, 1)).parent_damaged
    assert world.store.segment(SegmentId(0, 2)).parent is None
    assert [s.score for s in world.store.segments() if s.parent is None][1:] == [-101.0]


def test_checkpoint_that_cannot_be_read_is_damaged_whatever_the_disk_says() -> None:
    """Bytes that some other program has written, under a digest that is right."""
    world = _interrupted(Fading(), 1)
    digest = world.checkpoints.put([b"something else"])
    world.worker(Fading(), checkpoints=_Other(world.checkpoints, digest)).run()
    assert world.store.segment(SegmentId(0, 1)).parent_damaged
    assert world.trained == [4]


class _Other:
    """Checkpoints of which the first that is asked for is another."""

    def __init__(self, checkpoints: MemoryCheckpoints, other: str) -> None:
        self._checkpoints, self._others = checkpoints, [other]

    def get(self, digest: str) -> bytes:
        return self._checkpoints.get(self._others.pop() if self._others else digest)

    def __getattr__(self, name: str) -> object:
        return getattr(self._checkpoints, name)


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("trained", [1, 3])
def test_run_that_goes_on_with_more_members_and_steps_can_be_derived_again(synchronous: bool, trained: int) -> None:
    """Members that join later, or come back for more steps, meet the others where these wait."""
    world = World(population=2, steps=trained, synchronous=synchronous)
    world.worker().run()
    before = world.spec
    world.spec = replace(before, population=4, steps=5)
    world.store.open(world.spec)
    after = world.store.snapshot().sequence
    world.worker().run()
    assert world.trained == [5, 5, 5, 5]
    story = [
        Chapter(after=0, spec=before, population=2, steps=trained),
        Chapter(after=after, spec=world.spec, population=4, steps=5),
    ]
    assert [str(v) for v in verify_log(world.spec, world.store.segments(), story, finished=True)] == []


@pytest.mark.parametrize("population", [1, 2])
def test_member_that_begins_anew_gets_new_weights(population: int) -> None:
    """A worker that stays with its member must not train a new setting on the old one's weights."""
    world = World(population=population, steps=6, policy=Attempts(steps=2))
    world.worker().run()
    assert world.trained == [6] * population
    segments = world.store.segments()
    assert all((s.parent is None) == (s.generation % 2 == 0) == (s.start_step == 0) for s in segments)
    alike = Bowl().evaluate(Key(0), {"w": np.full(4, 0.9)})
    for s in segments:
        weights, (rate,) = alike, s.hyperparameters.values()
        factor = (1 - rate) ** (2 * s.end_step)
        assert s.score == pytest.approx(1 - (1 - weights) * factor)


def _waiting(steps: int, meanwhile: Callable[[World, Claim], None]) -> tuple[World, list[str]]:
    """A run in lockstep whose second member waits for the first once, and what was loaded after that."""
    world = World(population=2, steps=steps, synchronous=True, policy=RandomSearch())
    other, loaded, pause = claim_of(world.store, "other"), [], world.pause
    assert other.member == 0

    def wait(seconds: float) -> None:
        pause(seconds)
        if len(world.pauses) == 1:
            meanwhile(world, other)

    world.worker(pause=wait, checkpoints=Between(world.checkpoints, get=loaded.append)).run()
    assert world.trained == [steps, steps]
    return world, loaded


def test_member_that_waited_for_the_others_goes_on_with_the_weights_in_memory() -> None:
    """In lockstep everybody waits once per generation; to load what is there already would cost the most of it."""

    def finish(world: World, other: Claim) -> None:
        world.store.release(other)
        world.worker(name="v", stopping=lambda: world.trained[0] >= 1).run()
        assert world.trained == [1, 1]

    world, loaded = _waiting(2, finish)
    own = {s.checkpoint for s in world.store.segments() if s.member == 1}
    assert not own & set(loaded)


def test_member_that_others_have_trained_meanwhile_is_loaded() -> None:
    """The worker slept for an hour while it waited: its memory holds what its member was long ago."""

    def overtake(world: World, other: Claim) -> None:
        world.store.release(other)
        world.worker(name="v", stopping=lambda: min(world.trained) >= 2).run()
        assert world.trained == [2, 2]

    world, loaded = _waiting(3, overtake)
    assert world.store.segment(SegmentId(1, 1)).checkpoint in loaded
    alone = World(population=2, steps=3, synchronous=True, policy=RandomSearch())
    alone.worker().run()
    assert {s.id: s.score for s in world.store.segments()} == {s.id: s.score for s in alone.store.segments()}


def test_log_that_cannot_be_read_amid_a_decision_is_no_fault_of_the_policy() -> None:
    """A snapshot reads segments when the policy looks at them: what ends the run is the disk, in the disk's words."""
    world = World(policy=PBT.paper(), population=5)

    def break_down(*_: object) -> None:
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match=r"^the disk is gone$"):
        world.worker(store=Between(world.store, segment=break_down)).run()


def test_policy_that_raises_ends_the_run_with_its_member_and_traceback() -> None:
    """A user's function is pure: what it raises now it would raise at every try, through the night."""

    def explore(hyperparameters: Hyperparameters, space: Space, key: Key) -> Hyperparameters:
        raise ToyError("no such value")

    world = World(policy=PBT(exploit=Truncation(0.5), explore=explore))
    with pytest.raises(
        RunFailed, match=r"(?s)^the policy could not decide on member \d, generation \d:.*in explore.*ToyError: no such"
    ):
        world.worker().run()
