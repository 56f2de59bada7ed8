"""Handwritten digits with careless annotators: the task of `populace demo`, as a program. Needs scikit-learn."""

import sys

import populace
from populace.core.explore import Mixture
from populace.demos import DIGITS_SPACE, Digits

steps = int(sys.argv[1]) if __name__ == "__main__" and len(sys.argv) > 1 else 60
policy = populace.PBT(exploit=populace.Truncation(0.25), explore=Mixture(resample=0.1, factors=(0.8, 1.25)))
result = populace.tune(
    Digits(),
    DIGITS_SPACE,
    population=16,
    steps=steps,
    interval=4,
    evaluate_every=1,
    metric="log_loss",
    mode="min",
    policy=policy,
    seed=0,
)
print("validation", result.best.metrics)
print("held out  ", Digits().test(result.best.restore()))
