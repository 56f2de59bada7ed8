"""Generations that the device decides on by itself are those that the host would have decided on."""

import os
import signal

import numpy as np
import pytest

import populace
from populace import Inline, Mixture, Perturb, Resample, Truncation, TTest, Vectorised
from populace._errors import RunFailed
from populace.core import PBT, Diverged, Guard, Together
from populace.run import Callback, tune, verify
from populace.space import (
    Choice,
    Complement,
    Constant,
    IntUniform,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Space,
    Uniform,
    column_of,
)

jax = pytest.importorskip("jax")
jnp = jax.numpy
Trainable = pytest.importorskip("populace.jax").Trainable
calls = pytest.importorskip("populace.vectorised._calls")
pytestmark = pytest.mark.slow

SPACE = {
    "lr": LogUniform(1e-3, 1e-1),
    "shift": Uniform(-1.0, 1.0),
    "gamma": Complement(0.5, 0.999),
    "depth": IntUniform(-2, 9),
    "batch": LogIntUniform(1, 512),
    "act": Choice([1, 2, 7]),
    "power": Ordinal([0.5, 1.0, 2.0]),
    "on": Choice([True, False]),
    "scale": Constant(2.0),
    "name": Constant("toy"),
}


class Everything(Trainable):
    """A walk that every hyperparameter pushes; its score is rounded, so that many are equal, and NaN where high."""

    def __init__(self, diverges_above=np.inf):
        self.diverges_above = diverges_above

    def init(self, key, hp):
        return {"w": jax.random.normal(key, (3,)), "t": jnp.int32(0)}

    def step(self, key, state, hp):
        pushed = hp["shift"] + hp["depth"] * hp["lr"] + jnp.where(hp["on"], hp["power"], hp["act"]) / hp["batch"]
        noise = jax.random.normal(key, (3,)) * hp["scale"]
        return {"w": hp["gamma"] * state["w"] + hp["lr"] * (noise + pushed), "t": state["t"] + 1}

    def evaluate(self, key, state):
        score = jnp.round(4 * jnp.sum(state["w"])) / 4
        return {"score": jnp.where(score > self.diverges_above, jnp.nan, score), "t": state["t"].astype("float32")}


def _policy(explore):
    return PBT(exploit=Truncation(0.3), explore=explore, guard=Guard())


@pytest.fixture
def walk(tmp_path):
    """Returns a function that trains the walk; every run it leaves obeys every law."""

    def run(name, executor, *, task=None, explore=None, **changes):
        usual = {"population": 7, "steps": 47, "interval": 2, "seed": 3, "metric": "score", "synchronous": True}
        policy = changes.pop("policy", _policy(explore or Perturb()))
        made = tune(
            task or Everything(),
            SPACE,
            name=name,
            directory=tmp_path,
            executor=executor,
            policy=policy,
            **{**usual, **changes},
        )
        assert verify(made.directory) == []
        return made

    return run


@pytest.fixture
def counted(monkeypatch):
    """Returns the sizes of the calls that the device decided in."""
    counts = []
    train = calls.Calls.train

    def counting(self, count, *rest):
        counts.append(count)
        return train(self, count, *rest)

    monkeypatch.setattr(calls.Calls, "train", counting)
    return counts


def _log(result):
    return [{k: _shown(v) for k, v in record.items() if k != "checkpoint"} for record in result.to_records()]


def _shown(value):
    return "nan" if value != value else value


def _fused(generations=6, **settings):
    return Vectorised(devices=1, generations_per_call=generations, **settings)


@pytest.mark.parametrize(
    ("explore", "mode"), [(Perturb(), "max"), (Mixture(0.4), "min"), (Resample(0.5), "max")], ids=["p", "m", "r"]
)
def test_log_does_not_tell_who_decided(walk, counted, explore, mode):
    """Fusing is a matter of speed: decisions, scores and weights are those of members trained alone."""
    fused = walk("fused", _fused(), explore=explore, mode=mode)
    assert counted == [6, 6, 6, 4]
    host = walk("host", _fused(1), explore=explore, mode=mode)
    assert len(counted) == 4
    alone = walk("alone", Inline(), explore=explore, mode=mode)
    assert _log(fused) == _log(host) == _log(alone)
    copied = {(s.member, s.donor) for s in fused.segments if s.donor is not None}
    assert len(copied) > 20
    scores = [s.score for s in fused.segments]
    assert len(set(scores)) < len(scores) / 2, "no ties, though they are what is hard"


def test_diverged_members_are_replaced_inside_a_call(walk, counted):
    """NaN in a row must neither spread nor be copied, and what is left must be enough to go on with."""
    fused = walk("fused", _fused(), task=Everything(diverges_above=0.2))
    host = walk("host", _fused(1), task=Everything(diverges_above=0.2))
    assert _log(fused) == _log(host)
    assert sum(isinstance(s.outcome, Diverged) for s in fused.segments) > 3
    assert counted


def test_asynchronous_runs_with_wide_chunks_are_fused_too(walk, counted):
    """Chunks that do not divide the population leave nobody out."""
    settings = {"synchronous": False, "evaluate_every": 1}
    fused = walk("fused", _fused(chunk=3), **settings)
    assert counted
    assert _log(fused) == _log(walk("host", _fused(1, chunk=3), **settings))


def test_best_of_the_middle_of_a_call_can_be_restored(walk):
    """Its weights are gone when the call ends, unless the device has kept a copy."""
    result = walk("seldom", _fused(10, checkpoint_every=100))
    best = result.best.segment
    assert best.generation not in (10, 20, 23), "the best is no last one of a call"
    assert result.best.restore()["t"] == best.end_step
    score = Everything().evaluate(None, result.best.restore())["score"]
    assert float(score) == result.best.score


def test_checkpoints_come_when_asked(walk, counted):
    """A call ends where a checkpoint is due, however many generations it might train."""
    result = walk("often", _fused(50, checkpoint_every=4))
    assert {s.generation for s in result.segments if s.checkpoint} >= {23}
    assert max(counted) <= 4


class StopAfter(Callback):
    """Interrupts the run after some segments, as the first Ctrl-C does."""

    def __init__(self, segments):
        self.left = segments

    def on_segment(self, segment):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_stopped_run_goes_on_to_the_same_log(walk):
    """Ctrl-C ends the call, and the same command goes on; calls then begin at other generations."""
    whole = walk("whole", _fused(1), steps=600)
    with pytest.raises(populace.PopulaceError, match="everything is saved"):
        walk("parts", _fused(5, checkpoint_every=7), steps=600, callbacks=[StopAfter(9)])
    assert _log(walk("parts", _fused(8), steps=600)) == _log(whole)


def test_what_the_device_cannot_decide_is_left_to_the_host(walk, counted):
    """Asking for it is never wrong; where it cannot be done the run is the same, only slower."""
    asked = walk("asked", _fused(), policy=PBT(exploit=TTest(window=3), explore=Perturb(), guard=Guard()))
    alone = walk("alone", Inline(), policy=PBT(exploit=TTest(window=3), explore=Perturb(), guard=Guard()))
    assert _log(asked) == _log(alone)
    walk("static", _fused(), task=Static())
    assert counted == []


class Static(Everything):
    """A task that is compiled anew for each batch."""

    static = ("act",)


def test_generation_with_an_odd_draw_is_left_to_the_host(walk, counted, monkeypatch):
    """Numpy draws again once in a thousand million times; that generation is trained as if nothing were fused."""
    ahead = Together.ahead

    def odd(self, draws):
        made = ahead(self, draws)
        made.is_odd_G[(np.arange(len(made.is_odd_G)) + draws.first) % 5 == 0] = True
        return made

    monkeypatch.setattr(Together, "ahead", odd)
    fused = walk("fused", _fused())
    assert counted == [4, 4, 4, 4, 2]  # from the second generation, which is the first that is decided on
    assert _log(fused) == _log(walk("host", _fused(1)))


def test_device_that_decides_otherwise_ends_the_run_before_anything_is_logged(walk, monkeypatch, tmp_path):
    """A compiler that rounds in another way must not make a log that cannot be verified."""
    train = calls.Calls.train

    def wrong(self, *rest):
        told = train(self, *rest)
        codes = told["codes"].copy()
        codes[2, 0, 0] *= 1 + 1e-15
        return {**told, "codes": codes}

    with monkeypatch.context() as patched:
        patched.setattr(calls.Calls, "train", wrong)
        with pytest.raises(RunFailed, match=r"decided otherwise.*generations_per_call=1"):
            walk("wrong", _fused())
    assert verify(tmp_path / "wrong") == []
    assert _log(walk("wrong", _fused(1))) == _log(walk("right", _fused(1)))


@pytest.mark.parametrize("name", [name for name in SPACE if name != "name"])
def test_columns_change_on_the_device_as_dimensions_do(name):
    """A product that is fused with a sum is rounded once instead of twice, and the schedule would no longer verify."""
    dimension, size = Space.of(SPACE)[name], 4000
    column, generator = column_of(dimension), np.random.default_rng(0)
    values = [dimension.sample(generator) for _ in range(size)]
    codes, drawn = (np.array([column.code(v) for v in generator.permutation(values).tolist()]) for _ in range(2))
    is_second = generator.random(size) < 0.5
    with jax.enable_x64(True):
        changed = jax.jit(lambda c, s, d: column.perturbed(jnp, c, s, d, (0.8, 1.25)))(codes, is_second, drawn)
        plain = jax.jit(lambda c: column.plain(jnp, c))(codes)
    assert np.array_equal(np.asarray(changed), column.perturbed(np, codes, is_second, drawn, (0.8, 1.25)))
    assert np.asarray(plain).tolist() == [column.value(code) for code in codes.tolist()]
