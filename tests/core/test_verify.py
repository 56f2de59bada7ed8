"""Laws of verification: it passes every log that the engine writes, and names what is wrong with any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.core import (
    MFPBT,
    PBT,
    Chapter,
    Diverged,
    Failed,
    Finite,
    Mode,
    Policy,
    RandomSearch,
    RunSpec,
    Segment,
    SegmentId,
    chapters,
    last_good,
    verify_log,
)
from populace.core._verify import _joined, _Then
from populace.core.exploit import BinaryTournament, Truncation
from populace.core.explore import Resample
from populace.space import Hyperparameters, Key, Space, Uniform
from populace.testing import Problem, simulate

SPACE = Space.of({"x": Uniform(0, 1)})
CLIMB = Problem(state=0.0, train=lambda state, h, n: state + n * h["x"], evaluate=lambda state: round(state, 1))
SOMETIMES_NAN = replace(CLIMB, evaluate=lambda state: math.nan if state * 10 % 1 < 0.3 else state)
INTERVALS = 4

Log = dict[SegmentId, Segment]


def _spec(policy: Policy | None = None, **changes: object) -> RunSpec:
    fields = {"name": "r", "space": SPACE, "seed": 3, "population": 4, "steps": 2 * INTERVALS, "interval": 2}
    return RunSpec(policy=policy or PBT(exploit=Truncation(0.5)), **(fields | changes))


def _log(spec: RunSpec, problem: Problem[float] = CLIMB) -> Log:
    """The log of a run, with a sequence number of its own for every begin and every end."""
    run = simulate(
        problem,
        spec.policy,
        space=spec.space,
        size=spec.population,
        intervals=spec.steps // spec.interval,
        interval=spec.interval,
        seed=spec.seed,
        mode=spec.mode,
        synchronous=spec.synchronous,
    )
    apart = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    return {s.id: s for s in apart}


def _verify(
    log: Log, spec: RunSpec, *, finished: bool = True, story: Sequence[Chapter] = (), retired: Sequence[int] = ()
) -> list[str]:
    whole = [Chapter(after=0, spec=spec, population=spec.population, steps=spec.steps)]
    found = verify_log(spec, list(log.values()), story or whole, finished=finished, retired=retired)
    return [str(violation) for violation in found]


@settings(max_examples=25)
@given(
    st.sampled_from(
        [
            *(PBT(), PBT.paper(), PBT(exploit=BinaryTournament()), RandomSearch(), MFPBT(periods=(1, 2))),
            PBT(exploit=Truncation(0.5), compare="equal progress"),
        ]
    ),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(Mode),
    st.sampled_from([CLIMB, SOMETIMES_NAN]),
)
def test_log_of_the_engine_passes_and_so_does_every_beginning_of_it(policy, seed, synchronous, mode, problem):
    """A false alarm would teach users to ignore it; a run is also verified while it trains."""
    spec = _spec(policy, seed=seed, synchronous=synchronous, mode=mode)
    log = _log(spec, problem)
    assert _verify(log, spec) == []
    for cut in range(0, 2 * len(log), 3):
        begun = [s for s in log.values() if s.begun <= cut]
        ended = {s.id: s if s.ended <= cut else replace(s, ended=None, outcome=None, evaluations=()) for s in begun}
        assert _verify(ended, spec, finished=False) == []


SPEC = _spec()
LOG = _log(SPEC)
CLONE = next(s for s in LOG.values() if s.donor is not None)
"""A segment begun by an exploit."""
CLONE_BEFORE = SegmentId(CLONE.member, CLONE.generation - 1)
PLAIN = next(s for s in LOG.values() if s.generation == 2 and s.donor is None)
"""A segment that trained on from its own member's."""
LAST = LOG[SegmentId(0, INTERVALS - 1)]


def _with(*changed: Segment) -> Log:
    return LOG | {s.id: s for s in changed}


def _without(*ids: SegmentId) -> Log:
    return {id: s for id, s in LOG.items() if id not in ids}


def test_segment_that_trains_hides_nothing_that_began_after_it():
    """A run is verified while it trains, and its slowest member began long ago."""
    slow = replace(LAST, ended=None, outcome=None, evaluations=())
    odd = replace(LOG[SegmentId(1, INTERVALS - 1)], outcome=Failed(reason="boom"), evaluations=())
    log = {slow.id: slow} | _without(slow.id, odd.id) | {odd.id: odd}
    assert any(line.startswith(f"failure: segment {odd.id}: failed, so") for line in _verify(log, SPEC, finished=False))


BEFORE = LOG[SegmentId(PLAIN.member, 1)]
FIRST = LOG[SegmentId(2, 0)]
BEST = max(LOG.values(), key=lambda s: (s.score, -s.ended))


@pytest.mark.parametrize(
    ("log", "text"),
    [
        (
            _with(replace(FIRST, start_step=1)),
            "weight steps: segment m02/0: starts from init at step 1 instead of 0",
        ),
        (
            _with(replace(PLAIN, parent=SegmentId(9, 9))),
            f"lineage: segment {PLAIN.id}: its parent m09/9 is not in the log",
        ),
        (
            _with(replace(BEFORE, ended=PLAIN.begun)),
            f"lineage: segment {PLAIN.id}: began at {PLAIN.begun}, before its parent {BEFORE.id} had ended "
            f"({PLAIN.begun})",
        ),
        (
            _with(replace(BEFORE, ended=None)),
            f"lineage: segment {PLAIN.id}: began at {PLAIN.begun}, before its parent {BEFORE.id} had ended (None)",
        ),
        (
            _with(replace(PLAIN, start_step=3)),
            f"weight steps: segment {PLAIN.id}: starts at 3, but its parent {BEFORE.id} ended at 4",
        ),
        (
            _with(replace(CLONE, donor=SegmentId(CLONE.member, 0))),
            f"donor: segment {CLONE.id}: copied itself",
        ),
        (
            _with(replace(LOG[CLONE.donor], outcome=Diverged(reason="nan"))),
            f"donor: segment {CLONE.id}: copied {CLONE.donor}, which has no finite score",
        ),
        (
            _without(SegmentId(1, 1)),
            "generations: segment m01/2: follows generation 0: one is lost or doubled",
        ),
        (
            _with(replace(PLAIN, member_start=3)),
            f"member steps: segment {PLAIN.id}: starts after 3 member steps instead of 4",
        ),
        (
            _with(replace(BEFORE, ended=PLAIN.begun)),
            f"generations: segment {PLAIN.id}: began before the member's generation before had ended",
        ),
        (
            _with(replace(LAST, end_step=LAST.end_step + 1)),
            f"budget: segment {LAST.id}: trains its member to 9 of 8 steps",
        ),
        (_without(LAST.id), "budget: member 0: trained 6 of 8 steps"),
        (
            {id: s for id, s in LOG.items() if id.member not in (1, 3)},
            "budget: run: members [1, 3] have never trained",
        ),
        (
            _with(replace(LAST, outcome=Failed(reason="boom"))),
            "failure: segment m00/3: failed, so it can have neither steps nor a checkpoint",
        ),
        (
            _with(replace(LAST, outcome=Failed(reason="boom"), checkpoint=None)),
            "failure: segment m00/3: failed, so it can have neither steps nor a checkpoint",
        ),
        (
            _with(replace(LAST, outcome=Failed(reason="boom"), end_step=LAST.start_step)),
            "failure: segment m00/3: failed, so it can have neither steps nor a checkpoint",
        ),
        (_with(replace(LAST, checkpoint=None)), "checkpoint: segment m00/3: ended without one, but is said to have it"),
        (
            _with(replace(LAST, outcome=Finite(value=77.0))),
            "score: segment m00/3: score 77.0 is not that of its last evaluation",
        ),
        (
            _with(replace(LAST, evaluations=())),
            f"score: segment m00/3: score {LAST.score} is not that of its last evaluation",
        ),
        (
            _with(replace(LAST, ended=LAST.begun)),
            f"order: segment m00/3: ended at {LAST.begun}, before it began at {LAST.begun}",
        ),
        (
            _with(replace(LAST, evaluations=(replace(LAST.evaluations[0], step=LAST.end_step + 1),))),
            f"evaluations: segment m00/3: evaluated at steps [{LAST.end_step + 1}], "
            f"outside {LAST.start_step}..{LAST.end_step}",
        ),
        (
            _with(replace(LAST, evaluations=(LAST.evaluations[0], replace(LAST.evaluations[0], step=LAST.start_step)))),
            f"evaluations: segment m00/3: evaluated at steps [{LAST.end_step}, {LAST.start_step}], "
            f"outside {LAST.start_step}..{LAST.end_step}",
        ),
        (_with(replace(LAST, hyperparameters={"x": 1.5})), "bounds: segment m00/3: "),
        (
            _with(replace(LAST, checkpoint_kept=False)),
            "retention: segment m00/3: its checkpoint is still referred to, but was collected",
        ),
        (
            _with(replace(LOG[CLONE.parent], checkpoint_kept=False), replace(CLONE, ended=None)),
            f"retention: segment {CLONE.parent}: its checkpoint is still referred to, but was collected",
        ),
        (
            _with(replace(FIRST, hyperparameters={"x": 0.123})),
            "decision: segment m02/0: does not start as its key says",
        ),
        (
            _with(replace(FIRST, parent=SegmentId(0, 0))),
            "decision: segment m02/0: does not start as its key says",
        ),
        (
            _with(replace(PLAIN, snapshot=0)),
            f"decision: segment {PLAIN.id}: the snapshot 0 does not show the member's generation before",
        ),
        (
            _with(replace(PLAIN, hyperparameters={"x": 0.123})),
            f"decision: segment {PLAIN.id}: logged ({PLAIN.parent!r}, None, {{'x': 0.123}}), "
            f"but its snapshot and key give ({PLAIN.parent!r}, None, {dict(PLAIN.hyperparameters)!r})",
        ),
        (
            _with(replace(CLONE, donor=None)),
            f"decision: segment {CLONE.id}: logged ({CLONE.parent!r}, None, {dict(CLONE.hyperparameters)!r}), "
            f"but its snapshot and key give ({CLONE.parent!r}, {CLONE.donor!r}, {dict(CLONE.hyperparameters)!r})",
        ),
    ],
)
def test_broken_law_is_named_with_what_was_found(log: Log, text: str) -> None:
    """Whoever reads the line must know which row to look at and what should stand there."""
    assert [line for line in _verify(log, SPEC) if line.startswith(text)] != []


@pytest.mark.parametrize(
    "segment",
    [
        replace(LAST, evaluations=(replace(LAST.evaluations[0], step=LAST.start_step), LAST.evaluations[0])),
        replace(LAST, outcome=Diverged(reason="nan")),
        replace(LAST, outcome=Diverged(reason="nan"), evaluations=()),
    ],
)
def test_what_a_last_segment_may_hold_breaks_nothing(segment: Segment) -> None:
    """A segment may have several evaluations, from its first step to its last; one that diverged may have none."""
    assert _verify(_with(segment), SPEC) == []


def test_only_what_is_still_needed_must_be_stored() -> None:
    """Old checkpoints go; the newest of each member, the best, and what running segments started from do not."""
    newest = {SegmentId(member, INTERVALS - 1) for member in range(4)}
    lean = {id: s if id in newest | {BEST.id} else replace(s, checkpoint_kept=False) for id, s in LOG.items()}
    assert _verify(lean, SPEC) == []
    for id in newest:
        broken = lean | {id: replace(LOG[id], checkpoint_kept=False)}
        assert _verify(broken, SPEC) == [
            f"retention: segment {id}: its checkpoint is still referred to, but was collected"
        ]


def test_best_segment_is_kept_though_its_member_went_on_from_it() -> None:
    """The answer of a run may be a segment that nobody goes on from; of equally good ones it is the first."""
    spec = _spec(RandomSearch())
    peak = Problem(state=0.0, train=lambda state, h, n: state + n, evaluate=lambda state: -abs(state - 4))
    log = _log(spec, peak)
    assert {s.generation for s in log.values() if s.score == 0} == {1}
    first = min((s for s in log.values() if s.score == 0), key=lambda s: s.ended)
    needed = {first.id, *(SegmentId(member, INTERVALS - 1) for member in range(4))}
    lean = {id: s if id in needed else replace(s, checkpoint_kept=False) for id, s in log.items()}
    assert _verify(lean, spec) == []
    lost = lean | {first.id: replace(first, checkpoint_kept=False)}
    assert _verify(lost, spec) == [
        f"retention: segment {first.id}: its checkpoint is still referred to, but was collected"
    ]


def test_members_that_stopped_early_are_told_only_of_a_finished_run() -> None:
    """A run that was stopped by hand has trained less, and that is no violation."""
    short = _without(LAST.id)
    assert _verify(short, SPEC, finished=False) == []
    assert _verify(short, SPEC) == ["budget: member 0: trained 6 of 8 steps"]
    alone = {id: s for id, s in _log(_spec(population=1)).items() if id.generation < 2}
    assert _verify(alone, _spec(population=1), finished=False) == []


def test_retired_member_may_stop_early() -> None:
    """A member that failed for good owes no more steps; a member that the run no longer has owes none either."""
    retired = replace(LAST, outcome=Failed(reason="boom"), end_step=LAST.start_step, checkpoint=None, evaluations=())
    assert _verify(_with(retired), SPEC) == []
    whole = [Chapter(after=0, spec=SPEC, population=4, steps=SPEC.steps)]
    fewer = replace(SPEC, population=3)
    short = _without(SegmentId(3, INTERVALS - 1))
    assert _verify(short, fewer, story=whole) == []
    assert _verify(short, SPEC) == ["budget: member 3: trained 6 of 8 steps"]


def test_member_whose_code_failed_may_be_given_up() -> None:
    """It is in the list of those that were given up as well, and asks for no reason of the policy."""
    failed = replace(LAST, outcome=Failed(reason="boom"), end_step=LAST.start_step, checkpoint=None, evaluations=())
    assert _verify(_with(failed), SPEC, retired=[0]) == []
    (line,) = _verify(LOG, SPEC, retired=[0])
    assert "was given up though its code had not failed" in line


def test_member_that_trains_beyond_its_steps_is_told_even_in_a_run_that_goes_on() -> None:
    """The budget is a promise at every moment, and of a segment when it begins."""
    fewer = [Chapter(after=0, spec=SPEC, population=4, steps=6)]
    lines = {f"budget: segment {s.id}: trains its member to 8 of 6 steps" for s in LOG.values() if s.member_end == 8}
    assert set(_verify(LOG, replace(SPEC, steps=6), finished=False, story=fewer)) == lines


def test_steps_that_were_asked_for_before_the_limit_fell_break_no_law() -> None:
    """Whoever stops a run early by fewer steps has trained some members beyond them already."""
    then = [Chapter(after=0, spec=SPEC, population=4, steps=SPEC.steps)]
    less = replace(SPEC, steps=6)
    later = Chapter(after=max(s.ended for s in LOG.values()), spec=less, population=4, steps=6)
    assert _verify(LOG, less, finished=True, story=[*then, later]) == []


def test_finished_run_has_nothing_that_still_trains() -> None:
    """A run that says it is finished while a segment runs has trained less than it says."""
    running = replace(LAST, ended=None, outcome=None, evaluations=())
    assert "budget: member 0: trained 6 of 8 steps" in _verify(_with(running), SPEC)


def test_order_of_rows_does_not_matter() -> None:
    """A store may give them in any order."""
    for synchronous in (False, True):
        spec = _spec(synchronous=synchronous)
        log = _log(spec)
        assert _verify(dict(sorted(log.items(), reverse=True)), spec) == []
        assert _verify(dict(sorted(log.items(), key=lambda item: -item[1].ended)), spec) == []


def test_decision_that_begins_nothing_is_told() -> None:
    """A member that should have waited or retired but trained on was decided by nobody."""
    spec = _spec(RandomSearch(), population=1)
    log = _log(spec)
    first, second = log[SegmentId(0, 0)], log[SegmentId(0, 1)]
    failed = replace(first, outcome=Failed(reason="boom"), end_step=0, checkpoint=None, evaluations=())
    lines = _verify(log | {first.id: failed}, spec)
    assert f"decision: segment {second.id}: the snapshot {second.snapshot} gives Retire, but a segment began" in lines


def _larger(changes: int) -> tuple[list[Chapter], Log, RunSpec]:
    """A run of 2 members that goes on with 4 from its second generation."""
    small, large = _spec(RandomSearch(), population=2), _spec(RandomSearch(), population=4)
    old = {id: s for id, s in _log(small).items() if id.generation < 2}
    after = max(s.ended for s in old.values()) + changes
    new = [s for s in _log(large).values() if s.id not in old]
    log = old | {s.id: replace(s, snapshot=_late(s, after), begun=s.begun + 90, ended=s.ended + 90) for s in new}
    return (
        [
            Chapter(after=0, spec=small, population=2, steps=small.steps),
            Chapter(after=after, spec=large, population=4, steps=large.steps),
        ],
        log,
        large,
    )


def _late(segment: Segment, after: int) -> int:
    return 0 if segment.generation == 0 else max(segment.snapshot + 90, after)


def test_decisions_before_a_change_of_limits_are_derived_under_the_limits_of_then() -> None:
    """A resumed run with more members must not make its own past look wrong."""
    story, log, spec = _larger(1)
    assert _verify(log, spec, story=story) == []


def test_chapter_whose_policy_is_unknown_is_left_out() -> None:
    """Without the user's function its decisions cannot be derived; everything else is checked all the same."""
    wrong = _with(replace(PLAIN, hyperparameters={"x": 0.123}), replace(LAST, checkpoint=None))
    story = [Chapter(after=0, spec=None, population=4, steps=SPEC.steps)]
    assert _verify(wrong, SPEC, story=story) == ["checkpoint: segment m00/3: ended without one, but is said to have it"]


def halve(hyperparameters: Hyperparameters, space: Space, key: Key) -> Hyperparameters:
    """A user's own explore."""
    return {"x": hyperparameters["x"] / 2}


def test_chapters_tell_what_held_when() -> None:
    """A log holds the newest specification and what each resume changed; every decision is judged by its own time."""
    newest = _spec(steps=40, population=8, policy=PBT(explore=Resample()))
    changes = [(30, {"steps": (20, 40)}), (10, {"steps": (8, 20), "population": (4, 8)}), (50, {})]
    story = chapters(newest.to_json(), changes, None)
    assert [(c.after, c.population, c.spec.steps, c.spec.population) for c in story] == [
        *((0, 4, 8, 4), (10, 8, 20, 8)),
        *((30, 8, 40, 8), (50, 8, 40, 8)),
    ]
    assert {c.spec.policy for c in story} == {newest.policy}


def test_chapters_of_a_users_function_need_it_again() -> None:
    """Code is never loaded from a log; given again, every decision can be derived."""
    policy = PBT(explore=halve)
    written = _spec(policy).to_json()
    assert [(c.spec, c.population) for c in chapters(written, [(5, {"population": (3, 4)})], None)] == [
        (None, 3),
        (None, 4),
    ]
    assert [c.spec.policy for c in chapters(written, [], policy)] == [policy]


@settings(max_examples=20)
@given(st.sampled_from(sorted(LOG)), st.floats(0, 1))
def test_no_other_hyperparameters_pass(id: SegmentId, value: float) -> None:
    """A log that passes could have been written by no other decisions."""
    if value != LOG[id].hyperparameters["x"]:
        assert any(
            line.startswith(f"decision: segment {id}")
            for line in _verify(_with(replace(LOG[id], hyperparameters={"x": value})), SPEC)
        )


def test_exploits_are_in_the_log_that_the_other_tests_spoil() -> None:
    """Without an exploit in it, half of the laws above would be tested on nothing."""
    assert isinstance(CLONE.donor, SegmentId)
    assert CLONE.parent == CLONE.donor
    assert CLONE.member != CLONE.donor.member


def test_ancestry_that_the_log_has_lost_holds_no_good_ancestor() -> None:
    """A log with a missing row must be judged, not end the judgement with an error of Python's."""
    assert last_good(SegmentId(9, 9), LOG.get) is None
    assert last_good(None, LOG.get) is None
    orphan = replace(LAST, parent=SegmentId(9, 9), checkpoint_kept=False)
    assert last_good(LAST.id, _with(orphan).get) is None


HEIR = next(s for s in LOG.values() if s.generation == INTERVALS - 1 and s.donor is None)
LOST = LOG[HEIR.parent]
GIVEN_UP = replace(
    HEIR,
    outcome=Failed(reason="its parent's bytes have changed"),
    parent_damaged=True,
    fallback=LOST.parent,
    end_step=HEIR.start_step,
    checkpoint=None,
    evaluations=(),
)
UNKNOWN = f"was given up for {LOST.id}, whose checkpoint was not known as damaged then"


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ([GIVEN_UP, replace(LOST, damaged=HEIR.ended, checkpoint_kept=False)], []),
        (
            [GIVEN_UP],
            [
                f"damage: segment {HEIR.id}: {UNKNOWN}",
                f"damage: segment {HEIR.id}: falls back to {LOST.parent}, but its last good ancestor is {LOST.id}",
            ],
        ),
        (
            [GIVEN_UP, replace(LOST, damaged=HEIR.ended + 1, checkpoint_kept=False)],
            [f"damage: segment {HEIR.id}: {UNKNOWN}"],
        ),
        (
            [replace(GIVEN_UP, outcome=HEIR.outcome), replace(LOST, damaged=HEIR.ended, checkpoint_kept=False)],
            [f"damage: segment {HEIR.id}: {UNKNOWN}"],
        ),
        (
            [replace(GIVEN_UP, fallback=None), replace(LOST, damaged=HEIR.ended, checkpoint_kept=False)],
            [f"damage: segment {HEIR.id}: falls back to None, but its last good ancestor is {LOST.parent}"],
        ),
        (
            # Dropped since then, as old checkpoints are: it was there when it was fallen back to.
            [
                GIVEN_UP,
                replace(LOST, damaged=HEIR.ended, checkpoint_kept=False),
                replace(LOG[LOST.parent], checkpoint_kept=False),
            ],
            [],
        ),
        (
            [replace(LOG[CLONE.donor], damaged=CLONE.begun - 1)],
            [
                f"damage: segment {CLONE.id}: copied {CLONE.donor}, whose checkpoint was known as damaged at "
                f"{CLONE.begun - 1}"
            ],
        ),
        ([replace(LOG[CLONE.donor], damaged=CLONE.begun)], []),
        # Hyperparameters alone were copied: no damage reaches them.
        ([replace(LOG[CLONE.donor], damaged=CLONE.begun - 1), replace(CLONE, parent=CLONE_BEFORE)], []),
    ],
)
def test_damage_is_known_before_it_counts_and_leads_to_the_last_good_ancestor(changed, lines) -> None:
    """A member must not go back further than it has to, nor for damage that nobody had found."""
    found = [line for line in _verify(_with(*changed), SPEC) if line.startswith("damage")]
    assert [line for line in found if not lines or line.startswith(lines[0][: lines[0].index(": ", 8)])] == lines


@given(st.integers(0, 40))
def test_view_of_then_holds_what_had_ended_then(sequence: int) -> None:
    """A decision is derived again from what its worker could see, and from nothing that came later."""
    log = _log(_spec())
    then = _Then(log, sequence)
    ended = [s.id for s in log.values() if s.ended is not None and s.ended <= sequence]
    assert sorted(then) == sorted(ended)
    assert len(then) == len(ended)
    assert all((s.id in then) == (s.id in ended) for s in log.values())


def test_other_source_of_hyperparameters_is_told() -> None:
    """Where weights and hyperparameters come from two segments, the log must name the right second one."""
    spec = _spec(MFPBT(periods=(1, 2)), population=8)
    log = _log(spec)
    migrant = next(s for s in log.values() if "hyperparameters" in s.why)
    assert _verify(log, spec) == []
    broken = log | {migrant.id: replace(migrant, why={**migrant.why, "hyperparameters": "m99/9"})}
    assert _verify(broken, spec) == [
        f"decision: segment {migrant.id}: says that its hyperparameters are those of m99/9, but they are of "
        f"{migrant.why['hyperparameters']}"
    ]


def test_member_joins_a_run_that_goes_on_only_where_it_had_come_to_its_end() -> None:
    """In lockstep it then sees the others where they wait; who was still on its way sees them as ever."""
    first = replace(FIRST, start_step=0, begun=1, ended=4)
    done, short = replace(first, member=0, end_step=3), replace(first, member=1, end_step=2)
    before, longer = _spec(population=2, steps=3), _spec(population=3, steps=5)
    story = [Chapter(after=0, spec=before, population=2, steps=3), Chapter(after=9, spec=longer, population=3, steps=5)]
    later = replace(done, generation=1, begun=11, ended=12, member_start=3, end_step=5)

    def joined(member: int, begun: int) -> int:
        return _joined(replace(first, member=member, begun=begun), [done, short, later], story)

    assert [joined(member, 10) for member in range(3)] == [9, 0, 9]
    assert [joined(member, 9) for member in range(3)] == [0, 0, 0]
    back = [*story, Chapter(after=20, spec=longer, population=3, steps=6)]
    assert _joined(replace(first, member=0, begun=21), [done, short, later], back) == 20
    assert _joined(replace(first, member=1, begun=21), [done, short, later], back) == 0
