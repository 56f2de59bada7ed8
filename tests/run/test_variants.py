"""Every published variant runs unchanged in every executor, and its log can be derived again."""

import pytest

from populace import (
    PB2,
    PBT,
    Backtrack,
    Choice,
    FirePBT,
    Inline,
    LogUniform,
    Oversampled,
    Pairwise,
    Perturb,
    Processes,
    Restart,
    Truncation,
    TrustRegion,
    Vectorised,
)
from populace.core import policy_from_json, policy_to_json
from populace.run import verify
from populace.testing import DivergingBowl, FailingBowl, NoisyBowl, tune_toy

pytestmark = pytest.mark.slow

JAX_SPACE = {"lr": LogUniform(1e-3, 1e-1), "shakes": Choice([1, 2])}
VARIANTS = {
    "pb2": PBT(exploit=Truncation(0.5), explore=PB2(rows=24)),
    "pb2 in a region": PBT(exploit=Truncation(0.5), explore=PB2(rows=24, choices="modelled", region=TrustRegion())),
    "backtrack": PBT(exploit=Backtrack(Truncation(0.5)), explore=Perturb((0.1, 10.0))),
    "oversampled": Oversampled(keep=3, policy=PBT(exploit=Truncation(0.5), explore=PB2(rows=24))),
    "region": PBT(exploit=Truncation(0.5), explore=TrustRegion(failures=1, rounds=3)),
    "restart": Restart(policy=PBT(exploit=Truncation(0.5), explore=PB2(rows=24)), patience=1, window=2, keep=0.9),
    "fire": FirePBT(evaluations=7, tail=0.5),
    "pairwise": PBT(exploit=Truncation(0.5), explore=Pairwise(rounds=3)),
}
every_variant = pytest.mark.parametrize("policy", VARIANTS.values(), ids=VARIANTS)


@every_variant
@pytest.mark.parametrize("synchronous", [True, False])
def test_log_can_be_derived_again(policy, synchronous, tmp_path):
    """A decision that looks at more than snapshot and key could be checked by nobody."""
    result = tune_toy(
        NoisyBowl(), tmp_path, population=6, steps=16, metric="score", policy=policy, synchronous=synchronous
    )
    assert any(s.donor is not None for s in result.segments)
    assert verify(result.directory) == []
    assert policy_from_json(policy_to_json(policy)) == policy


@pytest.mark.parametrize("policy", [v for n, v in VARIANTS.items() if n != "restart"])  # which depends on the limit
def test_resumed_run_decides_as_one_that_was_not(policy, tmp_path):
    """A worker that starts late loads what a decision needs from the log: in lockstep nothing may differ."""
    options = {"population": 6, "metric": "score", "policy": policy, "synchronous": True}
    whole = tune_toy(NoisyBowl(), tmp_path / "whole", steps=16, **options)
    tune_toy(NoisyBowl(), tmp_path / "parts", steps=8, **options)
    parts = tune_toy(NoisyBowl(), tmp_path / "parts", steps=16, **options)
    assert parts.to_records() == whole.to_records()
    assert verify(parts.directory) == []


@every_variant
def test_worker_processes_decide_as_one_alone(policy, tmp_path):
    """Several workers see the log at other moments; in lockstep the decisions are the same."""
    options = {"population": 6, "steps": 12, "metric": "score", "policy": policy, "synchronous": True}
    alone = tune_toy(NoisyBowl(), tmp_path / "alone", executor=Inline(), **options)
    together = tune_toy(NoisyBowl(), tmp_path / "together", executor=Processes(2), **options)
    assert together.to_records() == alone.to_records()
    asynchronous = tune_toy(NoisyBowl(), tmp_path / "free", executor=Processes(2), **(options | {"synchronous": False}))
    assert verify(asynchronous.directory) == []


@every_variant
@pytest.mark.parametrize("synchronous", [True, False])
def test_population_in_one_program_passes_too(policy, synchronous, tmp_path):
    """The vectorised executor keeps the population in memory and takes the same decisions from it."""
    pytest.importorskip("jax")
    from populace.testing import JaxBowl

    options = {
        "population": 6,
        "steps": 12,
        "metric": "score",
        "policy": policy,
        "synchronous": synchronous,
        "space": JAX_SPACE,
    }
    result = tune_toy(JaxBowl(), tmp_path / "one", executor=Vectorised(devices=1), **options)
    assert any(s.donor is not None for s in result.segments)
    assert verify(result.directory) == []


REMEMBERING = {
    "restart": Restart(policy=PBT(exploit=Truncation(0.5)), patience=1, window=2, anew=1.0),
    "fire": FirePBT(evaluations=7, tail=0.5),
    "oversampled restart": Oversampled(keep=6, policy=Restart(patience=1, window=2, anew=1.0)),
}
every_remembering = pytest.mark.parametrize("policy", REMEMBERING.values(), ids=REMEMBERING)


@every_remembering
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("task", [FailingBowl(0.05), DivergingBowl(0.05)], ids=["fails", "diverges"])
def test_lost_members_do_not_mislead_who_reads_the_log(task, policy, synchronous, tmp_path):
    """What decisions say for later ones must hold where a member's segment came to nothing."""
    result = tune_toy(task, tmp_path, population=8, steps=24, policy=policy, synchronous=synchronous, max_failures=0)
    assert any(s.score is None for s in result.segments)
    assert verify(result.directory) == []


@every_remembering
@pytest.mark.parametrize("synchronous", [True, False])
def test_members_may_join_and_leave(policy, synchronous, tmp_path):
    """Who comes late has said nothing yet, and who has left is asked about all the same."""
    options = {"policy": policy, "metric": "score", "synchronous": synchronous}
    tune_toy(NoisyBowl(), tmp_path, population=8, steps=12, **options)
    more = tune_toy(NoisyBowl(), tmp_path, population=11, steps=24, **options)
    assert verify(more.directory) == []
    fewer = tune_toy(NoisyBowl(), tmp_path, population=7, steps=32, **options)
    assert verify(fewer.directory) == []


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("executor", [Inline(), Processes(2)])
def test_oversampled_run_costs_what_was_said(executor, synchronous, tmp_path):
    """Every start one interval, and every kept member all of its steps, whoever waits for whom."""
    options = {"population": 6, "steps": 12, "metric": "score", "executor": executor, "synchronous": synchronous}
    result = tune_toy(NoisyBowl(), tmp_path, policy=Oversampled(keep=2), **options)
    assert sorted(s.member for s in result.segments if s.member > 1) == [2, 3, 4, 5]
    assert sum(s.end_step - s.start_step for s in result.segments) == 2 * 12 + 4 * 2
    assert verify(result.directory) == []
    assert tune_toy(NoisyBowl(), tmp_path, policy=Oversampled(keep=2), **options).to_records() == result.to_records()
