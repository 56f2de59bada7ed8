"""The two stores are written apart from each other: given the same calls they must give the same answers."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from populace._errors import PopulaceError
from populace.core import PBT, Diverged, Evaluation, Failed, Finite, Mode, RunSpec, SegmentId, base_of, kept
from populace.core.exploit import Backtrack
from populace.space import Space, Uniform
from populace.store import Claim, Draft, Ending, MemoryStore, RunStatus, SqliteStore
from populace.testing import FakeClock

LEASE_S = 10.0
WORKERS = st.sampled_from(["ann", "bob", "eve"])
SEGMENTS = st.builds(SegmentId, st.integers(0, 3), st.integers(0, 3))
SCORES = st.floats(allow_nan=False, allow_infinity=False)
OUTCOMES = st.builds(Finite, value=SCORES) | st.builds(Diverged, reason=st.text(max_size=5))
# Whatever a traceback may hold, lone surrogates included.
REASONS = st.text(st.characters(), max_size=5)
EVALUATIONS = st.lists(
    st.builds(
        Evaluation,
        step=st.integers(0, 9),
        score=st.floats(),
        metrics=st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
    ),
    max_size=2,
)


def _comparable(answer):
    """Returns an answer as text, in which NaN equals NaN; the order of collected digests means nothing."""
    if isinstance(answer, set):
        return sorted(answer)
    collected = getattr(answer, "collected", None)
    return repr(answer if collected is None else replace(answer, collected=tuple(sorted(collected))))


def _call(store, name, arguments, options):
    try:
        answer = getattr(store, name)(*arguments, **options)
    except (PopulaceError, AssertionError) as error:
        return error, (type(error), str(error).split("'")[0])
    if name == "collect":
        answer = set(answer)
    return answer, _comparable(answer)


def _view(store):
    """Returns everything that can be read from a store."""
    views = [store.segments(), store.events(), store.state(), store.referenced(), store.snapshot()]
    views += [store.snapshot(2), *(sorted(store.standings(after).stands) for after in (0, 2))]
    return [_comparable(view) for view in views]


class Twins(RuleBasedStateMachine):
    """Drives both stores with the same calls, sensible or not."""

    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.memory = MemoryStore(clock=self.clock, lease_s=LEASE_S)
        self.sqlite = SqliteStore(Path(self.folder.name), clock=self.clock, lease_s=LEASE_S)
        self.asked = set()
        self.published = []
        self.num_digests = 0

    def teardown(self):
        self.sqlite.close()
        self.folder.cleanup()

    def both(self, name, *arguments, **options):
        before = _view(self.memory) if self.ready else None
        mine, memory = _call(self.memory, name, arguments, options)
        _, sqlite = _call(self.sqlite, name, arguments, options)
        assert memory == sqlite
        if isinstance(mine, Exception):
            assert _view(self.memory) == before, "a refused call changes nothing"
        self.clock.advance(0.5)
        return mine

    ready = False
    gone = frozenset()

    @initialize(
        population=st.integers(1, 4),
        steps=st.integers(4, 16),
        interval=st.integers(1, 3),
        synchronous=st.booleans(),
        max_failures=st.integers(0, 2),
        mode=st.sampled_from(Mode),
        policy=st.sampled_from([PBT(), PBT(exploit=Backtrack())]),
    )
    def create(self, **settings):
        self.spec = RunSpec(name="twins", space=Space({"lr": Uniform(0, 1)}), seed=0, **settings)
        self.both("create", self.spec)
        self.ready = True
        self.both("create", self.spec)

    @rule(target=claims, worker=WORKERS, prefer=st.none() | st.integers(0, 3))
    def claim(self, worker, prefer):
        claim = self.both("claim", worker, prefer=prefer)
        return claim if isinstance(claim, Claim) else multiple()

    @rule(
        num_segments=st.integers(1, 6),
        scores=st.permutations([-2.0, -1.0, 0.0, 1.0, 2.0, 2.0]),
        donor=st.integers(0, 3),
    )
    def train(self, num_segments, scores, donor):
        """What workers do when nothing goes wrong, so that runs get far; some segments copy a donor."""
        for score in scores[:num_segments]:
            claim = self.both("claim", "ann")
            if not isinstance(claim, Claim):
                return
            self._go_on(claim, donor if score > 0 else None)
            published = self._publish(claim, self._generation(claim), Finite(value=score), (), None)
            if not isinstance(published, Exception) and published.claim is not None:
                self.both("release", published.claim)

    @rule(member=st.integers(0, 3), lose=st.booleans())
    def fail_until_given_up(self, member, lose):
        """A member whose hyperparameters crash its training, or take the worker down with it."""
        for _ in range(self.spec.max_failures + 1):
            claim = self.both("claim", "bob", prefer=member)
            if not isinstance(claim, Claim):
                return
            self._go_on(claim, None)
            if lose:
                self.clock.advance(2 * LEASE_S)
            else:
                self._fail(claim, "broken")

    @rule(target=claims)
    def take_over(self):
        """A worker dies in the midst of a segment, and another goes on with it."""
        claim = self.both("claim", "ann")
        if not isinstance(claim, Claim):
            return multiple()
        self._go_on(claim, None)
        self.both("release", claim)
        again = self.both("claim", "eve", prefer=claim.member)
        return again if isinstance(again, Claim) else multiple()

    @rule(
        claim=claims, parent=st.none() | SEGMENTS, why=st.dictionaries(st.text(), st.floats() | st.text(), max_size=2)
    )
    def begin(self, claim, parent, why):
        self._begin(claim, parent, {k: v for k, v in why.items() if v == v and v not in (float("inf"), -float("inf"))})

    @rule(
        claim=claims,
        generation=st.none() | st.integers(0, 4),
        outcome=OUTCOMES,
        evaluations=EVALUATIONS,
        digest=st.none() | st.sampled_from("ab"),
    )
    def publish(self, claim, generation, outcome, evaluations, digest):
        generation = self._generation(claim) if generation is None else generation
        self._publish(claim, generation, outcome, evaluations, digest)

    @rule(index=st.integers(0, 50))
    def publish_again(self, index):
        """A publish that went through is repeated: it changes nothing, whatever has happened since."""
        if not self.published:
            return
        claim, ending, segment = self.published[index % len(self.published)]
        before = _view(self.memory)
        again = self.both("publish", claim, ending)
        assert replace(again.segment, checkpoint_kept=True, damaged=None) == segment
        assert again.collected == ()
        assert _view(self.memory) == before

    @rule(silent_s=st.floats(0, 2 * LEASE_S))
    def recover(self, silent_s):
        """An outage ends, in which nobody could renew."""
        self.clock.advance(silent_s)
        self.both("recover")

    @rule(claim=claims, reason=REASONS)
    def fail(self, claim, reason):
        self._fail(claim, reason)

    @rule(claim=claims, reason=REASONS)
    def fall_back(self, claim, reason):
        """A parent's checkpoint is damaged; only a segment that has one can find it so."""
        member = self.memory.segments()
        if any(s.member == claim.member and s.ended is None and s.parent is not None for s in member):
            fell = self.both("fall_back", claim, reason)
            if not isinstance(fell, Exception):
                self.check_tidy()

    @rule(member=st.integers(0, 3), donor=st.integers(0, 3))
    def damage(self, member, donor):
        """A worker begins a segment, of its own member or as a copy, and cannot load the parent."""
        claim = self.both("claim", "ann", prefer=member)
        if isinstance(claim, Claim):
            self._go_on(claim, donor)
            self.fall_back(claim, "its bytes have changed")

    @rule(claim=claims, name=st.sampled_from(["release", "renew"]))
    def release_or_renew(self, claim, name):
        self.both(name, claim)

    @rule(claim=claims)
    def retire(self, claim):
        self.both("retire", claim, {"rule": "hopeless"})

    @rule(worker=WORKERS)
    def expire(self, worker):
        self.both("expire", worker)

    @rule(id=SEGMENTS, keep=st.booleans())
    def keep(self, id, keep):
        if not isinstance(self.both("keep", id, keep), Exception):
            (self.asked.add if keep else self.asked.discard)(id)

    @rule(seconds=st.sampled_from([1.0, LEASE_S, 3 * LEASE_S]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def restart(self):
        self.clock.restart()

    @rule(worker=WORKERS)
    def stop_and_take_it_back(self, worker):
        self.both("command", "stop")
        self.both("claim", worker)
        self.both("command", "")

    @rule(population=st.integers(1, 4), steps=st.integers(4, 16), max_failures=st.integers(0, 2))
    def open(self, **limits):
        self.spec = replace(self.spec, **limits)
        # Whoever joins now looks back further than those before; what they had dropped is gone.
        self.gone = {s.id for s in self.memory.segments() if not s.checkpoint_kept and s.ended is not None}
        self.both("open", self.spec)

    @rule(status=st.sampled_from(RunStatus), message=REASONS)
    def end(self, status, message):
        self.both("end", status, message)

    @rule()
    def collect(self):
        self.both("collect")
        self.check_tidy()

    @rule(after=st.integers(0, 20), limit=st.integers(0, 5), id=SEGMENTS)
    def look(self, after, limit, id):
        self.both("events", after, limit)
        self.both("snapshot", after)
        self.both("segment", id)
        self.both("read")

    @invariant()
    def same(self):
        if self.ready:
            assert _view(self.memory) == _view(self.sqlite)

    @invariant()
    def nothing_needed_is_collected(self):
        if self.ready:
            segments = {s.id: s for s in self.memory.segments()}
            assert all(segments[id].checkpoint_kept or segments[id].damaged for id in self.needed())

    @invariant()
    def sequence_has_no_gaps(self):
        if self.ready:
            events = self.memory.events()
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert self.memory.events(2, 2) == events[2:4]

    @invariant()
    def steps_are_those_of_the_segments(self):
        if self.ready:
            trained = {}
            for segment in self.memory.segments():
                if segment.ended is not None:
                    trained[segment.member] = trained.get(segment.member, 0) + segment.end_step - segment.start_step
            assert all(steps == trained.get(member, 0) for member, steps in enumerate(self.memory.state().steps))

    def needed(self):
        newest = {s.member: s for s in self.memory.snapshot().ended}
        running = [s for s in self.memory.segments() if s.ended is None]
        best = self.memory.state().best
        return kept(newest=newest.values(), best=best and best.id, running=running, asked=self.asked)

    def check_tidy(self):
        """What is kept is what core's retention says, and in synchronous mode what others still decide on."""
        ended = [s for s in self.memory.segments() if s.checkpoint is not None]
        stay = self.needed()
        if self.spec.synchronous:
            state = self.memory.state()
            unfinished = [
                m for m, steps in enumerate(state.steps) if steps < self.spec.steps and m not in state.retired
            ]
            begun = [
                max((s.generation for s in self.memory.segments() if s.member == m), default=-1) for m in unfinished
            ]
            stay |= {s.id for s in ended if begun and s.generation >= min(begun)}
            then = [s for s in ended if s.score is not None and begun and s.generation <= min(begun)]
            if self.spec.looks.best and then:
                stay.add(max(then, key=lambda s: (s.better(self.spec.mode), -s.generation, -s.member)).id)
        assert self.needed().isdisjoint(self.gone - {s.id for s in ended if s.damaged})
        assert {s.id for s in ended if s.checkpoint_kept} == stay - self.gone - {s.id for s in ended if s.damaged}

    def _generation(self, claim):
        running = [s.generation for s in self.memory.segments() if s.member == claim.member and s.ended is None]
        return running[0] if running else 0

    def _go_on(self, claim, donor):
        """Begins the claimed member's next segment, unless one is running."""
        if claim.running is not None:
            return
        parent = None if claim.newest is None else base_of(claim.newest)
        newest = {s.member: s.id for s in self.memory.snapshot().ended if s.can_donate}
        self._begin(claim, newest.get(donor, parent), {})

    def _fail(self, claim, reason):
        verdict = self.both("fail", claim, reason)
        if not isinstance(verdict, Exception) and verdict.ended:
            segment = max(self.memory.segments(), key=lambda s: s.ended or 0)
            assert isinstance(segment.outcome, Failed)
            assert segment.end_step == segment.start_step
            self.check_tidy()

    def _begin(self, claim, parent, why):
        source = None if parent is None else self.memory.segment(parent)
        draft = Draft(
            parent=parent,
            donor=None if parent is None or parent.member == claim.member else parent,
            start_step=0 if source is None else source.end_step,
            num_steps=min(self.spec.interval, max(1, self.spec.steps - claim.steps)),
            hyperparameters={"lr": 0.1},
            why=why,
            snapshot=self.memory.snapshot().sequence,
        )
        return self.both("begin", claim, draft)

    def _publish(self, claim, generation, outcome, evaluations, digest):
        self.num_digests += 1
        ending = Ending(
            generation=generation,
            outcome=outcome,
            evaluations=evaluations,
            checkpoint=digest or f"digest {self.num_digests}",
            checkpoint_bytes=self.num_digests,
        )
        before = self.memory.segment(SegmentId(claim.member, generation))
        published = self.both("publish", claim, ending)
        if not isinstance(published, Exception) and before.ended is None:
            self.published.append((claim, ending, published.segment))
            self.check_tidy()
        return published


TestTwins = pytest.mark.slow(Twins.TestCase)
TestTwins.settings = settings(max_examples=80, stateful_step_count=40)
