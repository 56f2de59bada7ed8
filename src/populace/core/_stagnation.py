"""Whether a population has stopped getting better: the question that decides on a restart.

IPBT (Chebykin et al. 2025, arXiv 2511.09190, section 3.2, and the authors' code) looks at the best score of each round
of selection. The series is standardised and smoothed by a Gaussian process over the rounds (Matern kernel, nu = 5/2),
so that noise is not taken for progress. It stagnates where the smoothed value has not risen from the last but one round
to the last, seen `patience` rounds in a row; or where the best of the last `window` rounds is less than a standard
deviation better than the best before them.

Departures: the process is exact and its length and noise are chosen from a short list by marginal likelihood, where the
authors train a variational one, since a decision must be derived again on other machines; and how many rounds in a row
have failed is found by looking at the series as it was then instead of being counted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Array names end in their axes: N rounds.

Floats = NDArray[np.float64]

_LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8)
_NOISES = (0.01, 0.1, 0.3, 1.0, 3.0)
_CLOSE = 1e-9  # what rounding may make of nothing


def stagnates(series: Sequence[float], patience: int, window: int) -> bool:
    """Returns whether a series of best scores, larger being better, has stopped rising.

    Args:
        series: One value for each round, oldest first.
        patience: Rounds in a row without a rise of the smoothed series, at least 1.
        window: Rounds in which the best must have risen by a standard deviation, at least 2.
    """
    y_N = _standardised(np.asarray(series, np.float64))
    if len(y_N) >= window and y_N.max() - y_N[: len(y_N) - window + 1].max() < 1:
        return True
    if len(y_N) <= patience:
        return False
    return not any(_rises(np.asarray(series[: len(y_N) - back], np.float64)) for back in range(patience))


def smoothed(series: Sequence[float]) -> Floats:
    """Returns a series, standardised, as the process sees it without its noise; shape (N,)."""
    y_N = _standardised(np.asarray(series, np.float64))
    x_N = np.linspace(0, 1, len(y_N))
    apart = math.sqrt(5) * np.abs(x_N[:, None] - x_N)
    best, mean_N = -math.inf, y_N
    for length, noise in itertools.product(_LENGTHS, _NOISES):
        scaled = apart / length
        kernel = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
        lower = np.linalg.cholesky(kernel + noise * np.eye(len(y_N)))
        white_N = np.linalg.solve(lower, y_N)
        variance = max(float(white_N @ white_N) / len(y_N), _CLOSE)
        likelihood = -0.5 * len(y_N) * math.log(variance) - float(np.log(np.diag(lower)).sum())
        if likelihood > best + _CLOSE:
            best, mean_N = likelihood, kernel @ np.linalg.solve(lower.T, white_N)
    return np.asarray(mean_N, np.float64)


def _rises(series_N: Floats) -> bool:
    mean_N = smoothed(series_N.tolist())
    return bool(mean_N[-1] - mean_N[-2] > _CLOSE)


def _standardised(series_N: Floats) -> Floats:
    spread = float(np.std(series_N, ddof=1)) if len(series_N) > 1 else 0.0
    centred_N = series_N - series_N.mean() if len(series_N) else series_N
    return centred_N / spread if spread > 0 else np.zeros_like(series_N)
