"""Three functions instead of a loop: the state is any tree of arrays and plain values. Needs numpy alone."""

import numpy as np

import populace


class Regression(populace.Trainable):
    """Linear regression by stochastic gradient descent with momentum."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((500, 10))
        self.y = self.x @ rng.standard_normal(10) + 0.5 * rng.standard_normal(500)

    def init(self, key, hp):
        return {"weights": np.zeros(10), "velocity": np.zeros(10)}

    def step(self, key, state, hp):
        weights, velocity = state["weights"], state["velocity"]
        for i in key.generator().integers(400, size=50):
            gradient = (self.x[i] @ weights - self.y[i]) * self.x[i]
            velocity = hp["momentum"] * velocity - hp["lr"] * gradient
            weights = weights + velocity
        return {"weights": weights, "velocity": velocity}

    def evaluate(self, key, state):
        error = self.x[400:] @ state["weights"] - self.y[400:]
        return {"mse": float(np.mean(error**2)), "bias": float(np.mean(error))}


space = {"lr": populace.LogUniform(1e-4, 1e-1), "momentum": populace.Complement(0.1, 0.99)}
result = populace.tune(Regression(), space, population=8, steps=20, metric="mse", mode="min", seed=1)
print(f"best mean squared error {result.best.score:.4f}")
print("weights", np.round(result.best.restore()["weights"], 2))
again = populace.replay(result.schedule, Regression())
print("replayed bit for bit:", again.checkpoint == result.best.segment.checkpoint)
