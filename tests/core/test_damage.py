"""Laws of damaged checkpoints: where a member goes back to, and what nobody copies any more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from populace.core import (
    PBT,
    Continue,
    Diverged,
    Exploit,
    Failed,
    Finite,
    Population,
    RandomSearch,
    Segment,
    SegmentId,
    Start,
    base_of,
    decide,
    decision_key,
    last_good,
    parent_of,
    start,
)
from populace.testing import population_of

SCORES = st.lists(st.floats(-10, 10), min_size=1, max_size=6)
POLICIES = st.sampled_from([PBT(), PBT.paper(), RandomSearch()])


def _failed(population: Population, *, fallback: SegmentId | None) -> Population:
    """Returns the population after member 0 could not load its newest checkpoint."""
    newest = population.latest[0]
    assert newest is not None
    failed = replace(
        newest,
        generation=1,
        parent=newest.id,
        end_step=newest.start_step,
        hyperparameters={"x": 0.999},
        outcome=Failed(reason="its bytes have changed"),
        checkpoint=None,
        checkpoint_kept=False,
        parent_damaged=True,
        fallback=fallback,
        ended=population.sequence + 1,
    )
    lost = replace(newest, damaged=population.sequence + 1, checkpoint_kept=False)
    return population.with_ended([failed], population.sequence + 1).with_damaged([lost])


def _decided(population: Population, policy: PBT) -> Start | Continue | Exploit:
    decision = decide(population, 0, policy, decision_key(0, 0, 2))
    assert isinstance(decision, Start | Continue | Exploit)
    return decision


@given(SCORES, POLICIES)
def test_damaged_member_goes_back_as_a_whole(scores: list[float], policy: PBT) -> None:
    """Old weights under the hyperparameters of lost ones would be a mixture that nobody ever trained."""
    good = SegmentId(len(scores) - 1, 0)
    population = _failed(population_of([0.0, *scores]), fallback=good)
    decision = _decided(population, policy)
    newest, source = population.latest[0], population.forest[good]
    assert newest is not None
    assert isinstance(decision, Continue)
    assert decision.hyperparameters == source.hyperparameters
    assert parent_of(decision, newest) == base_of(newest) == good
    assert decision.why == {"rule": "damaged", "lost": "m00/0", "from": str(good)}


@given(SCORES)
def test_member_with_nothing_left_is_replaced(scores: list[float]) -> None:
    """A lost file must not stop a member as long as there is anybody to copy."""
    population = _failed(population_of([0.0, *scores]), fallback=None)
    decision = _decided(population, PBT())
    assert isinstance(decision, Exploit)
    assert decision.donor.member != 0
    assert decision.copies_weights


@given(st.lists(st.just(Diverged(reason="nan")), max_size=3), POLICIES, st.integers(0, 3))
def test_member_begins_anew_where_nobody_can_be_copied(others: list[Diverged], policy: PBT, seed: int) -> None:
    """The last checkpoint of the run is lost: a member trains from its first hyperparameters rather than not at all."""
    population = _failed(population_of([0.0, *others], seed=seed), fallback=None)
    decision = _decided(population, policy)
    newest = population.latest[0]
    assert newest is not None
    assert isinstance(decision, Start)
    assert decision.hyperparameters == start(population.space, seed, 0).hyperparameters
    assert decision.why == {"rule": "damaged", "lost": str(newest.parent), "from": "init"}
    assert parent_of(decision, newest) is None


def test_member_that_begins_anew_begins_as_it_was_given() -> None:
    """Hyperparameters known to be good are what its first life had, and its second must have."""
    policy = PBT(initial=[{"x": 0.25}])
    decision = _decided(_failed(population_of([1.0]), fallback=None), policy)
    assert isinstance(decision, Start)
    assert decision.hyperparameters == {"x": 0.25}


@given(SCORES, st.data())
def test_damaged_checkpoint_is_never_copied(scores: list[float], data: st.DataObject) -> None:
    """The best member's file is lost: its rank stands, but whoever copied it could not load."""
    population = population_of([-20.0, *scores])
    lost = data.draw(st.sets(st.integers(1, len(scores)), min_size=1))
    rows = [replace(s, damaged=99, checkpoint_kept=False) for s in population.latest if s and s.member in lost]
    after = population.with_damaged(rows)
    assert after.ranking.tolist() == population.ranking.tolist()
    decision = decide(after, 0, PBT(), decision_key(0, 0, 1))
    assert not isinstance(decision, Exploit) or decision.donor.member not in lost


@given(st.lists(st.sampled_from(["good", "dropped", "diverged"]), min_size=1, max_size=6), st.integers(0, 5))
def test_last_good_ancestor_is_the_nearest_that_can_be_loaded(fates: list[str], lost: int) -> None:
    """Every step further back is training that is lost without need."""
    found = {}
    for generation, fate in enumerate(fates):
        newest = population_of([0.0]).latest[0]
        assert newest is not None
        found[SegmentId(0, generation)] = replace(
            newest,
            generation=generation,
            parent=SegmentId(0, generation - 1) if generation else None,
            outcome=Diverged(reason="nan") if fate == "diverged" else Finite(value=0.0),
            checkpoint_kept=fate != "dropped",
        )
    good = [generation for generation, fate in enumerate(fates) if fate == "good" and generation != lost]
    expected = SegmentId(0, max(good)) if good else None
    assert last_good(SegmentId(0, len(fates) - 1), found.get, lost=SegmentId(0, lost)) == expected


@given(st.integers(1, 9), st.integers(0, 9), st.booleans())
def test_damage_is_not_known_before_it_was_found(found: int, asked: int, kept: bool) -> None:
    """A decision is derived again from what could be known when it was taken, not from what is known now."""
    segment = population_of([0.0]).latest[0]
    assert segment is not None
    dropped: Segment = replace(segment, damaged=found, checkpoint_kept=False)
    assert dropped.as_of(asked).can_donate == (asked < found)
    assert dropped.as_of(asked).damaged == (None if asked < found else found)
    assert replace(segment, checkpoint_kept=kept).as_of(asked) == segment
