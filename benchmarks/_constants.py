"""Whether a schedule can pay at all: PPO with a constant learning rate against one that falls in a line to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from populace.demos import PPO

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
_OTHERS = {"entropy_cost": 0.01, "discount": 0.97, "trace": 0.9, "clip": 0.2}
_STEPS, _NUM_EPISODES = 960, 256

# Array names end in their axes: R rates, F falling or not, S seeds; M all of them, one after another.


def constants(num_seeds: int) -> Iterator[str]:
    """Yields a Markdown table: medians over seeds of the mean return of fresh episodes after a whole run."""
    ppo = PPO()
    keys_S = jax.random.split(jax.random.key(0), num_seeds)
    rates_M = jnp.repeat(jnp.array(RATES, jnp.float32), 2 * num_seeds)
    falls_M = jnp.tile(jnp.repeat(jnp.arange(2), num_seeds), len(RATES))
    keys_M = jnp.tile(keys_S, 2 * len(RATES))
    others = {name: jnp.full(len(rates_M), value) for name, value in _OTHERS.items()}

    def hyperparameters(step: jax.Array) -> dict[str, jax.Array]:
        return {**others, "learning_rate": rates_M * jnp.where(falls_M == 1, 1 - step / _STEPS, 1.0)}

    def trained(state_M: object, step: jax.Array) -> tuple[object, None]:
        now_M = jax.vmap(lambda key: jax.random.fold_in(key, step))(keys_M)
        return jax.vmap(ppo.step)(now_M, state_M, hyperparameters(step)), None

    state_M = jax.vmap(ppo.init)(keys_M, hyperparameters(jnp.int32(0)))
    state_M, _ = jax.jit(lambda state_M: jax.lax.scan(trained, state_M, jnp.arange(_STEPS)))(state_M)
    fresh_M = jax.vmap(lambda key: jax.random.fold_in(key, _STEPS))(keys_M)
    test = jax.jit(jax.vmap(lambda key, state: ppo.test(key, state, num_episodes=_NUM_EPISODES).mean()))
    returns_RFS = np.asarray(test(fresh_M, state_M)).reshape(len(RATES), 2, num_seeds)
    yield "| learning rate | constant: median, lowest to highest | falling to nothing |"
    yield "|---|---|---|"
    for rate, returns_FS in zip(RATES, returns_RFS, strict=True):
        cells = [f"{np.median(each_S):.1f}, {each_S.min():.1f} to {each_S.max():.1f}" for each_S in returns_FS]
        yield f"| {rate:g} | {' | '.join(cells)} |"
