"""The smallest whole program: a loop, a search space, a trained model and its schedule. Needs numpy alone."""

import numpy as np

import populace


def train(member):
    weights = np.full(20, 1.0)
    member.track(weights=weights)
    for _ in member:  # one turn = one step; resumes, hands over and ends by itself
        noise = member.key.generator().standard_normal(20)
        weights -= member["lr"] * (weights + 0.3 * noise)
        member.report(float(np.mean(weights**2)))


space = {"lr": populace.LogUniform(1e-3, 1.0)}
result = populace.tune(train, space, population=8, steps=40, interval=4, mode="min", seed=1)
print(f"best loss {result.best.score:.4f} by member {result.best.member}")
for piece in result.best.schedule:
    print(f"  from step {piece.start_step:2}: lr = {piece.hyperparameters['lr']:.4f}")
