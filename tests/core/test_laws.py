"""Laws of decisions, for every population, policy and order of arrival."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from populace.core import (
    MFPBT,
    PBT,
    Compare,
    Continue,
    Copy,
    Decision,
    Diverged,
    Exploit,
    Failed,
    Finite,
    Guard,
    Looks,
    Mode,
    Outcome,
    Policy,
    Population,
    RandomSearch,
    Retire,
    Segment,
    SegmentId,
    Wait,
    decide,
    decision_key,
    parent_of,
)
from populace.core.exploit import BinaryTournament, ExploitStrategy, Keep, NoExploit, Take, Truncation, TTest
from populace.core.explore import Mixture, NoExplore, Perturb, Resample
from populace.space import Choice, IntUniform, Key, LogUniform, Space, Uniform
from populace.testing import Problem, population_of, simulate

SPACE = Space.of(
    {"lr": LogUniform(1e-5, 1e-1), "dropout": Uniform(0, 0.6), "layers": (1, 4), "kind": Choice(["a", "b"])}
)
assert isinstance(SPACE["layers"], IntUniform)

# Few distinct values, so that ties are common; extremes, so that nothing overflows into a wrong answer.
finite = st.sampled_from([-1.0, 0.0, 0.5, 1.0]) | st.floats(allow_nan=False, allow_infinity=False)
failed = st.just(Failed(reason="out of memory"))
outcomes: st.SearchStrategy[float | Outcome | None] = (
    finite | finite | st.sampled_from([math.nan, math.inf, -math.inf]) | failed | st.none()
)
fractions = st.sampled_from([1e-12, 0.01, 0.2, 0.25, 0.5]) | st.floats(1e-6, 0.5)
guards = st.just(Guard()) | st.builds(
    Guard, min_std=st.floats(0, 2), min_percent=st.floats(0, 50), spare=st.booleans(), explores=st.booleans()
)
exploits = st.builds(Truncation, fractions) | st.just(BinaryTournament()) | st.just(NoExploit())
explores = st.sampled_from([Perturb(), Perturb((0.5, 2.0)), Resample(), Resample(0.3), Mixture(), NoExplore()])
composed = st.builds(
    PBT,
    exploit=exploits,
    explore=explores,
    copy=st.sampled_from(Copy),
    compare=st.sampled_from(Compare),
    burn_in=st.integers(0, 2),
    guard=guards,
)
policies = composed | st.sampled_from([PBT(), MFPBT(periods=(1, 2))])
seeds = st.integers(0, 2**64)


@st.composite
def populations(draw: st.DrawFn, scores: st.SearchStrategy[float | Outcome | None] = outcomes) -> Population:
    """Populations of 1 to 64 members after their first segment."""
    sizes = st.sampled_from([1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 64])
    size = draw(sizes)
    return population_of(
        draw(st.lists(scores, min_size=size, max_size=size)),
        mode=draw(st.sampled_from(Mode)),
        seed=draw(seeds),
        space=SPACE,
    )


def decisions(population: Population, policy: Policy) -> dict[int, Decision]:
    """What every known member would do on this snapshot."""
    return {
        member: decide(population, member, policy, decision_key(population.seed, member, segment.generation + 1))
        for member, segment in enumerate(population.latest)
        if segment is not None
    }


def copies(answers: dict[int, Decision]) -> dict[int, Exploit]:
    """Those of the decisions that copy."""
    return {member: answer for member, answer in answers.items() if isinstance(answer, Exploit)}


@given(populations(), policies)
def test_donor_is_another_member_with_a_finite_score_and_a_kept_checkpoint(population, policy):
    """Peers have copied members onto themselves, from NaN, and from checkpoints that were not there."""
    for member, answer in copies(decisions(population, policy)).items():
        donor = population.latest[answer.donor.member]
        assert answer.donor.member != member
        assert donor.id == answer.donor
        assert math.isfinite(donor.score)
        assert donor.checkpoint is not None
        assert donor.checkpoint_kept


@given(populations(), policies)
def test_decision_is_a_value_that_a_log_can_hold(population, policy):
    """Every decision can be read, checked and derived again later: its numbers are strict JSON and in bounds."""
    for answer in decisions(population, policy).values():
        assert json.loads(json.dumps(answer.why, allow_nan=False)) == answer.why
        if isinstance(answer, Continue | Exploit):
            SPACE.check(answer.hyperparameters)


@pytest.mark.slow
@given(populations(), policies)
def test_decision_depends_on_snapshot_and_key_alone(population, policy):
    """`verify` derives every decision of a finished run again; nothing but its arguments may have mattered."""
    again = Population.empty(space=SPACE, mode=population.mode, seed=population.seed, size=population.size)
    again = again.with_ended([s for s in population.latest if s is not None], population.sequence)
    assert decisions(again, policy) == decisions(population, policy)


@pytest.mark.slow
@given(populations(), policies, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_decision(population, policy, random):
    """Two runs of one seed on machines of different speed must agree."""
    members = [s for s in population.latest if s is not None]
    shuffled = random.sample(members, len(members))
    at_once = Population.empty(space=SPACE, mode=population.mode, seed=population.seed, size=population.size)
    one_by_one = at_once
    for segment in shuffled:
        one_by_one = one_by_one.with_ended([segment], population.sequence)
    assert decisions(one_by_one, policy) == decisions(at_once.with_ended(shuffled, population.sequence), policy)
    assert decisions(one_by_one, policy) == decisions(population, policy)


@given(populations(), composed)
def test_child_has_what_its_donor_makes_of_it(population, policy):
    """Weights of one donor with hyperparameters of another were a defect of every second implementation we read."""
    for member, answer in copies(decisions(population, policy)).items():
        own, donor = population.latest[member], population.forest[answer.donor]
        replaced = not isinstance(own.outcome, Finite)
        base = own if policy.copy is Copy.WEIGHTS and not replaced else donor
        key = decision_key(population.seed, member, own.generation + 1).fold("explore")
        assert answer.hyperparameters == policy.explore.explore(base.hyperparameters, SPACE, key)
        keeps = policy.copy is Copy.HYPERPARAMETERS and not replaced
        assert answer.copies_weights is not keeps
        assert parent_of(answer, own) == (own.id if keeps else donor.id)
        assert answer.why["donor"] == str(donor.id)


@pytest.mark.slow
@given(populations(), policies)
def test_survivor_keeps_its_hyperparameters(population, policy):
    """Explore follows exploit and nothing else; a member that does well is not disturbed."""
    assume(policy.copy is not Copy.NOTHING and not policy.guard.explores)
    for member, answer in decisions(population, policy).items():
        if isinstance(answer, Continue):
            assert answer.hyperparameters == population.latest[member].hyperparameters


@pytest.mark.slow
@given(populations(), policies)
def test_min_is_max_of_negated_scores(population, policy):
    """A loss is no second-class score."""
    assume(not policy.guard.min_percent)
    flipped = Mode.MIN if population.mode is Mode.MAX else Mode.MAX
    negated = [_negated(None if s is None else s.outcome) for s in population.latest]
    mirror = population_of(negated, mode=flipped, seed=population.seed, space=SPACE)
    mirrored = decisions(mirror, policy)
    for member, answer in decisions(population, policy).items():
        other = mirrored[member]
        assert type(other) is type(answer)
        if isinstance(answer, Continue | Exploit):
            assert other.hyperparameters == answer.hyperparameters
        if isinstance(answer, Exploit):
            assert other.donor == answer.donor


def _negated(outcome: Outcome | None) -> Outcome | None:
    return Finite(value=-outcome.value) if isinstance(outcome, Finite) else outcome


@pytest.mark.slow
@given(populations(), policies)
def test_diverged_and_failed_members_are_replaced(population, policy):
    """NaN in a sort, or -1e9 as a score, has made peers keep dead members and even copy them."""
    for member, answer in decisions(population, policy).items():
        segment = population.latest[member]
        if isinstance(segment.outcome, Finite):
            continue
        if policy.exploit.donors(population, member):
            assert isinstance(answer, Exploit)
            assert answer.copies_weights
        elif isinstance(segment.outcome, Diverged):
            assert isinstance(answer, Continue)
        elif population.num_unknown and not isinstance(policy.exploit, NoExploit):
            assert isinstance(answer, Wait)
        else:
            assert isinstance(answer, Retire)


@given(populations())
def test_diverged_and_failed_members_rank_last(population):
    """Whatever their metric last said, they are behind everybody with a number."""
    ranked = [isinstance(population.latest[member].outcome, Finite) for member in population.ranking]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == population.size - population.num_unknown
    for place, member in enumerate(population.ranking):
        assert population.num_above(member) == place


@given(populations(finite | st.none()), fractions)
def test_no_more_than_k_are_replaced_at_once(population, fraction):
    """A burst of replacements is how a population loses its diversity in one interval."""
    policy = PBT(exploit=Truncation(fraction))
    k, replaced = policy.exploit.num_selected(population.size), len(copies(decisions(population, policy)))
    assert replaced <= k
    assert replaced == k or population.num_unknown > 0
    assert (0 if population.size == 1 else 1) <= k <= population.size // 2


@given(
    st.lists(finite, min_size=1, max_size=24),
    st.lists(st.integers(0, 10**6), min_size=24, max_size=24),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.booleans(),
)
def test_no_more_than_k_are_replaced_in_an_interval_whatever_the_order(scores, places, fraction, first):
    """Peers that judge each member when it happens to report replace more, the more unevenly members report."""
    # In later intervals ties are drawn anew at every report, so only distinct scores have one order throughout.
    scores = scores if first else sorted(set(scores))
    size, policy = len(scores), PBT(exploit=Truncation(fraction))
    known = population_of(scores, space=SPACE)
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=size) if first else known
    replaced = 0
    for member in sorted(range(size), key=lambda m: (places[m], m)):
        newest = known.latest[member]
        ended = newest if first else replace(newest, generation=1, parent=newest.id)
        population = population.with_ended([ended], population.sequence + 1)
        answer = decide(population, member, policy, decision_key(0, member, ended.generation + 1))
        replaced += isinstance(answer, Exploit)
    assert replaced <= policy.exploit.num_selected(size)


@pytest.mark.slow
@given(st.sampled_from([2, 3, 4, 9, 64]), finite, seeds, exploits)
def test_tie_of_all_neither_freezes_nor_crashes(size, score, seed, exploit):
    """Early in training all scores may be equal; figure 2 of the paper begins so."""
    assume(not isinstance(exploit, NoExploit))
    population = population_of([score] * size, seed=seed, space=SPACE)
    answers = copies(decisions(population, PBT(exploit=exploit)))
    if isinstance(exploit, Truncation):
        assert len(answers) == exploit.num_selected(size)
    ranks = {int(member): place for place, member in enumerate(population.ranking)}
    assert all(ranks[answer.donor.member] < ranks[member] for member, answer in answers.items())


@given(st.integers(0, 2**32))
def test_equal_scores_are_ordered_anew_as_time_goes_on(seed):
    """If the same member lost every tie, a long plateau would be decided by its number."""
    population = population_of([0.0] * 8, seed=seed, space=SPACE)
    later = [replace(s, generation=g) for g in range(1, 9) for s in population.latest]
    worst = {int(population.with_ended(later[8 * g : 8 * g + 8], g).ranking[-1]) for g in range(8)}
    assert len(worst) > 1


@pytest.mark.parametrize("exploit", [Truncation(0.3), Truncation(0.5)])
def test_donor_varies_when_more_than_one_is_eligible(exploit):
    """A single donor makes one member the ancestor of all."""
    population = population_of(range(20), space=SPACE)
    donors = {answer.donor for seed in range(3) for answer in copies(_with_seed(population, exploit, seed)).values()}
    assert len(donors) > exploit.num_selected(20) / 2


def _with_seed(population: Population, exploit: ExploitStrategy, seed: int) -> dict[int, Decision]:
    return decisions(replace(population, seed=seed), PBT(exploit=exploit))


def test_single_donor_is_told() -> None:
    """A quantile that rounds to one member is a choice that the user should know to have made."""
    assert any("single donor" in line for line in PBT.paper().warnings(4))
    assert PBT.paper().warnings(20) == []
    assert any("nobody to copy from" in line for line in PBT.paper().warnings(1))


@given(populations(finite), policies, st.integers(0, 5))
def test_nobody_with_a_score_copies_in_the_burn_in(population, policy, more):
    """Early scores say little: copying on them throws away what would have been good."""
    patient = replace(policy, burn_in=2 + more)
    for member, answer in decisions(population, patient).items():
        assert isinstance(answer, Continue)
        assert answer.hyperparameters == population.latest[member].hyperparameters
        assert answer.why["rule"] == "burn-in"


def test_burn_in_counts_weight_steps_and_ends_when_they_are_done() -> None:
    """It is the weights that are too young to be judged, however long their member has trained."""
    population = population_of([1.0, 2.0], space=SPACE)
    worst = replace(population.latest[0], end_step=8, member_start=90)
    population = population.with_ended([worst], 9)
    for burn_in, kind in [(8, Exploit), (9, Continue)]:
        policy = PBT(exploit=Truncation(0.5), burn_in=burn_in)
        assert isinstance(decide(population, 0, policy, decision_key(0, 0, 1)), kind)


def _line(member: int, scores: Sequence[float], parent: SegmentId | None = None) -> list[Segment]:
    """A member's life: one segment of one step per score."""
    base = population_of([0.0], space=SPACE).latest[0]
    return [
        replace(
            base,
            member=member,
            generation=generation,
            parent=SegmentId(member, generation - 1) if generation else parent,
            start_step=generation,
            end_step=generation + 1,
            member_start=generation,
            outcome=population_of([score]).latest[0].outcome,
            evaluations=tuple(replace(e, score=score) for e in base.evaluations),
        )
        for generation, score in enumerate(scores)
    ]


lives = st.lists(st.lists(finite | st.just(math.nan), min_size=1, max_size=5), min_size=2, max_size=6)


@pytest.mark.slow
@given(lives, exploits)
def test_equal_progress_compares_what_was_known_at_the_same_age(scores, exploit):
    """A member that started late is not judged against others' extra training."""
    lines = [_line(member, life) for member, life in enumerate(scores)]
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=3, size=len(lines))
    population = population.with_ended([s for line in lines for s in line], 9)
    policy = PBT(exploit=exploit, compare="equal progress")
    for member, answer in decisions(population, policy).items():
        newest = population.latest[member]
        if not isinstance(newest.outcome, Finite):
            continue
        view = population.at_progress(newest.end_step)
        assert view.latest == tuple(line[: newest.end_step][-1] for line in lines)
        assert view.latest[member] is newest
        if isinstance(answer, Exploit):
            assert view.is_above(answer.donor.member, member)
            assert answer.donor == population.latest[answer.donor.member].id
            assert population.can_donate(answer.donor.member)


@given(st.lists(finite, min_size=1, max_size=6), st.lists(finite, max_size=6), st.integers(1, 12))
def test_window_follows_the_weights_through_exploits(donors, own, size):
    """A clone is judged by its donor's record until it has its own; a dead member's scores are forgotten."""
    donor = _line(0, donors)
    discarded = _line(1, [123.0])[0]
    clone = [replace(s, generation=s.generation + 1) for s in _line(1, own)]
    clone = [replace(s, parent=donor[-1].id if i == 0 else clone[i - 1].id) for i, s in enumerate(clone)]
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=2)
    population = population.with_ended([*donor, discarded, *clone], 5)
    newest = clone[-1] if clone else donor[-1]
    assert population.window(newest, size) == [*reversed(own), *reversed(donors)][:size]
    assert 123.0 in [*population.window(discarded, 9)]


def test_failed_member_waits_for_those_still_unknown() -> None:
    """At the very start, the first to finish may be the only one that fails."""
    first_failed = population_of([Failed(reason="boom"), None, None], space=SPACE)
    answer = decisions(first_failed, PBT())[0]
    assert isinstance(answer, Wait)
    assert answer.why["num_unknown"] == 2
    assert isinstance(decisions(first_failed, RandomSearch())[0], Retire)


def test_failed_member_retires_when_nobody_is_left() -> None:
    """A run in which all fail must end rather than wait for ever."""
    dead = population_of([Failed(reason="boom")] * 3, space=SPACE)
    assert {type(answer) for answer in decisions(dead, PBT()).values()} == {Retire}
    alone = population_of([Failed(reason="boom")], space=SPACE)
    assert isinstance(decisions(alone, PBT())[0], Retire)


def test_failed_segment_is_no_parent() -> None:
    """A failed segment changed no weights: its member goes on from where that one began."""
    survivor, newest = _line(0, [1.0, 2.0])
    stumbled = replace(newest, outcome=Failed(reason="boom"), end_step=newest.start_step)
    assert parent_of(Continue(hyperparameters={}, why={}), stumbled) == survivor.id
    assert parent_of(Continue(hyperparameters={}, why={}), newest) == newest.id


def _cheat(choose: Callable[[Population, int], int]) -> PBT:
    @dataclass(frozen=True)
    class Cheat(ExploitStrategy):
        def looks(self, size: int) -> Looks:
            return Looks()

        def choose(self, population: Population, member: int, key: Key) -> Keep | Take:
            return Take(donor=choose(population, member), why={})

        def donors(self, population: Population, member: int) -> list[int]:
            return []

        def warnings(self, size: int) -> list[str]:
            return []

    return PBT(exploit=Cheat())


@pytest.mark.parametrize("donor", [0, 1])
def test_strategy_that_breaks_its_promise_is_caught(donor: int) -> None:
    """A bug in a user's own strategy must not end as a member copied onto itself or from NaN."""
    population = population_of([1.0, math.nan, 2.0], space=SPACE)
    with pytest.raises(AssertionError, match="donor"):
        decide(population, 0, _cheat(lambda population, member: donor), decision_key(0, 0, 1))


@pytest.mark.slow
@given(st.lists(st.permutations(range(5)), min_size=3, max_size=3), policies, seeds, st.sampled_from(Mode))
def test_synchronous_run_does_not_depend_on_who_reports_first(orders, policy, seed, mode):
    """The whole log of a synchronous run is a function of its seed."""
    problem = Problem(
        state=0.0,
        train=lambda state, h, n: state + h["dropout"] - 1e3 * h["lr"] ** 2,
        evaluate=lambda state: math.nan if state < -3 else round(state, 1),
    )
    arguments = {"space": SPACE, "size": 5, "intervals": 3, "seed": seed, "mode": mode}
    one = simulate(problem, policy, **arguments)
    other = simulate(problem, policy, order=lambda generation: orders[generation], **arguments)
    assert one.decisions == other.decisions
    assert one.states == other.states


def test_t_test_is_asked_like_the_others() -> None:
    """The strategy with a memory obeys the same rules; its own numbers are tested beside it."""
    pytest.importorskip("scipy")
    lines = [_line(0, [0.0, 0.1, 0.05, 0.02]), _line(1, [1.0, 1.1, 1.05, 1.02])]
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=2)
    population = population.with_ended([s for line in lines for s in line], 9)
    answers = decisions(population, PBT(exploit=TTest()))
    assert isinstance(answers[0], Exploit)
    assert isinstance(answers[1], Continue)
    assert answers[0].donor == SegmentId(1, 3)
