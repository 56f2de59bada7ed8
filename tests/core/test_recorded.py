"""Recorded decisions: what was decided once from a seed is decided again by every later version."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace

import pytest

from populace.core import MFPBT, PBT, FirePBT, Mode, Oversampled, Policy, RandomSearch, Restart, decide, decision_key
from populace.core.exploit import Backtrack, BinaryTournament, Truncation, TTest
from populace.core.explore import PB2, Mixture, NoExplore, Pairwise, Resample, TrustRegion
from populace.space import Choice, LogUniform, Space, Uniform
from populace.testing import Problem, Simulation, population_of, simulate

SPACE = Space.of({"lr": LogUniform(1e-5, 1e-1), "x": Uniform(0, 1), "layers": (1, 4), "kind": Choice(["a", "b"])})
# A coarse score, so that ties are decided too, and one that is NaN at times.
COARSE = Problem(
    state=0.0,
    train=lambda state, h, n: state + n * h["x"],
    evaluate=lambda state: math.floor(state * 2) / 2,
    shrink=lambda state, first, how: how.keep * state + how.renew * first,
)
SOMETIMES_NAN = replace(COARSE, evaluate=lambda state: math.nan if state * 10 % 1 < 0.2 else state)

POLICIES = {
    "PBT": PBT.paper(),
    "half": PBT(exploit=Truncation(0.5), explore=Resample(0.5)),
    "tournament": PBT(exploit=BinaryTournament(), explore=Mixture()),
    "weights": PBT(exploit=Truncation(0.3), copy="weights"),
    "hyperparameters": PBT(exploit=Truncation(0.3), copy="hyperparameters"),
    "nothing": PBT(exploit=Truncation(0.3), copy="nothing"),
    "equal progress": PBT(exploit=Truncation(0.3), compare="equal progress"),
    "initial": PBT.paper(initial=[{"x": 0.25}, {"lr": 1e-3}]),
    "random search": RandomSearch(),
    "region": PBT(exploit=Truncation(0.3), explore=TrustRegion(failures=2)),
    "pairwise": PBT(exploit=Truncation(0.3), explore=Pairwise()),
    "pb2": PBT(exploit=Truncation(0.3), explore=PB2()),
    "backtrack": PBT(exploit=Backtrack(Truncation(0.3))),
    "oversampled": Oversampled(keep=5, policy=PBT(exploit=Truncation(0.3))),
    "restart": Restart(policy=PBT(exploit=Truncation(0.3)), growth=1, patience=1, window=2),
    "fire": FirePBT(evaluations=7, tail=0.5),
    "default": PBT(),
    "MF-PBT": MFPBT(periods=(1, 2)),
}
RECORDED = {
    "PBT": ["0a2c6f36d2c8", "54a4bf8a0462"],
    "half": ["63bfe6d284a6", "4025e8e098c6"],
    "tournament": ["f245c6cfe537", "26db078889d3"],
    "weights": ["8ff6579eac6d", "b07603613067"],
    "hyperparameters": ["a8a62983be32", "1dbbb323d907"],
    "nothing": ["82b8d52de151", "ae26a9534f8e"],
    "equal progress": ["25e58ac31481", "f5473a64b197"],
    "initial": ["51e13f9baf7a", "2b4930444b25"],
    "random search": ["8dda0bb3c5d3", "8dda0bb3c5d3"],
    "region": ["15dff039b20f", "729d8da35fab"],
    "pairwise": ["a1e37448022d", "a0e7e5250fe8"],
    "pb2": ["8f186ad37b9a", "3b0525a2b90c"],
    "backtrack": ["25e58ac31481", "3685aefc82d5"],
    "oversampled": ["2f5dd2faa632", "2af9f045b22b"],
    "restart": ["489a60794e0c", "69fcf432a5cd"],
    "fire": ["5b19b8cf1a73", "f4c803ed7a96"],
    "default": ["67133551f426", "444850420bcc"],
    "MF-PBT": ["d55377d827c0", "3dedf9a9bf87"],
    "t-test": "38204b01404a",
    "donors": [19, 30, 27, 26, 14, 16],
}


def _digest(run: Simulation[float]) -> str:
    """Hyperparameters in ten digits: the last bits of a logarithm are the platform's affair."""
    told = [
        (*id, type(d).__name__, str(getattr(d, "donor", "")), {n: _short(v) for n, v in d.hyperparameters.items()})
        for id, d in sorted(run.decisions.items())
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def _short(value: object) -> object:
    return f"{value:.10g}" if isinstance(value, float) else value


def _run(policy: Policy, problem: Problem[float], mode: Mode, synchronous: bool) -> Simulation[float]:
    settings = {"space": SPACE, "size": 7, "intervals": 6, "seed": 11, "mode": mode, "synchronous": synchronous}
    return simulate(problem, policy, **settings)


@pytest.mark.parametrize("name", POLICIES)
def test_run_of_a_seed_is_that_of_every_version(name: str) -> None:
    """A run is resumed, verified and replayed by versions that its log has never heard of."""
    digests = [
        _digest(_run(POLICIES[name], problem, mode, synchronous))
        for problem, mode, synchronous in [(COARSE, Mode.MAX, True), (SOMETIMES_NAN, Mode.MIN, False)]
    ]
    assert digests == RECORDED[name]


def test_run_by_the_t_test_is_that_of_every_version() -> None:
    """The same, for the strategy that needs an extra."""
    pytest.importorskip("scipy")
    assert _digest(_run(PBT(exploit=TTest(alpha=0.3)), COARSE, Mode.MAX, True)) == RECORDED["t-test"]


def test_donor_of_a_diverged_member_is_that_of_every_version() -> None:
    """Whom a lost member copies is drawn too."""
    population = population_of([math.nan, *range(40)], space=SPACE)
    policy = PBT(exploit=BinaryTournament(), explore=NoExplore())
    donors = [decide(population, 0, policy, decision_key(seed, 0, 1)).donor.member for seed in range(6)]
    assert donors == RECORDED["donors"]
