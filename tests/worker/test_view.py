"""The worker's view: whenever a worker looks, and whatever it has forgotten, it decides as the whole log would."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.core import PBT, Exploit, Policy, RunSpec, Segment, SegmentId, decide, decision_key
from populace.core.baselines import Attempts
from populace.core.exploit import Backtrack, BinaryTournament, Truncation, TTest
from populace.core.explore import PB2, Pairwise
from populace.space import Space, Uniform
from populace.testing import PastLog, Problem, simulate
from populace.worker import _view as view_module
from populace.worker._view import View

SPACE = Space.of({"x": Uniform(0, 1)})
CLIMB = Problem(state=0.0, train=lambda state, h, n: state + n * h["x"], evaluate=lambda state: round(state, 1))
WAVE = replace(CLIMB, evaluate=lambda state: round(math.sin(3 * state), 1))
"""What was best may be worse a generation later, so that policies go back."""
POLICIES = [
    PBT(),
    PBT.paper(),
    PBT(exploit=BinaryTournament()),
    PBT(exploit=Truncation(0.5), compare="equal progress"),
    PBT(exploit=Truncation(0.5), explore=Pairwise(rounds=3)),
    PBT(exploit=Truncation(0.5), explore=PB2(rows=12)),
    PBT(exploit=Backtrack(Truncation(0.5))),
    Attempts(steps=3),
    *(
        [PBT(exploit=TTest(alpha=0.4, window=3), compare=compare) for compare in ("latest", "equal progress")]
        if importlib.util.find_spec("scipy")
        else []
    ),
]


def _log(
    policy: Policy, seed: int, synchronous: bool, size: int = 5, problem: Problem[float] = CLIMB
) -> tuple[RunSpec, PastLog]:
    spec = RunSpec(name="r", space=SPACE, policy=policy, seed=seed, population=size, steps=8, synchronous=synchronous)
    run = simulate(problem, policy, space=SPACE, size=size, intervals=8, seed=seed, synchronous=synchronous)
    segments = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    return spec, PastLog({s.id: s for s in segments})


def _check(spec: RunSpec, log: PastLog, view: View, segment: Segment) -> None:
    """Checks that the view gives the decision that began a segment."""
    log.now = segment.snapshot
    newest = log.whole[SegmentId(segment.member, segment.generation - 1)]
    population = view.after(newest)
    assert population.sequence <= segment.snapshot
    key = decision_key(spec.seed, segment.member, segment.generation)
    answer = decide(population, segment.member, spec.policy, key)
    assert answer.hyperparameters == segment.hyperparameters
    assert (answer.donor if isinstance(answer, Exploit) else None) == segment.donor
    assert answer.why == segment.why


@pytest.mark.slow
@settings(max_examples=80)
@given(
    st.sampled_from(POLICIES),
    st.sampled_from([CLIMB, WAVE]),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(0, 39), max_size=9),
)
def test_view_decides_as_the_whole_log_does(policy, problem, seed, synchronous, forgetful, looks) -> None:
    """Workers join late, look seldom and forget what is old; `verify` derives every decision from the whole log."""
    spec, log = _log(policy, seed, synchronous, problem=problem)
    view = View(log, spec)
    begun = sorted((s for s in log.whole.values() if s.generation), key=lambda s: (s.snapshot, s.begun))
    with pytest.MonkeyPatch.context() as patch:
        if forgetful:
            patch.setattr(view_module, "_SPARE", -(10**9))
        for place, segment in enumerate(begun):
            if not looks or place in looks:
                _check(spec, log, view, segment)


@pytest.mark.parametrize("synchronous", [False, True])
def test_worker_that_joins_late_knows_what_was_the_best(synchronous: bool) -> None:
    """The best segment may be long behind every member; who has not seen it would copy somebody else."""
    policy, went_back = PBT(exploit=Backtrack(Truncation(0.5))), 0
    for seed in range(3):
        spec, log = _log(policy, seed, synchronous, problem=WAVE)
        for segment in [s for s in log.whole.values() if s.generation]:
            _check(spec, log, View(log, spec), segment)
            went_back += segment.donor is not None and segment.donor.generation < segment.generation - 1
    assert went_back > 3


def test_members_beyond_the_population_are_not_seen() -> None:
    """A run resumed with fewer members holds more in its log."""
    spec, log = _log(PBT.paper(), 3, False)
    log.now = max(s.ended for s in log.whole.values())
    fewer = View(log, replace(spec, population=3)).after(log.whole[SegmentId(0, 7)])
    assert fewer.size == 3
    assert {s.member for s in fewer.latest} == {0, 1, 2}


@pytest.mark.parametrize("exploit", [Truncation(), BinaryTournament()])
def test_nothing_but_the_donor_is_loaded_where_only_newest_scores_count(exploit) -> None:
    """A look must cost the same after a thousand generations as after one, and in a crowd of a thousand members."""
    spec, log = _log(PBT(exploit=exploit), 1, False)
    view = View(log, spec)
    begun = sorted((s for s in log.whole.values() if s.generation), key=lambda s: s.begun)
    for segment in begun:
        _check(spec, log, view, segment)
    assert log.asked == [s.donor for s in begun if s.donor is not None]
    assert log.asked


def test_window_is_loaded_no_further_back_than_it_reaches() -> None:
    """An ancestry may be a thousand segments long."""
    pytest.importorskip("scipy")
    spec, log = _log(PBT(exploit=TTest(window=3)), 1, False, size=2)
    log.now = max(s.ended for s in log.whole.values())
    newest = log.whole[SegmentId(0, 7)]
    population = View(log, spec).after(newest)
    assert len(log.asked) <= 2 * 2
    for segment in population.latest:
        assert len(population.window(segment, 3)) == 3


def test_window_reaches_back_from_equal_progress() -> None:
    """A member that is behind is compared with what another had then, and with its record up to then."""
    pytest.importorskip("scipy")
    spec, log = _log(PBT(exploit=TTest(window=3), compare="equal progress"), 1, False, size=2)
    behind = PastLog({id: s for id, s in log.whole.items() if id.member == 1 or id.generation <= 3})
    behind.now = max(s.ended for s in behind.whole.values())
    newest = behind.whole[SegmentId(0, 3)]
    then = View(behind, spec).after(newest).at_progress(newest.end_step)
    assert len(then.window(then.latest[1], 3)) == 3


def test_history_is_loaded_no_further_back_than_the_youngest_member() -> None:
    """Equal progress looks back to the member that has trained least, and not to the start."""
    spec, log = _log(PBT(exploit=Truncation(), compare="equal progress"), 1, False, size=2)
    log.now = max(s.ended for s in log.whole.values())
    View(log, spec).after(log.whole[SegmentId(0, 7)])
    assert log.asked == []


def test_old_segments_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run must not fill the worker's memory, nor load a window again at every look."""
    pytest.importorskip("scipy")
    window, spare = 3, -22
    monkeypatch.setattr(view_module, "_SPARE", spare)
    spec, log = _log(PBT(exploit=TTest(window=window)), 1, False, size=2)
    view, most = View(log, spec), 0
    for segment in sorted((s for s in log.whole.values() if s.generation), key=lambda s: s.begun):
        log.now = segment.snapshot
        population = view.after(log.whole[SegmentId(segment.member, segment.generation - 1)])
        most = max(most, len(population.forest))
        assert set(population.forest) >= {s.id for s in population.latest if s is not None}
    assert most == 4 * 2 * (1 + window) + spare


@pytest.mark.parametrize("policy", [PBT.paper(), PBT(exploit=Truncation(0.5), compare="equal progress")])
def test_fallback_is_loaded_where_it_was_dropped_from_the_view(policy: PBT) -> None:
    """A member whose checkpoint is damaged goes back to an ancestor that a late worker has never seen."""
    spec, log = _log(policy, 1, False, size=2)
    log.now = max(s.ended for s in log.whole.values())
    newest = replace(log.whole[SegmentId(0, 7)], fallback=SegmentId(0, 2))
    view = View(log, spec)
    assert view.after(newest).forest[SegmentId(0, 2)] == log.whole[SegmentId(0, 2)]
    assert log.asked == [SegmentId(0, 2)]
