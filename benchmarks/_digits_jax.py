"""The digits network of the benchmark: JAX as a task, and the same in torch as most people write it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from populace.jax import Trainable
from populace.space import LogUniform

SPACE = {"lr": LogUniform(1e-4, 1e-1), "decay": LogUniform(1e-6, 1e-2)}
BATCH, TRAIN = 64, 1437


@final
class Digits(Trainable):
    """64 - hidden - 10, AdamW, batches of 64."""

    def __init__(self, hidden: int = 128) -> None:
        data = load_digits()
        self.x = (data.data / 16).astype(np.float32)
        self.y = data.target.astype(np.int32)
        self.hidden = hidden

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        one, two = jax.random.split(key)
        p = {
            "w1": 0.1 * jax.random.normal(one, (64, self.hidden)),
            "b1": jnp.zeros(self.hidden),
            "w2": 0.1 * jax.random.normal(two, (self.hidden, 10)),
            "b2": jnp.zeros(10),
        }
        return {"p": p, "m": jax.tree.map(jnp.zeros_like, p), "v": jax.tree.map(jnp.zeros_like, p), "t": jnp.int32(0)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        rows = jax.random.randint(key, (BATCH,), 0, TRAIN)
        gradient = jax.grad(self._loss)(state["p"], self.x[rows], self.y[rows])
        t = state["t"] + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], gradient)
        one, two = 1 - 0.9**t, 1 - 0.999**t

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - hp["lr"] * (m / one / (jnp.sqrt(v / two) + 1e-8) + hp["decay"] * p)

        return {"p": jax.tree.map(moved, state["p"], m, v), "m": m, "v": v, "t": t}

    def evaluate(self, key: Any, state: Any) -> Any:
        return -self._loss(state["p"], self.x[TRAIN:], self.y[TRAIN:])

    def _loss(self, p: Any, x: Any, y: Any) -> Any:
        logits = jax.nn.relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def torch_core_s_per_step(steps: int = 1500) -> float:
    """Returns processor seconds of one step of the same network in eager torch, one thread."""
    import torch

    torch.set_num_threads(1)
    data = load_digits()
    x, y = torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    spent = 0.0
    for step in range(steps):
        if step == steps // 5:
            spent = time.process_time()
        rows = torch.randint(0, TRAIN, (BATCH,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimiser.step()
    return (time.process_time() - spent) / (steps - steps // 5)
