"""Laws of FIRE PBT: how curves are compared, who is for what, and what each role may do."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import (
    Chapter,
    Continue,
    Decision,
    Diverged,
    Exploit,
    Failed,
    Finite,
    FirePBT,
    Looks,
    Mode,
    Population,
    RunSpec,
    SegmentId,
    decide,
    decision_key,
    policy_from_json,
    policy_to_json,
    verify_log,
)
from populace.core._curves import WORSE, Curve, Overlap, binomial_tail, gain, overlap_of, p_of_wins
from populace.core._fire import Role, curve_of
from populace.core.explore import FunctionExplore, Perturb
from populace.space import LogUniform, Space, Uniform
from populace.testing import Problem, Simulation, population_of, simulate

SPACE = Space.of({"h": Uniform(0, 1)})
CLIMB = Problem(state=0.0, train=lambda s, h, n: s + n * h["h"], evaluate=lambda s: round(s, 2))
QUICK = FirePBT(evaluations=8, tail=0.5)
curves = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=20)


def _plain(*scores: float) -> Curve:
    """A curve that is smooth as it is."""
    return Curve(np.array(scores, np.float64), np.array(scores, np.float64))


def test_binomial_threshold_needs_seven_wins_in_a_row() -> None:
    """Fewer measurements than that cannot show anything, and one loss in ten is one too many."""
    assert [binomial_tail(n, n) for n in (5, 6, 7, 8)] == [0.03125, 0.015625, 0.0078125, 0.00390625]
    assert binomial_tail(9, 10) == pytest.approx(0.0107, abs=5e-5)
    assert binomial_tail(6, 6) > 0.01 > binomial_tail(7, 7)


def test_level_falls_from_one_that_stops_nothing() -> None:
    """At the beginning every evaluator goes on; at the end chance must be below one in a hundred."""
    policy = FirePBT(evaluations=30)
    assert policy.level_at(0) == pytest.approx(1.01)
    assert policy.level_at(15) == pytest.approx(0.51)
    assert policy.level_at(30) == policy.level_at(99) == pytest.approx(0.01)
    assert not policy.gives_up(_plain(0.0, 1.0), _plain(0.0, 0.0))  # one win of two: p = 0.75, the level is 0.94
    assert policy.gives_up(_plain(0.0, 0.0), _plain(0.0, 9.0))  # none of two: p = 1
    assert policy.gives_up(_plain(*[0.0] * 30), _plain(*[0.0] * 30))
    apart = _plain(*[9.0] * 29), _plain(*[0.0] * 29)
    assert not policy.gives_up(*apart)
    assert policy.gives_up(_plain(*[9.0] * 30), apart[1])


def test_curves_overlap_from_where_the_lower_one_reaches_the_other() -> None:
    """What was learnt before is not compared: only how the one goes on from where the other began."""
    a, b = _plain(0, 1, 2, 3, 4, 5), _plain(2, 2.5, 3)
    assert overlap_of(a, b) == Overlap(first=2, second=0, length=3)
    assert overlap_of(b, a) == Overlap(first=0, second=2, length=3)
    assert gain(a, b) == 4 - 3
    assert gain(b, a) == 3 - 4
    assert p_of_wins(a, b) == binomial_tail(2, 3)  # 2 3 4 against 2 2.5 3
    assert overlap_of(_plain(0, 1), _plain(2, 3)) is None


def test_curve_that_is_above_all_along_is_lowered_until_it_can_be_compared() -> None:
    """A model that begins far ahead must not count as improving faster for it."""
    steep, flat = _plain(0.0, 2.0, 4.0, 6.0, 8.0), _plain(0.0, 1.0, 2.0, 3.0, 4.0)
    above = steep.lowered(-100.0)
    assert overlap_of(above, flat) is None
    assert 0 < gain(above, flat) <= 8.0
    assert gain(flat.lowered(-100.0), steep) == 0.0
    assert gain(flat, above) == 0.0
    assert p_of_wins(above, flat) == 0.0
    assert p_of_wins(flat, above) == WORSE


@settings(max_examples=25)
@given(curves, curves)
def test_comparison_is_fair(a, b) -> None:
    """Where two curves overlap the one gains what the other loses, whatever they began with; none beats itself."""
    one, other = Curve.of(a), Curve.of(b)
    assert gain(one, one) == 0.0
    assert (overlap_of(one, other) is None) == (overlap_of(other, one) is None)
    if overlap_of(one, other) is not None and one.smooth_N[0] != other.smooth_N[0]:
        assert gain(one, other) == -gain(other, one)
        assert 0.0 <= p_of_wins(one, other) <= 1.0
    assert gain(one, other) == pytest.approx(gain(one.lowered(4.0), other.lowered(4.0)), abs=1e-6)


@given(*[st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12)] * 2)
def test_two_curves_are_never_both_higher_beyond_chance(a, b) -> None:
    """Else a greedy member and its evaluator would take each other's weights in turn, however they are smoothed."""
    one, other = (Curve(*np.array(pairs, np.float64).T) for pairs in (a, b))
    assert p_of_wins(one, other) + p_of_wins(other, one) > 1


def test_curves_that_do_not_overlap_but_cross_are_compared_from_their_beginnings() -> None:
    """Noise reaches what the smoothed curve does not, and is no reason to call either of them higher."""
    low = Curve(np.array([0.0, 5.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0, 1.0]))
    high = Curve(np.array([2.0, 3.0, 2.0]), np.array([2.0, 2.0, 2.0]))
    assert overlap_of(low, high) is None
    assert p_of_wins(low, high) == binomial_tail(1, 3)
    assert p_of_wins(high, low) == binomial_tail(2, 3)


@given(st.integers(0, 2**32), st.integers(20, 300))
@settings(max_examples=10)
def test_smooth_curve_is_nearer_to_the_truth(seed, size) -> None:
    """One lucky score must not make two curves meet; and long curves cost no more than short ones."""
    truth = np.linspace(0, 3, size)
    measured = truth + np.random.default_rng(seed).normal(0, 1, size)
    curve = Curve.of(measured.tolist())
    assert len(curve.smooth_N) == size
    assert np.abs(curve.smooth_N - truth).mean() < np.abs(measured - truth).mean()


@pytest.mark.parametrize(("size", "counts"), [(1, (1, 0, 0)), (3, (1, 1, 1)), (8, (3, 3, 2)), (22, (8, 8, 6))])
def test_roles_are_shared_out_as_published(size, counts) -> None:
    """8 + 8 + 6 of 22 and 3 + 3 + 2 of 8; a population that grows moves nobody."""
    roles = [FirePBT.role(m) for m in range(size)]
    assert tuple(roles.count(role) for role in Role) == counts
    lines = FirePBT().warnings(size)
    assert lines == [] if size >= 8 else [line for line in lines if f"of {size} it makes {counts[0]} greedy" in line]
    assert (size >= 8) == (not lines)


def _role(id: SegmentId) -> Role:
    return FirePBT.role(id.member)


@pytest.mark.slow
@settings(max_examples=6, phases=(Phase.generate,))
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([8, 11]), st.sampled_from(Mode))
def test_each_role_does_what_it_is_for(seed, synchronous, size, mode) -> None:
    """Greed must reach the patient members by no way, and patience the greedy ones by evaluators alone."""
    run = simulate(CLIMB, QUICK, space=SPACE, size=size, intervals=24, seed=seed, synchronous=synchronous, mode=mode)
    copied = {id: d for id, d in run.decisions.items() if isinstance(d, Exploit)}
    assert {_role(id) for id in copied} >= {Role.GREEDY, Role.EVALUATOR}
    assert {decision.why["rule"] for decision in run.decisions.values()} == {"fire", "start"}
    begun: dict[int, list[int]] = {}
    for id, decision in copied.items():
        match _role(id), decision.why["does"]:
            case Role.GREEDY, "copies":
                assert _role(decision.donor) is Role.GREEDY
            case Role.GREEDY, "takes":
                assert _role(decision.donor) is Role.EVALUATOR
                assert decision.hyperparameters == run.lineage[SegmentId(id.member, id.generation - 1)].hyperparameters
                child = SegmentId.parse(run.lineage[decision.donor].why["child"])
                assert child.member == id.member
            case Role.PATIENT, "copies":
                assert _role(decision.donor) is Role.PATIENT
                assert decision.why["rank"] > decision.why["of"] - decision.why["k"]
            case Role.EVALUATOR, "evaluates":
                assert _role(decision.donor) is Role.PATIENT
                assert _role(decision.source) is Role.GREEDY
                assert decision.hyperparameters == run.lineage[decision.source].hyperparameters
                begun.setdefault(id.generation, []).append(decision.donor.member)
            case other:
                raise AssertionError(other)
    if synchronous:
        assert all(len(set(members)) == len(members) for members in begun.values())


def _asked(population: Population, member: int) -> Decision:
    newest = population.latest[member]
    return decide(population, member, FirePBT(), decision_key(0, member, newest.generation + 1))


@given(*[st.sampled_from([1.0, None, Diverged(reason="nan"), Failed(reason="boom")])] * 2)
def test_evaluator_that_finds_nobody_trains_on(greedy, patient) -> None:
    """Weights without hyperparameters, or the other way round, are nothing to put to the test."""
    population = population_of([greedy, patient, 2.0])
    answer = _asked(population, 2)
    if greedy == patient == 1.0:
        assert isinstance(answer, Exploit)
        assert (answer.donor, answer.source) == (SegmentId(1, 0), SegmentId(0, 0))
    else:
        assert isinstance(answer, Continue)
        assert answer.hyperparameters == population.latest[2].hyperparameters
        assert answer.why == {"rule": "fire", "role": "evaluator", "score": 2.0, "does": "goes on"}


def _tested(size: int, child: int, parent: int = 1) -> Population:
    """Member 2 evaluates the weights of one member with the hyperparameters of another; it scores highest."""
    population = population_of([9.0 if m == 2 else 1.0 + m / 10 for m in range(size)])
    why = {"does": "evaluates", "parent": str(SegmentId(parent, 0)), "child": str(SegmentId(child, 0))}
    begun = replace(population.latest[2], generation=1, donor=SegmentId(parent, 0), why=why)
    return population.with_ended([begun], population.sequence + 1)


@pytest.mark.parametrize(("child", "parent"), [(3, 1), (0, 4)])
def test_evaluation_ends_when_one_of_its_members_leaves_the_run(child: int, parent: int) -> None:
    """A run that goes on with fewer members would wait for ever for what they measure."""
    population = _tested(5, child, parent)
    assert _asked(population, 2).why["child"] == str(SegmentId(child, 0))
    fewer = population.first(max(child, parent))
    answer = _asked(fewer, 2)
    assert isinstance(answer, Exploit)
    assert max(answer.donor.member, answer.source.member) < fewer.size


@pytest.mark.parametrize(("lost", "goes_on"), [(255, True), (256, False)])
def test_evaluation_ends_where_the_greedy_member_has_no_number_left(lost: int, goes_on: bool) -> None:
    """All that is remembered of it may have diverged, where an interval has hundreds of measurements."""
    population = _tested(4, child=0)
    first = population.latest[0]
    broken = replace(
        first,
        generation=1,
        parent=first.id,
        outcome=Diverged(reason="nan"),
        evaluations=(replace(first.evaluations[0], score=math.nan),) * lost,
    )
    answer = _asked(population.with_ended([broken], population.sequence + 1), 2)
    assert isinstance(answer, Continue if goes_on else Exploit)
    assert answer.why["child"] == ("m00/0" if goes_on else "m03/0")


@pytest.mark.parametrize(
    ("size", "tail", "num_greedy", "k"),
    [(2, 0.5, 1, 0), (8, 0.5, 3, 1), (11, 0.25, 4, 1), (11, 0.5, 4, 2), (22, 0.25, 8, 2), (22, 0.3, 8, 2)],
)
def test_worst_of_the_greedy_copy_the_best_of_them(size: int, tail: float, num_greedy: int, k: int) -> None:
    """A quarter of each group at a ready point: one of four, two of eight, and never one of itself."""
    scores = np.random.default_rng(size).permutation(size).astype(float).tolist()
    population = population_of(scores)
    greedy = sorted((m for m in range(size) if FirePBT.role(m) is Role.GREEDY), key=lambda m: -scores[m])
    answers = {m: decide(population, m, FirePBT(tail=tail), decision_key(0, m, 1)) for m in greedy}
    assert len(greedy) == num_greedy
    assert [(a.why["rank"], a.why["of"], a.why["k"]) for a in answers.values()] == [
        (rank, num_greedy, k) for rank in range(1, num_greedy + 1)
    ]
    copied = {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)}
    assert sorted(copied) == sorted(greedy[num_greedy - k :])
    assert set(copied.values()) <= set(greedy[:k])
    # As in logs that were written: a stream of its own, whatever else is drawn.
    drawn = {m: int(decision_key(0, m, 1).fold("exploit").generator().integers(k)) for m in copied}
    assert copied == {m: greedy[place] for m, place in drawn.items()}


@pytest.mark.parametrize(("measured", "counts"), [(6, False), (7, True)])
def test_patient_members_are_worth_what_their_evaluators_gain_on_the_others(measured: int, counts: bool) -> None:
    """Six measurements cannot show anything; from the seventh on who is worth least copies who is worth most."""
    population = population_of([-1.0] * 11)
    tested = {2: 1, 7: 4, 10: 6}
    slopes = {1: 2.0, 4: 1.0, 6: 1.5}
    rises = {m: [slope * i for i in range(measured)] for m, slope in slopes.items()}
    for evaluator, patient in tested.items():
        newest = population.latest[evaluator]
        begun = replace(
            newest,
            generation=1,
            donor=SegmentId(patient, 0),
            why={"does": "evaluates", "parent": str(SegmentId(patient, 0)), "child": "m00/0"},
            outcome=Finite(value=rises[patient][-1]),
            evaluations=tuple(replace(newest.evaluations[0], score=score) for score in rises[patient]),
        )
        population = population.with_ended([begun], population.sequence + 1)
    answers = {m: _asked(population, m) for m in (1, 4, 6, 9)}
    smooth = {m: Curve.of(rise) for m, rise in rises.items()}
    worth = {m: sum(gain(a, b) for other, b in smooth.items() if other != m) for m, a in smooth.items()}
    assert {m: a.why["worth"] for m, a in answers.items() if "worth" in a.why} == (worth if counts else {})
    ranks = {m: (a.why["rank"], a.why["of"], a.why["k"]) for m, a in answers.items() if "rank" in a.why}
    assert ranks == ({1: (1, 3, 1), 6: (2, 3, 1), 4: (3, 3, 1)} if counts else {})
    copied = {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)}
    assert copied == ({4: 1} if counts else {})
    told = {"rule": "fire", "role": "patient", "score": -1.0, "does": "goes on"}
    assert answers[9].why == told
    if counts:
        worst = {**told, "does": "copies", "worth": worth[4], "rank": 3, "of": 3, "k": 1}
        assert answers[4].why == {**worst, "donor": "m01/0", "donor_score": -1.0}


def test_nothing_is_asked_of_the_task() -> None:
    """Weights are copied, and never shrunk: any loop can be trained like this."""
    assert not FirePBT().shrinks
    run = simulate(CLIMB, QUICK, space=SPACE, size=8, intervals=6)
    assert all(d.shrink is None for d in run.decisions.values() if isinstance(d, Continue))


def _life(run: Simulation[float], member: int) -> list[object]:
    return [run.lineage[SegmentId(member, g)] for g in range(1 + max(s.generation for s in run.lineage))]


@pytest.mark.slow
@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_evaluator_keeps_to_its_task_until_it_ends(seed) -> None:
    """An evaluation that ran with other hyperparameters halfway would measure nothing."""
    run = simulate(CLIMB, QUICK, space=SPACE, size=8, intervals=24, seed=seed)
    for member in (m for m in range(8) if FirePBT.role(m) is Role.EVALUATOR):
        life = _life(run, member)
        for before, segment in pairwise(life):
            if segment.why.get("does") == "goes on" and "child" in segment.why:
                assert segment.why["child"] == before.why["child"]
                assert segment.why["parent"] == before.why["parent"]
                assert segment.hyperparameters == before.hyperparameters
                child = SegmentId.parse(segment.why["child"])
                since = [
                    run.lineage[SegmentId(child.member, g)] for g in range(child.generation + 1, before.generation)
                ]
                assert all(s.donor is None for s in since)


@pytest.mark.slow
def test_longest_unevaluated_member_is_next() -> None:
    """With fewer evaluators than patient members each must have its turn."""
    run = simulate(CLIMB, FirePBT(evaluations=7), space=SPACE, size=22, intervals=40)
    patient = {m for m in range(22) if FirePBT.role(m) is Role.PATIENT}
    taken = [s.donor.member for s in run.lineage if s.why.get("does") == "evaluates"]
    assert set(taken) == patient
    first = [s.donor.member for s in sorted(run.lineage, key=lambda s: s.begun) if s.why.get("does") == "evaluates"]
    assert sorted(first[:8]) == sorted(patient)


@pytest.mark.slow
def test_curve_of_weights_that_were_taken_is_their_evaluators() -> None:
    """Else two evaluators that win in turn would overwrite one another without a comparison."""
    found = 0
    for seed in range(4):
        run = simulate(SLOW_START, FirePBT(evaluations=20), space=RATES, size=11, intervals=50, seed=seed)
        for s in run.lineage:
            if s.why.get("does") != "takes":
                continue
            found += 1
            path = run.lineage.ancestry(s.id)[::-1]
            begun = next(i for i, one in enumerate(path) if one.why.get("does") in ("copies", "evaluates"))
            assert path[begun].why["does"] == "evaluates"
            population = replace(run.population, forest={one.id: one for one in run.lineage})
            assert curve_of(population, s).y_N.tolist() == [one.score for one in path[: begun + 1][::-1]]
    assert found


# Weights (x, y): a large rate moves x, which is not seen at once; a small one turns x into y, which is.
RATES = Space.of({"rate": LogUniform(0.01, 1.0)})


def _slow(state: tuple[float, float], h: dict[str, float], n: int) -> tuple[float, float]:
    x, y = state
    for _ in range(n):
        x, y = x + h["rate"] * 0.2, y + (1 - h["rate"]) * 0.1 * (x - y)
    return x, y


SLOW_START = Problem(state=(1.0, 0.0), train=_slow, evaluate=lambda s: s[1])


@pytest.mark.slow
@settings(max_examples=5, phases=(Phase.generate,))
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(Mode), st.booleans())
def test_log_can_be_derived_again(seed, synchronous, mode, diverges) -> None:
    """Roles, evaluations and winners follow from the log alone; and a log that lies about them is told."""
    problem = replace(CLIMB, evaluate=lambda s: math.nan if diverges and s % 1 < 0.1 else round(s, 2))
    how = {"space": SPACE, "seed": seed, "mode": mode, "synchronous": synchronous}
    spec = RunSpec(name="r", population=8, steps=20, policy=QUICK, **how)
    run = simulate(problem, QUICK, size=8, intervals=20, **how)
    log = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    story = [Chapter(after=0, spec=spec, population=8, steps=20)]
    assert [str(v) for v in verify_log(spec, log, story, finished=True)] == []
    place = next(i for i, s in enumerate(log) if s.why.get("does") == "evaluates")
    for lie in ({"child": "m00/99"}, {"parent": "m01/99"}, {"does": "goes on"}):
        changed = [*log[:place], replace(log[place], why={**log[place].why, **lie}), *log[place + 1 :]]
        assert any(v.law == "decision" for v in verify_log(spec, changed, story, finished=True))


@pytest.mark.slow
def test_patience_is_rewarded_where_greed_is_not() -> None:
    """On a task whose score rises at once with a small rate and later with a large one, plain PBT stays small."""
    from populace.core import PBT
    from populace.core.exploit import Truncation
    from populace.core.explore import Perturb

    greedy = PBT(exploit=Truncation(0.25), explore=Perturb((0.5, 2.0)))
    how = {"space": RATES, "size": 22, "intervals": 100}
    better = [
        simulate(SLOW_START, FirePBT(evaluations=20), seed=seed, **how).best_score
        > simulate(SLOW_START, greedy, seed=seed, **how).best_score
        for seed in range(4)
    ]
    assert sum(better) >= 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"evaluations": 6}, "`evaluations >= 7` must hold"),
        ({"tail": 0}, r"`0 < tail <= 0.5` must hold, but got FirePBT\(tail=0\)"),
        ({"tail": 0.6}, r"`0 < tail <= 0.5` must hold, but got FirePBT\(tail=0.6\)"),
        ({"tail": math.nan}, "`0 < tail <= 0.5` must hold"),
        ({"explore": 3}, "`explore` must be a strategy such as Perturb"),
        ({"initial": {"lr": 0.1}}, "`initial` must be a list"),
    ],
)
def test_wrong_settings_are_refused(given, message) -> None:
    """A setting that means nothing is told at once, with what it may be."""
    with pytest.raises(UsageError, match=message):
        FirePBT(**given)


def test_what_is_left_out_is_as_in_pbt_zoo() -> None:
    """Three intervals of ten measurements, quarters, and the factors of IPBT's experiments."""
    assert FirePBT() == FirePBT(evaluations=30, tail=0.25, explore=Perturb((0.5, 2.0)), initial=())


def test_as_much_of_the_log_is_looked_at_as_in_logs_that_were_written() -> None:
    """Whoever looks further back, or less far, derives other decisions from an old log."""
    assert FirePBT().looks(22) == Looks(memory=256, depth=64)


def test_outermost_settings_are_allowed() -> None:
    """What a message names as the limit may be asked for."""
    assert FirePBT(evaluations=7, tail=0.5).level_at(7) == pytest.approx(0.01)


def test_log_holds_the_policy() -> None:
    """A run that goes on elsewhere finds its policy in the log, and members begin as they were given."""
    policy = FirePBT(evaluations=9, tail=0.3, initial=[{"h": 0.25}])
    assert policy_from_json(policy_to_json(policy)) == policy
    assert policy.starts == ({"h": 0.25},)
    run = simulate(CLIMB, policy, space=SPACE, size=4, intervals=3)
    assert run.lineage["m00/0"].hyperparameters == {"h": 0.25}
    assert any(isinstance(d, Continue) for d in run.decisions.values())


def test_users_function_may_explore() -> None:
    """What a user writes for plain PBT serves here as well, and takes no value out of the space."""
    policy = FirePBT(explore=lambda hyperparameters, space, key: dict.fromkeys(hyperparameters, 1000000000.0))
    assert isinstance(policy.explore, FunctionExplore)
    run = simulate(CLIMB, policy, space=SPACE, size=8, intervals=8)
    for decision in run.decisions.values():
        SPACE.check(decision.hyperparameters)
