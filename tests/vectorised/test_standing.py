"""Where the population stands in memory, it is decided on as every worker would decide."""

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from populace.core import PBT, Mode, RunSpec, decide, decision_key, parent_of
from populace.core.exploit import BinaryTournament, Halves
from populace.core.explore import Mixture
from populace.jax import SCORE
from populace.space import Choice, IntUniform, LogUniform, Space, Uniform
from populace.store import Changes, Claim
from populace.vectorised._decision_keys import DecisionKeys
from populace.vectorised._measured import Measured
from populace.vectorised._standing import Standing

SPACE = Space({"lr": LogUniform(1e-5, 1e-1), "x": Uniform(0, 1), "n": IntUniform(1, 9), "kind": Choice(["a", "b"])})
POLICIES = [PBT(), PBT(exploit=Halves(z=0.0, window=1)), PBT(exploit=BinaryTournament(), explore=Mixture())]


class _Blank:
    """A log in which nothing has happened."""

    def snapshot(self, after=0):
        return Changes(sequence=0, ended=(), damaged=())


def _claims(size):
    return [Claim(member=m, epoch=1, worker="w", steps=0, newest=None, running=None) for m in range(size)]


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.sampled_from(POLICIES), st.integers(2, 24), st.integers(1, 30), st.booleans(), st.sampled_from(Mode), st.data()
)
def test_everybody_is_decided_on_as_by_a_worker(policy, size, num_generations, synchronous, mode, data):
    """Keys are hashed ahead, levels handed on, segments made in haste: none of it may show in a decision."""
    seed = data.draw(st.integers(0, 2**64))
    luck = np.random.default_rng(seed)
    spec = RunSpec(
        name="r", space=SPACE, policy=policy, seed=seed, population=size, steps=2 * num_generations, interval=2,
        synchronous=synchronous, mode=mode,
    )  # fmt: skip
    standing = Standing(_Blank(), spec, _claims(size))
    assert standing.together is None
    for generation in range(num_generations):
        if generation:
            population = replace(standing.population, _told={})  # nothing handed on
            expected = [decide(population, m, policy, decision_key(seed, m, generation)) for m in range(size)]
        begun = standing.begin(2)
        scores = []
        for member, draft in begun.drafts.items():
            if generation:
                decision, newest = expected[member], population.latest[member]
                parent = parent_of(decision, newest)
                assert (draft.parent, draft.donor) == (parent, getattr(decision, "donor", None))
                assert dict(draft.hyperparameters) == dict(decision.hyperparameters)
                assert list(draft.why.items()) == list(decision.why.items())
                assert draft.start_step == population.latest[parent.member].end_step
            score = float(luck.choice([math.nan, 0.01 * member + generation + luck.normal()], p=[0.05, 0.95]))
            scores.append([score])
        standing.end(begun, Measured(spec, (2,), {SCORE: np.array(scores)}), 2 * generation)
    assert all(s.checkpoint_kept and s.member_end == 2 * num_generations for s in standing.population.latest)


@pytest.mark.slow
@given(st.integers(0, 2**64), st.integers(1, 9), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_keys_hashed_ahead_are_those_of_decisions(seed, size, generations):
    """Whatever generations are asked for, in whatever order."""
    spec = RunSpec(name="r", space=SPACE, policy=PBT(), seed=seed, population=size, steps=9)
    keys = DecisionKeys(spec)
    for generation in generations:
        key, usual = keys.of(size - 1, generation), decision_key(seed, size - 1, generation)
        assert key == usual
        for below in (("exploit",), ("explore", "lr"), ("explore", "kind"), ("else",)):
            assert key.fold(*below).generator().random() == usual.fold(*below).generator().random()
