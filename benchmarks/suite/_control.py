"""Deep reinforcement learning: PPO on Pendulum, Acrobot and Breakout (`populace.demos.PPO`), judged on fresh episodes.

The score is the mean return of 64 episodes played for it; the test is the mean return of the chosen policy in 128 fresh
ones. `pendulum`: 300 iterations (76,800 frames a member). `acrobot`: 200 iterations; in a pilot a good constant was as
fast as any search. `breakout`: 1000 iterations (256,000 frames a member), long enough for a schedule to pay; bricks per
episode. No optimum is known of any.
"""

from __future__ import annotations

from typing import Any

from benchmarks.suite._task import Task
from populace.demos import PPO, PPO_SPACE, Acrobot, Breakout, Environment, Pendulum

_NUM_EPISODES = 128


def pendulum() -> Task:
    return _task("pendulum", Pendulum(), steps_per_tick=3, num_seeds=32)


def acrobot() -> Task:
    return _task("acrobot", Acrobot(), steps_per_tick=2)


def breakout() -> Task:
    return _task("breakout", Breakout(), steps_per_tick=10)


def _task(name: str, environment: Environment, *, steps_per_tick: int, num_seeds: int = 8) -> Task:
    ppo = PPO(environment)

    def test(key: Any, state: Any) -> Any:
        return ppo.test(key, state, num_episodes=_NUM_EPISODES).mean()

    return Task(
        name=name,
        trainable=ppo,
        space=PPO_SPACE,
        steps_per_tick=steps_per_tick,
        test=test,
        metric="return",
        source="populace.demos; no optimum known",
        num_seeds=num_seeds,
        seeds_at_once=8,
    )
