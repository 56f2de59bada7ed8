"""Deep reinforcement learning as a task of three functions: proximal policy optimisation on a small environment.

Proximal policy optimisation (PPO; Schulman et al. 2017, arXiv 1707.06347, algorithm 1) plays for a while with the
policy as it is (a rollout), asks of each action whether it went better than expected (its advantage), makes good
actions more likely and bad ones less, a few times over the same rollout and not too far from the policy that played,
and plays on with the new policy. One step of the task is one such iteration, begun at its middle: it learns from the
rollout in the state, then plays the next. So whatever a step hands on has played, and a policy that has collapsed in
the last update shows it; the other way round, the best score of a run is often that of a policy no longer there.

Departures from the paper: no parameters are shared between policy and value; advantages are normalised over the
rollout; the gradient's norm is clipped at 0.5; Adam's epsilon is 1e-5. All are usual.

How good a member is shows in episodes played for that alone: the score is the mean return (undiscounted, unscaled) of
64 whole episodes with the weights as they are. The returns of its last training episodes would cost nothing, but a good
episode of Breakout is as long as several rollouts, so they tell of weights long gone, and a clone's are its donor's.

Shapes: T = 32 moves of a rollout, E = 8 environments, N = T x E samples, B = 64 of a minibatch, W weights, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict, final

import jax
import jax.numpy as jnp

from populace.demos._breakout_game import Breakout
from populace.demos._environment import Environment, Episode
from populace.demos._ppo_loss import Batch, advantages_of, normalised
from populace.demos._ppo_network import Network
from populace.demos._ppo_play import Rollout, fresh_returns, play
from populace.demos._ppo_update import Learner, beginner, learn
from populace.jax import Trainable
from populace.space import Complement, Dimension, LogUniform

PPO_SPACE: Final[Mapping[str, Dimension]] = {
    "learning_rate": LogUniform(1e-5, 1e-1),
    "entropy_cost": LogUniform(1e-4, 0.3),
    "discount": Complement(0.7, 0.999),
    "trace": Complement(0.2, 0.99),
    "clip": LogUniform(0.05, 0.5),
}

NUM_ENVIRONMENTS: Final = 8
NUM_MOVES: Final = 32
FRAMES_PER_STEP: Final = NUM_ENVIRONMENTS * NUM_MOVES
NUM_SCORED: Final = 64
"""Episodes whose mean return is a score."""

Hyperparameters = Mapping[str, jax.Array]


class State(TypedDict):
    """All that a member is."""

    learner: Learner
    rollout: Rollout
    """What the weights have just played and not yet learnt from"""
    episodes: Episode
    """The episodes being played: every leaf has a leading axis E."""


@final
class PPO(Trainable):
    """PPO on one of the small environments; shows tuning of a learner whose best settings change while it learns.

    One step is a rollout of 32 moves in 8 environments (256 frames) and 12 updates: 3 times through the rollout in 4
    minibatches of 64. Hyperparameters: `learning_rate` of Adam, `entropy_cost`, `discount` (gamma), `trace` (lambda),
    `clip`. The metric to rank by is `return` (higher is better).

    Args:
        environment: What is played; Breakout unless said otherwise.
    """

    def __init__(self, environment: Environment | None = None) -> None:
        self.environment = environment or Breakout()
        self.network = Network(num_features=self.environment.num_features, num_actions=self.environment.num_actions)

    def init(self, key: jax.Array, hp: Hyperparameters) -> State:
        """Returns fresh weights that have played one rollout of fresh episodes."""
        key_weights, key_episodes, key_play = jax.random.split(key, 3)
        learner = beginner(self.network.init(key_weights))
        episodes = jax.vmap(self.environment.reset)(jax.random.split(key_episodes, NUM_ENVIRONMENTS))
        return self._played(key_play, learner, episodes)

    def step(self, key: jax.Array, state: State, hp: Hyperparameters) -> State:
        """Returns the state after the updates from the last rollout, and a rollout with the new weights."""
        key_learn, key_play = jax.random.split(key)
        learner = learn(
            key_learn,
            self.network,
            state["learner"],
            self._batch(state["rollout"], hp),
            learning_rate=hp["learning_rate"],
            clip=hp["clip"],
            entropy_cost=hp["entropy_cost"],
        )
        return self._played(key_play, learner, state["episodes"])

    def evaluate(self, key: jax.Array, state: State) -> dict[str, jax.Array]:
        """Returns the mean `return` of 64 whole episodes.

        Weights that are no numbers any more have no return: the run ranks such a member last.
        """
        is_sound = jnp.isfinite(state["learner"]["weights"]).all()
        returns = self.test(key, state, num_episodes=NUM_SCORED)
        return {"return": jnp.where(is_sound, returns.mean(), jnp.nan)}

    def test(self, key: jax.Array, state: State, *, num_episodes: int = 256) -> jax.Array:
        """Returns the returns (num_episodes,) of whole episodes.

        For a final report the key must be one that training never uses, or the episodes are not fresh.
        """
        layers = self.network.layers(state["learner"]["weights"])
        return fresh_returns(key, self.environment, self.network, layers, num_episodes=num_episodes)

    def _played(self, key: jax.Array, learner: Learner, episodes: Episode) -> State:
        layers = self.network.layers(learner["weights"])
        episodes, rollout = play(key, self.environment, self.network, layers, episodes, num_moves=NUM_MOVES)
        return {"learner": learner, "rollout": rollout, "episodes": episodes}

    def _batch(self, rollout: Rollout, hp: Hyperparameters) -> Batch:
        advantages_TE = advantages_of(
            self.environment.reward_scale * rollout["rewards"],
            rollout["dones"],
            rollout["values"],
            rollout["last_values"],
            discount=hp["discount"],
            trace=hp["trace"],
        )
        return {
            "observations": rollout["observations"].reshape(FRAMES_PER_STEP, -1),
            "actions": rollout["actions"].ravel(),
            "log_probs": rollout["log_probs"].ravel(),
            "advantages": normalised(advantages_TE).ravel(),
            "targets": (advantages_TE + rollout["values"]).ravel(),
        }
