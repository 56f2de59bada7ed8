"""The translation benchmark: models that train as one batch, and what a replayed schedule keeps of the gain."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")
pytest.importorskip("jax")

from benchmarks.suite import task_named
from benchmarks.translation import kept, text_of
from hypothesis import assume, given
from hypothesis import strategies as st

from populace.space import Key, Space

SCORES = st.lists(st.floats(0, 100), min_size=3, max_size=3)


@given(SCORES, SCORES)
def test_pbt_keeps_its_gain_and_random_search_keeps_nothing(pbt, random):
    """The share says how much of what was won lies in the schedule: its two ends must be what they mean."""
    assume(abs(sum(pbt) - sum(random)) > 1e-3)
    assert kept(pbt, random, pbt) == pytest.approx(1.0)
    assert kept(pbt, random, random) == pytest.approx(0.0)


def test_page_names_every_seed_and_what_each_control_keeps():
    """A reader must be able to work the shares out again from the seeds."""
    held = {"default": {4: 90.0, 5: 92.0}, "random": {4: 80.0, 5: 82.0}, "schedule": {4: 87.0, 5: 87.0}}
    text = text_of({**held, "final": {4: 84.0}})
    assert "| 4 | 80.00 | 90.00 | 87.00 | 84.00 |" in text
    assert "| 5 | 82.00 | 92.00 | 87.00 | - |" in text
    assert "a mean of 87.00 on 2 seeds" in text
    assert "60% of the gain is kept" in text
    assert "a mean of 84.00 on 1 seeds" in text
    assert "40% of the gain is kept" in text


def test_page_without_pbt_tells_of_no_gain():
    """Baselines may be measured before the policy that they are compared with."""
    text = text_of({"random": {4: 80.0}, "tpe": {4: 81.0}})
    assert "| 4 | 80.00 | 81.00 |" in text
    assert "kept" not in text


@pytest.mark.slow
def test_models_that_train_together_do_what_each_does_alone():
    """A population as one batch is a matter of speed; seeing a neighbour's weights would be another task."""
    for package in ("torch", "sacrebleu", "num2words"):
        pytest.importorskip(package)
    task = task_named("translation")
    herd, space = task.trainable, Space.of(task.space)
    given = [{**space.sample(Key(member)), "learning_rate": 2e-3} for member in range(3)]
    states = [herd.init(Key(member), hp) for member, hp in enumerate(given)]
    keys = [[Key(member).fold("step", step) for member in range(3)] for step in range(4)]
    together = herd.steps(keys, states, given)
    for member, first in enumerate(states):
        state = first
        for row in keys:
            state = herd.step(row[member], state, given[member])
        for name, weight in state["weights"].items():
            assert weight.numpy() == pytest.approx(together[member]["weights"][name].numpy(), abs=1e-5)
        assert herd.evaluate(Key(9), state) == pytest.approx(herd.scores([Key(9)] * 3, together)[member], abs=1e-6)
