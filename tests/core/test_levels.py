"""Levels and their noise, from nothing but scores."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.core import Mode, Population, SegmentId
from populace.core._levels import levels
from populace.testing import population_of


def _lives(scores, mode: Mode = Mode.MAX) -> Population:
    """A population in which each member has lived through one segment per score."""
    population = Population.empty(space=population_of([0.0]).space, mode=mode, seed=0, size=len(scores))
    for member, life in enumerate(scores):
        for generation, score in enumerate(life):
            (segment,) = population_of([score], mode=mode).latest
            segment = replace(
                segment,
                member=member,
                generation=generation,
                parent=SegmentId(member, generation - 1) if generation else None,
            )
            population = population.with_ended([segment], population.sequence + 1)
    return population


@pytest.mark.parametrize("slope", [0.0, 1.0, -30.0])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_noise_is_told_from_progress(slope: float, noise: float) -> None:
    """Scores that rise are not noisy for it."""
    estimates = []
    for seed in range(20):
        luck = np.random.default_rng(seed).standard_normal((10, 12))
        estimates.append(levels(_lives((noise * luck + slope * np.arange(12)).tolist()), 3).noise)
    assert np.mean(estimates) == pytest.approx(noise, rel=0.1)


def test_level_is_the_mean_of_the_last_evaluations_along_the_ancestry() -> None:
    """A clone is judged by its donor's record until it has its own."""
    known = levels(_lives([[1, 2, 3, 7], [5], [4, 2], [1, math.nan]]), 3)
    assert known.mean_P.tolist() == [4, 5, 3, -math.inf]
    assert known.num_P.tolist() == [3, 1, 2, 0]
    assert known.noise is None
    assert known.z(0, 1) is None
    assert levels(_lives([[1, 2, 3, 7]], Mode.MIN), 2).mean_P.tolist() == [-5]


def test_z_counts_standard_errors_of_the_difference() -> None:
    """Ten evaluations of noise one, whose means of three differ by one: 1 / (sigma sqrt(2 / 3))."""
    zigzag = [0.0, 1.0] * 6
    known = levels(_lives([zigzag, [x + 1 for x in zigzag], zigzag]), 3)
    assert known.noise == pytest.approx(2 / (0.67449 * math.sqrt(6)), rel=1e-4)
    assert known.z(1, 0) == pytest.approx(1 / (known.noise * math.sqrt(2 / 3)))
    assert known.z(0, 1) == -known.z(1, 0)
    assert known.z(0, 2) == 0


def test_scores_without_noise_differ_by_as_much_as_one_likes() -> None:
    """A task that is exact needs no guard; equal scores are no better than one another."""
    known = levels(_lives([[x, x, x, x, x] for x in (1.0, 2.0, 2.0)]), 3)
    assert known.noise == 0
    assert (known.z(1, 0), known.z(0, 1), known.z(1, 2)) == (math.inf, -math.inf, 0)


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(), min_size=1, max_size=10), min_size=1, max_size=8), st.integers(1, 5))
def test_no_score_breaks_the_arithmetic(scores, window) -> None:
    """Whatever is reported, levels are finite where the newest score is, and the noise is a number or unknown."""
    population = _lives(scores)
    known = levels(population, window)
    assert np.array_equal(np.isfinite(known.mean_P), np.isfinite(population.better_P))
    assert known.noise is None or (known.noise >= 0 and math.isfinite(known.noise))
    assert levels(population, window) is known


@pytest.mark.slow
@given(
    st.lists(st.lists(st.floats(-9, 9) | st.just(math.nan), min_size=1, max_size=10), min_size=1, max_size=4),
    st.sampled_from(Mode),
    st.integers(1, 10),
)
def test_levels_of_all_are_those_of_each(scores, mode, window) -> None:
    """Arrays must say of each member what its own last evaluations say, to the last bit."""
    population, bends = _lives(scores, mode), []
    known = levels(population, window)
    for member, newest in enumerate(population.latest):
        last = [mode.orient(x) for x in population.window(newest, 10)]
        recent = [x for x in last[:window] if math.isfinite(x)] if newest.score is not None else []
        mean = -math.inf
        if recent:
            mean = 0.0
            for x in recent:
                mean += x / len(recent)
        assert (known.mean_P[member], known.num_P[member]) == (mean, len(recent))
        eight = last[:8]
        bends += [abs(a / 4 - b / 2 + c / 4) for a, b, c in zip(eight, eight[1:], eight[2:], strict=False)]
    bends = [bend for bend in bends if math.isfinite(bend)]
    assert (known.noise is None) is (len(bends) < 6)
    if len(bends) >= 6:
        assert known.noise == 4 * float(np.median(bends)) * (1 / (0.6744897501960817 * math.sqrt(6)))
