"""A noisy quadratic whose best learning-rate schedule is known.

Gradient descent on a bowl, with noise on every gradient: a large learning rate gets down fast but keeps shaking, a
small one is calm but late. Because the bowl is quadratic, the expected loss of *any* schedule has a closed form, so a
run can be read against two lines that need no luck: the best constant learning rate, and the best schedule.

The problem (Zhang et al. 2019, arXiv 1907.04164, section 3, the noisy quadratic model) has D independent dimensions
with curvatures c_d, and the gradient's noise has covariance equal to the curvature:

    loss(x) = 1/(2 D) sum_d c_d x_d^2            x_d <- x_d - r (c_d x_d + s sqrt(c_d) e),   e ~ N(0, 1)

so mean and variance of each x_d obey two recursions,

    mean' = (1 - r c_d) mean                      variance' = (1 - r c_d)^2 variance + r^2 s^2 c_d,

and the loss needs only their sum m_d = mean^2 + variance = E[x_d^2] (1 at the start):

    m_d' = q_d m_d + r^2 s^2 c_d,   q_d = (1 - r c_d)^2.

U updates at one rate r sum up geometrically: m_d' = q_d^U m_d + r^2 s^2 c_d (1 - q_d^U) / (1 - q_d).

Shapes: D dimensions, R learning rates tried, K steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from populace.space import Dimension, Key, LogUniform
from populace.worker import Trainable

FloatArray = npt.NDArray[np.float64]

QUADRATIC_SPACE: Final[Mapping[str, Dimension]] = {"learning_rate": LogUniform(1e-3, 1.0)}

_RATES_R: Final = np.geomspace(1e-3, 1.0, 301)
_MAX_SWEEPS: Final = 100


@final
@dataclass(frozen=True, kw_only=True)
class NoisyQuadratic(Trainable):
    """Stochastic gradient descent on a noisy quadratic; shows how near a found schedule comes to the best one.

    One step is `num_updates` updates. Hyperparameter: `learning_rate` (below 2 / the largest curvature = 2). The
    state is `{"point": (num_dims,)}`. The score is the exact `loss` (lower is better), so ranking has no noise.

    Attributes:
        num_dims: Dimensions of the point, at least 1.
        condition: Largest over smallest curvature, at least 1. Curvatures go from 1/condition to 1, evenly in log.
        noise: Standard deviation of the gradient's noise, in units of the square root of the curvature.
        num_updates: Gradient updates in one step, at least 1.
    """

    num_dims: int = 200
    condition: float = 30.0
    noise: float = 1.0
    num_updates: int = 20

    def init(self, key: Key, hp: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Returns a start drawn from the standard normal distribution."""
        return {"point": key.generator().standard_normal(self.num_dims)}

    def step(self, key: Key, state: Mapping[str, FloatArray], hp: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Returns the state after `num_updates` updates."""
        rate, curvature = float(hp["learning_rate"]), self.curvatures
        shrink = 1.0 - rate * curvature
        kicks = key.generator().standard_normal((self.num_updates, self.num_dims))
        kicks *= rate * self.noise * np.sqrt(curvature)
        point = state["point"]
        for kick in kicks:
            point = shrink * point - kick
        return {"point": point}

    def evaluate(self, key: Key, state: Mapping[str, FloatArray]) -> dict[str, float]:
        """Returns the exact `loss`."""
        return {"loss": float(np.mean(self.curvatures * state["point"] ** 2) / 2.0)}

    @property
    def curvatures(self) -> FloatArray:
        """The curvature of each dimension, shape (D,), from 1/condition to 1."""
        return np.geomspace(1.0 / self.condition, 1.0, self.num_dims)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A schedule known in advance, and what it gives.

    Attributes:
        learning_rates: One learning rate per step.
        loss: The expected loss after the last step.
    """

    learning_rates: tuple[float, ...]
    loss: float


def expected_loss(task: NoisyQuadratic, learning_rates: Sequence[float]) -> float:
    """Returns the expected loss after training with these learning rates, one per step."""
    keep_KD, gain_KD = _moments(task, np.asarray(learning_rates, float))
    second = np.ones(task.num_dims)
    for keep, gain in zip(keep_KD, gain_KD, strict=True):
        second = keep * second + gain
    return float(np.mean(task.curvatures * second) / 2.0)


def best_constant(task: NoisyQuadratic, *, num_steps: int = 30) -> Reference:
    """Returns the constant learning rate (of 100 per decade in 1e-3..1) with the lowest expected loss."""
    keep_RD, gain_RD = _moments(task, _RATES_R)
    second_RD = np.ones_like(keep_RD)
    for _ in range(num_steps):
        second_RD = keep_RD * second_RD + gain_RD
    losses_R = second_RD @ task.curvatures / (2.0 * task.num_dims)
    best = int(np.argmin(losses_R))
    return Reference(learning_rates=(float(_RATES_R[best]),) * num_steps, loss=float(losses_R[best]))


def oracle_schedule(task: NoisyQuadratic, *, num_steps: int = 30) -> Reference:
    """Returns the schedule with the lowest expected loss, one learning rate (of 100 per decade in 1e-3..1) per step.

    Found by coordinate descent from the best constant. The final loss is linear in every step's second moments, so
    with the other steps fixed the best rate of one step is the smallest of R numbers: its weight on the final loss
    comes from one walk backwards, the moments from one walk forwards. No sweep can make the loss worse; it ends when
    none makes it better, at a schedule that no change of a single rate improves.
    """
    keep_RD, gain_RD = _moments(task, _RATES_R)
    start = best_constant(task, num_steps=num_steps)
    chosen_K = np.searchsorted(_RATES_R, start.learning_rates)
    loss = start.loss
    for _ in range(_MAX_SWEEPS):
        weights_KD = np.empty((num_steps, task.num_dims))
        weight = task.curvatures / (2.0 * task.num_dims)
        for k in reversed(range(num_steps)):
            weights_KD[k] = weight
            weight = weight * keep_RD[chosen_K[k]]
        second = np.ones(task.num_dims)
        for k in range(num_steps):
            chosen_K[k] = np.argmin(keep_RD @ (weights_KD[k] * second) + gain_RD @ weights_KD[k])
            second = keep_RD[chosen_K[k]] * second + gain_RD[chosen_K[k]]
        previous, loss = loss, float(weights_KD[-1] @ second)
        if loss >= previous * (1.0 - 1e-12):
            break
    return Reference(learning_rates=tuple(float(rate) for rate in _RATES_R[chosen_K]), loss=loss)


def _moments(task: NoisyQuadratic, rates_R: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns what one whole step does to the second moments, m' = keep m + gain: two arrays (R, D)."""
    curvature = task.curvatures
    rate_R1 = rates_R[:, None]
    once_RD = (1.0 - rate_R1 * curvature) ** 2
    keep_RD = once_RD**task.num_updates
    # 1 - once = r c (2 - r c): written so, a tiny rate loses no digits, and c cancels against the noise's variance.
    gain_RD = rate_R1 * task.noise**2 * (1.0 - keep_RD) / (2.0 - rate_R1 * curvature)
    return keep_RD, gain_RD
