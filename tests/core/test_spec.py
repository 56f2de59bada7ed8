"""Laws of specifications and of policies as JSON: what a log holds is what was given."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import StoreError, UsageError
from populace.core import (
    PBT,
    Compare,
    Copy,
    Guard,
    Mode,
    Policy,
    RandomSearch,
    RunSpec,
    policy_from_json,
    policy_to_json,
    source_digest,
)
from populace.core.exploit import BinaryTournament, Halves, MultiFrequency, NoExploit, Truncation, TTest
from populace.core.explore import (
    PB2,
    ExploreStrategy,
    Mixture,
    NoExplore,
    Pairwise,
    Perturb,
    Resample,
    Strides,
    TrustRegion,
)
from populace.space import Choice, Hyperparameters, Key, LogUniform, Space, Uniform, Value

SPACE = Space.of({"lr": LogUniform(1e-5, 1e-1), "kind": Choice(["a", "b"]), "x": Uniform(0, 1)})

factors = st.tuples(st.floats(0.01, 0.99), st.floats(1.01, 9))
shares = st.floats(1e-6, 1)
exploits = st.builds(Truncation, st.floats(1e-6, 0.5)) | st.sampled_from(
    [BinaryTournament(), NoExploit(), Halves(z=1), MultiFrequency((1, 4))]
)
regions = st.builds(TrustRegion, length=st.floats(0.2, 1), failures=st.integers(1, 20))
explores = (
    st.builds(Perturb, factors)
    | st.builds(Resample, shares)
    | st.builds(Mixture, shares, factors)
    | st.sampled_from([NoExplore(), Strides(0.3)])
    | st.builds(PB2, rows=st.integers(2, 5000), variance_bonus=st.booleans(), region=st.none() | regions)
    | regions
    | st.builds(Pairwise, inertia=st.floats(0, 2), resample=st.floats(0, 0.9))
)
policies = st.builds(
    PBT,
    exploit=exploits,
    explore=explores,
    copy=st.sampled_from(Copy),
    compare=st.sampled_from(Compare),
    burn_in=st.integers(0, 10**6),
    guard=st.builds(Guard, min_std=st.floats(0, 9), trim=st.floats(0, 0.9), spare=st.booleans()),
    initial=st.lists(
        st.fixed_dictionaries({}, optional={"lr": st.floats(1e-5, 1e-1), "kind": st.just("b")}), max_size=2
    ),
)


def _through_json(data: object) -> object:
    return json.loads(json.dumps(data, allow_nan=False))


def _spec(**changes: object) -> RunSpec:
    settings = {"name": "r", "space": SPACE, "policy": PBT(), "seed": 1, "population": 4, "steps": 20, "interval": 4}
    return RunSpec(**(settings | changes))


@given(policies)
def test_policy_reads_back_from_its_json(policy: Policy) -> None:
    """A run resumed from its log decides as it did before."""
    assert policy_from_json(_through_json(policy_to_json(policy))) == policy


def test_settings_that_nobody_gave_are_those_of_the_paper() -> None:
    """A log holds every setting, so a default that changes makes a resumed run another one: it must be seen here."""
    guard = {"kind": "Guard", "min_std": 0.0, "min_percent": 0.0, "trim": 0.2, "spare": False, "explores": False}
    written = {
        **{"kind": "PBT", "exploit": {"kind": "Truncation", "fraction": 0.2}},
        **{"explore": {"kind": "Perturb", "factors": [0.8, 1.2]}, "copy": "both", "compare": "latest"},
        **{"burn_in": 0, "guard": guard, "initial": []},
    }
    assert repr(policy_to_json(PBT.paper())) == repr(written)
    assert policy_from_json(_through_json(written)) == PBT.paper()
    assert policy_to_json(Mixture()) == {"kind": "Mixture", "resample": 0.25, "factors": [0.8, 1.2]}
    assert policy_to_json(Resample()) == {"kind": "Resample", "probability": 1.0}
    spec = _spec(interval=1)
    assert (spec.evaluate_every, spec.metric, spec.mode, spec.synchronous) == (None, None, Mode.MAX, False)
    assert (spec.max_failures, spec.allow_pickle, spec.entry, spec.code) == (3, False, None, None)


def test_settings_of_the_default_policy_are_those_of_its_record() -> None:
    """The constants of docs/decisions/0012 decide every run that names no policy; a log holds them all."""
    guard = {"kind": "Guard", "min_std": 0.0, "min_percent": 0.0, "trim": 0.2, "spare": False, "explores": False}
    halves = {"kind": "Halves", "turn": 0.01, "restart": 0.2, "grace": 0.1, "tail": 0.25, "z": 2.0, "window": 3}
    written = {
        **{"kind": "PBT", "exploit": halves},
        **{"explore": {"kind": "Strides", "stride": 0.2, "resample": 0.1, "generation": 0.01}},
        **{"copy": "both", "compare": "latest", "burn_in": 0, "guard": guard, "initial": []},
    }
    assert repr(policy_to_json(PBT())) == repr(written)
    assert policy_from_json(_through_json(written)) == PBT()


def test_policy_with_a_memory_reads_back_from_its_json() -> None:
    """The same, for the strategy that needs an extra."""
    pytest.importorskip("scipy")
    policy = PBT(exploit=TTest(alpha=0.01, window=7))
    assert policy_from_json(_through_json(policy_to_json(policy))) == policy


@given(
    policies,
    st.integers(0, 2**100),
    st.integers(2, 99),
    st.sampled_from(Mode),
    st.booleans(),
    st.none() | st.integers(1, 4),
)
def test_specification_reads_back_from_its_json(policy, seed, population, mode, flag, every) -> None:
    """Whoever opens a run by its name gets the very run that was started."""
    spec = _spec(
        policy=policy,
        seed=seed,
        population=population,
        mode=mode,
        synchronous=flag,
        allow_pickle=flag,
        evaluate_every=every,
        metric="accuracy",
        entry="train.py:main",
        code="0123",
    )
    again = RunSpec.from_json(_through_json(spec.to_json()))
    assert again == spec
    assert again.differences(spec) == []


def halve(hyperparameters: Hyperparameters, space: Space, key: Key) -> Hyperparameters:
    """A user's own explore."""
    return {"x": hyperparameters["x"] / 2}


def test_policy_with_a_function_must_be_given_again() -> None:
    """No code is loaded from data: a log holds a function's name and the digest of its source, not the function."""
    spec = _spec(policy=PBT(explore=halve))
    written = _through_json(spec.to_json())
    assert written["policy"]["explore"] == {"kind": "function", "name": "halve", "source": source_digest(halve)}
    with pytest.raises(StoreError, match="holds the function 'halve', which a log cannot hold: pass the same policy"):
        RunSpec.from_json(written)
    assert RunSpec.from_json(written, policy=spec.policy).differences(spec) == []


def test_users_class_is_not_mistaken_for_ours_of_the_same_name() -> None:
    """A user's own `Perturb` read back as ours would explore differently without a word."""

    @dataclass(frozen=True)
    class Perturb(ExploreStrategy):
        def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
            return dict(hyperparameters)

    written = policy_to_json(PBT(explore=Perturb()))
    assert written["explore"]["kind"] == "custom"
    with pytest.raises(StoreError, match="Perturb"):
        policy_from_json(written)


def test_digest_follows_the_source_and_not_its_indentation() -> None:
    """A function that moved into a class or a notebook cell is still the same function."""
    assert source_digest(halve) == source_digest(halve) is not None
    assert source_digest(halve) != source_digest(_spec)
    assert source_digest(3) is None


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"population": 9, "steps": 99, "max_failures": 0, "name": "other", "entry": "x.py:f"}, []),
        ({"seed": 2}, ["seed: 1 became 2"]),
        ({"mode": Mode.MIN, "metric": "loss"}, ["metric: None became 'loss'", "mode: 'max' became 'min'"]),
        ({"interval": 5, "synchronous": True}, ["interval: 4 became 5", "synchronous: False became True"]),
        ({"code": "0123"}, ["code: its source has changed"]),
    ],
)
def test_only_limits_may_change_on_resume(changes: dict[str, object], lines: list[str]) -> None:
    """Longer or larger is the same run; another seed, metric or interval is another one, and says which."""
    assert _spec().differences(_spec(**changes)) == lines


def test_changed_space_and_policy_are_named() -> None:
    """The line must let the user see at once what was edited."""
    wider = Space.of({**SPACE, "x": Uniform(0, 2)})
    lines = _spec().differences(_spec(space=wider, policy=RandomSearch()))
    assert lines[0] == "space: x: Uniform(0, 1) became Uniform(0, 2)"
    assert re.match(r"policy: .*Halves.* became .*NoExploit", lines[1])


def test_limits_are_taken_over_and_nothing_else() -> None:
    """A resumed run trains on to the new limits with the old seed and policy."""
    longer = _spec(steps=40, population=8, max_failures=1, seed=5, policy=RandomSearch(), code="new")
    assert _spec().with_limits(longer) == _spec(steps=40, population=8, max_failures=1, code="new")


def test_more_starts_than_members_are_refused() -> None:
    """The last of them would silently never be trained."""
    starts = [{"lr": 0.01}, {"x": 0.5}]
    assert _spec(policy=PBT(initial=starts), population=2).policy.starts == tuple(starts)
    with pytest.raises(UsageError) as caught:
        _spec(policy=PBT(initial=starts), population=1)
    assert str(caught.value) == (
        "`initial` holds at most one mapping per member, but got 2 for a population of 1: shorten it or raise "
        "`population`"
    )


def test_start_outside_the_space_is_refused_at_once() -> None:
    """A mistyped bound is met at the first line, not when that member is claimed."""
    with pytest.raises(UsageError):
        _spec(policy=PBT(initial=[{"lr": 5.0}]))
    with pytest.raises(UsageError):
        _spec(policy=PBT(initial=[{"learning_rate": 0.01}]))


def test_least_settings_are_allowed() -> None:
    """The smallest run is one member that trains one step."""
    least = _spec(population=1, steps=1, interval=1, evaluate_every=1, max_failures=0, seed=0)
    assert (least.population, least.steps, least.evaluate_every, least.seed) == (1, 1, 1, 0)


def test_most_steps_are_those_that_a_database_can_sum() -> None:
    """A number with three zeros too many must not end as an overflow deep in the store."""
    assert _spec(steps=10**12).steps == 10**12
    with pytest.raises(
        UsageError, match=r"^`steps <= 1000000000000` must hold, but got steps=1000000000001: it is the"
    ):
        _spec(steps=10**12 + 1)


def test_first_weights_have_keys_of_their_own() -> None:
    """Two members with one key would begin as the same network; another seed must begin elsewhere."""
    keys = {_spec(seed=seed).init_key(member).seed() for seed in range(3) for member in range(3)}
    assert len(keys) == 9
    assert _spec().init_key(2) == Key(1).fold(2, 0, "init")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": 0}, "`population >= 1` must hold, but got population=0: it is the number of members"),
        ({"steps": 2.5}, "`steps` must be a whole number, but got 2.5"),
        ({"interval": True}, "`interval` must be a whole number, but got True"),
        ({"max_failures": -1}, "`max_failures >= 0` must hold, but got max_failures=-1"),
        ({"evaluate_every": 5}, "`evaluate_every <= interval` must hold, but got (evaluate_every=5, interval=4)"),
        ({"evaluate_every": 0}, "`evaluate_every >= 1` must hold, but got evaluate_every=0"),
        ({"metric": ""}, "`metric` must be the name of a reported metric, but got ''"),
        ({"metric": 3}, "`metric` must be the name of a reported metric, but got 3: leave it out where a single"),
        ({"seed": -1}, "`seed >= 0` must hold, but got seed=-1: it is the root of all randomness"),
        ({"seed": 0.5}, "`seed` must be a whole number, but got 0.5"),
        ({"seed": 2**128}, "a seed must be an integer in [0, 2**128)"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str) -> None:
    """A mistake is met at the first line, not after an hour of training."""
    with pytest.raises(UsageError, match=re.escape(message)):
        replace(_spec(), **changes)


def test_function_without_a_name_is_told_by_its_kind() -> None:
    """An explore function whose arguments were filled in with `functools.partial` has no name of its own."""
    written = policy_to_json(PBT(explore=partial(lambda hyperparameters, space, key: hyperparameters)))
    assert written["explore"] == {"kind": "function", "name": "partial", "source": None}


@pytest.mark.parametrize("data", [{"kind": "Truncation", "fraction": 0.2}, 3, None])
def test_what_is_no_policy_is_not_taken_for_one(data: object) -> None:
    """A log whose bytes were changed must not give a run that fails at its first decision."""
    with pytest.raises(StoreError, match=r"a log holds its run's policy, but this one holds .*: it is damaged"):
        policy_from_json(data)
