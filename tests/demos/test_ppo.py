"""Laws of the deep-RL task: the arithmetic against plain numpy, purity, an honest score, and that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402  # after the check that JAX is there

from populace.demos._breakout_game import Breakout  # noqa: E402
from populace.demos._pendulum import Pendulum  # noqa: E402
from populace.demos._ppo import PPO, PPO_SPACE  # noqa: E402
from populace.demos._ppo_loss import advantages_of, clipped_loss, log_prob_of, normalised  # noqa: E402
from populace.demos._ppo_network import Network  # noqa: E402
from populace.demos._ppo_update import MAX_NORM, adam, beginner  # noqa: E402
from populace.space import Key, Space  # noqa: E402

SENSIBLE = {"learning_rate": 1e-3, "entropy_cost": 2e-3, "discount": 0.98, "trace": 0.9, "clip": 0.2}
TASK = PPO()
INIT, STEP, EVALUATE = jax.jit(TASK.init), jax.jit(TASK.step), jax.jit(TASK.evaluate)
pytestmark = pytest.mark.slow  # to compile takes longer than the tests themselves
seeds = st.integers(0, 2**32 - 1)


def key_of(*path: int | str) -> Any:
    return Key(0).fold(*path).jax()


def arrays(hyperparameters: Any) -> dict[str, Any]:
    return {name: jnp.float32(value) for name, value in hyperparameters.items()}


@settings(max_examples=20)
@given(seeds, st.floats(0.7, 0.999), st.floats(0.0, 1.0))
def test_advantages_are_the_papers_sum(seed: int, discount: float, trace: float) -> None:
    """Equation 16 of the paper, term by term: a slip in the recursion biases every update and raises no error."""
    rng = np.random.default_rng(seed)
    rewards, values = rng.standard_normal((2, 6, 3))
    last, dones = rng.standard_normal(3), rng.random((6, 3)) < 0.25
    expected = np.zeros((6, 3))
    for t, e in np.ndindex(6, 3):
        weight = 1.0
        for later in range(t, 6):
            following = last[e] if later == 5 else values[later + 1, e]
            following = 0.0 if dones[later, e] else following
            expected[t, e] += weight * (rewards[later, e] + discount * following - values[later, e])
            if dones[later, e]:
                break
            weight *= discount * trace
    got = advantages_of(*map(jnp.asarray, (rewards, dones, values, last)), discount=discount, trace=trace)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@settings(max_examples=20)
@given(seeds, st.floats(0.05, 0.5), st.floats(1e-4, 0.3))
def test_clipped_loss_is_the_papers(seed: int, clip: float, entropy_cost: float) -> None:
    """Equations 7 and 9 in plain numpy, case by case instead of by a minimum."""
    rng = np.random.default_rng(seed)
    logits, values = rng.standard_normal((16, 3)), rng.standard_normal(16)
    batch = {
        "observations": np.zeros((16, 1)),
        "actions": rng.integers(3, size=16),
        "log_probs": np.log(rng.uniform(0.1, 0.9, 16)),
        "advantages": rng.standard_normal(16),
        "targets": rng.standard_normal(16),
    }
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = 0.0
    for i in range(16):
        ratio = probs[i, batch["actions"][i]] / np.exp(batch["log_probs"][i])
        advantage = batch["advantages"][i]
        ratio = min(ratio, 1 + clip) if advantage > 0 else max(ratio, 1 - clip)
        loss += -ratio * advantage + 0.5 * (values[i] - batch["targets"][i]) ** 2
        loss += entropy_cost * np.sum(probs[i] * np.log(probs[i]))
    got = clipped_loss(
        jnp.asarray(logits), jnp.asarray(values), jax.tree.map(jnp.asarray, batch), clip=clip, entropy_cost=entropy_cost
    )
    assert float(got) == pytest.approx(loss / 16, rel=1e-4, abs=1e-5)


def test_a_policy_that_has_moved_far_enough_is_not_pushed_further() -> None:
    """This is all that the clipping is for."""
    logits = jnp.array([[3.0, 0.0, 0.0]])
    batch = {"observations": jnp.zeros((1, 1)), "actions": jnp.array([0]), "log_probs": jnp.log(jnp.array([0.2]))}
    batch = {**batch, "targets": jnp.zeros(1)}

    def slope(advantage: float) -> float:
        full = {**batch, "advantages": jnp.array([advantage])}
        slopes = jax.grad(lambda x: clipped_loss(x, jnp.zeros(1), full, clip=0.2, entropy_cost=0.0))(logits)
        return float(jnp.abs(slopes).max())

    assert slope(1.0) == 0.0
    assert slope(-1.0) > 0.0


def test_normalised_advantages_have_mean_zero_and_deviation_one() -> None:
    """The clip and the learning rate mean the same at every size of reward; equal advantages must not give NaN."""
    drawn = normalised(jnp.asarray(np.random.default_rng(0).uniform(5, 90, 256), jnp.float32))
    assert float(drawn.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(drawn.std()) == pytest.approx(1.0, abs=1e-5)
    assert jnp.isfinite(normalised(jnp.full(8, 0.1))).all()


def test_adam_is_the_papers_with_a_clipped_gradient() -> None:
    """Algorithm 1 of Kingma and Ba in float64: bias correction is what a copied optimiser state would show first."""
    rng = np.random.default_rng(0)
    weights, mean, square = rng.standard_normal(5), np.zeros(5), np.zeros(5)
    learner = beginner(jnp.asarray(weights, jnp.float32))
    for t in range(1, 6):
        slope = rng.standard_normal(5) * (10.0 if t % 2 else 0.01)
        learner = adam(learner, jnp.asarray(slope, jnp.float32), jnp.float32(0.1))
        slope *= min(1.0, MAX_NORM / np.linalg.norm(slope))
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        weights = weights - 0.1 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-5)
    np.testing.assert_allclose(learner["weights"], weights, rtol=1e-3)
    assert int(learner["num_updates"]) == 5


def test_network_begins_undecided_and_uses_all_its_weights() -> None:
    """A policy that prefers an action before it has seen anything explores less; a weight nobody reads is a bug."""
    network = Network(num_features=62, num_actions=3)
    flat = network.init(key_of("network"))
    assert sum(layer.size for layer in network.layers(flat)) == network.num_weights == flat.size
    seen = jax.random.normal(key_of("seen"), (100, 62))
    logits, values = network.apply(network.layers(flat), seen)
    assert (logits.shape, values.shape) == ((100, 3), (100,))
    assert float(jnp.abs(logits).max()) < 0.1

    def total(flat: Any) -> Any:
        logits, values = network.apply(network.layers(flat), seen)
        return jnp.sum(jnp.square(logits + 1.0)) + jnp.sum(jnp.square(values + 1.0))

    assert (jax.grad(total)(flat) != 0).all()


def test_score_is_of_the_weights_as_they_are() -> None:
    """A clone is judged by what it has become, and a policy that the last update has spoilt by what is left of it."""
    good = INIT(key_of("init"), arrays(SENSIBLE))
    other = jax.random.normal(key_of("spoilt"), good["learner"]["weights"].shape)
    spoilt = {**good, "learner": {**good["learner"], "weights": other}}
    again = {**INIT(key_of("other"), arrays(SENSIBLE)), "learner": good["learner"]}
    scores = [float(EVALUATE(key_of("evaluate"), state)["return"]) for state in (good, spoilt, again)]
    assert scores[0] == scores[2] != scores[1]


def test_every_whole_episode_counts_once() -> None:
    """The mean of those that end first would be that of short episodes, and a policy that survives would look bad."""
    task = PPO(Pendulum())
    state = jax.jit(task.init)(key_of("init"), arrays(SENSIBLE))
    returns = jax.jit(lambda key: task.test(key, state, num_episodes=8))(key_of("fresh"))
    assert returns.shape == (8,)
    assert ((returns >= Pendulum.worst_return) & (returns < 0)).all()
    assert len(set(returns.tolist())) == 8


def test_the_weights_handed_on_are_those_that_played() -> None:
    """A score must be about the policy that is copied and returned: one update can make a good policy a lost one."""
    state = INIT(key_of("init"), arrays(SENSIBLE))
    for when in ("init", "step"):
        layers = TASK.network.layers(state["learner"]["weights"])
        logits, values = TASK.network.apply(layers, state["rollout"]["observations"])
        expected = log_prob_of(logits, state["rollout"]["actions"])
        np.testing.assert_allclose(state["rollout"]["log_probs"], expected, atol=1e-4, err_msg=when)
        np.testing.assert_allclose(state["rollout"]["values"], values, atol=1e-4, err_msg=when)
        state = STEP(key_of("step"), state, arrays({**SENSIBLE, "learning_rate": 1e-2}))


def test_weights_that_are_no_numbers_have_no_score() -> None:
    """A learning rate of 0.1 can end in NaN; such a member still plays, and its return would look like any."""
    state = INIT(key_of("init"), arrays(SENSIBLE))
    state["learner"]["weights"] = state["learner"]["weights"].at[7].set(jnp.nan)
    assert np.isnan(EVALUATE(key_of("evaluate"), state)["return"])


def test_a_step_is_pure_and_alike_alone_and_in_a_population() -> None:
    """Replay, resume and the vectorised executor must meet the same weights; shapes must not depend on values."""
    space = Space.of(PPO_SPACE)
    hps = [arrays(space.sample(Key(seed).fold("space"))) for seed in range(2)]
    keys = jnp.stack([key_of("member", member) for member in range(2)])
    stacked = {name: jnp.stack([hp[name] for hp in hps]) for name in PPO_SPACE}
    starts = jax.jit(jax.vmap(TASK.init))(keys, stacked)
    together = jax.jit(jax.vmap(TASK.step))(keys, starts, stacked)
    for member in range(2):
        start = jax.tree.map(lambda x, m=member: x[m], starts)
        once, again = (STEP(keys[member], start, hps[member]) for _ in range(2))
        assert jax.tree.structure(once) == jax.tree.structure(start)
        for before, one, two, both in zip(*map(jax.tree.leaves, (start, once, again, together)), strict=True):
            assert (one.shape, one.dtype) == (before.shape, before.dtype)
            np.testing.assert_array_equal(one, two)
            np.testing.assert_allclose(one, both[member], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("environment", "learning_rate", "discount", "steps", "level"),
    [(Breakout(), 3e-4, 0.99, 600, 6.0), (Pendulum(), 3e-3, 0.95, 500, -500.0)],
)
def test_ppo_learns(environment: Any, learning_rate: float, discount: float, steps: int, level: float) -> None:
    """An example of deep RL in which a sensible constant learns nothing would only show a bug."""
    task, hp = PPO(environment), arrays({**SENSIBLE, "learning_rate": learning_rate, "discount": discount})

    @jax.jit
    def train(key: Any) -> Any:
        start = task.init(jax.random.fold_in(key, steps), hp)
        trained = jax.lax.scan(
            lambda state, i: (task.step(jax.random.fold_in(key, i), state, hp), None), start, jnp.arange(steps)
        )[0]
        fresh = jax.random.fold_in(key, steps + 1)
        return trained, task.test(fresh, start, num_episodes=64), task.test(fresh, trained, num_episodes=64)

    trained, untrained_returns, returns = train(key_of("learns"))
    measured = task.evaluate(key_of("evaluate"), trained)
    assert float(untrained_returns.mean()) < level
    assert float(returns.mean()) > level
    assert float(measured["return"]) > level
