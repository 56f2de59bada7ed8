"""The suite's short way through a run against the engine's, and what every algorithm may spend."""

from __future__ import annotations

import dataclasses
import math

import pytest

pytest.importorskip("jax")

from benchmarks.suite import task_named
from benchmarks.suite._contestants import control_of, measure, policy_named
from benchmarks.suite._population import run_population
from benchmarks.suite._quadratic import Quadratic
from benchmarks.suite._results import Results
from benchmarks.suite._task import Task

from populace import FirePBT, Inline, LogUniform, Restart, Vectorised, tune
from populace.core import Schedule
from populace.demos import QUADRATIC_SPACE, NoisyQuadratic
from populace.testing import JaxBowl
from populace.worker import Trainable

EIGHT = Quadratic(num_dims=8)
SMALL = dataclasses.replace(task_named("nqm"), trainable=EIGHT, steps_per_tick=1, test=EIGHT.test)


BOWL = Task(
    name="bowl",
    trainable=JaxBowl(),
    space={"lr": LogUniform(1e-3, 1e-1)},
    steps_per_tick=1,
    test=lambda key, state: JaxBowl().evaluate(key, state)["score"],
    metric="score",
    source="populace.testing",
)


class Loss(Trainable):
    """A plain task whose score is to be made large."""

    def __init__(self) -> None:
        self.task = NoisyQuadratic(num_dims=8, num_updates=1)

    def init(self, key, hp):
        return self.task.init(key, hp)

    def step(self, key, state, hp):
        return self.task.step(key, state, hp)

    def evaluate(self, key, state):
        return -math.log10(self.task.evaluate(key, state)["loss"])


PLAIN = Task(
    name="plain",
    trainable=Loss(),
    space=QUADRATIC_SPACE,
    steps_per_tick=1,
    test=lambda key, state: Loss().evaluate(key, state),
    source="populace.demos",
)


def _engine(task, policy, directory, **settings):
    return tune(
        task.trainable,
        task.space,
        population=6,
        steps=task.num_steps,
        policy=policy,
        seed=3,
        metric=task.metric,
        mode="max",
        synchronous=True,
        directory=directory,
        name="real",
        **settings,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "policy"),
    [
        *((task, name) for task in (SMALL, PLAIN) for name in ("plain", "default")),
        *((task, Restart(anew=1.0, patience=1, window=2)) for task in (SMALL, PLAIN)),
        (BOWL, Restart(patience=1, window=2)),
        (SMALL, FirePBT(evaluations=7)),
    ],
)
def test_short_way_takes_exactly_the_decisions_of_a_real_run(task, policy, tmp_path, monkeypatch):
    """A table made by another algorithm than the one that users get would say nothing about theirs."""
    monkeypatch.setenv("POPULACE_PROGRESS", "off")
    chosen, interval = policy_named(policy) if isinstance(policy, str) else policy, 9
    executor = Inline() if task is PLAIN else Vectorised(devices=1)
    real = _engine(task, chosen, tmp_path, interval=interval, executor=executor)
    (short,) = run_population(task, chosen, seeds=[3], population=6, interval=interval)
    mine = {segment.id: segment for segment in short.segments}
    assert mine.keys() == {segment.id for segment in real.segments}
    for theirs in real.segments:
        ours = mine[theirs.id]
        assert (ours.parent, ours.donor) == (theirs.parent, theirs.donor)
        assert (ours.start_step, ours.end_step, ours.member_start) == (
            theirs.start_step,
            theirs.end_step,
            theirs.member_start,
        )
        # The last bits of a compiled program depend on how many rows it has, and the default's strides on scores.
        assert ours.hyperparameters == pytest.approx(theirs.hyperparameters, rel=1e-4 if policy == "default" else 0)
        assert ours.score == pytest.approx(theirs.score, rel=1e-4, abs=1e-6)
    assert short.best.score == pytest.approx(real.best.score, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("timing", ["sync", "sync-unknown", "async", "async-unequal"])
def test_every_timing_spends_the_budget_and_keeps_lineages_whole(timing):
    """Equal cost is the whole point of a comparison, and weights must come from where the log says."""
    (run,) = run_population(PLAIN, policy_named("plain"), seeds=[1], population=5, interval=7, timing=timing)
    assert run.best.member_steps == 5 * 100
    by_id = {segment.id: segment for segment in run.segments}
    for segment in run.segments:
        assert segment.start_step == (0 if segment.parent is None else by_id[segment.parent].end_step)
    ends = [max(s.member_end for s in run.segments if s.member == member) for member in range(5)]
    assert ends == [100] * 5


@pytest.mark.slow
def test_members_of_unequal_speed_copy_weights_of_another_age():
    """In lockstep all weights are equally old; without, an algorithm must live with others."""

    def ages(timing):
        (run,) = run_population(PLAIN, policy_named("plain"), seeds=[1], population=6, interval=5, timing=timing)
        return {segment.start_step - segment.member_start for segment in run.segments}

    assert ages("sync") == {0}
    assert len(ages("async-unequal")) > 3


@pytest.mark.slow
def test_policy_that_is_not_told_the_length_takes_a_ready_point_for_a_hundredth():
    """So the default keeps all draws at first where it would keep two of ten at an interval of a tenth."""

    def num_frozen(timing):
        (run,) = run_population(PLAIN, policy_named("default"), seeds=[1], population=10, interval=10, timing=timing)
        return sum(s.generation == 1 and s.why.get("place") == "frozen" for s in run.segments)

    assert num_frozen("sync") == 2
    assert num_frozen("sync-unknown") == 10


@pytest.mark.slow
def test_seeds_that_train_together_do_what_each_does_alone():
    """Which seeds share a call is a matter of speed, not of results."""
    together = run_population(SMALL, policy_named("plain"), seeds=[4, 5], population=5, interval=10)
    (alone,) = run_population(SMALL, policy_named("plain"), seeds=[5], population=5, interval=10)
    assert [s.hyperparameters for s in together[1].segments] == [s.hyperparameters for s in alone.segments]
    assert together[1].outcome().test == pytest.approx(alone.outcome().test, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "gp", "asha"])
def test_trials_spend_what_a_population_spends(kind):
    """Equal member-steps for everybody, those of stopped runs included."""
    pytest.importorskip("optuna")
    from benchmarks.suite._trials import run_halving, run_sequential

    if kind == "gp":
        pytest.importorskip("torch")
    given = {"seeds": [1, 2], "population": 4, "interval": 15}
    outcomes = run_halving(PLAIN, **given) if kind == "asha" else run_sequential(PLAIN, kind, **given)
    assert [each.member_steps for each in outcomes] == [400, 400]
    assert all(math.isfinite(each.test) for each in outcomes)


@pytest.mark.slow
def test_a_measurement_is_taken_once_and_again_when_asked(tmp_path):
    """Hours are kept; a change of code that no setting shows must still be measurable."""
    results = Results(tmp_path)

    def count(seeds, **asked):
        given = {"seeds": seeds, "population": 3, "interval": 50, "timing": "async", "results": results}
        return measure(PLAIN, "plain", **given, **asked)

    assert [count([1, 2]), count([1, 2, 3]), count([1, 2]), count([1, 2], again=True)] == [2, 1, 0, 2]
    lines = results.read([1, 2, 3])
    assert sorted(line["seed"] for line in lines) == [1, 2, 3]
    assert {(line["timing"], line["member_steps"]) for line in lines} == {("async", 300)}


@pytest.mark.slow
def test_halving_begins_with_the_populations_first_hyperparameters():
    """A paired start: otherwise one of the two has had the luckier draw."""
    pytest.importorskip("optuna")
    from benchmarks.suite._trials import _from_unit, _Search, _to_unit

    task = dataclasses.replace(PLAIN, space={"learning_rate": LogUniform(1e-3, 1.0)})
    search = _Search(task, "asha", seeds=[7], population=3, interval=10, num_places=3)
    (run,) = run_population(task, policy_named("random"), seeds=[7], population=3, interval=50)
    firsts = [s.hyperparameters["learning_rate"] for s in run.segments if s.generation == 0]
    drawn = [search.first(7, member) for member in range(3)]
    assert [each["learning_rate"] for each in drawn] == firsts
    back = [_from_unit(task.space, _to_unit(task.space, each))["learning_rate"] for each in drawn]
    assert back == pytest.approx(firsts)


@pytest.mark.slow
def test_pure_noise_keeps_the_spread_of_random_search():
    """The measure by which a policy is found to read meaning into noise must be one where nobody does."""
    runs = run_population(task_named("noise"), policy_named("random"), seeds=[0], population=10, interval=10)
    assert [run.outcome().spread for run in runs] == pytest.approx([1.0])


@pytest.mark.slow
def test_controls_train_anew_what_the_defaults_winner_has_found(tmp_path):
    """A replay along another schedule, or on the winner's own luck, would say nothing of what the schedule is worth."""
    results, task = Results(tmp_path), dataclasses.replace(PLAIN, keeps_schedule=True)
    given = {"seeds": [1, 2], "population": 4, "interval": 10, "timing": "sync", "results": results}
    assert measure(task, "schedule", **given) == 0, "nothing has been found yet"
    assert [measure(task, name, **given) for name in ("default", "schedule", "final")] == [2, 2, 2]
    lines = {(line["algorithm"], line["seed"]): line for line in results.read([1, 2])}
    text = lines["default", 1]["schedule"]
    schedule = Schedule.from_json(text)
    (run,) = run_population(PLAIN, control_of("schedule", text, 4), seeds=[1_000_001], population=4, interval=10)
    assert run.outcome().test == pytest.approx(lines["schedule", 1]["test"], rel=1e-4)
    for segment in run.segments:
        rate = schedule(min(segment.start_step, schedule.num_steps - 1))["learning_rate"]
        assert segment.hyperparameters["learning_rate"] == rate
    (run,) = run_population(PLAIN, control_of("final", text, 4), seeds=[1_000_001], population=4, interval=10)
    assert run.outcome().test == pytest.approx(lines["final", 1]["test"], rel=1e-4)
    last = schedule.pieces[-1].hyperparameters["learning_rate"]
    assert {segment.hyperparameters["learning_rate"] for segment in run.segments} == {last}
