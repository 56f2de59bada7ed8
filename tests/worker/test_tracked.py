"""Laws of tracked objects: what is put under a member's care comes back as it was, into the same object."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from populace import PopulaceError, Trainable, Uniform, replay
from populace.testing import bowl_loop, tune_toy


class Counter:
    """An object in torch's style."""

    def __init__(self) -> None:
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def _dict():
    thing = {"count": 0}
    return thing, lambda: thing["count"], lambda: thing.update(count=thing["count"] + 1)


def _list():
    thing = [0]
    return thing, lambda: thing[0], lambda: thing.__setitem__(0, thing[0] + 1)


def _array():
    thing = np.zeros(3, dtype=np.int64)
    return thing, lambda: int(thing[1]), lambda: thing.__iadd__(1)


def _stateful():
    thing = Counter()
    return thing, lambda: thing.count, lambda: vars(thing).update(count=thing.count + 1)


def _pair():
    held = {"count": 0}

    def save(directory: Path):
        (directory / "sub").mkdir()
        (directory / "sub" / "count.txt").write_text(str(held["count"]))

    def load(directory: Path):
        held["count"] = int((directory / "sub" / "count.txt").read_text())

    return (save, load), lambda: held["count"], lambda: held.update(count=held["count"] + 1)


KINDS = {"dict": _dict, "list": _list, "array": _array, "stateful": _stateful, "pair": _pair}


@pytest.mark.parametrize("kind", KINDS)
def test_tracked_state_follows_the_weights(tmp_path, kind):
    """At every step an object holds as many counts as the weights have seen steps: through hand-overs and exploits."""

    def train(member):
        thing, count, increase = KINDS[kind]()
        member.track(thing=thing)
        for step in member:
            assert count() == step
            increase()
            member.report(member["x"])

    result = tune_toy(train, tmp_path, space={"x": Uniform(0, 1)})
    assert result.finished
    assert any(s.donor for s in result.segments)
    thing, count, _ = KINDS[kind]()
    result.best.restore(thing=thing)
    assert count() == result.best.step


@pytest.mark.parametrize("executor", ["tune", "replay"])
def test_save_and_load_leave_no_files_behind(tmp_path, monkeypatch, executor):
    """A model of some gigabytes left in the temporary folder at every interval fills the disk."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))

    def train(member):
        thing, _, increase = _pair()
        member.track(thing=thing)
        for _ in member:
            increase()
            member.report(member["x"])

    result = tune_toy(train, tmp_path, space={"x": Uniform(0, 1)})
    if executor == "replay":
        assert replay(result.schedule, train).checkpoint == result.best.segment.checkpoint
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(p.name for p in result.directory.iterdir() if p.is_dir()) == ["checkpoints"]


def test_a_generator_draws_on_where_it_was_saved(tmp_path):
    """A data order that begins anew after every hand-over shows a model the same examples again and again."""
    drawn = {}

    def train(member):
        rng = np.random.default_rng(member.id)
        member.track(rng=rng)
        for _ in member:
            drawn.setdefault(member.id, []).append(rng.random())
            member.report(1.0)

    from populace import RandomSearch

    tune_toy(train, tmp_path, policy=RandomSearch())
    assert drawn == {member: list(np.random.default_rng(member).random(6)) for member in range(4)}


def test_objects_are_loaded_in_place(tmp_path):
    """A data pipeline or a compiled step that holds the model must see the clone's weights, not the old object."""
    held = {}

    def train(member):
        thing = np.zeros(2)
        held[member.id] = thing
        member.track(thing=thing)
        for step in member:
            assert held[member.id] is thing
            assert thing[0] == step
            thing += 1
            member.report(member["x"])

    assert tune_toy(train, tmp_path, space={"x": Uniform(0, 1)}).finished


@pytest.mark.parametrize(
    ("thing", "shown"), [(object(), "object"), (3.0, "float"), ((1, 2), "tuple"), (bowl_loop, "function")]
)
def test_what_cannot_be_tracked_is_refused_with_a_way_out(tmp_path, thing, shown):
    """Tracking a plain number is the natural first try; the message shows the holder to put it into."""

    def train(member):
        member.track(counter=thing)

    with pytest.raises(PopulaceError, match=rf"but got counter={shown}: for example track\(counter=\(save, load\)\)"):
        tune_toy(train, tmp_path)


def test_state_that_cannot_be_saved_stops_the_run_with_its_path(tmp_path):
    """Everybody would hit it: after the first interval of the first member the run says where it is and what to do."""
    entered = []

    def train(member):
        entered.append(member.id)
        state = {"params": {"callback": lambda: 1}}
        member.track(state=state)
        for _ in member:
            member.report(1.0)

    with pytest.raises(PopulaceError, match=r"state\.params\.callback.*allow_pickle=True") as caught:
        tune_toy(train, tmp_path)
    assert entered == [0]
    assert "\n" not in str(caught.value)


def test_tracking_inside_the_loop_is_refused(tmp_path):
    """Inside the loop it would be too late to restore."""

    def train(member):
        member.track(a={"w": 1})
        for _ in member:
            member.track(b={"w": 1})

    with pytest.raises(PopulaceError, match=r"`track` comes before the loop"):
        tune_toy(train, tmp_path)


def test_two_objects_of_one_name_are_refused(tmp_path):
    """The second would silently take the place of the first in every checkpoint."""

    def train(member):
        member.track(model={"w": 1})
        member.track(model={"w": 2})

    with pytest.raises(PopulaceError, match=r"'model' was tracked before"):
        tune_toy(train, tmp_path)


def test_tracking_less_than_was_saved_is_refused(tmp_path):
    """An optimiser that is tracked in the first call only would lose its moments without a word."""

    def train(member):
        member.track(model={"w": 1})
        if member.is_new:
            member.track(opt={"m": 1})
        for _ in member:
            member.report(1.0)

    told = r"every member was given up (.|\n)*the checkpoint holds opt, which is not tracked"
    with pytest.raises(PopulaceError, match=told):
        tune_toy(train, tmp_path, max_failures=0)


class Moments(NamedTuple):
    """As optimisers of JAX keep them."""

    mean: np.ndarray
    count: int


@dataclass
class Net:
    """A state of the user's own class."""

    w: np.ndarray
    moments: Moments


class Classy(Trainable):
    """Its state holds classes that no checkpoint can name."""

    def init(self, key, hp):
        return Net(w=np.ones(2), moments=Moments(np.zeros(2), 0))

    def step(self, key, state, hp):
        assert isinstance(state, Net)
        assert isinstance(state.moments, Moments)
        return Net(w=state.w * (1 - hp["lr"]), moments=Moments(state.moments.mean + state.w, state.moments.count + 1))

    def evaluate(self, key, state):
        return float(-state.w.sum())


def test_a_trainables_own_classes_are_restored(tmp_path):
    """Dataclasses and named tuples are how states are written; nobody should have to flatten them."""
    result = tune_toy(Classy(), tmp_path)
    assert result.finished
    assert any(s.donor for s in result.segments)
    state = result.best.restore()
    assert isinstance(state, Net)
    assert state.moments.count == result.best.step
    replayed = replay(result.schedule, Classy())
    assert replayed.checkpoint == result.best.segment.checkpoint
    assert replayed.restore().moments.count == result.best.step


def test_a_holders_own_classes_are_restored_from_what_it_holds(tmp_path):
    """A loop over a JAX optimiser keeps its named tuples in a dict and builds them anew in every call."""

    def train(member):
        holder = {"net": Net(w=np.ones(2), moments=Moments(np.zeros(2), 0))}
        member.track(holder=holder)
        for step in member:
            assert holder["net"].moments.count == step
            holder["net"] = Net(w=holder["net"].w * 0.9, moments=Moments(np.zeros(2), step + 1))
            member.report(member["lr"])

    assert tune_toy(train, tmp_path).finished


@pytest.mark.slow
def test_a_jax_pytree_is_restored(tmp_path):
    """JAX users hold everything in one pytree and replace it at every step."""
    jnp = pytest.importorskip("jax.numpy")

    def train(member):
        holder = {"params": {"w": jnp.ones(3)}, "opt": Moments(jnp.zeros(3), 0)}
        member.track(holder=holder)
        for step in member:
            assert holder["opt"].count == step
            assert type(holder["params"]["w"]) is type(jnp.ones(1))
            holder["params"] = {"w": holder["params"]["w"] * (1 - member["lr"])}
            holder["opt"] = Moments(holder["opt"].mean + 1, step + 1)
            member.report(-holder["params"]["w"].sum())

    result = tune_toy(train, tmp_path)
    assert result.finished
    assert replay(result.schedule, train).checkpoint == result.best.segment.checkpoint
