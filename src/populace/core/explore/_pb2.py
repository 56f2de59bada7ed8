"""PB2: the donor's hyperparameters are not perturbed but chosen, by a model of what past choices have gained.

Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization with Population-Based Bandits"
(NeurIPS, arXiv 2002.02518), algorithm 1 and section 4. Every segment is a row: hyperparameters h, trained from weight
step t and score R, gained y = (score after - R) / steps. A Gaussian process that drifts with time learns y from (t, R,
h); the next h maximises

    mean + sqrt(beta) x deviation,        beta = max(0, 0.2 ln(0.4 n))        (n rows)

at the donor's t and R, where the deviation counts what is under way as if it were measured. With 4 to 8 members it does
more than perturbing can; it optimises the gain of the next interval, so where greed misleads, it misleads more.

Departures. R is the parent's score, so that a copy is no gain (the reference writes a row for the clone); a first
segment counts from its first evaluation, where there are several. The rows are the newest of each member, in equal
shares, not the newest of all, so that a decision needs a bounded part of the log. Under way are the others' newest
hyperparameters; and of the members that rank below this one, which are probably replaced too, it works out what they
would take, so that two clones of one donor do not do the same. The maximum is sought among seeded points, then nearer
and nearer to the best of them: gradient search would let rounding decide, and every decision must be derived again
elsewhere. The reference's window by likelihood is dropped, as in PB2-Mix. With fewer than two rows there is nothing to
learn from: hyperparameters are drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from populace._errors import UsageError
from populace.core._population import Population
from populace.core._score import Finite
from populace.core._segment import Segment
from populace.core._whole import check_whole
from populace.core.explore._explore import InformedExplore, Scene
from populace.core.explore._process import Floats, Points, Posterior, fit
from populace.core.explore._region import Box, TrustRegion, bounds
from populace.space import Choice, Constant, Dimension, Hyperparameters, Key, Space, Value

_NUM_DRAWN = 192
_NUM_NEAR = 32
_RADII = (0.1, 0.03, 0.01)
_MOST_FORESEEN = 3
_LARGEST_Y = 2.0


@final
@dataclass(frozen=True, kw_only=True)
class PB2(InformedExplore):
    """Chooses hyperparameters by a time-varying Gaussian process over what the population has gained so far.

    Attributes:
        rows: Segments it learns from, at least 2; the cost grows with the cube. A decision at 500 takes about 50 ms.
        choices: What becomes of unordered choices: "random" draws them anew (PB2-Rand), "modelled" lets the process
            judge them together with the numbers (its kernel is that of PB2-Mix; the bandit of that paper is left out).
        variance_bonus: Multiplies by the variance instead of the deviation, as the reference code does.
        region: Seeks numbers only in this region around the donor's, as BG-PBT does (arXiv 2207.09405); None: anywhere.
    """

    rows: int = 500
    choices: str = "random"
    variance_bonus: bool = False
    region: TrustRegion | None = None

    def __post_init__(self) -> None:
        check_whole("rows", self.rows, 2, "it is the segments to learn from; 500 is usual", most=5000)
        if self.choices not in ("random", "modelled"):
            raise UsageError(f"`choices` must be 'random' or 'modelled', but got PB2(choices={self.choices!r})")
        if not isinstance(self.variance_bonus, bool):
            raise UsageError(f"`variance_bonus` must be True or False, but got {self.variance_bonus!r}")
        if self.region is not None and not isinstance(self.region, TrustRegion):
            raise UsageError(f"`region` must be a TrustRegion(...) or None, but got {self.region!r}")

    def depth(self, size: int) -> int:
        return max(self._share(size), self.region.rounds if self.region is not None else 0)

    def _share(self, size: int) -> int:
        return max(1, self.rows // size)

    def explore(self, hyperparameters: Hyperparameters, scene: Scene, key: Key) -> dict[str, Value]:
        population, space = scene.population, scene.population.space
        anew = space.resample(hyperparameters, key.fold("resample"))
        rows = gains(population, self._share(population.size))[-self.rows :]
        names = _Names.of(space, modelled=self.choices == "modelled")
        if len(rows) < 2 or not isinstance(scene.base.outcome, Finite) or not (names.numbers or names.choices):
            return anew
        box = None if self.region is None else self.region.box(population)
        if box is not None and self.region is not None and self.region.begins_anew(box):
            return anew
        search = self._search(hyperparameters, scene, rows, names, box)
        for foreseen in range(min(_num_below(population, scene.member), _MOST_FORESEEN)):
            search = search.without(search.drawn(key.fold("others", foreseen).generator()))
        active = space.active(hyperparameters)
        found = search.best(key.fold("own").generator())
        places = dict(zip(names.numbers, found.x_ND[0, 1:].tolist(), strict=True))
        for name, code in zip(names.choices, found.choice_NC[0].tolist(), strict=True):
            places[name] = (code + 0.5) / _num_options(space[name])
        return {n: space[n].from_unit(places[n]) if n in places and n in active else anew[n] for n in space}

    def _search(
        self, hyperparameters: Hyperparameters, scene: Scene, rows: Sequence[Gain], names: _Names, box: Box | None
    ) -> _Search:
        """Returns the search for the best values, given what was gained and what is under way."""
        population, space = scene.population, scene.population.space
        others = [s for m, s in enumerate(population.latest) if s is not None and m != scene.member]
        standing = [(s.end_step, s.better(population.mode), s.hyperparameters) for s in others if s.score is not None]
        target = (scene.base.end_step, scene.base.better(population.mode), hyperparameters)
        asked = [*((row.step, row.score, row.hyperparameters) for row in rows), *standing, target]
        points = _points(asked, names, space)
        y_N = _standardised([row.score for row in rows], [row.after for row in rows], [row.steps for row in rows])
        measured, under_way = points.part(0, len(rows)), points.part(len(rows), -1)
        active = space.active(hyperparameters)
        low_D, high_D = _limits(names.numbers, points.x_ND[-1, 1:], active, box)
        return _Search(
            posterior=Posterior(fit(measured, y_N), measured, y_N, under_way),
            target=points.part(-1),
            low_D=low_D,
            high_D=high_D,
            num_options=[_num_options(space[name]) if name in active else 0 for name in names.choices],
            root_beta=root_beta(len(rows)),
            variance_bonus=self.variance_bonus,
        )


class Gain(NamedTuple):
    """What a stretch of training gained, on a scale where larger is better."""

    step: int
    """Weight steps before it."""
    score: float
    """Score before it."""
    after: float
    """Score after it."""
    steps: int
    """Its length."""
    hyperparameters: Hyperparameters
    """What it trained with."""


def gains(population: Population, depth: int) -> list[Gain]:
    """Returns what each member's newest segments gained on their parents, in the order of their weight steps."""
    found = [(s, gain) for s in population.lives(depth) if (gain := _gain(population, s)) is not None]
    return [gain for s, gain in sorted(found, key=lambda pair: (pair[1].step, pair[0].generation, pair[0].member))]


def _gain(population: Population, segment: Segment) -> Gain | None:
    if not isinstance(segment.outcome, Finite):
        return None
    step, before = segment.start_step, None
    parent = None if segment.parent is None else population.forest.get(segment.parent)
    if parent is not None:
        before = parent.score
    elif segment.parent is None and len(segment.evaluations) > 1:
        step, before = segment.evaluations[0].step, segment.evaluations[0].score
    if before is None or not math.isfinite(before) or segment.end_step <= step:
        return None
    orient = population.mode.orient
    steps = segment.end_step - step
    return Gain(step, orient(before), orient(segment.outcome.value), steps, segment.hyperparameters)


def root_beta(num_rows: int) -> float:
    """Returns the weight of the deviation: sqrt(max(0, 0.2 ln(0.4 n)))."""
    return math.sqrt(max(0.0, 0.2 * math.log(0.4 * num_rows)))


def standardised(y_N: Floats) -> Floats:
    """Returns values with zero mean and unit population deviation, clipped to +-2; zeros where nothing varies."""
    centred = y_N - y_N.mean()
    deviation = float(centred.std())
    return np.clip(centred / deviation, -_LARGEST_Y, _LARGEST_Y) if deviation > 0 else np.zeros_like(centred)


def _standardised(before: list[float], after: list[float], steps: list[int]) -> Floats:
    # Near 1, no finite scores overflow in their difference; the scale drops out again.
    _, exponent = math.frexp(max(map(abs, (*before, *after))))
    gained = np.ldexp(np.array(after), -exponent) - np.ldexp(np.array(before), -exponent)
    return standardised(gained / np.array(steps, dtype=np.float64))


class _Names(NamedTuple):
    """Which hyperparameters the process sees."""

    numbers: list[str]
    choices: list[str]

    @classmethod
    def of(cls, space: Space, *, modelled: bool) -> _Names:
        numbers = [name for name, dimension in space.items() if not isinstance(dimension, Choice | Constant)]
        return cls(numbers, [name for name, d in space.items() if modelled and isinstance(d, Choice)])


def _points(asked: list[tuple[int, float, Hyperparameters]], names: _Names, space: Space) -> Points:
    """Returns points with time and score scaled to [0, 1] by what occurs, and numbers by their bounds."""
    _, exponent = math.frexp(max(abs(score) for _, score, _ in asked))
    scores = _scaled(np.ldexp(np.array([score for _, score, _ in asked]), -exponent))
    units = [[space[name].to_unit(h[name]) for name in names.numbers] for _, _, h in asked]
    codes = [[int(space[n].to_unit(h[n]) * _num_options(space[n])) for n in names.choices] for _, _, h in asked]
    return Points(
        time_N=_scaled(np.array([step for step, _, _ in asked], dtype=np.float64)),
        x_ND=np.column_stack([scores, np.array(units).reshape(len(asked), len(names.numbers))]),
        choice_NC=np.array(codes, dtype=np.intp).reshape(len(asked), len(names.choices)),
    )


def _limits(names: list[str], at_D: Floats, active: Mapping[str, Value], box: Box | None) -> tuple[Floats, Floats]:
    """Returns the bounds between which numbers are sought; what is not in force stays where it is."""
    ends = [
        ((0.0, 1.0) if box is None else bounds(place, box)) if name in active else (place, place)
        for name, place in zip(names, at_D.tolist(), strict=True)
    ]
    array = np.array(ends, dtype=np.float64).reshape(len(names), 2)
    return array[:, 0], array[:, 1]


def _num_options(choice: Dimension) -> int:
    assert isinstance(choice, Choice)
    return len(choice.values)


def _scaled(values_N: Floats) -> Floats:
    low, high = values_N.min(), values_N.max()
    return (values_N - low) / (high - low) if high > low else np.zeros_like(values_N)


def _num_below(population: Population, member: int) -> int:
    """Returns how many known members rank below this one."""
    return len(population.ranking) - 1 - population.num_above(member)


@final
@dataclass(frozen=True, kw_only=True)
class _Search:
    """The search for the best point at the donor's time and score."""

    posterior: Posterior
    target: Points
    low_D: Floats
    high_D: Floats
    num_options: list[int]
    root_beta: float
    variance_bonus: bool

    def worth(self, points: Points) -> Floats:
        """Returns the acquisition at points."""
        mean_M, variance_M = self.posterior.at(points)
        return mean_M + self.root_beta * (variance_M if self.variance_bonus else np.sqrt(variance_M))

    def without(self, taken: Points) -> _Search:
        """Returns the search once another member has taken a point."""
        return _Search(
            posterior=self.posterior.and_under_way(taken),
            target=self.target,
            low_D=self.low_D,
            high_D=self.high_D,
            num_options=self.num_options,
            root_beta=self.root_beta,
            variance_bonus=self.variance_bonus,
        )

    def drawn(self, generator: np.random.Generator) -> Points:
        """Returns the best of points drawn evenly."""
        units_MD = self.low_D + (self.high_D - self.low_D) * generator.random((_NUM_DRAWN, len(self.low_D)))
        return self._best_of(units_MD, self._drawn_choices(generator, _NUM_DRAWN))

    def best(self, generator: np.random.Generator) -> Points:
        """Returns the best of points drawn evenly, then of others nearer and nearer to it."""
        best = self.drawn(generator)
        for radius in _RADII:
            near_MD = best.x_ND[:, 1:] + radius * generator.standard_normal((_NUM_NEAR, len(self.low_D)))
            near_MD[0] = best.x_ND[0, 1:]
            best = self._best_of(
                np.clip(near_MD, self.low_D, self.high_D), np.repeat(best.choice_NC, _NUM_NEAR, axis=0)
            )
        return best

    def _drawn_choices(
        self, generator: np.random.Generator, num: int
    ) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
        drawn = np.repeat(self.target.choice_NC, num, axis=0)
        for place, options in enumerate(self.num_options):
            if options:
                drawn[:, place] = generator.integers(options, size=num)
        return drawn

    def _best_of(self, units_MD: Floats, choice_MC: np.ndarray[tuple[int, int], np.dtype[np.intp]]) -> Points:
        num = len(units_MD)
        score_M1 = np.repeat(self.target.x_ND[:, :1], num, axis=0)
        points = Points(np.repeat(self.target.time_N, num), np.hstack([score_M1, units_MD]), choice_MC)
        place = int(np.argmax(self.worth(points)))
        return points.part(place, place + 1)
