"""Laws of the small environments: pure, bounded, always ending, and physics where there is physics."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402  # after the check that JAX is there

from populace.demos._acrobot import Acrobot, energy, swing  # noqa: E402
from populace.demos._breakout_game import SIZE, Breakout  # noqa: E402
from populace.demos._environment import Environment  # noqa: E402
from populace.demos._pendulum import MAX_SPEED, Pendulum  # noqa: E402
from populace.space import Key  # noqa: E402

pytestmark = pytest.mark.slow  # to compile takes longer than the tests themselves
# One object each: what is compiled for one is not known to belong to its equal.
BREAKOUT, ACROBOT, PENDULUM = Breakout(), Acrobot(), Pendulum()
ENVIRONMENTS: list[Environment] = [BREAKOUT, ACROBOT, PENDULUM]
each_environment = pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda value: type(value).__name__)


def key_of(*path: int | str) -> Any:
    return Key(0).fold(*path).jax()


def assert_equal(first: Any, second: Any) -> None:
    """Trees of arrays are equal bit for bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@cache
def random_life(environment: Environment, num_lives: int = 16) -> dict[str, Any]:
    """Returns what happens to random actions in one move more than an episode can last, leading axes (moves, lives)."""

    def move(episodes: Any, key: Any) -> Any:
        keys = jax.random.split(key, num_lives)
        actions = jax.random.randint(key, (num_lives,), 0, environment.num_actions)
        after, rewards, dones = jax.vmap(environment.step)(keys, episodes, actions)
        seen = {"before": episodes, "after": after, "actions": actions, "rewards": rewards, "dones": dones}
        seen["observations"] = jax.vmap(environment.observe)(after)
        seen["new"] = jax.vmap(environment.reset)(keys)
        return after, seen

    starts = jax.vmap(environment.reset)(jax.random.split(key_of("starts"), num_lives))
    _, seen = jax.jit(lambda starts, keys: jax.lax.scan(move, starts, keys))(
        starts, jax.random.split(key_of("moves"), environment.max_moves + 1)
    )
    return jax.tree.map(np.asarray, seen)


@each_environment
def test_reset_depends_on_the_key_alone(environment: Environment) -> None:
    """Two members that share a start must share it on every machine; two keys must not."""
    reset = jax.jit(environment.reset)
    first, again, other = (reset(key_of(name)) for name in ("a", "a", "b"))
    assert_equal(first, again)
    seen = jax.jit(jax.vmap(lambda key: environment.observe(environment.reset(key))))
    assert len(np.unique(np.asarray(seen(jax.random.split(key_of("many"), 64))), axis=0)) > 10
    assert jax.tree.structure(first) == jax.tree.structure(other)


@each_environment
def test_a_move_of_two_worlds_is_two_moves(environment: Environment) -> None:
    """A member must meet the same world alone and inside a population."""
    keys = jax.random.split(key_of("two"), 2)
    starts = jax.jit(jax.vmap(environment.reset))(keys)
    actions = jnp.array([0, environment.num_actions - 1])
    together, step = jax.jit(jax.vmap(environment.step))(keys, starts, actions), jax.jit(environment.step)
    for index in range(2):
        alone = step(keys[index], jax.tree.map(lambda x, i=index: x[i], starts), actions[index])
        for one, both in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(one, both[index], rtol=1e-6, atol=1e-6)


@each_environment
def test_every_episode_ends_and_the_next_begins_in_the_same_move(environment: Environment) -> None:
    """A rollout of fixed length must never wait in a world that is over, nor lose the end of an episode."""
    life = random_life(environment)
    assert life["dones"].any(axis=0).all()
    assert (life["before"]["age"] < environment.max_moves).all()
    ended = life["dones"]
    assert_equal(jax.tree.map(lambda x: x[ended], life["after"]), jax.tree.map(lambda x: x[ended], life["new"]))
    np.testing.assert_array_equal(life["after"]["age"][~ended], life["before"]["age"][~ended] + 1)


@each_environment
def test_what_is_seen_and_felt_has_one_shape_and_stays_in_bounds(environment: Environment) -> None:
    """A single NaN or a huge input ends the training of whoever meets it."""
    life = random_life(environment)
    assert life["observations"].shape[2:] == (environment.num_features,)
    assert life["observations"].dtype == life["rewards"].dtype == np.float32
    assert np.abs(life["observations"]).max() <= 9.0
    sums = np.zeros(life["rewards"].shape[1])
    for rewards, dones in zip(life["rewards"], life["dones"], strict=True):
        sums += rewards
        assert (sums >= environment.worst_return).all()
        sums[dones] = 0.0


def test_breakout_ball_never_leaves_the_grid_nor_enters_the_paddles_row() -> None:
    """A ball outside the grid is invisible, and the episode would go on without anything to learn."""
    world = random_life(BREAKOUT)["after"]["world"]
    assert ((world["row"] >= 0) & (world["row"] < SIZE - 1)).all()
    assert ((world["column"] >= 0) & (world["column"] < SIZE)).all()
    assert ((world["paddle"] >= 0) & (world["paddle"] < SIZE)).all()
    for way in ("down", "right"):
        assert set(np.unique(world[way])) == {-1, 1}


def test_breakout_pays_one_for_every_brick_that_breaks() -> None:
    """Rewards that do not match the wall would teach something else than to break it."""
    life = random_life(BREAKOUT)
    standing, left = (life[when]["world"]["bricks"].sum((-1, -2)) for when in ("before", "after"))
    going = ~life["dones"] & (left >= standing - 1)
    rebuilt = going & (left > standing)
    lost = (standing - left)[going & ~rebuilt]
    np.testing.assert_array_equal(lost, life["rewards"][going & ~rebuilt])
    assert going.sum() == (~life["dones"]).sum()


def test_breakout_can_be_played_to_the_end_from_every_start() -> None:
    """If some starts were lost whatever one does, scores would measure luck; and a broken wall must come back."""
    game = BREAKOUT
    keys = jnp.stack([key_of("start", i) for i in range(120)])
    worlds = jax.jit(jax.vmap(game.reset))(keys)
    columns = np.asarray(worlds["world"]["column"]) * 2 + (np.asarray(worlds["world"]["right"]) > 0)
    assert set(columns) == set(range(2 * SIZE))

    def follow(episode: Any, _: None) -> Any:
        gap = episode["world"]["column"] - episode["world"]["paddle"]
        action = jnp.where(gap == 0, 0, jnp.where(gap < 0, 1, 2))
        after, reward, done = game.step(key_of("unused"), episode, action)
        return after, (reward, done)

    run = jax.jit(jax.vmap(lambda start: jax.lax.scan(follow, start, None, length=game.max_moves)[1]))
    rewards, dones = run(worlds)
    np.testing.assert_array_equal(np.argmax(dones, axis=1), game.max_moves - 1)
    assert (rewards.sum(axis=1) >= 5).all()


def test_breakout_builds_a_broken_wall_anew_at_the_paddle() -> None:
    """Without a new wall a good player's episode would go on for hundreds of moves with nothing to gain."""
    game = BREAKOUT
    world = {**game.begin(key_of("wall")), "bricks": jnp.zeros((3, SIZE), bool)}
    move = jax.jit(game.move)
    for _ in range(2 * SIZE):
        gap = int(world["column"] - world["paddle"])
        world, _, over = move(world, jnp.int32(0 if gap == 0 else 1 if gap < 0 else 2))
        assert not over
    assert world["bricks"].sum() >= 3 * SIZE - 3


@settings(max_examples=20)
@given(st.lists(st.floats(-3.0, 3.0, width=32), min_size=4, max_size=4))
def test_energy_of_the_frictionless_acrobot_without_torque_is_kept(drawn: list[float]) -> None:
    """The one law that equations of motion with a wrong sign or term cannot obey."""
    start = jnp.array(drawn, jnp.float32).reshape(2, 2)
    end = _swung(start)
    assert float(energy(end[0], end[1])) == pytest.approx(float(energy(start[0], start[1])), abs=2e-2)


@jax.jit
def _swung(start: Any) -> Any:
    def once(at: Any, _: None) -> Any:
        return jnp.stack(swing(at[0], at[1], 0.0, 0.01)), None

    return jax.lax.scan(once, start, None, length=200)[0]


def test_acrobot_at_rest_stays_and_torque_does_work() -> None:
    """Hanging still is where every episode begins: only the motor may change it."""
    rest = jnp.zeros(2, jnp.float32)
    np.testing.assert_allclose(swing(rest, rest, 0.0, 0.2), np.zeros((2, 2)), atol=1e-7)
    angle, velocity = swing(rest, rest, 1.0, 0.2)
    assert float(energy(angle, velocity)) > float(energy(rest, rest))


def test_acrobot_is_over_when_the_tip_is_high_enough() -> None:
    """An end that nobody reaches, or that everybody does, is nothing to learn."""
    game = ACROBOT
    for angle, expected in (([np.pi, 0.0], True), ([np.pi / 2, 0.0], False), ([0.0, 0.0], False)):
        world = {"angle": jnp.array(angle, jnp.float32), "velocity": jnp.zeros(2, jnp.float32)}
        _, reward, over = game.move(world, jnp.int32(1))
        assert bool(over) is expected
        assert float(reward) == (0.0 if expected else -1.0)


def test_pendulum_upright_at_rest_costs_nothing_and_is_unstable() -> None:
    """The goal must be worth most, and must have to be held."""
    game = PENDULUM
    upright = {"angle": jnp.float32(0.0), "velocity": jnp.float32(0.0)}
    world, reward, over = game.move(upright, jnp.int32(2))
    assert (float(world["angle"]), float(reward), bool(over)) == (0.0, 0.0, False)
    leaning = {"angle": jnp.float32(0.1), "velocity": jnp.float32(0.0)}
    world, _, _ = game.move(leaning, jnp.int32(2))
    assert 0.1 < float(world["angle"]) < MAX_SPEED
