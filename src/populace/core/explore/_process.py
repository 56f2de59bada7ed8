"""A small Gaussian process that drifts with time: the model behind PB2 (Parker-Holder et al. 2020, section 4).

It believes that what a choice of hyperparameters gains is like what similar ones have gained, the more so the more
recently. With x = (score before, hyperparameters), all scaled to [0, 1], and time t in [0, 1]:

    k((t, x), (t', x')) = v exp(-|x - x'|^2 / l) (1 - e)^(|t - t'| / 2)                       (no 2 under the distance)

and for unordered choices c, after PB2-Mix (Parker-Holder et al. 2021, section 4): with k2 = v (share of equal choices)
(1 - e)^(|t - t'| / 2) and the mixture weight m, (1 - m)/2 (k + k2) + m k k2 / v.

Departures: the fit chooses l, e and the noise from a short list by marginal likelihood, on the newest rows, and v in
closed form; the papers' gradient search ends where rounding takes it, and a decision must be derived again on other
machines. m is fixed at 1/2. Written in numpy: it costs milliseconds and needs no other package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

# Array names end in their axes: N rows, M points asked about, D numbers, C choices.

Floats = NDArray[np.float64]

_LENGTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FORGETTING = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)
_NOISES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_FIT_ROWS = 96
_MIX = 0.5
_LEAST_VARIANCE = 1e-6
_LARGEST_BLOCK = 64


@final
@dataclass(frozen=True)
class Points:
    """Where something was, or may be, trained."""

    time_N: Floats
    """When it began."""
    x_ND: Floats
    """Score before, and hyperparameters that are numbers."""
    choice_NC: NDArray[np.intp]
    """Hyperparameters that are unordered choices, as numbers of the choices."""

    def part(self, first: int, end: int | None = None) -> Points:
        """Returns the points from the first on, before the end; both as in slices."""
        return Points(self.time_N[first:end], self.x_ND[first:end], self.choice_NC[first:end])

    def and_(self, other: Points) -> Points:
        """Returns these points, then others."""
        return Points(
            np.concatenate([self.time_N, other.time_N]),
            np.concatenate([self.x_ND, other.x_ND]),
            np.concatenate([self.choice_NC, other.choice_NC]),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What is believed of the function before any row."""

    variance: float = 1.0
    """Of the function: v."""
    length: float = 1.0
    """How far likeness reaches: l."""
    forgetting: float = 0.1
    """How fast it fades with time: e."""
    noise: float = 0.1
    """Variance of a measurement."""

    def __call__(self, a: Points, b: Points) -> Floats:
        """Returns the covariances of the function, shape (N of a, N of b)."""
        squares = np.einsum("nd,nd->n", a.x_ND, a.x_ND)[:, None] + np.einsum("nd,nd->n", b.x_ND, b.x_ND)
        near = a.x_ND @ b.x_ND.T
        near *= 2
        np.subtract(squares, near, out=near)
        np.maximum(near, 0, out=near)
        near /= -self.length
        apart = np.abs(a.time_N[:, None] - b.time_N)
        apart *= math.log1p(-self.forgetting) / 2
        if not a.choice_NC.shape[1]:
            near += apart
            return self.variance * np.exp(near, out=near)
        like, recent = np.exp(near, out=near), np.exp(apart, out=apart)
        same = _same(a.choice_NC, b.choice_NC)
        both = like * same
        both *= recent
        both *= _MIX
        like += same
        like *= (1 - _MIX) / 2
        like += both
        like *= recent
        like *= self.variance
        return like


def _same(a_NC: NDArray[np.intp], b_NC: NDArray[np.intp]) -> Floats:
    """Returns the share of choices that are equal, shape (N of a, N of b)."""
    equal = np.zeros((len(a_NC), len(b_NC)))
    for place in range(a_NC.shape[1]):
        equal += a_NC[:, place, None] == b_NC[:, place]
    equal /= a_NC.shape[1]
    return equal


def log_likelihood(kernel: Kernel, points: Points, y_N: Floats) -> float:
    """Returns the logarithm of the marginal likelihood of measurements."""
    lower = _factor(kernel, points)
    white = _inverse(lower) @ y_N
    return float(-0.5 * white @ white - np.log(np.diag(lower)).sum() - 0.5 * len(y_N) * math.log(2 * math.pi))


def fit(points: Points, y_N: Floats) -> Kernel:
    """Returns the most likely kernel, found by improving one number at a time from the papers' first guess.

    Args:
        points: Where was measured, oldest first; at least one.
        y_N: What was measured, standardised.
    """
    points, y_N = points.part(-_FIT_ROWS), y_N[-_FIT_ROWS:]
    tried: dict[tuple[float, float, float], tuple[float, Kernel]] = {}

    def judged(at: tuple[float, float, float]) -> float:
        if at not in tried:
            tried[at] = _profiled(points, y_N, *at)
        return tried[at][0]

    length, forgetting, noise = 1.0, 0.1, 0.1
    for _ in range(2):
        length = max(_LENGTHS, key=lambda option: judged((option, forgetting, noise)))
        forgetting = max(_FORGETTING, key=lambda option: judged((length, option, noise)))
        noise = max(_NOISES, key=lambda option: judged((length, forgetting, option)))
    return tried[length, forgetting, noise][1]


def _profiled(points: Points, y_N: Floats, length: float, forgetting: float, noise: float) -> tuple[float, Kernel]:
    """Returns the likelihood at the best variance for these numbers, and the kernel; noise as a share of v."""
    lower = _factor(Kernel(length=length, forgetting=forgetting, noise=noise), points)
    white = np.linalg.solve(lower, y_N)
    variance = max(float(white @ white) / len(y_N), _LEAST_VARIANCE)
    likelihood = -0.5 * len(y_N) * math.log(variance) - float(np.log(np.diag(lower)).sum())
    return likelihood, Kernel(variance=variance, length=length, forgetting=forgetting, noise=noise * variance)


@final
class Posterior:
    """What is believed after rows, and how sure one will be once those under way are measured as well.

    Args:
        kernel: What was believed before.
        points: Where was measured.
        y_N: What was measured, standardised.
        under_way: Where will be measured; it narrows the spread and leaves the mean.
    """

    def __init__(self, kernel: Kernel, points: Points, y_N: Floats, under_way: Points) -> None:
        self._kernel = kernel
        self._num_measured = n = len(y_N)
        self._points = points.and_(under_way)
        self._whiten = _inverse(_factor(kernel, self._points))
        # The measured rows come first, so that their own factor is a block of the whole one.
        measured = self._whiten[:n, :n]
        self._weights_N = measured.T @ (measured @ y_N)

    def at(self, points: Points) -> tuple[Floats, Floats]:
        """Returns mean and variance of the function at points, shape (M,) each."""
        covariance = self._kernel(self._points, points)
        mean_M = self._weights_N @ covariance[: self._num_measured]
        white = self._whiten @ covariance
        variance_M = self._kernel.variance - np.einsum("nm,nm->m", white, white)
        return mean_M, np.maximum(variance_M, 0)

    def and_under_way(self, point: Points) -> Posterior:
        """Returns the posterior once one more point is under way."""
        size = len(self._whiten)
        white = self._whiten @ self._kernel(self._points, point)[:, 0]
        rest = math.sqrt(self._kernel.variance + self._kernel.noise - float(white @ white))
        grown = np.zeros((size + 1, size + 1))
        grown[:size, :size] = self._whiten
        grown[size, :size], grown[size, size] = white @ self._whiten / -rest, 1 / rest
        more = object.__new__(Posterior)
        more._kernel, more._num_measured, more._weights_N = self._kernel, self._num_measured, self._weights_N
        more._points, more._whiten = self._points.and_(point), grown
        return more


def _factor(kernel: Kernel, points: Points) -> Floats:
    """Returns the Cholesky factor of the covariances of measurements."""
    covariance = kernel(points, points)
    covariance.flat[:: len(covariance) + 1] += kernel.noise
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


def _inverse(lower: Floats) -> Floats:
    """Returns the inverse of a lower triangular matrix, by halves: numpy has no solver for triangles."""
    size = len(lower)
    if size <= _LARGEST_BLOCK:
        return np.asarray(np.linalg.inv(lower), dtype=np.float64)
    half = size // 2
    first, last = _inverse(lower[:half, :half]), _inverse(lower[half:, half:])
    whole = np.zeros_like(lower)
    whole[:half, :half], whole[half:, half:] = first, last
    whole[half:, :half] = -(last @ (lower[half:, :half] @ first))
    return whole
