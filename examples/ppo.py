"""Deep reinforcement learning: PPO whose hyperparameters are tuned while it plays. Needs JAX.

    python examples/ppo.py [breakout|acrobot|pendulum] [steps]

The environments and PPO itself are functions of JAX arrays in populace.demos; one step is 256 frames and 12 updates.
"""

import sys

import populace
from populace.demos import FRAMES_PER_STEP, PPO, PPO_SPACE, Acrobot, Breakout, Pendulum

environments = {"breakout": Breakout, "acrobot": Acrobot, "pendulum": Pendulum}
name = sys.argv[1] if len(sys.argv) > 1 else "pendulum"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 480

task = PPO(environments[name]())
result = populace.tune(
    task,
    PPO_SPACE,
    population=10,
    steps=steps,
    interval=min(12, steps),
    metric="return",
    mode="max",
    executor=populace.Vectorised(),  # all ten members in one compiled program
    seed=0,
)
print(f"{name}: score {result.best.score:.1f} after {result.best.step * FRAMES_PER_STEP:,} frames")
for piece in result.best.schedule:
    print(f"  from step {piece.start_step:4}:", {key: float(f"{x:.2g}") for key, x in piece.hyperparameters.items()})
fresh = task.test(populace.Key(1).fold("fresh").jax(), result.best.restore(), num_episodes=64)
print(f"64 fresh episodes: mean return {float(fresh.mean()):.1f}")
