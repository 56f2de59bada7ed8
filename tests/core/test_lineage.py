"""Laws of the forest of segments, and of what retention keeps of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Failed, Lineage, SegmentId, base_of, kept
from populace.space import Uniform
from populace.testing import Problem, Simulation, population_of, simulate


def _run(seed: int, synchronous: bool, size: int = 6) -> Simulation[float]:
    problem = Problem(state=0.0, train=lambda state, h, n: state + h["x"], evaluate=lambda state: state)
    return simulate(
        problem, PBT(), space={"x": Uniform(0, 1)}, size=size, intervals=5, seed=seed, synchronous=synchronous
    )


runs = st.builds(_run, st.integers(0, 2**32), st.booleans())


@settings(max_examples=15)
@given(runs)
def test_every_path_leads_from_a_root_in_unbroken_steps(run: Simulation[float]) -> None:
    """A curve drawn along it shows what trained these weights, with no gap and no overlap."""
    lineage = run.lineage
    for segment in lineage:
        path = lineage.ancestry(segment.id)
        assert path[-1] is segment
        assert path[0].parent is None
        assert path[0].id == lineage.root(segment)
        assert path[0].start_step == 0
        for parent, child in pairwise(path):
            assert child.parent == parent.id
            assert child.start_step == parent.end_step
            assert child in lineage.children(parent.id)


@settings(max_examples=15)
@given(runs)
def test_every_segment_is_the_child_of_one_parent(run: Simulation[float]) -> None:
    """The lineage is a forest: the tree view would draw a segment twice or never otherwise."""
    children = [child.id for segment in run.lineage for child in run.lineage.children(segment.id)]
    assert sorted(children) == sorted(s.id for s in run.lineage if s.parent is not None)
    assert len(run.lineage) == 6 * 5


@settings(max_examples=15)
@given(runs)
def test_exploits_are_told_in_the_order_in_which_they_began(run: Simulation[float]) -> None:
    """The dashboard lists them as they happen."""
    exploits = run.lineage.exploits
    assert [s.begun for s in exploits] == sorted(s.begun for s in exploits)
    assert {s.id for s in exploits} == {s.id for s in run.lineage if s.donor is not None}


@settings(max_examples=15)
@given(runs)
def test_survivors_are_the_roots_of_the_last_population(run: Simulation[float]) -> None:
    """How many initial members still count says how much diversity is left."""
    assert run.lineage.survivors == {run.lineage.root(segment) for segment in run.final}


def test_segment_is_found_by_its_written_name() -> None:
    """People copy names from tables into commands."""
    lineage = _run(0, True).lineage
    assert lineage["m03/2"] is lineage[SegmentId(3, 2)] is lineage["3/2"]
    assert str(SegmentId(3, 2)) == "m03/2"
    with pytest.raises(UsageError, match=r"there is no segment m03/99: this run holds 30 segments"):
        lineage["m03/99"]
    with pytest.raises(UsageError, match=r"named like m03/12 .* but got 'three'"):
        lineage["three"]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_name_of_a_segment_reads_back(member: int, generation: int) -> None:
    """Ids pass through tables, URLs and file names as text."""
    id = SegmentId(member, generation)
    assert SegmentId.parse(str(id)) == id


def test_what_may_still_be_needed_is_kept_and_nothing_more() -> None:
    """A checkpoint collected too early stops a member; one collected too late fills the disk."""
    first = population_of([1.0, 2.0, 3.0]).latest
    ahead = replace(first[0], generation=1, parent=first[0].id)
    stumbled = replace(first[1], generation=1, parent=first[2].id, outcome=Failed(reason="boom"))
    training = replace(first[2], generation=1, parent=first[1].id, outcome=None, ended=None)
    assert base_of(ahead) == ahead.id
    assert base_of(stumbled) == first[2].id
    assert kept(newest=[ahead, stumbled], best=None, running=[]) == {ahead.id, first[2].id}
    everything = kept(newest=[ahead], best=first[2].id, running=[training], asked=[SegmentId(0, 0)])
    assert everything == {ahead.id, first[2].id, first[1].id, SegmentId(0, 0)}
    assert kept(newest=[replace(stumbled, parent=None)], best=None, running=[]) == set()


def test_survivors_are_counted_by_what_has_ended() -> None:
    """A clone that still trains may fail: until then its member stands where it stood, in whatever order rows come."""
    first, second = population_of([1.0, 2.0]).latest
    clone = replace(first, generation=1, parent=second.id, donor=second.id, begun=9, ended=None, outcome=None)
    for rows in ([first, second, clone], [clone, second, first]):
        assert Lineage(rows).survivors == {first.id, second.id}
        assert Lineage([replace(s, ended=s.ended or 12) for s in rows]).survivors == {second.id}


def test_lineage_without_segments_is_empty() -> None:
    """A run that has just been created has nothing to show, and that is no error."""
    assert len(Lineage([])) == 0
    assert Lineage([]).survivors == set()
    assert Lineage([]).exploits == []
