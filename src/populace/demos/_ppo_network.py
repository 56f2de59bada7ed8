"""The network of the deep-RL example: two small perceptrons, one for the policy and one for the value.

All weights of a member live in one flat vector. The optimiser then is a handful of operations on vectors instead of a
handful per layer, and a population's weights are one matrix: on a CPU a compiled program pays by the operation.

Shapes: P is always the member axis (added by `jax.vmap`, never written here), W weights, F features, A actions,
... any leading axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

HIDDEN = 48
_POLICY_HEAD_SCALE = 0.01


@final
@dataclass(frozen=True, kw_only=True)
class Network:
    """Policy and value, each with two hidden layers of 48 tanh units and no weight in common."""

    num_features: int
    """Length of an observation."""
    num_actions: int
    """Length of the policy's output."""

    @property
    def num_weights(self) -> int:
        """W, the length of the flat vector."""
        return sum(math.prod(shape) for shape in self._shapes())

    def init(self, key: jax.Array) -> jax.Array:
        """Returns first weights (W,): Gaussian with variance 1 / inputs, biases 0.

        The policy's last layer is a hundred times smaller, so that every action is about as likely at first.
        """
        noise_W = jax.random.normal(key, (self.num_weights,), jnp.float32)
        return noise_W * jnp.concatenate(
            [
                jnp.full(math.prod(shape), scale, jnp.float32)
                for shape, scale in zip(self._shapes(), self._scales(), strict=True)
            ]
        )

    def layers(self, flat_W: jax.Array) -> list[jax.Array]:
        """Returns the flat vector as matrices and biases."""
        layers, begin = [], 0
        for shape in self._shapes():
            end = begin + math.prod(shape)
            layers.append(flat_W[begin:end].reshape(shape))
            begin = end
        return layers

    def apply(self, layers: list[jax.Array], observations: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the policy's logits (..., A) and the value (...) for observations (..., F)."""
        logits = _perceptron(layers[:6], observations)
        return logits, _perceptron(layers[6:], observations)[..., 0]

    def _shapes(self) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = []
        for num_outputs in (self.num_actions, 1):
            for ins, outs in ((self.num_features, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, num_outputs)):
                shapes += [(ins, outs), (outs,)]
        return shapes

    def _scales(self) -> list[float]:
        """Returns the standard deviation of each layer's first weights."""
        scales = [0.0 if len(shape) == 1 else 1.0 / math.sqrt(shape[0]) for shape in self._shapes()]
        scales[4] *= _POLICY_HEAD_SCALE
        return scales


def _perceptron(layers: list[jax.Array], inputs: Any) -> Any:
    weights_1, bias_1, weights_2, bias_2, weights_3, bias_3 = layers
    hidden = jnp.tanh(inputs @ weights_1 + bias_1)
    hidden = jnp.tanh(hidden @ weights_2 + bias_2)
    return hidden @ weights_3 + bias_3
