"""The translation benchmark's page: who is better, and what a replayed schedule keeps of the gain."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")

from benchmarks.translation import BASE, FINAL, REPLAY, SUBJECT, kept, text_of
from hypothesis import assume, given
from hypothesis import strategies as st

from populace.comparison import Comparison, Outcome
from populace.comparison._terms import Terms
from populace.core import Mode
from populace.space import LogUniform, Space

TERMS = Terms(
    space=Space({"lr": LogUniform(1e-3, 1.0)}),
    population=4,
    steps=10,
    interval=2,
    metric=None,
    mode=Mode.MAX,
    evaluate_every=None,
    synchronous=True,
    max_failures=3,
    allow_pickle=False,
    entry=None,
    code=None,
)
SCORES = st.lists(st.floats(0, 100), min_size=3, max_size=3)


def _found(tmp_path, scores):
    return Comparison(
        folder=tmp_path,
        terms=TERMS,
        algorithms=dict.fromkeys(scores, "what it does"),
        seeds=range(2),
        outcomes=[
            Outcome(algorithm=name, seed=seed, run="a", member_steps=40, score=score, test=score)
            for name, held in scores.items()
            for seed, score in enumerate(held)
        ],
        tested=True,
    )


@given(SCORES, SCORES)
def test_pbt_keeps_its_gain_and_random_search_keeps_nothing(pbt, random):
    """The share says how much of what was won lies in the schedule: its two ends must be what they mean."""
    assume(abs(sum(pbt) - sum(random)) > 1e-3)
    assert kept(pbt, random, pbt) == pytest.approx(1.0)
    assert kept(pbt, random, random) == pytest.approx(0.0)


def test_page_names_every_seed_and_what_each_control_keeps(tmp_path):
    """A reader must be able to work the shares out again from the seeds."""
    scores = {SUBJECT: [90.0, 92.0], BASE: [80.0, 82.0], REPLAY: [87.0, 87.0], FINAL: [84.0, None]}
    text = text_of(_found(tmp_path, scores))
    assert "| 0 | 90.00 | 80.00 | 87.00 | 84.00 |" in text
    assert "| 1 | 92.00 | 82.00 | 87.00 | none |" in text
    assert f"{REPLAY}: 87.00 BLEU in the mean of 2 seeds" in text
    assert "keeps 60% of the gain" in text
    assert f"{FINAL}: 84.00 BLEU in the mean of 1 seeds" in text
    assert "keeps 40% of the gain" in text


def test_page_without_pbt_tells_of_no_gain(tmp_path):
    """Baselines may be trained before the policy that they are compared with."""
    text = text_of(_found(tmp_path, {BASE: [80.0, 82.0], "TPE": [81.0, 79.0]}))
    assert "| 0 | 80.00 | 81.00 |" in text
    assert "keeps" not in text
