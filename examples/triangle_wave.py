"""A toy whose best learning rate moves up and down: constants reach 17 of 100, PBT about 94. Needs numpy alone."""

import populace
from populace.core.explore import Mixture
from populace.demos import TRIANGLE_SPACE, TriangleWave

policy = populace.PBT(exploit=populace.Truncation(0.2), explore=Mixture(resample=0.1, factors=(0.8, 1.25)))
settings = {"population": 10, "steps": 100, "metric": "progress", "seed": 0, "synchronous": True}
pbt = populace.tune(TriangleWave(), TRIANGLE_SPACE, policy=policy, **settings)
random = populace.tune(TriangleWave(), TRIANGLE_SPACE, policy=populace.RandomSearch(), **settings)
print(f"PBT {pbt.best.score:.1f}, random search {random.best.score:.1f}, optimum 100")
