"""Laws of columns that are parsed when they are first looked at: nobody can tell them from parsed ones."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.core import Evaluation
from populace.store._parsed import ParsedEvaluations, ParsedMapping
from populace.store._rows import dumps, evaluations_from_text, evaluations_to_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
NUMBERS = st.floats(allow_nan=False)
EVALUATIONS = st.lists(
    st.builds(
        Evaluation, step=st.integers(0, 9), score=NUMBERS, metrics=st.dictionaries(st.text(), NUMBERS, max_size=2)
    ),
    max_size=3,
).map(tuple)


@given(st.dictionaries(st.text(), JSON))
def test_mapping_held_as_text_reads_as_the_mapping(given_) -> None:
    """Whoever reads a segment's hyperparameters or reasons need not know that they come from a file."""
    held = ParsedMapping(dumps(given_))
    assert held == given_
    assert list(held) == list(given_)
    assert len(held) == len(given_)
    assert repr(held) == repr(given_)
    assert {name: held[name] for name in held} == given_


@given(EVALUATIONS)
def test_evaluations_held_as_text_read_as_the_evaluations(given_) -> None:
    """The t-test walks through them, curves slice them, and a repeated publish compares them."""
    held = ParsedEvaluations(evaluations_to_text(given_), evaluations_from_text)
    assert held == given_
    assert held == list(given_)
    assert held == ParsedEvaluations(evaluations_to_text(given_), evaluations_from_text)
    assert len(held) == len(given_)
    assert repr(held) == repr(given_)
    assert held[:2] == given_[:2]
    assert [held[index] for index in range(len(given_))] == list(given_)
    assert held != (*given_, Evaluation(step=10, score=0.0, metrics={}))
    assert held != {}
    assert held != len(given_)
    assert held or hash(held) == hash(())  # as a tuple, it has a hash only where what it holds has one


def test_column_is_parsed_when_it_is_first_looked_at_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large population, parsing what nobody looks at would cost more than all else between two intervals."""
    parsed = []

    def parse(text: str) -> tuple[Evaluation, ...]:
        parsed.append(text)
        return (Evaluation(step=1, score=0.5, metrics={}),)

    evaluations = ParsedEvaluations("the text", parse)
    assert parsed == []
    assert (evaluations[0], len(evaluations)) == (evaluations[-1], 1)
    assert parsed == ["the text"]
    with pytest.raises(json.JSONDecodeError):
        len(ParsedMapping("no JSON"))
    mapping = ParsedMapping('{"a": [1]}')
    assert mapping["a"] is mapping["a"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_come_back(value: float) -> None:
    """A member that diverged is looked at to see how; strict JSON has no word for its score."""
    given_ = (Evaluation(step=1, score=value, metrics={"loss": value}),)
    assert repr(evaluations_from_text(evaluations_to_text(given_))) == repr(given_)
    assert "NaN" not in evaluations_to_text(given_)
