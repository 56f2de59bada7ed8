"""A population in one program gives the run that any executor gives."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import populace
from populace import Backtrack, BinaryTournament, Inline, Processes, Truncation, TTest, Vectorised
from populace._errors import RunFailed, StateMismatch, UsageError
from populace.core import PBT, Diverged
from populace.run import Callback, verify

JaxBowl = pytest.importorskip("populace.testing._jax_toys").JaxBowl
Trainable = pytest.importorskip("populace.jax").Trainable
pytestmark = pytest.mark.slow


class StopAfter(Callback):
    """Interrupts the run after some segments, as the first Ctrl-C does."""

    def __init__(self, segments):
        self.left = segments

    def on_segment(self, segment):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def _log(result, *, checkpoints=False):
    leave_out = () if checkpoints else ("checkpoint",)
    return [{k: v for k, v in record.items() if k not in leave_out} for record in result.to_records()]


POLICIES = [
    PBT(),
    PBT.paper(),
    PBT(exploit=TTest(window=3)),
    PBT(exploit=BinaryTournament()),
    PBT(exploit=Backtrack(Truncation(0.5))),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_synchronous_log_is_that_of_members_trained_alone(bowl, policy):
    """The executor is a matter of speed: the same seed gives the same decisions, scores and weights, bit for bit."""
    alone = bowl("alone", Inline(), synchronous=True, policy=policy)
    together = bowl("together", Vectorised(devices=1, checkpoint_every=1), synchronous=True, policy=policy)
    assert _log(together, checkpoints=True) == _log(alone, checkpoints=True)


def test_checkpoints_between_generations_do_not_change_the_log(bowl):
    """How often the population is saved is a matter of speed and safety, not of results."""
    often = bowl("often", Vectorised(devices=1, checkpoint_every=1), synchronous=True)
    seldom = bowl("seldom", Vectorised(devices=1, checkpoint_every=100), synchronous=True)
    assert _log(often) == _log(seldom)
    assert {s.generation for s in seldom.segments if s.checkpoint} <= {3, seldom.best.segment.generation}


@pytest.mark.parametrize("chunk", [1, 2, 4, 100])
def test_every_chunk_trains_every_member(bowl, chunk):
    """A chunk that does not divide the population must leave nobody out and train nobody twice."""
    exact = bowl("exact", Inline(), synchronous=True, policy=populace.RandomSearch())
    made = bowl("chunks", Vectorised(devices=1, chunk=chunk), synchronous=True, policy=populace.RandomSearch())
    scores = {s.id: s.score for s in exact.segments}
    assert {s.id: s.score for s in made.segments} == pytest.approx(scores, rel=1e-5)


def test_best_can_be_restored_though_its_generation_was_not_saved(bowl):
    """The winner is what the run is for, and it may come at any generation."""
    result = bowl(executor=Vectorised(devices=1, checkpoint_every=100), steps=60, policy=PBT(exploit=TTest()))
    weights = result.best.restore()["w"]
    assert np.linalg.norm(weights) == pytest.approx(result.best.metrics["norm"], rel=1e-5)


def test_diverged_member_is_replaced(bowl):
    """NaN in one row must not spread, and its member goes on from another."""
    result = bowl(task=JaxBowl(diverges_above=0.02), seed=1, population=8)
    diverged = [s for s in result.segments if isinstance(s.outcome, Diverged)]
    assert diverged
    for segment in diverged:
        after = [s for s in result.segments if s.member == segment.member and s.generation == segment.generation + 1]
        assert all(s.donor is not None for s in after)


@pytest.mark.parametrize("stop_after", [1, 9])
def test_stopped_run_goes_on_to_the_same_log(bowl, stop_after):
    """Ctrl-C, and the same command again."""
    whole = bowl("whole", synchronous=True, steps=400)
    with pytest.raises(populace.PopulaceError, match="everything is saved"):
        bowl("parts", synchronous=True, steps=400, executor=_slow(), callbacks=[StopAfter(stop_after)])
    assert _log(bowl("parts", synchronous=True, steps=400)) == _log(whole)


def _slow():
    return Vectorised(devices=1, checkpoint_every=1)


@pytest.mark.parametrize("synchronous", [False, True])
def test_run_is_handed_from_executor_to_executor(bowl, synchronous):
    """Begun on a laptop, finished on a GPU, looked at again at home."""
    bowl("relay", Inline(), steps=3, synchronous=synchronous)
    bowl("relay", Vectorised(devices=1), steps=6, synchronous=synchronous)
    bowl("relay", Inline(), steps=9, synchronous=synchronous)
    result = bowl("relay", Vectorised(devices=1), steps=14, population=7, synchronous=synchronous)
    assert result.finished
    assert result.state.steps == (14,) * 7


@pytest.mark.slow
def test_members_left_uneven_are_brought_level(bowl):
    """Worker processes were stopped with some members an interval ahead."""
    with pytest.raises(populace.PopulaceError, match="everything is saved"):
        bowl("uneven", Processes(workers=2), steps=600, callbacks=[StopAfter(8)])
    assert bowl("uneven", steps=600).state.steps == (600,) * 6


def test_loop_is_refused_before_anything_is_created(tmp_path):
    """A torch loop cannot be compiled; the user hears what can, and no run is left behind."""
    with pytest.raises(UsageError, match=r"populace\.jax\.Trainable"):
        populace.tune(print, {"x": (0.0, 1.0)}, population=2, steps=1, executor=Vectorised(), directory=tmp_path)
    assert not list(tmp_path.iterdir())


class Wide(Trainable):
    """A task whose state grows with a hyperparameter."""

    static = ("shakes",)

    def init(self, key, hp):
        return {"w": np.zeros(hp["shakes"], np.float32)}

    def step(self, key, state, hp):
        return state

    def evaluate(self, key, state):
        return state["w"].sum()


class Growing(Wide):
    """A task whose step gives back another dtype."""

    def init(self, key, hp):
        return {"w": np.zeros(3, np.float32)}

    def step(self, key, state, hp):
        return {"w": state["w"].astype("int32")}


def test_states_of_several_shapes_are_refused_with_the_reason(bowl):
    """Rows of one array have one shape."""
    with pytest.raises(StateMismatch, match="same shapes and dtypes"):
        bowl(task=Wide(), metric=None)


def test_step_that_changes_the_state_is_named(bowl):
    """JAX's own message speaks of scan and carry, which the user never wrote."""
    with pytest.raises(UsageError, match=r"state\['w'\] of float32\[3\] became int32\[3\]"):
        bowl(task=Growing(), metric=None)


def test_nobody_finite_ends_the_run_with_a_reason(bowl, tmp_path):
    """Otherwise it would train NaN to the end."""
    with pytest.raises(RunFailed, match="no member has reported a finite 'score'"):
        populace.tune(
            JaxBowl(diverges_above=0.0),
            {"lr": (0.01, 0.1)},
            population=3,
            steps=6,
            metric="score",
            executor=Vectorised(devices=1),
            directory=tmp_path,
        )


@pytest.mark.parametrize(
    "wrong", [{"devices": 0}, {"chunk": "wide"}, {"chunk": 0}, {"checkpoint_every": 0.5}, {"generations_per_call": 0}]
)
def test_wrong_setting_is_named(wrong):
    """A slip in a setting is told before a run is made of it."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Vectorised(**wrong)


KILLED = """
import os, signal, sys
import populace
from populace.testing import JaxBowl

class Kill(populace.Callback):
    def on_segment(self, segment):
        if segment.generation == 12:
            os.kill(os.getpid(), signal.SIGKILL)

populace.tune(JaxBowl(), {"lr": populace.LogUniform(1e-3, 1e-1)}, population=6, steps=400, interval=2, seed=0,
              metric="score", name="killed", directory=sys.argv[1], synchronous=True, callbacks=[Kill()],
              executor=populace.Vectorised({settings}, checkpoint_every=3))
"""


@pytest.mark.parametrize("settings", ["devices=2", "devices=1, generations_per_call=2"])
def test_killed_run_goes_on_from_its_last_checkpoint(tmp_path, settings):
    """The machine is taken away: what the log holds can be gone on from, and the end is as if nothing had happened."""
    (tmp_path / "train.py").write_text(KILLED.replace("{settings}", settings))
    killed = subprocess.run([sys.executable, "train.py", "."], cwd=tmp_path, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert verify(tmp_path / "killed") == []
    space = {"lr": populace.LogUniform(1e-3, 1e-1)}
    settings = {"population": 6, "steps": 400, "interval": 2, "seed": 0, "metric": "score", "synchronous": True}
    results = [
        populace.tune(JaxBowl(), space, name=name, directory=tmp_path, executor=Vectorised(devices=1), **settings)
        for name in ("killed", "whole")
    ]
    assert _log(results[0]) == _log(results[1])
    assert verify(tmp_path / "killed") == []
