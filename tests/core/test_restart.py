"""Laws of the restarts: when they come, what they do to a member, and what the policy inside sees of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import (
    PBT,
    RESTART,
    Chapter,
    Continue,
    Diverged,
    Exploit,
    Mode,
    Oversampled,
    Place,
    Policy,
    RandomSearch,
    Restart,
    RunSpec,
    SegmentId,
    Shrink,
    Start,
    _stagnation,
    decide,
    decision_key,
    policy_from_json,
    policy_to_json,
    told,
    verify_log,
)
from populace.core._stagnation import smoothed, stagnates
from populace.core.exploit import Backtrack, Truncation
from populace.core.explore import PB2, FunctionExplore, NoExplore, Perturb
from populace.space import Space, Uniform
from populace.testing import Problem, Simulation, population_of, population_of_lives, simulate

SPACE = Space.of({"x": Uniform(0, 1)})
EAGER = {"patience": 1, "window": 2}


def _mixed(state: float, fresh: float, how: Shrink) -> float:
    return how.keep * state + how.renew * fresh


FLAT = Problem(state=1.0, train=lambda state, h, n: state, evaluate=lambda state: 0.0, shrink=_mixed)
CLIMB = Problem(state=0.0, train=lambda s, h, n: s + n * h["x"], evaluate=lambda s: round(s, 2), shrink=_mixed)
LIMITED = replace(CLIMB, train=lambda s, h, n: min(2.0 + h["x"], s + n * h["x"]))


def _begun(run: Simulation[float], member: int) -> dict[int, int]:
    """Returns by iteration the generation at which a member began it."""
    life = sorted((s for s in run.lineage if s.member == member), key=lambda s: s.generation)
    return {s.why["iteration"]: s.generation for s in life if s.why["rule"] == RESTART}


def _restarts(run: Simulation[float]) -> dict[SegmentId, object]:
    return {id: d for id, d in run.decisions.items() if d.why["rule"] == RESTART}


def test_interval_doubles_at_each_restart_while_two_fit() -> None:
    """Of 100 ready points: 1, 2, 4, 8 ... and no restart that could not select twice."""
    run = simulate(FLAT, Restart(**EAGER), space=SPACE, size=4, intervals=100, interval=3)
    # Of a flat series two rounds are known to stagnate: 2 of 1, then 2 of 2, 2 of 4, 2 of 8, 2 of 16.
    assert _begun(run, 0) == {1: 2, 2: 6, 3: 14, 4: 30}
    periods = {d.why["iteration"]: d.why["period"] for d in _restarts(run).values()}
    assert periods == {1: 2, 2: 4, 3: 8, 4: 16}
    assert 100 - 30 >= 2 * 16
    assert 100 - 62 < 2 * 32


@given(st.none() | st.integers(2, 20), st.integers(1, 4), st.integers(1, 3))
def test_restart_needs_room_for_two_intervals_of_the_next_iteration(steps, growth, interval) -> None:
    """An iteration that cannot select twice has cost its weights for nothing; a run without an end has room."""
    population = population_of_lives([[0.0, 0.0]] * 4, steps=steps)
    policy = Restart(growth=growth, **EAGER)
    answer = decide(replace(population, interval=interval), 0, policy, decision_key(0, 0, 2))
    assert (answer.why["rule"] == RESTART) is (steps is None or steps - 2 >= 2 * interval * growth)


def test_who_begins_anew_and_who_draws_are_drawn_apart_and_anew_each_time() -> None:
    """Fresh weights must meet old hyperparameters too, and no member may be spared in every iteration."""
    drawn = {}
    for seed, iteration in itertools.product(range(4), (1, 2)):
        population = replace(population_of([0.0] * 8, seed=seed), steps=None)
        ahead = [replace(s, why={"iteration": iteration, "since": 0}) for s in population.latest[:1]]
        ahead = population.with_ended(ahead, population.sequence + 1)
        answers = {m: decide(ahead, m, Restart(), decision_key(seed, m, 1)) for m in range(1, 8)}
        assert all(a.why["score"] == 0.0 for a in answers.values())
        for name, is_drawn in (("anew", lambda a: isinstance(a, Start)), ("draws", lambda a: a.why["from"] == "prior")):
            drawn[seed, iteration, name] = frozenset(m for m, a in answers.items() if is_drawn(a))
    assert any(drawn[seed, 1, "anew"] != drawn[seed, 1, "draws"] for seed in range(4))
    assert any(drawn[seed, 1, "anew"] != drawn[seed, 2, "anew"] for seed in range(4))
    assert any(drawn[seed, 1, "anew"] != drawn[0, 1, "anew"] for seed in range(1, 4))


@pytest.mark.parametrize(("outcome", "source"), [(1.0, "m04/0"), (Diverged(reason="nan"), "prior")])
def test_who_follows_from_an_iteration_without_a_score_draws_its_hyperparameters(outcome, source) -> None:
    """A member that joins late may see nobody's first iteration but its own, and be lost in it."""
    population = population_of([*[0.0] * 4, outcome])
    ahead = [replace(s, why={"iteration": 1, "since": 0}) for s in population.latest[:4]]
    population = replace(population.with_ended(ahead, population.sequence + 4), steps=100)
    answer = decide(population, 4, Restart(redrawn=0.0, explore=NoExplore()), decision_key(0, 4, 1))
    assert (answer.why["rule"], answer.why["iteration"], answer.why["from"]) == (RESTART, 1, source)
    assert (answer.hyperparameters == population.latest[4].hyperparameters) is (source != "prior")


@pytest.mark.slow
@given(st.integers(1, 3), st.integers(0, 2**32))
@settings(max_examples=10)
def test_inside_an_iteration_members_decide_at_the_end_of_its_rounds_alone(growth, seed) -> None:
    """An interval that is twice as long is one in which nobody copies halfway."""
    policy = Restart(policy=PBT(exploit=Truncation(0.5)), growth=growth, **EAGER)
    run = simulate(LIMITED, policy, space=SPACE, size=6, intervals=24, seed=seed)
    for id, decision in run.decisions.items():
        if id.generation == 0 or decision.why["rule"] == RESTART:
            continue
        place = Place(iteration=decision.why["iteration"], since=decision.why["since"])
        ends_round = (id.generation - place.since) % growth**place.iteration == 0
        assert (decision.why["rule"] != "between") == ends_round
        if not ends_round:
            assert isinstance(decision, Continue)
            before = run.lineage[SegmentId(id.member, id.generation - 1)]
            told_of = {"period": growth**place.iteration, "iteration": place.iteration, "since": place.since}
            assert decision.why == {"rule": "between", "score": before.score, **told_of}
            assert decision.hyperparameters == before.hyperparameters


@pytest.mark.slow
@given(st.integers(0, 2**32), st.sampled_from([4, 7, 8]))
@settings(max_examples=10)
def test_half_begins_anew_and_the_rest_is_shrunk(seed, size) -> None:
    """All anew would forget the run, none anew would keep what it has got stuck in."""
    run = simulate(LIMITED, Restart(**EAGER), space=SPACE, size=size, intervals=20, seed=seed)
    begun = _restarts(run)
    assert begun
    for generation in {id.generation for id in begun}:
        together = [d for id, d in begun.items() if id.generation == generation]
        assert len(together) == size
        assert sum(isinstance(d, Start) for d in together) == round(size / 2)
        assert sum(d.why["from"] == "prior" for d in together) == round(size / 2)
        assert all(d.shrink == Shrink(keep=0.2, renew=0.1) for d in together if isinstance(d, Continue))


def test_shrunk_weights_are_mixed_of_old_and_fresh_ones_before_they_train() -> None:
    """(1, 0) is the identity, (0, 1) fresh weights; 0.2 and 0.1 are between."""
    problem = replace(FLAT, state=10.0, train=lambda state, h, n: state + 1)
    for keep, renew, expected in [(1.0, 0.0, 12 + 1), (0.0, 1.0, 10 + 1), (0.2, 0.1, 0.2 * 12 + 0.1 * 10 + 1)]:
        policy = Restart(keep=keep, renew=renew, anew=0.0, **EAGER)
        run = simulate(problem, policy, space=SPACE, size=2, intervals=8)
        first = SegmentId(0, _begun(run, 0)[1])
        assert run.states[first] == pytest.approx(expected)
        assert run.lineage[first].parent == SegmentId(0, first.generation - 1)


def test_others_begin_with_what_the_best_line_began_with() -> None:
    """What greed has made of hyperparameters at the end of an iteration is not what a longer one should begin with."""
    policy = Restart(explore=NoExplore(), policy=PBT(exploit=Truncation(0.25)), **EAGER)
    run = simulate(LIMITED, policy, space=SPACE, size=8, intervals=20)
    begun = {id: d for id, d in _restarts(run).items() if d.why["iteration"] == 1}
    past = [s for s in run.lineage if s.generation < next(iter(begun)).generation]
    best = max(past, key=lambda s: s.precedence(Mode.MAX))
    root = run.lineage.ancestry(best.id)[0]
    taken = [d for d in begun.values() if d.why["from"] != "prior"]
    assert len(taken) == 4
    assert all(d.why["from"] == str(root.id) and d.hyperparameters == root.hyperparameters for d in taken)


class Spy(Policy):
    """Notes what it is shown."""

    starts = ()
    shrinks = False

    def __init__(self) -> None:
        self.seen = []

    def looks(self, size):
        return PBT(explore=PB2()).looks(size)

    def warnings(self, size):
        return []

    def decide(self, population, segment, key):
        own = Place.of(segment).iteration
        ancestries = [population.ancestry(s) for s in population.latest if s is not None]
        shown = [
            *population.lives(10**6),
            *population.forest.values(),
            *(s for ancestry in ancestries for s in ancestry),
        ]
        assert {Place.of(s).iteration for s in shown} == {own}
        assert len(population.forest) == len(set(population.forest))
        self.seen.append((own, population.interval, population.num_unknown))
        return Continue(hyperparameters=segment.hyperparameters, why={"rule": "spy"})


@pytest.mark.parametrize("synchronous", [True, False])
def test_policy_sees_its_iteration_alone(synchronous) -> None:
    """Scores fall at a restart: a policy that compared across one would copy everybody back."""
    spy = Spy()
    run = simulate(LIMITED, Restart(policy=spy, **EAGER), space=SPACE, size=5, intervals=24, synchronous=synchronous)
    assert {iteration for iteration, _, _ in spy.seen} == {Place.of(s).iteration for s in run.lineage} > {0}
    assert all(interval == 2**iteration for iteration, interval, _ in spy.seen)
    if not synchronous:
        assert any(unknown for _, _, unknown in spy.seen)


def test_others_follow_whoever_restarts_first() -> None:
    """Asynchronously nobody waits; but two iterations at once would halve the population."""
    run = simulate(LIMITED, Restart(**EAGER), space=SPACE, size=5, intervals=24, synchronous=False)
    firsts = [_begun(run, m)[1] for m in range(5)]
    assert max(firsts) - min(firsts) <= 1


def test_member_without_a_score_begins_anew() -> None:
    """Weights that are NaN are NaN when they are shrunk."""
    lost = replace(
        FLAT,
        train=lambda state, h, n: state + (0 if h["x"] <= 0.5 else 100),
        evaluate=lambda state: math.nan if state > 150 else 0.0,
    )
    policy = Restart(policy=RandomSearch(), anew=0.0, **EAGER)
    run = simulate(lost, policy, space=SPACE, size=6, intervals=12)
    begun = {id.member: d for id, d in _restarts(run).items() if id.generation == 2}
    before = {m: run.lineage[SegmentId(m, 1)] for m in begun}
    assert {m for m, d in begun.items() if isinstance(d, Start)} == {m for m, s in before.items() if s.score is None}
    assert len({type(d) for d in begun.values()}) == 2


@pytest.mark.slow
@settings(max_examples=8)
@given(
    st.sampled_from([PBT(), PBT.paper(), PBT(explore=PB2(rows=12)), RandomSearch()]),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(Mode),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_log_can_be_derived_again(policy, seed, synchronous, mode, anew) -> None:
    """Whatever decides inside, and whoever restarts first; and a log that lies about a restart is told."""
    restart = Restart(policy=policy, anew=anew, **EAGER)
    how = {"space": SPACE, "seed": seed, "mode": mode, "synchronous": synchronous}
    spec = RunSpec(name="r", population=5, steps=20, policy=restart, **how)
    run = simulate(LIMITED, restart, size=5, intervals=20, **how)
    log = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    story = [Chapter(after=0, spec=spec, population=5, steps=20)]
    assert [str(v) for v in verify_log(spec, log, story, finished=True)] == []
    place = next(i for i, s in enumerate(log) if s.why["rule"] == RESTART)
    lies = [({"iteration": 7}, "says iteration 7"), ({"since": 0}, "says since 0")]
    lies += [({"shrink": [0.25, 0.5]}, "says that its weights were 0.25 of the old and 0.5 of fresh ones, not ")]
    for lie, line in lies:
        changed = [*log[:place], replace(log[place], why={**log[place].why, **lie}), *log[place + 1 :]]
        broken = [str(v) for v in verify_log(spec, changed, story, finished=True) if v.law == "decision"]
        assert any(line in each for each in broken)


@pytest.mark.slow
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(1, 4), st.integers(2, 20))
@settings(max_examples=12)
def test_stagnation_knows_neither_scale_nor_place(series, patience, window) -> None:
    """Scores in percent and in shares are the same scores."""
    series = [round(v, 2) for v in series]
    assert stagnates(series, patience, window) == stagnates([4 * v for v in series], patience, window)


def test_stagnation_is_no_rise_of_the_smoothed_series() -> None:
    """What rises goes on, what is flat or falls ends; one bad round among rising ones does not."""
    rising = [float(i) for i in range(12)]
    assert not any(stagnates(rising[:n], 3, 15) for n in range(1, 13))
    assert stagnates([*rising, 11.0, 10.5, 10.0, 9.5, 9.0], 3, 15)
    assert not stagnates([*rising, 10.0, 13.0], 3, 15)
    assert not stagnates([*rising, 2.0], 3, 15)  # one bad round, whoever was first in it
    assert stagnates([*rising, 2.0], 1, 15)
    assert stagnates([1.0, 1.0, 1.0, 1.0], 3, 15)
    assert not stagnates([1.0, 1.0, 1.0], 3, 15)  # three rounds in a row have only two differences


def test_series_are_smoothed_as_in_logs_that_were_written() -> None:
    """Other lengths or noises to choose from would derive other restarts from an old log."""
    assert _stagnation._LENGTHS == (0.05, 0.1, 0.2, 0.4, 0.8)
    assert _stagnation._NOISES == (0.01, 0.1, 0.3, 1.0, 3.0)


def test_stagnation_is_too_slow_a_rise() -> None:
    """A series that creeps would never end: over `window` rounds the best must gain a standard deviation."""
    steep, creeping = [*[0.0] * 9, 90.0], [90.0 + 0.001 * i for i in range(1, 15)]
    assert not stagnates(steep + creeping[:-1], 30, 15)
    assert stagnates(steep + creeping, 30, 15)


@given(st.integers(0, 2**32), st.integers(8, 40))
@settings(max_examples=15)
def test_smoothing_takes_noise_away(seed, size) -> None:
    """The smoothed series is nearer to the curve than what was measured."""
    x = np.linspace(0, 1, size)
    curve, noise = np.sin(2 * x), np.random.default_rng(seed).normal(0, 0.5, size)
    measured = curve + noise
    centre, spread = measured.mean(), measured.std(ddof=1)
    assert np.abs(spread * smoothed(measured.tolist()) + centre - curve).mean() < np.abs(noise).mean()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"policy": Restart()}, "`policy` must be a policy such as PBT"),
        ({"policy": Oversampled(keep=2)}, r"write Oversampled\(keep=..., policy=Restart\(\)\)"),
        ({"policy": PBT(exploit=Backtrack(Truncation()))}, "`policy` must decide by one iteration alone"),
        ({"growth": 0}, "`growth >= 1` must hold"),
        ({"patience": 0}, "`patience >= 1` must hold"),
        ({"window": 1}, "`window >= 2` must hold"),
        ({"keep": 1.5}, r"`0 <= keep <= 1` must hold, but got Shrink\(keep=1.5\)"),
        ({"renew": math.nan}, "`0 <= renew <= 1` must hold"),
        ({"anew": -0.1}, r"`0 <= anew <= 1` must hold, but got Restart\(anew=-0.1\)"),
        ({"redrawn": "half"}, "`0 <= redrawn <= 1` must hold"),
        ({"explore": 3}, "`explore` must be a strategy such as Perturb"),
    ],
)
def test_wrong_settings_are_refused(given, message) -> None:
    """A setting that means nothing is told at once, with what it may be."""
    with pytest.raises(UsageError, match=message):
        Restart(**given)


def test_outermost_settings_are_allowed() -> None:
    """What a message names as the limit may be asked for: shares of none and all, and intervals that stay."""
    for share in (0, 1):
        policy = Restart(growth=1, patience=1, window=2, keep=share, renew=share, anew=share, redrawn=share)
        run = simulate(FLAT, policy, space=SPACE, size=2, intervals=5)
        assert all(d.why["period"] == 1 for d in _restarts(run).values())
        assert {isinstance(d, Start) for d in _restarts(run).values()} == {bool(share)}


def test_what_is_left_out_is_as_published() -> None:
    """IPBT (arXiv 2511.09190): truncation by quarters, intervals that double, half of the members anew."""
    published = Restart(
        policy=replace(PBT.paper(), exploit=Truncation(0.25)),
        growth=2,
        patience=3,
        window=15,
        keep=0.2,
        renew=0.1,
        anew=0.5,
        redrawn=0.5,
        explore=Perturb((0.5, 2.0)),
    )
    assert Restart() == published


def test_log_holds_the_policy_and_says_whether_it_shrinks() -> None:
    """A run that goes on elsewhere finds its policy in the log."""
    for policy in (Restart(), Restart(policy=PBT(), anew=1.0), Oversampled(keep=2, policy=Restart())):
        assert policy_from_json(policy_to_json(policy)) == policy
    assert Restart().shrinks
    assert Oversampled(keep=2, policy=Restart()).shrinks
    assert not Restart(anew=1.0).shrinks
    assert not Oversampled(keep=2).shrinks


def test_decision_tells_how_weights_are_shrunk() -> None:
    """The log is all that another worker, a replay and `verify` have."""
    how = Shrink(keep=0.2, renew=0.1)
    decision = Continue(hyperparameters={}, why={"rule": RESTART}, shrink=how)
    assert Shrink.of(told(decision)) == how
    assert Shrink.of(told(replace(decision, shrink=None))) is None
    exploit = Exploit(donor=SegmentId(0, 0), copies_weights=True, hyperparameters={}, why={"rule": "truncation"})
    assert told(exploit) == exploit.why


def test_users_function_may_explore() -> None:
    """What a user writes for plain PBT serves here as well, and takes no value out of the space."""
    policy = Restart(**EAGER, explore=lambda hyperparameters, space, key: dict.fromkeys(hyperparameters, 1000000000.0))
    assert isinstance(policy.explore, FunctionExplore)
    run = simulate(FLAT, policy, space=SPACE, size=4, intervals=20)
    for decision in run.decisions.values():
        SPACE.check(decision.hyperparameters)


def test_warnings_are_those_of_the_policy_inside() -> None:
    """The same population is too small for it in every iteration."""
    inside = PBT(exploit=Truncation(0.2))
    assert Restart(policy=inside).warnings(1) == inside.warnings(1) != []
