"""Results, replays, callbacks: what a run has found can be used, repeated and moved."""

import shutil
from typing import NamedTuple

import numpy as np
import pytest

import populace
from populace import Callback, Result, Schedule, replay
from populace.core.explore import FunctionExplore
from populace.run import verify
from populace.testing import Bowl, DivergingBowl, FailingBowl, NoisyBowl, bowl_loop, tune_toy


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    directory = tmp_path_factory.mktemp("noisy")
    return tune_toy(NoisyBowl(), directory, population=6, steps=12, metric="score")


def test_replay_of_the_winner_is_equal_bit_for_bit(noisy):
    """A schedule that cannot be repeated exactly is only a picture; through exploits the keys are other members'."""
    assert any(s.donor is not None for s in noisy.best.ancestry), "the toy's winner comes through an exploit"
    again = replay(noisy.schedule, NoisyBowl())
    assert again.checkpoint == noisy.best.segment.checkpoint
    assert again.score == noisy.best.score
    np.testing.assert_array_equal(again.restore()["w"], noisy.best.restore()["w"])


def test_replay_of_any_segment_is_equal(noisy):
    """Not only the winner's: every curve in the lineage is what its schedule gives."""
    for segment in noisy.final:
        assert replay(noisy.schedule_of(segment.id), NoisyBowl()).checkpoint == segment.checkpoint


def test_replay_through_json_is_equal(noisy):
    """The exported schedule is all that another machine needs."""
    assert replay(Schedule.from_json(noisy.schedule.to_json()), NoisyBowl()).checkpoint == noisy.best.segment.checkpoint


def test_replay_with_another_seed_differs(noisy):
    """How much of the gain lies in the schedule is asked with other random numbers."""
    assert replay(noisy.schedule, NoisyBowl(), seed=99).checkpoint != noisy.best.segment.checkpoint


def test_loop_replays_and_restores_into_objects(tmp_path):
    """The two shapes of a user's code are one idea."""
    result = tune_toy(bowl_loop, tmp_path)
    state = {}
    result.best.restore(state=state)
    assert replay(result.schedule, bowl_loop).checkpoint == result.best.segment.checkpoint
    assert 1 - np.mean(state["w"] ** 2) == result.best.score


def test_budget_is_exact_and_segments_tell_everything(noisy):
    """N x T member-steps, whatever was copied from whom."""
    assert sum(s.end_step - s.start_step for s in noisy.segments) == 6 * 12
    for s in noisy.segments:
        for name in ("member", "generation", "parent", "start_step", "end_step", "hyperparameters", "score", "status"):
            assert name in dir(s)
        assert s.why["rule"] in ("start", "halves")
        assert s.checkpoint


def test_copied_run_folder_is_a_run(noisy, tmp_path):
    """Results are moved to other machines and kept for years."""
    copy = shutil.copytree(noisy.directory, tmp_path / "elsewhere")
    moved = Result(copy)
    assert moved.to_records() == noisy.to_records()
    np.testing.assert_array_equal(moved.best.restore()["w"], noisy.best.restore()["w"])
    assert verify(copy) == []


def test_disk_holds_population_plus_best(noisy):
    """Disks fill when every checkpoint of every member is kept."""
    objects = [path for path in (noisy.directory / "checkpoints" / "objects").rglob("*") if path.is_file()]
    assert len(objects) <= 6 + 1
    assert list((noisy.directory / "checkpoints" / "tmp").glob("*")) == []


class Momentum(NamedTuple):
    weights: np.ndarray
    velocity: np.ndarray


class Structured(populace.Trainable):
    def init(self, key, hp):
        return Momentum(np.full(3, 0.9), np.zeros(3))

    def step(self, key, state, hp):
        return Momentum(state.weights * (1 - hp["lr"]), state.velocity + 1)

    def evaluate(self, key, state):
        return float(1 - np.mean(state.weights**2))


def test_state_of_the_users_own_classes_comes_back_as_them(tmp_path):
    """Optimiser states of JAX libraries are named tuples; plain tuples would fail at the next step."""
    result = tune_toy(Structured(), tmp_path)
    assert isinstance(result.best.restore(), Momentum)
    assert verify(result.directory) == []


def test_diverged_member_is_replaced_and_never_copied(tmp_path):
    """A learning rate that is too large is the most common way to die."""
    result = tune_toy(DivergingBowl(above=0.03), tmp_path, population=6, steps=12)
    diverged = [s for s in result.segments if s.status.value == "diverged"]
    assert diverged
    followers = {(s.member, s.generation): s for s in result.segments}
    for s in diverged:
        follower = followers.get((s.member, s.generation + 1))
        assert follower is None or follower.donor is not None
    assert not {s.id for s in diverged} & {s.donor for s in result.segments}
    assert verify(result.directory) == []


def test_failing_member_is_retried_then_replaced_by_a_clone(tmp_path):
    """The population keeps its size, and every member still trains its steps."""
    result = tune_toy(FailingBowl(above=0.03), tmp_path, population=6, steps=8, max_failures=1)
    failed = [s for s in result.segments if s.status.value == "failed"]
    assert failed
    assert all(s.end_step == s.start_step for s in failed)
    assert result.state.steps == (8,) * 6
    assert verify(result.directory) == []


def test_random_search_copies_nobody_and_gives_failing_members_up(tmp_path):
    """The same engine with exploit off: a failing setting is a lost slot, as in any random search."""
    result = tune_toy(FailingBowl(above=0.03), tmp_path, population=6, policy=populace.RandomSearch(), max_failures=0)
    assert all(s.donor is None for s in result.segments)
    assert result.state.retired
    assert verify(result.directory) == []


def test_bug_that_hits_everyone_stops_the_run_with_its_traceback(tmp_path):
    """Six members failing four times each would only hide the cause."""
    with pytest.raises(populace.PopulaceError, match=r"(?s)every member failed.*ToyError: lr=") as caught:
        tune_toy(FailingBowl(above=0.0), tmp_path)
    assert "in step" in str(caught.value)


def test_own_explore_function_is_clipped_and_verified(tmp_path):
    """A user's function may leave the bounds; the run may not."""
    policy = populace.PBT(explore=lambda hp, space, key: {"lr": hp["lr"] * 100})
    assert isinstance(policy.explore, FunctionExplore)
    result = tune_toy(Bowl(), tmp_path, policy=policy, population=6, steps=12)
    assert max(s.hyperparameters["lr"] for s in result.segments) == pytest.approx(0.1)
    assert verify(result.directory, policy=policy) == []


def test_callbacks_see_the_run_and_cannot_stop_it(tmp_path, caplog):
    """A tracker that loses its server must not cost the training."""
    seen = []

    class Tracker(Callback):
        def on_segment(self, segment):
            seen.append(segment.id)
            raise ConnectionError("the tracker is away")

        def on_end(self, result):
            seen.append(result.finished)

    result = tune_toy(Bowl(), tmp_path, callbacks=[Tracker()])
    assert seen[-1] is True
    assert set(seen[:-1]) == {s.id for s in result.segments}
    assert caplog.text.count("ConnectionError: the tracker is away") == 1


def test_conditional_hyperparameters_are_seen_only_while_they_hold(tmp_path):
    """What the loop sees, the schedule and the best show the same active names."""
    space = {
        "lr": populace.LogUniform(1e-3, 1e-1),
        "kind": populace.Choice(["plain", "decayed"]),
        "decay": populace.Uniform(0.1, 0.5, when={"kind": "decayed"}),
    }
    seen = []

    def train(member):
        state = {"w": 0.9}
        member.track(state=state)
        for _ in member:
            seen.append(member.hyperparameters)
            state["w"] *= 1 - member["lr"]
            member.report(1 - state["w"])

    result = tune_toy(train, tmp_path, space=space, population=8)
    assert all(("decay" in hp) == (hp["kind"] == "decayed") for hp in seen)
    assert all(("decay" in p.hyperparameters) == (p.hyperparameters["kind"] == "decayed") for p in result.schedule)
    assert verify(result.directory) == []
