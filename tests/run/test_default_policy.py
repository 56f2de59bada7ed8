"""The default policy in whole runs: its decisions can be derived again, whatever its limits were at the time."""

from __future__ import annotations

import math

import pytest

from populace import MFPBT, PBT, Choice, Inline, IntUniform, LogUniform, Uniform, resume, tune
from populace.run import verify

SPACE = {
    "rate": LogUniform(1e-3, 1.0),
    "kind": Choice(["plain", "momentum"]),
    "momentum": Uniform(0.0, 0.9, when={"kind": "momentum"}),
    "batch": IntUniform(1, 8),
}
POLICIES = [None, PBT(compare="equal progress"), MFPBT(periods=(1, 3))]


def train(member):
    """Noisy descent on a bowl; about one setting in ten diverges."""
    state = {"x": 3.0, "v": 0.0}
    member.track(state=state)
    for _ in member:
        noise = float(member.key.generator().standard_normal()) / member["batch"]
        keep = member.hyperparameters.get("momentum", 0.0)
        state["v"] = keep * state["v"] - 2.5 * member["rate"] * (state["x"] + noise)
        state["x"] = state["x"] + state["v"]
        member.report(math.nan if abs(state["x"]) > 20 else -(state["x"] ** 2))


def _donors(result):
    return [str(s.donor) for s in sorted(result.segments, key=lambda s: s.id) if s.donor is not None]


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("policy", POLICIES, ids=["default", "equal progress", "MF-PBT"])
def test_run_that_grows_passes_verification(tmp_path, policy, synchronous):
    """Turns are shares of the run and halves are made of the population; both change when a run goes on."""
    given = {"directory": tmp_path, "executor": Inline()}
    first = tune(
        train, SPACE, population=8, steps=20, seed=3, name="r", policy=policy, synchronous=synchronous, **given
    )
    assert verify(first.directory) == []
    longer = resume("r", train, population=12, steps=30, **given)
    assert verify(longer.directory) == []
    shorter = resume("r", train, population=6, steps=36, **given)
    assert verify(shorter.directory) == []
    copied = [s for s in shorter.segments if s.donor is not None]
    assert any(s.generation >= 20 for s in copied)
    assert {str(s.why.get("rule")) for s in copied} >= {
        "multi-frequency" if isinstance(policy, PBT) and policy.looks(8).memory == 0 else "halves"
    }


@pytest.mark.slow
def test_source_of_hyperparameters_is_checked(tmp_path):
    """A log that hides whose hyperparameters a clone has would pass for one that promise 2 holds of."""
    from populace.core import Chapter, verify_log

    run = tune(
        train,
        SPACE,
        population=24,
        steps=40,
        seed=1,
        policy=MFPBT(periods=(1, 2)),
        directory=tmp_path,
        synchronous=True,
        executor=Inline(),
    )
    segments = list(run.segments)
    mixed = next(s for s in segments if "hyperparameters" in s.why)
    assert mixed.why["hyperparameters"] != str(mixed.donor)
    from dataclasses import replace

    silent = replace(mixed, why={name: value for name, value in mixed.why.items() if name != "hyperparameters"})
    story = [Chapter(after=0, spec=run.spec, population=24, steps=40)]
    found = verify_log(run.spec, [silent if s is mixed else s for s in segments], story, finished=True)
    assert [str(v) for v in found] == [
        f"decision: segment {mixed.id}: says that its hyperparameters are those of None, but they are of "
        f"{mixed.why['hyperparameters']}"
    ]


@pytest.mark.slow
def test_one_worker_for_many_members_returns_weights_of_about_the_runs_length(tmp_path):
    """On a laptop, the model that comes back has been trained for what was asked, an interval more at most."""
    result = tune(train, SPACE, population=10, steps=40, interval=2, name="q", directory=tmp_path, executor=Inline())
    assert any(segment.donor is not None for segment in result.segments)
    assert max(segment.end_step for segment in result.segments) <= 42
