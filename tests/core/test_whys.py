"""The numbers behind each decision, as tables show them and as logs keep them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.core import (
    PBT,
    Continue,
    Decision,
    Diverged,
    Evaluation,
    Exploit,
    Failed,
    Guard,
    Looks,
    Mode,
    Policy,
    Population,
    RandomSearch,
    Retire,
    Wait,
    decide,
    decision_key,
    start,
)
from populace.core.exploit import BinaryTournament, ExploitStrategy, Halves, Keep, NoExploit, Take, Truncation
from populace.core.explore import NoExplore, Perturb
from populace.space import Key, LogUniform, Space, Uniform
from populace.testing import Problem, population_of, simulate

HALF = PBT(exploit=Truncation(0.5), explore=NoExplore())
TOURNAMENT = PBT(exploit=BinaryTournament(), explore=NoExplore())
NAN = Diverged(reason="nan")
BOOM = Failed(reason="boom")


def _decide(population: Population, member: int, policy: Policy) -> Decision:
    generation = population.latest[member].generation + 1
    return decide(population, member, policy, decision_key(population.seed, member, generation))


def test_truncation_tells_rank_size_and_k() -> None:
    """A user who asks why a member was copied over must be able to count for himself."""
    population = population_of([1.0, 4.0, 3.0, 2.0])
    spared = _decide(population, 2, HALF)
    assert spared.why == {"rule": "truncation", "rank": 2, "of": 4, "k": 2, "score": 3.0}
    copied = _decide(population, 0, PBT(exploit=Truncation(0.25)))
    assert copied.why == {
        **{"rule": "truncation", "rank": 4, "of": 4, "k": 1, "num_donors": 1},
        **{"score": 1.0, "donor": "m01/0", "donor_score": 4.0},
    }
    assert _decide(population, 3, HALF).why["num_donors"] == 2


def test_truncation_without_donor_tells_so() -> None:
    """The best members may have lost their checkpoints: nothing is copied, and the table says why."""
    population = population_of([1.0, 2.0])
    bare = population.with_ended([replace(population.latest[1], checkpoint_kept=False)], 9)
    answer = _decide(bare, 0, HALF)
    assert isinstance(answer, Continue)
    assert answer.why == {"rule": "truncation", "rank": 2, "of": 2, "k": 1, "no_donor": True, "score": 1.0}


def test_members_before_the_last_tail_are_spared_whoever_is_unknown() -> None:
    """The first to report are not the worst for want of others."""
    for scores, kind in [([1.0, None, None, None], Continue), ([1.0, 2.0, None, None], Continue)]:
        assert isinstance(_decide(population_of(scores), 0, HALF), kind)
    assert isinstance(_decide(population_of([1.0, 2.0, 3.0, None]), 0, HALF), Exploit)


def test_tournament_tells_the_rival() -> None:
    """Who was met is drawn; without its number nobody can check the outcome."""
    population = population_of([1.0, 2.0])
    assert _decide(population, 1, TOURNAMENT).why == {"rule": "tournament", "rival": 0, "score": 2.0}
    assert _decide(population, 0, TOURNAMENT).why == {
        **{"rule": "tournament", "rival": 1, "score": 1.0},
        **{"donor": "m01/0", "donor_score": 2.0},
    }


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([1.0], {"rule": "tournament", "no_donor": True, "score": 1.0}),
        ([1.0, None], {"rule": "tournament", "rival": 1, "no_donor": True, "score": 1.0}),
        ([1.0, NAN], {"rule": "tournament", "rival": 1, "no_donor": True, "score": 1.0}),
    ],
)
def test_tournament_without_donor_tells_so(scores: list[object], why: dict[str, object]) -> None:
    """Alone, or met by one that cannot be copied: the member trains on."""
    answer = _decide(population_of(scores), 0, TOURNAMENT)
    assert isinstance(answer, Continue)
    assert answer.why == why


def test_random_search_tells_its_rule() -> None:
    """A table of a run without exploits must not look as if something were missing."""
    answer = _decide(population_of([1.0, 2.0]), 0, RandomSearch())
    assert answer.why == {"rule": "none", "score": 1.0}


def test_burn_in_tells_until_when() -> None:
    """The user sees that nothing is copied yet, and from which step on it will be."""
    answer = _decide(population_of([1.0, 2.0]), 0, replace(HALF, burn_in=7))
    assert answer.why == {"rule": "burn-in", "step": 1, "until": 7}


def test_replacing_tells_status_and_number_of_donors() -> None:
    """A member that vanished from the table needs an explanation there."""
    diverged = _decide(population_of([NAN, 5.0]), 0, HALF)
    assert diverged.why == {
        **{"rule": "replace", "status": "diverged", "num_donors": 1},
        **{"score": None, "donor": "m01/0", "donor_score": 5.0},
    }
    alone = _decide(population_of([NAN, None]), 0, HALF)
    assert isinstance(alone, Continue)
    assert alone.why == {"rule": "replace", "status": "diverged", "num_donors": 0}
    waits = _decide(population_of([BOOM, None]), 0, HALF)
    assert isinstance(waits, Wait)
    assert waits.why == {"rule": "replace", "status": "failed", "num_donors": 0, "num_unknown": 1}
    retires = _decide(population_of([BOOM, NAN]), 0, HALF)
    assert isinstance(retires, Retire)
    assert retires.why == {"rule": "replace", "status": "failed", "num_donors": 0}


def test_exploring_without_copying_tells_so() -> None:
    """An experiment that copies nothing changes hyperparameters all the same, and the table must tell."""
    answer = _decide(population_of([1.0, 2.0]), 0, replace(HALF, copy="nothing", explore=Perturb()))
    assert isinstance(answer, Continue)
    assert answer.why == {
        **{"rule": "truncation", "rank": 2, "of": 2, "k": 1, "num_donors": 1},
        **{"score": 1.0, "explored": True},
    }
    assert answer.hyperparameters != population_of([1.0, 2.0]).latest[0].hyperparameters


def test_start_tells_which_values_were_given() -> None:
    """Known good values and drawn ones look alike in a table."""
    space = Space.of({"lr": LogUniform(1e-5, 1e-1), "a": Uniform(0, 1), "b": Uniform(0, 1)})
    assert start(space, 1, 0, [{"b": 0.5, "a": 0.25}]).why == {"rule": "given", "names": ["a", "b"]}
    assert start(space, 1, 1, [{"b": 0.5}]).why == start(space, 1, 0).why == {"rule": "start"}


@pytest.mark.parametrize(
    ("guard", "scores", "text"),
    [
        (Guard(min_std=2), [4.0, 5.0], "gap 1 is within 2 standard deviations (1)"),
        (Guard(min_std=1.9), [4.0, 5.0], None),
        (Guard(min_std=4, trim=0), [4.0, 8.0, 8.0, 4.0], "gap 4 is within 4 standard deviations (8)"),
        (Guard(min_percent=20), [4.0, 5.0], "gap 1 is within 20 % of the donor's score (1)"),
        (Guard(min_percent=19.9), [4.0, 5.0], None),
        (Guard(min_percent=50), [-6.0, -4.0], "gap 2 is within 50 % of the donor's score (2)"),
        (Guard(min_percent=49), [-6.0, -4.0], None),
        (Guard(spare=True), [4.0, 5.0], None),
        (Guard(), [5.0, 5.0], None),
    ],
)
def test_guard_tells_gap_and_margin(guard: Guard, scores: list[float], text: str | None) -> None:
    """A gap exactly at the margin is within it; the numbers let the user choose a better margin."""
    assert guard.objection(population_of(scores), 0, 1) == text


@given(st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=12), st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9]))
def test_guard_measures_the_spread_of_those_that_are_not_the_worst(scores: list[float], trim: float) -> None:
    """A single collapsed member would otherwise widen the margin until nobody is ever replaced."""
    population = population_of([*scores, math.nan])
    kept = sorted(scores)[math.floor(round(trim * len(scores), 6)) :]
    spread, gap = float(np.std(kept)), scores[1] - scores[0]
    if abs(gap - spread) > 1e-9:
        objects = Guard(min_std=1, trim=trim).objection(population, 0, 1) is not None
        assert objects == (gap < spread)


def test_guard_spares_where_the_best_evaluation_reaches_the_donor() -> None:
    """As good as the donor is good enough, on the user's scale, and only finite evaluations count."""
    for mode, sign in [(Mode.MAX, 1), (Mode.MIN, -1)]:
        population = population_of([sign * 1.0, sign * 2.0], mode=mode)
        for best, spared in [(2.0, True), (1.999, False), (2.5, True)]:
            scores = [math.inf * sign, sign * best, math.nan, sign * 1.0]
            evaluations = [Evaluation(step=1, score=score, metrics={}) for score in scores]
            measured = population.with_ended([replace(population.latest[0], evaluations=tuple(evaluations))], 9)
            text = "the member's best evaluation since its last ready point reaches the donor's score"
            assert Guard(spare=True).objection(measured, 0, 1) == (text if spared else None)
    silent = population.with_ended([replace(population.latest[0], evaluations=())], 9)
    assert Guard(spare=True).objection(silent, 0, 1) is None


def test_held_back_member_tells_rival_and_guard() -> None:
    """The table shows whom it would have copied and why it did not."""
    answer = _decide(population_of([4.0, 5.0]), 0, replace(HALF, guard=Guard(min_percent=50)))
    assert isinstance(answer, Continue)
    assert answer.why == {
        **{"rule": "truncation", "rank": 2, "of": 2, "k": 1, "num_donors": 1, "score": 4.0, "rival": 1},
        **{"guard": "gap 1 is within 50 % of the donor's score (2.5)"},
    }


@pytest.mark.parametrize("exploit", [Truncation(0.2), BinaryTournament()])
def test_population_of_one_is_told_that_it_is_plain_training(exploit: ExploitStrategy) -> None:
    """Whoever copies a setting from a large run to a small one should know what is left of it."""
    alone = ["a population of 1 has nobody to copy from: this run is plain training"]
    assert PBT(exploit=exploit).warnings(1) == alone
    assert PBT(exploit=exploit).warnings(12) == []
    assert RandomSearch().warnings(1) == []


def test_single_donor_is_told_with_what_to_change() -> None:
    """Every exploit copies the best: the population soon has one ancestor."""
    assert PBT(exploit=Truncation(0.25)).warnings(4) == [
        "Truncation(fraction=0.25) of 4 members rounds to a single donor: every exploit copies the best member; "
        "a larger population or fraction keeps more diversity"
    ]
    assert PBT(exploit=Truncation(0.25)).warnings(5) == []
    assert len(PBT(exploit=Truncation(0.25)).warnings(2)) == 1


@pytest.mark.parametrize("exploit", [Truncation(), BinaryTournament(), NoExploit()])
def test_strategies_that_look_at_the_newest_score_alone_need_no_history(exploit: ExploitStrategy) -> None:
    """A worker loads what a policy looks at: too much costs time at every ready point."""
    assert exploit.looks(8) == PBT(exploit=exploit).looks(8) == Looks()
    assert PBT(exploit=exploit, compare="equal progress").looks(8) == Looks(history=True)


@pytest.mark.parametrize(("window", "memory"), [(1, 8), (8, 8), (9, 9)])
def test_policy_that_averages_looks_back_as_far_as_it_needs(window: int, memory: int) -> None:
    """What it averages, and as much as it takes to see how noisy the scores are."""
    assert Halves(window=window).looks(8) == Looks(memory=memory)


def test_tournament_replaces_by_anyone_that_can_donate_but_itself() -> None:
    """A member that diverged takes whoever is there; not itself, not the unknown, not another that diverged."""
    population = population_of([1.0, NAN, None, 2.0])
    assert BinaryTournament().donors(population, 0) == [3]
    assert BinaryTournament().donors(population, 1) == [0, 3]
    assert NoExploit().donors(population, 1) == []


@settings(max_examples=15)
@given(st.integers(1, 5), st.data())
def test_rivals_are_all_others_and_nobody_else(size: int, data: st.DataObject) -> None:
    """A member that is never met can neither be copied nor copy by tournament."""
    member = data.draw(st.integers(0, size - 1))
    population = population_of([0.0] * size)
    answers = [BinaryTournament().choose(population, member, Key(seed)) for seed in range(30 * (size > 1))]
    assert {answer.why["rival"] for answer in answers} == (set(range(size)) - {member} if size > 1 else set())
    assert all(isinstance(answer, Keep | Take) for answer in answers)


def test_halves_tell_whom_a_member_was_measured_by_and_how_noisy_scores_were() -> None:
    """Whether a copy was luck is told by these numbers alone, years later."""
    wave = Problem(
        state=0.0, train=lambda state, h, n: state + h["x"], evaluate=lambda state: state + 0.3 * math.sin(99 * state)
    )
    policy = PBT(exploit=Halves(z=0.5))
    run = simulate(wave, policy, space=Space.of({"x": Uniform(0, 1)}), size=8, intervals=12, seed=1)
    copied = [decision for decision in run.decisions.values() if isinstance(decision, Exploit)]
    assert copied
    usual = {"rule", "turn", "place", "rival", "noise", "score", "donor", "donor_score"}
    for decision in copied:
        assert set(decision.why) - {"hyperparameters", "z"} == usual
        assert (decision.why["rule"], decision.why["rival"]) == ("halves", decision.donor.member)
        assert ("z" in decision.why) == bool(decision.why["noise"])
    losers = [d.why for d in run.decisions.values() if d.why.get("place") == "last" and "z" in d.why]
    assert {why["z"] >= 0.5 for why in losers} == {True, False}
