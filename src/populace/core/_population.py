"""The population as one decision sees it: each member's newest ended segment, and the forest behind them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray

from populace.core._score import Finite, Mode
from populace.core._segment import Segment, SegmentId
from populace.core._stands import Latest, Stand
from populace.core._ties import ties
from populace.space import Space

# Array names end in their axes: P the members.

T = TypeVar("T")
_Recent: TypeAlias = tuple[Sequence["Segment | None"], NDArray[np.float64]]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """A snapshot. Members that have ended no segment yet are unknown: they have no rank and cannot donate."""

    space: Space
    """The search space."""
    mode: Mode
    """Whether a larger or a smaller score is better."""
    seed: int
    """The run's seed."""
    sequence: int
    """Everything the log holds up to this number is in the snapshot, nothing after it."""
    latest: Sequence[Segment | None]
    """Per member the newest ended segment; None where none has ended."""
    forest: Mapping[SegmentId, Segment]
    """Ended segments by id; at least the ancestors that the policy looks at. May hold later ones too."""
    better_P: NDArray[np.float64]
    """Scores where larger is better; -inf for diverged and failed, NaN for unknown."""
    tie_P: NDArray[np.uint64]
    """Seeded numbers that order equal scores; they depend on the segments, not on who asks."""
    donates_P: NDArray[np.bool_]
    """Whether a member's newest segment can be copied."""
    records: tuple[Segment, ...] = ()
    """The segments that were the best of the run when they ended, oldest first; whole where the policy asks for it."""
    steps: int | None = None
    """Steps each member trains; None where the end is not known."""
    interval: int = 1
    """Steps between two ready points."""
    _known: dict[Hashable, object] = field(default_factory=dict, init=False, repr=False)
    """What `once` has worked out on this snapshot."""
    _told: dict[Hashable, object] = field(default_factory=dict, repr=False)
    """What is handed on from snapshot to snapshot: what `always` has made, and `recent` with where members stood."""

    @classmethod
    def empty(
        cls, *, space: Space, mode: Mode, seed: int, size: int, steps: int | None = None, interval: int = 1
    ) -> Population:
        """Returns a population in which nobody has trained."""
        return cls(
            space=space,
            mode=mode,
            seed=seed,
            sequence=0,
            latest=(None,) * size,
            forest={},
            better_P=np.full(size, np.nan),
            tie_P=np.zeros(size, dtype=np.uint64),
            donates_P=np.zeros(size, dtype=np.bool_),
            steps=steps,
            interval=interval,
        )

    def once(self, key: Hashable, make: Callable[[Population], T]) -> T:
        """Returns what `make` makes of this snapshot; made once, although every member asks.

        Args:
            key: Names what is made: equal keys, equal results.
            make: A pure function of the snapshot.
        """
        if key not in self._known:
            self._known[key] = make(self)
        return cast(T, self._known[key])

    def always(self, key: Hashable, make: Callable[[Population], T]) -> T:
        """Returns what `make` makes of size, steps and interval alone; made once for all snapshots of a run."""
        key = key, self.size, self.steps, self.interval
        if key not in self._told:
            self._told[key] = make(self)
        return cast(T, self._told[key])

    def recent(self, width: int) -> NDArray[np.float64]:
        """Returns the last scores along the ancestry of each member's newest segment, newest first.

        Larger is better; NaN where there are no more. Made anew only for members that have moved on since an earlier
        snapshot, and then from their parents' where these stood there.

        Args:
            width: How many scores.
        """
        latest, held_PW = cast(_Recent, self._told.get(("recent", width), ((), np.empty((0, width)))))
        if len(latest) != self.size:
            latest, held_PW = (None,) * self.size, np.full((self.size, width), np.nan)
        changed = [m for m, (new, old) in enumerate(zip(self.latest, latest, strict=True)) if new is not old]
        if not changed:
            return held_PW
        recent_PW, sign = held_PW.copy(), self.mode.orient(1.0)
        from_held: dict[int, list[tuple[int, int, list[float]]]] = {}
        for member in changed:
            segment = self.latest[member]
            id = None if segment is None else segment.parent
            parent = latest[id.member] if id is not None and id.member < self.size else None
            if segment is not None and parent is not None and parent.id == id:
                own = [sign * e.score for e in segment.evaluations[: -width - 1 : -1]]
                from_held.setdefault(len(own), []).append((member, parent.member, own))
            else:
                scores = [] if segment is None else [sign * score for score in self.window(segment, width)]
                recent_PW[member, : len(scores)] = scores
                recent_PW[member, len(scores) :] = np.nan
        for num, those in from_held.items():
            members, parents, scores_of = map(list, zip(*those, strict=True))
            recent_PW[members, num:] = held_PW[parents, : width - num]
            recent_PW[members, :num] = scores_of
        self._told["recent", width] = tuple(self.latest), recent_PW
        return recent_PW

    def of_one(self, key: Hashable, member: int, make: Callable[[Population, Segment], T]) -> T | None:
        """Returns what `make` makes of a member's newest segment, anew once it has moved on; None where it ended none.

        Args:
            key: Names what is made: equal keys, equal results.
            member: The member.
            make: A pure function of a segment and its ancestry.
        """
        segment = self.latest[member]
        if segment is None:
            return None
        held = cast("tuple[Segment, T] | None", self._told.get((key, member)))
        if held is None or held[0] is not segment:
            self._told[key, member] = held = segment, make(self, segment)
        return held[1]

    @cached_property
    def interval_share(self) -> float:
        """The interval as a share of the run; where its end is not known, one hundredth."""
        return 0.01 if self.steps is None else min(1.0, self.interval / self.steps)

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.latest)

    @cached_property
    def ranking(self) -> NDArray[np.intp]:
        """Known members, best first; ties are ordered by their seeded numbers."""
        known = np.flatnonzero(~np.isnan(self.better_P))
        return known[np.lexsort((self.tie_P[known], -self.better_P[known]))]

    def num_above(self, member: int) -> int:
        """Returns how many known members rank above this one."""
        mine, tie = self.better_P[member], self.tie_P[member]
        equal = (self.better_P == mine) & (self.tie_P < tie)
        return int(np.count_nonzero(self.better_P > mine) + np.count_nonzero(equal))

    def is_above(self, member: int, other: int) -> bool:
        """Whether a known member ranks above another known one."""
        mine, theirs = self.better_P[member], self.better_P[other]
        return bool(mine > theirs or (mine == theirs and self.tie_P[member] < self.tie_P[other]))

    @property
    def num_unknown(self) -> int:
        """Number of members that have ended no segment yet."""
        return int(np.count_nonzero(np.isnan(self.better_P)))

    @property
    def best(self) -> Segment | None:
        """The best segment that had ended by the time of the snapshot; None where no score was finite."""
        return next((s for s in reversed(self.records) if (s.ended or 0) <= self.sequence), None)

    def can_donate(self, member: int) -> bool:
        """Whether a member's newest segment can be copied."""
        return bool(self.donates_P[member])

    def ancestry(self, segment: Segment) -> Iterator[Segment]:
        """Yields the segment, its parent, its parent's parent ... as far as the forest reaches."""
        walker: Segment | None = segment
        while walker is not None:
            yield walker
            walker = None if walker.parent is None else self.forest.get(walker.parent)

    def lives(self, depth: int) -> Iterator[Segment]:
        """Yields each member's newest `depth` segments, oldest first, as far as the forest reaches.

        In lockstep no later generation is among them, whatever has ended meanwhile.
        """
        for member, newest in enumerate(self.latest):
            if newest is None:
                continue
            for generation in range(max(0, newest.generation - depth + 1), newest.generation):
                segment = self.forest.get(SegmentId(member, generation))
                if segment is not None:
                    yield segment
            yield newest

    def window(self, segment: Segment, size: int) -> list[float]:
        """Returns the last `size` evaluation scores along a segment's ancestry, newest first.

        It follows the weights: a clone is judged by its donor's record until it has its own.
        """
        scores: list[float] = []
        for ancestor in self.ancestry(segment):
            scores.extend(evaluation.score for evaluation in reversed(ancestor.evaluations))
            if len(scores) >= size:
                break
        return scores[:size]

    def first(self, num: int) -> Population:
        """Returns the population of the first `num` members alone."""
        return replace(
            self,
            latest=self.latest[:num],
            better_P=self.better_P[:num],
            tie_P=self.tie_P[:num],
            donates_P=self.donates_P[:num],
        )

    def only(self, members: Iterable[int], forest: Mapping[SegmentId, Segment]) -> Population:
        """Returns the population in which all others are unknown, with no other segments behind them than these."""
        known = set(members)
        latest = [newest if member in known else None for member, newest in enumerate(self.latest)]
        return replace(self._standing(latest, self._changed(latest), forest, self.sequence), _told={})

    def standing_at(self, segments: Mapping[int, Segment]) -> Population:
        """Returns the population with members standing at these segments; the others where they are."""
        latest = [segments.get(member, newest) for member, newest in enumerate(self.latest)]
        return self._standing(latest, self._changed(latest), self.forest, self.sequence)

    def at_progress(self, step: int) -> Population:
        """Returns the population as it stood when the members' weights had seen at most `step` steps.

        Each member is represented by the newest segment on its ancestry that ends by then (unknown if there is none).
        Ranks are those of that time, but a member can donate only if it still can now: what is copied is its newest.
        """
        if self.most_steps <= step:
            return self
        latest = [
            s if s is None or s.end_step <= step else next((a for a in self.ancestry(s) if a.end_step <= step), None)
            for s in self.latest
        ]
        then = self._standing(latest, self._changed(latest), self.forest, self.sequence)
        return replace(then, donates_P=self.donates_P & np.isfinite(then.better_P))

    @cached_property
    def least_steps(self) -> int:
        """The fewest weight steps of a known member's newest segment."""
        return min((s.end_step for s in self.latest if s is not None), default=0)

    @cached_property
    def most_steps(self) -> int:
        """The most weight steps of a known member's newest segment."""
        return max((s.end_step for s in self.latest if s is not None), default=0)

    def at_generation(self, generation: int, since: int = 0) -> Population:
        """Returns the population in lockstep: every member stands at its newest ended segment up to a generation.

        Members that had gone further before `since` stand where they stood then: whoever asks joined the run later,
        they wait for it, and their older checkpoints are gone.

        Args:
            generation: The generation that whoever asks has ended.
            since: Sequence number at which it came to the run, or back to it; 0 where that is its beginning.
        """
        latest = [
            newest if newest is None else self.forest.get(lockstep_id(newest, generation, since))
            for newest in self.latest
        ]
        sequence = max((max(s.ended or 0, s.damaged or 0) for s in latest if s is not None), default=0)
        return self._standing(latest, self._changed(latest), self.forest, sequence)

    def with_ended(self, segments: Iterable[Segment], sequence: int) -> Population:
        """Returns the population after these segments, in their order, have ended.

        Those of members that the run has no more count for its records alone.
        """
        latest, forest, changed = list(self.latest), dict(self.forest), set()
        records = list(self.records)
        best = records[-1].better(self.mode) if records else -np.inf
        for segment in segments:
            better = segment.better(self.mode)
            is_rival = isinstance(segment.outcome, Finite) and better >= best
            if is_rival and (not records or segment.precedence(self.mode) > records[-1].precedence(self.mode)):
                records.append(segment)
                best = better
            if segment.member < self.size:
                latest[segment.member] = segment
                forest[segment.id] = segment
                changed.add(segment.member)
        ended = self._standing(latest, changed, forest, sequence)
        return ended if len(records) == len(self.records) else replace(ended, records=tuple(records))

    def with_records(self, segments: Iterable[Segment]) -> Population:
        """Returns the population with the records among all that has ended so far, given in the order of their ends."""
        blank = replace(self, latest=(), forest={}, records=())
        return replace(self, records=blank.with_ended(segments, self.sequence).records)

    def with_stands(
        self, stands: Iterable[Stand], sequence: int, read: Callable[[SegmentId], Segment], known: Segment
    ) -> Population:
        """Returns the population after these have changed, whose segments are read when they are first looked at.

        Args:
            stands: Of every member whose newest ended segment is another than before, or can be copied no more.
            sequence: The new snapshot's number.
            read: Returns an ended segment as decisions see it at that number.
            known: A segment that need not be read.
        """
        generations = list(self.latest.generations) if isinstance(self.latest, Latest) else [None] * self.size
        better_P, tie_P, donates_P = self.better_P.copy(), self.tie_P.copy(), self.donates_P.copy()
        columns = list(zip(*stands, strict=True))
        if columns:
            members, ended, scores, donate = columns
            better_P[list(members)] = [-np.inf if score is None else self.mode.orient(score) for score in scores]
            tie_P[list(members)] = ties(self.seed, members, ended)
            donates_P[list(members)] = donate
            for member, generation in zip(members, ended, strict=True):
                generations[member] = generation
        return replace(
            self,
            latest=Latest(generations, read, {known.id: known}),
            sequence=sequence,
            better_P=better_P,
            tie_P=tie_P,
            donates_P=donates_P,
        )

    def with_damaged(self, segments: Iterable[Segment]) -> Population:
        """Returns the population after the checkpoints of these segments were found damaged: nobody copies them."""
        found = {segment.id: segment for segment in segments}
        if not found:
            return self
        latest = [None if s is None else found.get(s.id, s) for s in self.latest]
        records = tuple(found.get(s.id, s) for s in self.records)
        stands = self._standing(latest, self._changed(latest), {**self.forest, **found}, self.sequence)
        return replace(stands, records=records)

    def _changed(self, latest: list[Segment | None]) -> list[int]:
        """Returns the members that stand at another segment in `latest`."""
        return [member for member, (new, old) in enumerate(zip(latest, self.latest, strict=True)) if new is not old]

    def _standing(
        self,
        latest: list[Segment | None],
        changed: Iterable[int],
        forest: Mapping[SegmentId, Segment],
        sequence: int,
    ) -> Population:
        """Returns the population with other newest segments; only the changed members' numbers are made anew."""
        better_P, tie_P, donates_P = self.better_P.copy(), self.tie_P.copy(), self.donates_P.copy()
        members = list(changed)
        stand = [latest[member] for member in members]
        better_P[members] = [np.nan if s is None else s.better(self.mode) for s in stand]
        tie_P[members] = ties(self.seed, members, [0 if s is None else s.generation for s in stand])
        donates_P[members] = [s is not None and s.can_donate for s in stand]
        return replace(
            self,
            latest=tuple(latest),
            forest=forest,
            sequence=sequence,
            better_P=better_P,
            tie_P=tie_P,
            donates_P=donates_P,
        )


def lockstep_id(newest: Segment, generation: int, since: int) -> SegmentId:
    """Returns where a member with this newest ended segment stands in `Population.at_generation`.

    Of those that had gone further, one segment may have been running when whoever asks joined, and none began after it.
    """
    is_ahead = newest.generation > generation and (newest.ended or 0) >= since
    return SegmentId(newest.member, max(generation, newest.generation - 1)) if is_ahead else newest.id
