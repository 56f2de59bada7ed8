"""A noisy quadratic whose best constant and best schedule are known exactly. Needs numpy alone."""

import math

import populace
from populace.core.explore import Mixture
from populace.demos import QUADRATIC_SPACE, NoisyQuadratic, best_constant, oracle_schedule

policy = populace.PBT(exploit=populace.Truncation(0.2), explore=Mixture(resample=0.1, factors=(0.8, 1.25)))
settings = {"population": 10, "steps": 30, "metric": "loss", "mode": "min", "seed": 0, "synchronous": True}
pbt = populace.tune(NoisyQuadratic(), QUADRATIC_SPACE, policy=policy, **settings)
random = populace.tune(NoisyQuadratic(), QUADRATIC_SPACE, policy=populace.RandomSearch(), **settings)
for name, loss in {
    "random search": random.best.score,
    "best constant (expected)": best_constant(NoisyQuadratic()).loss,
    "PBT": pbt.best.score,
    "oracle schedule (expected)": oracle_schedule(NoisyQuadratic()).loss,
}.items():
    print(f"{name:28} -log10 loss {-math.log10(loss):.3f}")
