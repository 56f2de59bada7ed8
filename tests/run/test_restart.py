"""Restarts with real weights: who shrinks them, that every executor and a replay do it alike, and who is refused."""

import numpy as np
import pytest

import populace
from populace import (
    PBT,
    Inline,
    Oversampled,
    Processes,
    Restart,
    Schedule,
    Shrinkable,
    Trainable,
    Truncation,
    Vectorised,
    replay,
)
from populace._errors import RunFailed, RunInterrupted, UsageError
from populace.core import RESTART, Shrink
from populace.run import Callback, verify
from populace.testing import BOWL_SPACE, Bowl, NoisyBowl, tune_toy

pytestmark = pytest.mark.slow

EAGER = {"patience": 1, "window": 2, "keep": 0.9}
POLICY = Restart(policy=PBT(exploit=Truncation(0.5)), **EAGER)
OPTIONS = {"population": 6, "steps": 24, "metric": "score", "policy": POLICY}


def shrunk(result):
    return [s for s in result.segments if s.why.get("shrink") is not None]


class LoopOf:
    """The noisy bowl as a user's loop."""

    def __init__(self, *, hook=True):
        self.hook = hook

    def __call__(self, member):
        bowl, holder = NoisyBowl(), {}
        holder["state"] = bowl.init(member.key, member.hyperparameters)
        member.track(state=holder)

        def shrink(key, keep, renew):
            fresh = bowl.init(key, member.hyperparameters)
            holder["state"] = {"w": keep * holder["state"]["w"] + renew * fresh["w"]}

        if self.hook:
            member.shrink_by(shrink)
        for _ in member:
            holder["state"] = bowl.step(member.key, holder["state"], member.hyperparameters)
            if member.evaluation_due:
                member.report(bowl.evaluate(member.evaluation_key, holder["state"]))


def test_weights_are_those_of_before_mixed_with_fresh_ones(tmp_path):
    """What the log says was done to the weights was done, before the first step, and to nobody else."""

    class Still(Trainable, Shrinkable):
        def init(self, key, hp):
            return {"w": key.generator().normal()}

        def step(self, key, state, hp):
            return state

        def evaluate(self, key, state):
            return {"score": 0.0, "w": state["w"]}

        def shrink(self, state, fresh, keep, renew):
            return {"w": keep * state["w"] + renew * fresh["w"]}

    options = {"population": 4, "steps": 12, "synchronous": True, "metric": "score"}
    policy = Restart(policy=populace.RandomSearch(), patience=1, window=2)
    result = tune_toy(Still(), tmp_path, policy=policy, **options)
    assert verify(result.directory) == []
    assert shrunk(result)
    for segment in result.segments:
        before = None if segment.parent is None else result.lineage[segment.parent].metrics["w"]
        fresh = populace.Key(0).fold(*segment.id, "init").generator().normal()
        how = Shrink.of(segment.why)
        expected = fresh if before is None else before if how is None else 0.2 * before + 0.1 * fresh
        assert segment.metrics["w"] == expected


@pytest.mark.parametrize("executor", [Processes(2), Processes(3)])
def test_worker_processes_shrink_as_one_alone(executor, tmp_path):
    """In lockstep the weights, bit for bit, depend on the seed alone."""
    alone = tune_toy(NoisyBowl(), tmp_path / "alone", synchronous=True, **OPTIONS)
    together = tune_toy(NoisyBowl(), tmp_path / "together", synchronous=True, executor=executor, **OPTIONS)
    assert shrunk(alone)
    assert together.to_records() == alone.to_records()


def test_loop_shrinks_as_three_functions_do(tmp_path):
    """The two shapes of a user's code are one idea."""
    functions = tune_toy(NoisyBowl(), tmp_path / "functions", synchronous=True, **OPTIONS)
    loop = tune_toy(LoopOf(), tmp_path / "loop", synchronous=True, **OPTIONS)
    assert [(s.id, s.score, dict(s.why)) for s in loop.segments] == [
        (s.id, s.score, dict(s.why)) for s in functions.segments
    ]


@pytest.mark.parametrize("synchronous", [True, False])
def test_population_in_one_program_shrinks_too(synchronous, tmp_path):
    """The executor is a matter of speed: the same seed gives the same weights, bit for bit, in lockstep."""
    pytest.importorskip("jax")
    from populace.testing import JaxBowl

    options = OPTIONS | {"synchronous": synchronous}
    one = tune_toy(JaxBowl(), tmp_path / "one", executor=Vectorised(devices=1, checkpoint_every=1), **options)
    assert shrunk(one)
    assert verify(one.directory) == []
    if synchronous:
        alone = tune_toy(JaxBowl(), tmp_path / "alone", **options)
        assert one.to_records() == alone.to_records()


@pytest.mark.parametrize("synchronous", [True, False])
def test_winner_that_was_shrunk_is_replayed_bit_for_bit(synchronous, tmp_path):
    """A schedule that forgot where weights were shrunk would not be the winner's."""
    policy = Restart(policy=populace.RandomSearch(), patience=1, window=2, anew=0.0, keep=0.5, renew=0.5)
    options = OPTIONS | {"policy": policy, "synchronous": synchronous}
    result = tune_toy(NoisyBowl(), tmp_path, **options)
    last = max(result.segments, key=lambda s: (s.generation, s.score))
    schedule = Schedule.of(result.lineage.ancestry(last.id), result.spec.space, seed=0, metric="score")
    assert sum(piece.shrink == Shrink(keep=0.5, renew=0.5) for piece in schedule) >= 1
    assert replay(schedule, NoisyBowl()).checkpoint == last.checkpoint
    text = schedule.to_json()
    assert Schedule.from_json(text) == schedule
    with pytest.raises(UsageError, match="write it as JSON"):
        schedule.to_csv()
    with pytest.raises(UsageError, match="`shrink` must be a list of two numbers"):
        Schedule.from_json(text.replace('"shrink": [', '"shrink": [1,', 1))
    with pytest.raises(UsageError, match=r"derive the task from populace\.Shrinkable"):
        replay(schedule, Bowl())


@pytest.mark.parametrize("after", [13, 27, 40])
def test_run_that_was_interrupted_goes_on_as_one_that_was_not(after, tmp_path):
    """A worker that takes up a segment which begins with shrunk weights shrinks them from the same old ones."""

    class Stops(Callback):
        def __init__(self):
            self.left = after

        def on_segment(self, segment):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    whole = tune_toy(NoisyBowl(), tmp_path / "whole", synchronous=True, **OPTIONS)
    with pytest.raises(RunInterrupted):
        tune_toy(NoisyBowl(), tmp_path / "parts", synchronous=True, callbacks=[Stops()], **OPTIONS)
    parts = tune_toy(NoisyBowl(), tmp_path / "parts", synchronous=True, **OPTIONS)
    assert parts.to_records() == whole.to_records()


@pytest.mark.parametrize("executor", [Inline(), Processes(1)])
def test_task_that_cannot_shrink_is_refused_before_anything_is_made(executor, tmp_path):
    """After hours, at the first restart, would be too late."""
    with pytest.raises(UsageError, match=r"and write its `shrink`, .*, or use Restart\(anew=1.0\)"):
        tune_toy(Bowl(), tmp_path, policy=Restart(), executor=executor)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="derive the task"):
        tune_toy(Bowl(), tmp_path, policy=Oversampled(keep=2, policy=Restart()), executor=executor)
    assert tune_toy(Bowl(), tmp_path, policy=Restart(anew=1.0)).best.score > 0


def test_loop_that_cannot_shrink_is_refused_at_once(tmp_path):
    """What a loop can do is known when it begins."""
    with pytest.raises(RunFailed, match=r"call member.shrink_by\(function\) before the loop"):
        tune_toy(LoopOf(hook=False), tmp_path, metric="score", policy=Restart())
    anew = Restart(anew=1.0, **EAGER)
    result = tune_toy(LoopOf(hook=False), tmp_path / "anew", **(OPTIONS | {"policy": anew}))
    assert any(s.why["rule"] == RESTART and s.parent is None for s in result.segments)
    assert verify(result.directory) == []


def test_hook_is_given_before_the_loop_and_is_a_function(tmp_path):
    """A hook that came too late would be missed at the first restart."""

    def late(member):
        member.track(state={"w": np.zeros(1)})
        for _ in member:
            member.shrink_by(print)

    def wrong(member):
        member.shrink_by(3)

    with pytest.raises(RunFailed, match="`shrink_by` comes before the loop"):
        populace.tune(late, BOWL_SPACE, population=2, steps=2, directory=tmp_path, executor=Inline(), name="late")
    with pytest.raises(RunFailed, match="`shrink_by` takes a function"):
        populace.tune(wrong, BOWL_SPACE, population=2, steps=2, directory=tmp_path, executor=Inline(), name="wrong")
