"""`compare`: equal cost, equal starts, ordinary runs, and a comparison that goes on where it stood."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("scipy")

import populace
from populace import (
    PBT,
    Constant,
    FinalHyperparameters,
    Fixed,
    LogUniform,
    RandomSearch,
    SequentialSearch,
    SuccessiveHalving,
    WinningSchedule,
    compare,
)
from populace._errors import RunExists, RunFailed, RunInterrupted, UsageError
from populace.core import Segment
from populace.run import Result, verify
from populace.testing import BOWL_SPACE, Bowl, NoisyBowl, tune_toy

pytestmark = pytest.mark.slow
TWO = {"PBT": PBT(), "random search": RandomSearch()}
ALL = {
    **TWO,
    "one by one": SequentialSearch(sampler="prior"),
    "fixed": Fixed({"lr": 0.05}),
    "fixed, copying": Fixed({"lr": 0.05}, exploit=True),
    "replay": WinningSchedule("PBT"),
    "final": FinalHyperparameters("PBT"),
}


def held(tmp_path, trainable=None, **changes):
    """Holds a small comparison in this process."""
    usual = {"population": 4, "steps": 6, "interval": 2, "seeds": 2, "workers": 1, "name": "c", "metric": "score"}
    trainable = NoisyBowl() if trainable is None else trainable
    space = changes.pop("space", BOWL_SPACE)
    return compare(trainable, space, **{"directory": tmp_path, "algorithms": TWO, **usual, **changes})


def run_of(found, name):
    return Result.load(name, str(found.folder))


def test_every_algorithm_spends_the_same_and_its_run_verifies(tmp_path):
    """The claim of equal cost must be readable in the logs, not in our word."""
    found = held(tmp_path, algorithms=ALL, seeds=1)
    for name in ALL:
        outcome = found.outcome(name, 0)
        assert outcome.member_steps == 24
        result = run_of(found, outcome.run)
        assert sum(s.end_step - s.start_step for s in result.segments) == 24
        assert verify(result.directory) == []
        assert outcome.curve[-1] == (24.0, outcome.score)


def test_populations_of_one_seed_begin_alike(tmp_path):
    """Else a lucky start is taken for a good algorithm."""
    found = held(tmp_path, seeds=[3, 5])
    for seed in (3, 5):
        starts = [
            {s.member: (dict(s.hyperparameters), s.evaluations[0].score) for s in run_of(found, f"{a}-s{seed}").segments
             if s.generation == 0}
            for a in ("pbt", "random-search")
        ]  # fmt: skip
        assert starts[0] == starts[1]
    assert run_of(found, "pbt-s3").segments[0].hyperparameters != run_of(found, "pbt-s5").segments[0].hyperparameters


def test_controls_train_what_the_winner_found(tmp_path):
    """A replay of anything else answers another question."""
    found = held(tmp_path, algorithms=ALL, seeds=1)
    winner = run_of(found, "pbt-s0").best
    for segment in run_of(found, "replay-s0").segments:
        assert segment.hyperparameters == winner.schedule(segment.start_step)
    finals = [s.hyperparameters for s in run_of(found, "final-s0").segments]
    assert finals == [winner.hyperparameters] * len(finals)
    assert run_of(found, "replay-s0").spec.seed != run_of(found, "pbt-s0").spec.seed
    assert {s.hyperparameters["lr"] for s in run_of(found, "fixed-copying-s0").segments} == {0.05}


def test_a_finished_comparison_trains_nothing_again_and_grows(tmp_path):
    """Seeds are added when the first ones were too few; what was trained must not be trained again."""
    held(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("outcomes/*.json")}
    found = held(tmp_path, seeds=3, algorithms={**TWO, "fixed": Fixed({"lr": 0.1})})
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert len(list(tmp_path.rglob("outcomes/*.json"))) == 9
    assert found.seeds == (0, 1, 2)
    again = held(tmp_path)
    assert (again.algorithms, again.seeds) == (("PBT", "random search"), (0, 1))


def test_a_comparison_that_was_cut_short_goes_on_with_the_same_numbers(tmp_path):
    """Hours of training must survive a crash, and must not change what comes out."""
    whole = held(tmp_path, name="whole")
    held(tmp_path)
    (tmp_path / "c" / "outcomes" / "pbt-s1.json").unlink()
    (tmp_path / "c" / "comparison.json").unlink()
    found = held(tmp_path)
    assert found.rows == whole.rows


def test_worker_processes_find_what_one_process_finds(tmp_path):
    """The number of workers is a matter of time, never of results."""
    alone = held(tmp_path, name="alone", algorithms=ALL)
    crew = held(tmp_path, name="crew", algorithms=ALL, workers=2)
    assert crew.rows == alone.rows


@pytest.mark.parametrize(
    "change",
    [{"steps": 8}, {"interval": 3}, {"mode": "min"}, {"trainable": Bowl(), "metric": None}, {"synchronous": False}],
)
def test_other_terms_under_the_same_name_are_refused(tmp_path, change):
    """Runs of two different settings in one table would be compared as if they were alike."""
    held(tmp_path)
    with pytest.raises(RunExists, match="only seeds and algorithms may be added"):
        held(tmp_path, **change)


def test_a_run_of_that_name_is_left_alone(tmp_path):
    """A comparison inside a run's folder would be swept and copied with it."""
    tune_toy(Bowl(), tmp_path, name="c")
    with pytest.raises(RunExists, match="'c' is a run, not a comparison"):
        held(tmp_path)


def test_another_algorithm_under_a_taken_name_is_refused(tmp_path):
    """The old runs would stand in the new algorithm's row."""
    held(tmp_path)
    with pytest.raises(RunExists, match="algorithm 'PBT'"):
        held(tmp_path, algorithms={"PBT": PBT(burn_in=2), "random search": RandomSearch()})


class Flattered(populace.Trainable):
    """Its validation flatters; its test tells the truth."""

    def init(self, key, hp):
        return {"x": np.zeros(1)}

    def step(self, key, state, hp):
        return {"x": state["x"] + hp["lr"]}

    def evaluate(self, key, state):
        return {"score": float(state["x"][0]) + 1.0}

    def test(self, key, state):
        return {"score": float(state["x"][0]), "drawn": float(key.generator().random())}


def test_selected_checkpoint_is_measured_once_by_the_test(tmp_path):
    """Selection on validation and a report on test is the whole protocol."""
    found = held(tmp_path, Flattered(), space={"lr": LogUniform(1e-3, 1e-1)})
    assert found.tested
    for name in TWO:
        for outcome in found.of(name):
            assert outcome.test == pytest.approx(outcome.score - 1.0)
    assert found.scores("PBT") == [outcome.test for outcome in found.of("PBT")]
    # All algorithms of a seed are tested with the same draws, and every seed with its own.
    drawn = {(name, outcome.seed): outcome.metrics["drawn"] for name in TWO for outcome in found.of(name)}
    assert drawn["PBT", 0] == drawn["random search", 0] != drawn["PBT", 1]


def test_given_test_wins_and_may_take_the_state_alone(tmp_path):
    """A loop has no methods; its test is a function of what it tracked."""

    def train(member):
        w = np.ones(2)
        member.track(w=w)
        for _ in member:
            w *= 1 - member["lr"]
            member.report({"score": -float(np.sum(w))})

    found = held(tmp_path, train, test=lambda state: -float(np.sum(state["w"])) - 1.0)
    assert all(o.test == pytest.approx(o.score - 1.0) for o in found.of("PBT"))


def test_an_attribute_that_holds_test_data_is_no_test(tmp_path):
    """Many tasks call their data so."""
    task = NoisyBowl()
    task.test = (np.zeros(3), np.zeros(3))
    assert not held(tmp_path, task, seeds=1).tested


def test_a_policy_is_described_by_what_was_given(tmp_path):
    """A line with all defaults is not read."""
    found = held(tmp_path, algorithms={"PBT": PBT(burn_in=2, copy="weights"), **{"fixed": Fixed({"lr": 0.1})}}, seeds=1)
    assert found.summaries["PBT"].endswith(": PBT(copy='weights', burn_in=2)")
    assert "lr=0.1" in found.summaries["fixed"]


def test_a_test_that_fails_says_so(tmp_path):
    """Its traceback is what the user needs, not a missing number."""

    def broken(state):
        raise ZeroDivisionError("no test images")

    with pytest.raises(RunFailed, match="no test images"):
        held(tmp_path, test=broken)
    with pytest.raises(UsageError, match="`test` must return a number or metrics by name, but returned None"):
        held(tmp_path, name="d", test=lambda state: None)


def test_an_algorithm_that_finds_nothing_counts_as_the_worst(tmp_path):
    """A rival that diverges everywhere has lost; dropping its seeds would hide that."""

    def train(member):
        holder = {"x": 0.0}
        member.track(holder=holder)
        for _ in member:
            holder["x"] += 1
            member.report(math.nan if member["lr"] > 0.09 else holder["x"])

    found = held(tmp_path, train, metric=None, algorithms={"PBT": PBT(), "wild": Fixed({"lr": 0.1})}, seeds=6)
    wild = next(row for row in found.rows if row.algorithm == "wild")
    assert (wild.num_failed, wild.median, wild.rival.verdict) == (6, None, "better")
    assert "no member has reported a finite score" in found.outcome("wild", 0).failure
    text = (found.folder / "comparison.md").read_text()
    assert "Runs that found nothing, which count as the worst" in text


def test_interrupt_ends_with_the_way_to_go_on(tmp_path, monkeypatch):
    """Ctrl-C must cost nothing but the interval, and say how to continue."""
    train = NoisyBowl()
    original = NoisyBowl.step
    counted = iter(range(10**6))

    def step(self, key, state, hp):
        if next(counted) == 30:
            raise KeyboardInterrupt
        return original(self, key, state, hp)

    monkeypatch.setattr(NoisyBowl, "step", step)
    with pytest.raises(RunInterrupted, match=r"[01] of 4 runs done.*name='c'|stopped at once"):
        held(tmp_path, train)
    assert held(tmp_path, train).rows == held(tmp_path, train, name="whole").rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "`seeds` must be how many seeds"),
        ({"seeds": [1, 1]}, "a list of different ones"),
        ({"seeds": "12"}, "`seeds` must be how many seeds"),
        ({"workers": 0}, "`1 <= workers <= 1000` must hold"),
        ({"steps": 7}, "`steps` must be a multiple of `interval`.*take steps=8"),
        ({"population": 0}, "`population >= 1` must hold"),
        ({"mode": "most"}, "`mode` must be 'max' or 'min'"),
        ({"synchronous": 1}, "`synchronous` must be True or False"),
        ({"algorithms": {}}, "`algorithms` must map names"),
        ({"algorithms": {"PBT": "PBT"}}, "must be a policy such as PBT"),
        ({"algorithms": {"a b": PBT(), "A-B": PBT()}}, "differ in letters and digits"),
        ({"algorithms": {"!": PBT()}}, "must hold a letter or digit"),
        ({"algorithms": {"replay": WinningSchedule("PBT")}}, "needs the runs of 'PBT', which is not among"),
        (
            {"algorithms": {**TWO, "a": WinningSchedule("PBT"), "b": FinalHyperparameters("a")}},
            "itself repeats another",
        ),
        ({"algorithms": {"fixed": Fixed({"rate": 1.0})}}, "did you mean|must be a dimension"),
        ({"algorithms": {"fixed": Fixed({"lr": 5.0})}}, "'lr' must be a number in"),
        ({"test": 3}, "`test` must be a function"),
        ({"test": lambda: 1.0}, "`test` must be a function"),
        ({"name": "a/b"}, "a run's name has"),
        ({"directory": ""}, "`directory` must be the path of a folder"),
    ],
)  # fmt: skip
def test_bad_arguments_create_nothing(tmp_path, changes, message):
    """A comparison is long; its mistakes must be found in its first second, and leave nothing behind."""
    with pytest.raises(UsageError, match=message):
        held(tmp_path / "runs", **changes)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SequentialSearch(pruner="halving"), "`pruner` must be None or 'median', but got 'halving'"),
        (lambda: SequentialSearch(sampler="cma"), "`sampler` must be one of"),
        (lambda: SuccessiveHalving(factor=1), "`factor >= 2` must hold"),
        (lambda: SuccessiveHalving(grace=0), "`grace >= 1` must hold"),
        (lambda: Fixed({}), "Fixed takes hyperparameters by name"),
    ],
)
def test_bad_baselines_are_named(make, message):
    """At the line where they are written, not in a worker."""
    with pytest.raises(UsageError, match=message):
        make()


def test_conditional_integer_and_listed_dimensions_are_compared_too(tmp_path):
    """Real spaces hold all of them."""
    pytest.importorskip("optuna")
    space = {
        "lr": LogUniform(1e-3, 1e-1),
        "layers": populace.IntUniform(1, 4),
        "batch": populace.Ordinal([16, 32]),
        "kind": populace.Choice(["sgd", "adam"]),
        "nesterov": populace.Choice([True, False], when={"kind": "sgd"}),
        "depth": Constant(3),
    }
    halving = {"ASHA": SuccessiveHalving(), "with TPE": SuccessiveHalving(sampler="tpe")}
    algorithms = {"PBT": PBT(), "TPE": SequentialSearch(startup=2), **halving}
    found = held(tmp_path, space=space, algorithms=algorithms, seeds=1)
    for name in algorithms:
        assert verify(found.folder / found.outcome(name, 0).run) == []
    halved = run_of(found, "asha-s0").segments
    assert any(s.parent is None and s.generation for s in halved)
    assert all(isinstance(s, Segment) for s in halved)


def test_json_is_strict_and_whole(tmp_path):
    """Other programs read it."""
    found = held(tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads((found.folder / "comparison.json").read_text(), parse_constant=refuse)
    assert data["algorithms"] == ["PBT", "random search"]
    assert [row["verdict"] for row in data["rows"]] == [None, "too few seeds"]
    assert len(data["outcomes"]) == 4
