"""What simulated members train: a state that remembers how it came about.

The state is a chain of hashes over everything that a step depends on: the state before, the hyperparameters, the key.
So a state tells whether weights and hyperparameters of different segments were ever mixed, whether a step was lost or
done twice, and the state that a segment must end with follows from the log alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from populace.core import RunSpec, Segment
from populace.space import Key
from populace.worker import Member

_HEX = 24
_SCALE = float(16**8)


class StepError(Exception):
    """What the simulated user's code raises."""


@final
@dataclass(frozen=True, kw_only=True)
class Toy:
    """The simulated user's code."""

    seed: int
    """What scores are drawn from."""
    levels: int
    """Number of different scores; few make ties."""
    p_diverge: float
    """Probability that a segment ends without a finite score."""
    hopeless: bool
    """Whether no segment has a finite score."""
    cursed: frozenset[int]
    """Members whose code always fails."""

    def first(self, member: int, key: Key) -> str:
        """Returns the chain of a member that has not trained."""
        return _hash(f"init {self.seed} {key.path}")

    def next(self, chain: str, hyperparameters: Mapping[str, object], key: Key) -> str:
        """Returns the chain after one more step."""
        return _hash(f"{chain} {sorted(hyperparameters.items())} {key.path}")

    def score(self, chain: str, member: int, generation: int, step: int) -> float | None:
        """Returns what is reported: a number, NaN, infinite, or nothing."""
        drawn = int(_hash(f"{self.seed} {member} {generation}")[:8], 16) / _SCALE
        if self.hopeless or drawn < self.p_diverge:
            bad = (math.nan, math.inf, -math.inf, None)
            return bad[int(_hash(f"bad {self.seed} {member} {generation}")[:8], 16) % len(bad)]
        return 0.1 * step + int(int(chain[:8], 16) / _SCALE * self.levels) / self.levels

    def loop(self, turn: Callable[[Member], None]) -> Callable[[Member], None]:
        """Returns the training loop.

        Args:
            turn: Called at every step; it may raise.
        """

        def train(member: Member) -> None:
            holder = {"chain": self.first(member.id, member.key), "steps": 0}
            member.track(toy=holder)
            for step in member:
                generation = member.key.path[1]
                turn(member)
                if member.id in self.cursed:
                    raise StepError("cursed")
                holder["chain"] = self.next(str(holder["chain"]), member.hyperparameters, member.key)
                holder["steps"] = step + 1
                score = self.score(str(holder["chain"]), member.id, generation, step + 1)
                if member.evaluation_due and score is not None:
                    member.report(score)

        return train


@final
class Truth:
    """The states that segments must end with, derived from what the log says of them.

    Args:
        toy: The code.
        spec: The run.
    """

    def __init__(self, toy: Toy, spec: RunSpec) -> None:
        self._toy = toy
        self._spec = spec
        self._chains: dict[tuple[int, int], str] = {}

    def chain(self, segment: Segment) -> str | None:
        """Returns the chain after a segment; None where that of its parent is unknown."""
        member, generation = segment.id
        if segment.parent is None:
            chain = self._toy.first(member, self._spec.init_key(member, generation))
        elif segment.parent in self._chains:
            chain = self._chains[segment.parent]
        else:
            return None
        key = Key(self._spec.seed).fold(member, generation, "step")
        for step in range(segment.start_step, segment.end_step):
            chain = self._toy.next(chain, segment.hyperparameters, key.fold(step))
        self._chains[segment.id] = chain
        return chain

    def score(self, segment: Segment) -> float | None:
        """Returns what must have been reported last."""
        return self._toy.score(self._chains[segment.id], *segment.id, segment.end_step)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX]
