"""Decisions for a whole population at once: truncation and the paper's ways to explore, on arrays.

Where all members stand at the end of the same generation, `decide` asks the same question of one snapshot for each.
Here the answers are arrays: who copies whom, and what the copies train with. They are the very answers of `decide`,
member by member; policies that are not known here exactly are left to it. What is drawn depends on seed, member and
generation alone, so it can be drawn generations ahead; and since a decision takes nothing but arithmetic that is the
same everywhere, a device may decide by itself, and the host derive its decisions again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from types import ModuleType
from typing import final

import numpy as np
import numpy.typing as npt

from populace.core._guard import Guard
from populace.core._pbt import PBT, Compare, Copy
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._score import Diverged, Finite, Mode, Status
from populace.core._segment import SegmentId, Why
from populace.core._ties import ties
from populace.core.exploit import Truncation
from populace.core.explore import ExploreStrategy, Mixture, NoExplore, Perturb, Resample
from populace.space import Column, Hyperparameters, Key, Keys, Space, Value, agrees, bounded, column_of, doubles_of

# Array names end in their axes: G generations, P members, D dimensions of the space.

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """What the decisions draw that begin some generations."""

    first: int
    """The first generation begun."""
    tie_GP: Longs
    """What orders equal scores of the generation before."""
    pick_GP: Longs
    """Which donor, an output of the generator."""
    longs_GPD: tuple[Longs, Longs]
    """How each hyperparameter changes: whether it is drawn anew, then how it moves or to what."""

    def part(self, start: int, count: int) -> Draws:
        """Returns those of some generations among these."""
        upto = slice(start, start + count)
        fresh, then = self.longs_GPD
        return Draws(
            first=self.first + start,
            tie_GP=self.tie_GP[upto],
            pick_GP=self.pick_GP[upto],
            longs_GPD=(fresh[upto], then[upto]),
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Ahead:
    """Draws in the form in which a device decides by them."""

    tie_GP: Longs
    """As in `Draws`."""
    pick_GP: Longs
    """Numbers of 32 bits: times how many can donate, their upper half is the donor's rank."""
    is_fresh_GPD: Bools
    """Which hyperparameters are drawn anew."""
    drawn_GPD: Floats
    """Draws from the priors, where there is use for them."""
    is_second_GPD: Bools
    """Which move by the second factor."""
    is_odd_G: Bools
    """In which generations a generator may draw more than once for a number: these are for the host."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """A population in which everybody has ended a generation."""

    generation: int
    """Which."""
    hyperparameters: Sequence[Hyperparameters]
    """What it trained with, per member."""
    better_P: Floats
    """Scores where larger is better, -inf for diverged members."""
    codes_PD: Floats
    """The hyperparameters, by the columns of the space."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What everybody does next."""

    sources: Sequence[int]
    """Whose weights each member goes on with: its own, or a donor's."""
    hyperparameters: Sequence[Hyperparameters]
    """What it trains with."""
    codes_PD: Floats
    """The hyperparameters, by the columns of the space."""
    tell: Callable[[], Sequence[Why]]
    """Makes `whys`."""

    @cached_property
    def whys(self) -> Sequence[Why]:
        """The numbers that led to it; made when first asked for, since nobody trains by them."""
        return self.tell()


@final
class Together:
    """Truncation for a whole population, with an explore strategy of the paper and no guard."""

    def __init__(
        self, policy: PBT, columns: Mapping[str, Column], space: Space, mode: Mode, seed: int, size: int
    ) -> None:
        assert isinstance(policy.exploit, Truncation)
        self._policy, self._space, self._mode, self._seed, self._size = policy, space, mode, seed, size
        self.num_selected = policy.exploit.num_selected(size)
        """Members in each tail."""
        self.columns = columns
        """The dimensions as arrays, by name, in the order of axis D."""
        self._factors, self._probability = _explores(policy.explore)

    @classmethod
    def of(cls, policy: Policy, *, space: Space, mode: Mode, seed: int, size: int) -> Together | None:
        """Returns what decides for all; None where only `decide` knows how."""
        columns = {name: column for name, d in space.items() if (column := column_of(d)) is not None}
        if size < 2 or len(columns) < len(space) or not _is_known(policy) or not agrees():
            return None
        assert isinstance(policy, PBT)
        return cls(policy, columns, space, mode, seed, size)

    def draws(self, first: int, count: int) -> Draws:
        """Returns what the decisions draw that begin `count` generations from the first, which is at least 1."""
        members, generations = np.arange(self._size), np.arange(first, first + count)[:, None]
        keys = Keys(self._seed).fold(members, generations, "decide")
        exploring = keys.fold("explore")
        pairs = [exploring.fold(name).longs(2) for name in self.columns]
        return Draws(
            first=first,
            tie_GP=ties(self._seed, members, generations - 1),
            pick_GP=keys.fold("exploit").longs()[0],
            longs_GPD=(np.stack([one for one, _ in pairs], axis=-1), np.stack([two for _, two in pairs], axis=-1)),
        )

    def level(self, population: Population) -> Level | None:
        """Returns the population as one that stands level; None where it does not, or holds values it only reads."""
        rows = []
        generations = {None if s is None else s.generation for s in population.latest}
        for s in population.latest:
            if s is None or s.parent_damaged or s.end_step < self._policy.burn_in or len(generations) > 1:
                return None
            if not isinstance(s.outcome, Finite | Diverged) or s.can_donate != isinstance(s.outcome, Finite):
                return None
            codes = [column.code(s.hyperparameters[name]) for name, column in self.columns.items()]
            rows.append([code for code in codes if code is not None])
            if len(rows[-1]) < len(codes):
                return None
        return Level(
            generation=generations.pop() or 0,
            hyperparameters=[s.hyperparameters for s in population.latest if s is not None],
            better_P=population.better_P,
            codes_PD=np.array(rows, np.float64),
        )

    def level_after(self, answers: Answers, generation: int, better_P: Floats) -> Level:
        """Returns the level once everybody has trained a generation as answered.

        Args:
            answers: What everybody did.
            generation: Which generation that was.
            better_P: How it ended: scores where larger is better, -inf for diverged members.
        """
        return Level(
            generation=generation,
            hyperparameters=answers.hyperparameters,
            better_P=better_P,
            codes_PD=answers.codes_PD,
        )

    def answers(self, level: Level, draws: Draws) -> Answers:
        """Returns what everybody does next; draws hold those of the generation to begin."""
        at = level.generation + 1 - draws.first
        order_P, above_P, copies_P, num_donors = self.ranked(np, level.better_P, draws.tie_GP[at])
        sources_P = np.arange(self._size)
        for member in np.flatnonzero(copies_P):
            sources_P[member] = order_P[self._pick(draws, at, int(member), int(num_donors))]
        codes_PD = self._explored(level, draws, at, sources_P)
        hyperparameters = list(level.hyperparameters)
        for clone in np.flatnonzero(sources_P != np.arange(self._size)).tolist():
            hyperparameters[clone] = self._values(codes_PD[clone])
        sources = sources_P.tolist()
        return Answers(
            sources=sources,
            hyperparameters=hyperparameters,
            codes_PD=codes_PD,
            tell=lambda: self._whys(level, sources, above_P.tolist(), int(num_donors)),
        )

    def ranked(self, m: ModuleType, better_P: Floats, tie_P: Longs) -> tuple[Places, Places, Bools, np.int64]:
        """Returns members best first; how many are above each; whether each is to be replaced; how many can donate.

        Args:
            m: numpy, or jax.numpy in 64 bits.
            better_P: Scores where larger is better, -inf for diverged members.
            tie_P: What orders equal scores.
        """
        order_P: Places = m.lexsort((tie_P, -better_P))
        above_P: Places = m.argsort(order_P)
        is_finite_P: Bools = m.isfinite(better_P)
        num_donors: np.int64 = m.minimum(m.sum(is_finite_P), self.num_selected)
        is_last_P = (above_P >= self._size - self.num_selected) | ~is_finite_P
        return order_P, above_P, is_last_P & (num_donors > 0), num_donors

    def moved(
        self, m: ModuleType, base_PD: Floats, is_fresh_PD: Bools, drawn_PD: Floats, is_second_PD: Bools
    ) -> Floats:
        """Returns codes explored from others.

        Args:
            m: numpy, or jax.numpy in 64 bits.
            base_PD: The donors'.
            is_fresh_PD: Which are drawn anew.
            drawn_PD: Draws from the priors.
            is_second_PD: Which are moved by the second factor.
        """
        otherwise_PD = base_PD
        if self._factors is not None:
            columns = [
                column.perturbed(m, base_PD[:, d], is_second_PD[:, d], drawn_PD[:, d], self._factors)
                for d, column in enumerate(self.columns.values())
            ]
            otherwise_PD = m.stack(columns, axis=-1)
        moved_PD: Floats = m.where(is_fresh_PD, drawn_PD, otherwise_PD)
        return moved_PD

    def ahead(self, draws: Draws) -> Ahead:
        """Returns draws in the form in which a device decides by them."""
        is_fresh_GPD = self._is_fresh(draws)
        drawn_GPD = self._drawn(draws.longs_GPD[1], is_fresh_GPD)
        is_odd_G = _per_generation(np.isnan(drawn_GPD))
        for count in range(1, self.num_selected + 1):
            is_odd_G |= _per_generation(bounded(draws.pick_GP, count)[1])
        return Ahead(
            tie_GP=draws.tie_GP,
            pick_GP=draws.pick_GP & np.uint64(2**32 - 1),
            is_fresh_GPD=is_fresh_GPD,
            drawn_GPD=drawn_GPD,
            is_second_GPD=_is_second(draws.longs_GPD[1]),
            is_odd_G=is_odd_G,
        )

    def _is_fresh(self, draws: Draws) -> Bools:
        return doubles_of(draws.longs_GPD[0]) < self._probability

    def _drawn(self, longs_XD: Longs, is_needed_XD: Bools) -> Floats:
        """Returns draws from the priors where they are needed, 0 elsewhere; NaN where one takes several outputs."""
        drawn_XD = np.zeros(longs_XD.shape)
        for d, column in enumerate(self.columns.values()):
            redraws = self._factors is not None and column.redraws
            needed = np.ones_like(is_needed_XD[..., d]) if redraws else is_needed_XD[..., d]
            drawn_XD[..., d][needed] = column.drawn(longs_XD[..., d][needed])
        return drawn_XD

    def _pick(self, draws: Draws, at: int, member: int, num_donors: int) -> int:
        picked, is_rejected = bounded(draws.pick_GP[at, member], num_donors)
        if is_rejected:
            key = self._key(member, draws.first + at).fold("exploit")
            return int(key.generator().integers(num_donors))
        return int(picked)

    def _explored(self, level: Level, draws: Draws, at: int, sources_P: Places) -> Floats:
        codes_PD = level.codes_PD.copy()
        clones = np.flatnonzero(sources_P != np.arange(self._size))
        if len(clones):
            is_fresh_PD, then_PD = self._is_fresh(draws)[at, clones], draws.longs_GPD[1][at, clones]
            drawn_PD = self._drawn(then_PD, is_fresh_PD)
            base_PD = codes_PD[sources_P[clones]]
            codes_PD[clones] = self.moved(np, base_PD, is_fresh_PD, drawn_PD, _is_second(then_PD))
            for member in clones[np.isnan(codes_PD[clones]).any(axis=1)]:
                codes_PD[member] = self._alone(level, int(member), int(sources_P[member]))
        return codes_PD

    def _alone(self, level: Level, member: int, source: int) -> list[float]:
        """Returns the codes of a clone one of whose generators has to draw more than once for a number."""
        explore = self._policy.explore
        assert isinstance(explore, ExploreStrategy)
        key = self._key(member, level.generation + 1).fold("explore")
        made = explore.explore(level.hyperparameters[source], self._space, key)
        codes = [column.code(made[name]) for name, column in self.columns.items()]
        return [code for code in codes if code is not None]

    def _key(self, member: int, generation: int) -> Key:
        return Key(self._seed).fold(member, generation, "decide")

    def _values(self, codes_D: Floats) -> dict[str, Value]:
        return {n: c.value(code) for (n, c), code in zip(self.columns.items(), codes_D.tolist(), strict=True)}

    def _whys(self, level: Level, sources: Sequence[int], above: Sequence[int], num_donors: int) -> list[Why]:
        scores = [self._mode.orient(better) if better > -np.inf else None for better in level.better_P.tolist()]
        whys: list[Why] = []
        for member, (source, score) in enumerate(zip(sources, scores, strict=True)):
            copied: Why = {}
            if source != member:
                copied = {"donor": str(SegmentId(source, level.generation)), "donor_score": scores[source]}
            if score is None:
                why: Why = {"rule": "replace", "status": Status.DIVERGED.value, "num_donors": num_donors}
                whys.append({**why, "score": None, **copied} if copied else why)
                continue
            counted = {"num_donors": num_donors} if copied else {}
            why = {"rule": "truncation", "rank": above[member] + 1, "of": self._size, "k": self.num_selected}
            whys.append({**why, **counted, "score": score, **copied})
        return whys


def _per_generation(is_so: Bools) -> Bools:
    found: Bools = np.any(is_so.reshape(len(is_so), -1), axis=1)
    return found


def _is_second(longs: Longs) -> Bools:
    """Returns what `integers(2)` of a generator draws from its output."""
    return (longs >> np.uint64(31) & np.uint64(1)).astype(np.bool_)


def _explores(explore: object) -> tuple[tuple[float, float] | None, float]:
    """Returns factors, None where what is not drawn anew stays as it is, and the probability of drawing anew."""
    match explore:
        case Perturb(factors=factors):
            return factors, 0.0
        case Mixture(factors=factors, resample=probability):
            return factors, probability
        case Resample(probability=probability):
            return None, probability
        case _:
            return None, 0.0


_FIELDS: Mapping[type[object], set[str]] = {
    PBT: {"exploit", "explore", "copy", "compare", "burn_in", "guard", "initial"},
    Guard: {"min_std", "min_percent", "trim", "spare", "explores"},
    Truncation: {"fraction"},
    Perturb: {"factors"},
    Mixture: {"factors", "resample"},
    Resample: {"probability"},
    NoExplore: set(),
}
"""What each strategy depended on when this was written; one that has learnt something new is left to `decide`."""


def _is_known(policy: Policy) -> bool:
    if type(policy) is not PBT or type(policy.exploit) is not Truncation or type(policy.guard) is not Guard:
        return False
    if type(policy.explore) not in (Perturb, Mixture, Resample, NoExplore):
        return False
    parts = (policy, policy.guard, policy.exploit, policy.explore)
    if any({field.name for field in fields(part)} != _FIELDS[type(part)] for part in parts):  # type: ignore[arg-type]  # all are dataclasses
        return False
    is_bare = not (policy.guard.min_std or policy.guard.min_percent or policy.guard.spare)
    return is_bare and policy.copy is Copy.BOTH and policy.compare is Compare.LATEST
