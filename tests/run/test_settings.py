"""Settings from a file."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace import PBT, Guard, Inline, Mixture, Processes, RandomSearch, TTest, Vectorised
from populace._errors import UsageError
from populace.core import FirePBT, Oversampled, Restart, policy_to_json
from populace.core.exploit import Backtrack, BinaryTournament, NoExploit, Truncation
from populace.core.explore import PB2, NoExplore, Pairwise, Perturb, Resample, TrustRegion
from populace.run import arguments_of, read_settings
from populace.run._settings import read_policy
from populace.space import Choice, IntUniform, LogUniform, Uniform

EXPLOITS = st.sampled_from([Truncation(0.3), TTest(), BinaryTournament(), NoExploit(), Backtrack(TTest())])
LOOKING_BACK = [PB2(rows=9), PB2(region=TrustRegion()), TrustRegion(rounds=9), Pairwise(resample=0.5)]
EXPLORES = st.sampled_from([Perturb((0.5, 2.0)), Resample(0.5), Mixture(), NoExplore(), *LOOKING_BACK])
GUARDS = st.builds(Guard, spare=st.booleans())
POLICIES = st.builds(PBT, exploit=EXPLOITS, explore=EXPLORES, burn_in=st.integers(0, 9), guard=GUARDS)
EVERYWHERE = st.sampled_from([Perturb(), Mixture()])
POLICIES |= st.builds(
    Restart, policy=st.builds(PBT, explore=EXPLORES), anew=st.floats(0, 1), explore=EVERYWHERE
) | st.builds(FirePBT, evaluations=st.integers(7, 40), explore=EVERYWHERE)
POLICIES |= st.builds(Oversampled, keep=st.integers(1, 9), policy=POLICIES)


@given(POLICIES)
def test_every_policy_can_be_written_in_a_file(policy):
    """What a log shows of a run can be copied into the settings of the next."""
    assert read_policy(policy_to_json(policy)) == policy


def test_setting_that_cannot_be_left_out_is_asked_for():
    """There is no usual number of members to keep."""
    with pytest.raises(UsageError, match=r"policy: Oversampled needs keep, but got \[\]: add keep"):
        read_policy("Oversampled")


def test_file_and_options_become_arguments(tmp_path):
    """One file, one option that differs: the usual sweep."""
    file = tmp_path / "run.toml"
    file.write_text(
        "population = 4\nsteps = 8\nseed = 1\n[space]\nlayers = [1, 4]\ndrop = [0.0, 0.5]\nbatch = [16, 32, 64]\n"
        '[space.lr]\nkind = "LogUniform"\nlow = 1e-4\nhigh = 0.1\n[executor]\nworkers = 3\n'
    )
    given_on_top = {"steps": 10, "space": {"lr": [0.1, 0.2]}, "executor": {"threads": 2}, "policy": "RandomSearch"}
    arguments = arguments_of(read_settings(file, {**given_on_top, "seed": None}))
    assert (arguments["population"], arguments["steps"], arguments["seed"]) == (4, 10, 1)
    assert arguments["policy"] == RandomSearch()
    assert arguments["executor"] == Processes(workers=3, threads=2)
    assert dict(arguments["space"]) == {
        "layers": IntUniform(1, 4),
        "drop": Uniform(0.0, 0.5),
        "batch": Choice([16, 32, 64]),
        "lr": Uniform(0.1, 0.2),
    }
    assert dict(arguments_of(read_settings(file, {}))["space"])["lr"] == LogUniform(1e-4, 0.1)


def test_table_with_a_kind_replaces_that_of_the_file(tmp_path):
    """`--inline` on settings for eight workers means inline."""
    file = tmp_path / "run.toml"
    file.write_text("population = 4\nsteps = 8\n[space]\nlr = [0.1, 0.2]\n[executor]\nworkers = 8\n")
    assert arguments_of(read_settings(file, {"executor": {"kind": "Inline"}}))["executor"] == Inline()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("populaton = 4", "there is no setting 'populaton': did you mean 'population'"),
        ("[executor]\nworker = 4", "there is no setting 'executor.worker': did you mean 'workers'"),
        ('population = "4"', "population must be a whole number, but got '4'"),
        ("population = true", "population must be a whole number, but got True"),
        ('mode = "best"', "mode must be 'max' or 'min', but got 'best'"),
        ("population =", "are not TOML"),
        ('policy = "PTB"', "policy: `kind` must be PBT or .*FirePBT, but got 'PTB': did you mean 'PBT'"),
        ('policy = "Truncation"', "policy: `kind` must be PBT or .*FirePBT, but got 'Truncation'"),
        ('[policy]\nkind = "PBT"\nburnin = 3', "policy: PBT takes .* but got 'burnin': did you mean 'burn_in'"),
        ('[policy]\nkind = "PBT"\nexploit = {kind = "Truncation", fraction = 2.0}', "policy.exploit: `0 < fraction"),
        ('[policy]\nkind = "PBT"\nexploit = {fraction = 0.2}', "policy.exploit: a table says its `kind`, but got"),
        ('[space]\nlr = {kind = "Uniform", low = 1}', "space.lr: Uniform must be given its own arguments"),
        ('[executor]\nkind = "Inline"\nworkers = 2', "Inline trains in one process and takes no workers"),
    ],
)
def test_mistake_is_named_with_its_place_and_remedy(tmp_path, text, message):
    """A key that is silently ignored costs a night of training."""
    file = tmp_path / "run.toml"
    file.write_text(text)
    rest = {"steps": 8, **({} if "population" in text else {"population": 4}), "space": {"drop": [0.1, 0.2]}}
    with pytest.raises(UsageError, match=message):
        arguments_of(read_settings(file, rest))


@pytest.mark.parametrize("missing", ["population", "steps", "space"])
def test_what_every_run_needs_is_asked_for(missing):
    """A traceback from inside is no answer to a forgotten line."""
    held = {"population": 4, "steps": 8, "space": {"lr": [0.1, 0.2]}}
    with pytest.raises(UsageError, match=f"needs (`{missing}`|a {missing})"):
        arguments_of(read_settings(None, {name: value for name, value in held.items() if name != missing}))


def test_executor_settings_are_those_of_the_executor():
    """An option of an executor that a file cannot set is one that command-line users do not have."""
    from populace.run import ExecutorSettings

    known = {field.name for executor in (Processes, Vectorised) for field in dataclasses.fields(executor)}
    assert set(ExecutorSettings.model_fields) - {"kind"} == known
