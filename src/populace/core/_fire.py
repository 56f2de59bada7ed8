"""FIRE PBT: a population that is judged by how fast its members improve, not by where they are.

Dalibard and Jaderberg 2021 (arXiv 2109.13800). Plain PBT is greedy: it keeps what helps now, such as a small learning
rate, and loses what would have helped later. Here the members have three roles:

* the *greedy* ones are an ordinary PBT on the score;
* the *patient* ones are never compared by their score. Each is judged by what its weights would become in the hands
  of the greedy ones:
* an *evaluator* copies the weights of the patient member that has waited longest, takes the hyperparameters of the
  best greedy member, and trains on. The rise of its curve is what the patient member is worth (`_curves`).

Patient members that are worth least copy the best of those that are being evaluated, and explore. And where an
evaluator is getting higher than the greedy member whose hyperparameters it took, beyond chance, that member takes its
weights: so what patience has found reaches the population that is greedy.

An evaluator gives up when its curve still does not overlap with that of the greedy member after `evaluations`
measurements, when fewer of its measurements win than a level asks for that falls to 0.01 by then, or when one of the
two members has copied somebody meanwhile.

It needs about 22 members (8 greedy, 8 patient, 6 evaluators), and several evaluations in an interval
(`evaluate_every`), since fewer than seven say nothing.

Departures, also from the code of PBT-Zoo, which settles what the paper leaves open: one patient population, as there;
roles go round by member, so that a population that grows moves nobody; the length of an evaluation is counted in
measurements; a curve counts from seven of them on; an evaluator that has won is freed when it sees that its weights
were taken, an interval later; one that finds nobody to evaluate trains on with what it has; the best of all members
is the run's answer, whatever its role; a member without a finite score is replaced by anybody's clone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import final

from populace._errors import UsageError
from populace.core._curves import Curve, gain, overlap_of, p_of_wins
from populace.core._decision import Continue, Decision, Exploit
from populace.core._looks import Looks
from populace.core._pbt import PBT
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._score import Finite
from populace.core._segment import Segment, SegmentId, Why
from populace.core._whole import check_whole, is_number
from populace.core.exploit import Truncation
from populace.core.explore import ExploreStrategy, FunctionExplore, Perturb, PlainExplore
from populace.space import Hyperparameters, Key

_DEPTH = 64
_MEMORY = 256
_FEWEST = 7
_LEVEL = 0.01
_CLOSE = 1e-9


class Role(Enum):
    """What a member is for."""

    GREEDY = "greedy"
    PATIENT = "patient"
    EVALUATOR = "evaluator"


# 8 + 8 + 6 of 22 members and 3 + 3 + 2 of 8, as in PBT-Zoo.
_ROLES = tuple(Role(word) for word in ("greedy", "patient", "evaluator", "greedy", "patient"))
_ROLES += tuple(Role(word) for word in ("greedy", "patient", "evaluator", "greedy", "patient", "evaluator"))


class Does(Enum):
    """What a segment was begun for, as the log has it."""

    COPIES = "copies"
    EVALUATES = "evaluates"
    GOES_ON = "goes on"
    TAKES = "takes"


@final
@dataclass(frozen=True, kw_only=True)
class Evaluating:
    """An evaluator at work."""

    newest: Segment
    """Its newest segment."""
    parent: SegmentId
    """The patient member's segment whose weights it began with."""
    child: SegmentId
    """The greedy member's segment whose hyperparameters it has."""
    curve: Curve
    """What it has measured since."""


@final
@dataclass(frozen=True, kw_only=True)
class _Board:
    """What all members see in one snapshot."""

    at_work: Mapping[int, Evaluating]
    """Evaluators that go on, by member."""
    assigned: Mapping[int, int]
    """Which patient member each free evaluator takes next."""
    greedy: Sequence[int]
    """Known greedy members, best first."""
    child: Segment | None
    """The best greedy member's newest segment."""
    winners: Mapping[int, Evaluating]
    """By greedy member, the evaluator whose weights it takes."""
    worth: Mapping[int, float]
    """By patient member that is evaluated, how much faster it improves than the others."""


@final
@dataclass(frozen=True, kw_only=True)
class FirePBT(Policy):
    """Greedy members, patient members that are judged by improvement, and evaluators who measure that.

    Attributes:
        evaluations: Measurements after which an evaluator that has not shown anything gives up, at least 7; with ten in
            an interval, 30 are the three intervals of PBT-Zoo.
        tail: Share of the greedy, and of the patient members, that copy at a ready point, in (0, 0.5].
        explore: How copied hyperparameters change; a plain function works too.
        initial: As in `PBT`.
    """

    evaluations: int = 30
    tail: float = 0.25
    explore: ExploreStrategy | PlainExplore = field(default_factory=lambda: Perturb((0.5, 2.0)))
    initial: Sequence[Hyperparameters] = ()

    def __post_init__(self) -> None:
        check_whole("evaluations", self.evaluations, _FEWEST, "fewer measurements cannot show that one curve is higher")
        if not is_number(self.tail) or not 0 < self.tail <= 0.5:
            raise UsageError(f"`0 < tail <= 0.5` must hold, but got FirePBT(tail={self.tail!r}): 0.25 is usual")
        if not isinstance(self.explore, ExploreStrategy):
            if not callable(self.explore):
                raise UsageError(
                    f"`explore` must be a strategy such as Perturb() or a function, but got {self.explore!r}"
                )
            object.__setattr__(self, "explore", FunctionExplore(self.explore))
        object.__setattr__(self, "initial", self._rescue.initial)

    @staticmethod
    def role(member: int) -> Role:
        """Returns what a member is for."""
        return _ROLES[member % len(_ROLES)]

    def looks(self, size: int) -> Looks:
        return Looks(memory=_MEMORY, depth=_DEPTH)

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return tuple(self.initial)

    @property
    def shrinks(self) -> bool:
        return False

    def warnings(self, size: int) -> list[str]:
        counts = {role: sum(self.role(m) is role for m in range(size)) for role in Role}
        if counts[Role.GREEDY] >= 3 and counts[Role.EVALUATOR] >= 2:
            return []
        told = ", ".join(f"{count} {role.value}" for role, count in counts.items())
        return [f"FirePBT needs at least 8 members, better 22: of {size} it makes {told}"]

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        if not isinstance(segment.outcome, Finite):
            return _marked(self._rescue.decide(population, segment, key), {})
        board = population.once((FirePBT, "board"), self._board)
        match self.role(segment.member):
            case Role.GREEDY:
                return self._as_greedy(population, board, segment, key)
            case Role.PATIENT:
                return self._as_patient(population, board, segment, key)
            case Role.EVALUATOR:  # pragma: no branch - the roles end here
                return self._as_evaluator(population, board, segment)

    @property
    def _rescue(self) -> PBT:
        """What becomes of members without a finite score."""
        return PBT(exploit=Truncation(self.tail), explore=self.explore, initial=self.initial)

    def _as_greedy(self, population: Population, board: _Board, segment: Segment, key: Key) -> Decision:
        why: Why = {"rule": "fire", "role": Role.GREEDY.value, "score": segment.score}
        decision = self._truncated(population, board.greedy, segment, key, why)
        winner = board.winners.get(segment.member)
        if isinstance(decision, Exploit) or winner is None:
            return decision
        donor = winner.newest
        return Exploit(
            donor=donor.id,
            copies_weights=True,
            hyperparameters=segment.hyperparameters,
            why={**why, "does": Does.TAKES.value, "donor": str(donor.id), "donor_score": donor.score},
        )

    def _as_patient(self, population: Population, board: _Board, segment: Segment, key: Key) -> Decision:
        why: Why = {"rule": "fire", "role": Role.PATIENT.value, "score": segment.score}
        order = sorted(board.worth, key=lambda m: (-board.worth[m], m))
        if segment.member in board.worth:
            why = {**why, "worth": board.worth[segment.member]}
        return self._truncated(population, order, segment, key, why)

    def _truncated(
        self, population: Population, order: Sequence[int], segment: Segment, key: Key, why: Why
    ) -> Continue | Exploit:
        """Returns what a member of a group does whose members are known in this order, best first."""
        role = self.role(segment.member)
        num_members = sum(self.role(m) is role for m in range(population.size))
        k = min(max(1, int(self.tail * num_members + _CLOSE)), len(order) // 2)
        if segment.member in order:
            why = {**why, "rank": order.index(segment.member) + 1, "of": len(order), "k": k}
        donors = [m for m in order[:k] if population.can_donate(m)]
        if segment.member not in order[len(order) - k :] or not donors:
            return Continue(hyperparameters=segment.hyperparameters, why={**why, "does": Does.GOES_ON.value})
        donor = population.latest[donors[int(key.fold("exploit").generator().integers(len(donors)))]]
        assert donor is not None, "who is ranked has ended a segment"
        assert isinstance(self.explore, ExploreStrategy)
        return Exploit(
            donor=donor.id,
            copies_weights=True,
            hyperparameters=self.explore.explore(donor.hyperparameters, population.space, key.fold("explore")),
            why={**why, "does": Does.COPIES.value, "donor": str(donor.id), "donor_score": donor.score},
        )

    def _as_evaluator(self, population: Population, board: _Board, segment: Segment) -> Decision:
        why: Why = {"rule": "fire", "role": Role.EVALUATOR.value, "score": segment.score}
        at_work = board.at_work.get(segment.member)
        if at_work is not None:
            ids = {"parent": str(at_work.parent), "child": str(at_work.child)}
            return _marked(Continue(hyperparameters=segment.hyperparameters, why=why), ids)
        parent = population.latest[board.assigned[segment.member]] if segment.member in board.assigned else None
        if parent is None or board.child is None:
            return _marked(Continue(hyperparameters=segment.hyperparameters, why=why), {})
        child = board.child
        told = {"parent": str(parent.id), "child": str(child.id), "hyperparameters": str(child.id)}
        return Exploit(
            donor=parent.id,
            copies_weights=True,
            hyperparameters=child.hyperparameters,
            source=child.id,
            why={**why, "does": Does.EVALUATES.value, **told, "donor": str(parent.id), "donor_score": parent.score},
        )

    def _board(self, population: Population) -> _Board:
        at_work: dict[int, Evaluating] = {}
        winners: dict[int, tuple[float, Evaluating]] = {}
        for member in _members(population, Role.EVALUATOR):
            newest = population.latest[member]
            ids = [None if newest is None else newest.why.get(name) for name in ("parent", "child")]
            if newest is None or not isinstance(newest.outcome, Finite) or not all(isinstance(id, str) for id in ids):
                continue
            parent, child = (SegmentId.parse(str(id)) for id in ids)
            if _has_copied(population, parent) or _has_copied(population, child):
                continue
            curve, rival = (population.of_one((FirePBT, "curve"), m, curve_of) for m in (member, child.member))
            if curve is None or rival is None:
                continue
            one = Evaluating(newest=newest, parent=parent, child=child, curve=curve)
            if self.gives_up(curve, rival):
                continue
            at_work[member] = one
            ahead = gain(curve, rival)
            if ahead > 0 and p_of_wins(curve, rival) < _LEVEL and population.can_donate(member):
                best = winners.get(child.member)
                winners[child.member] = (ahead, one) if best is None or ahead > best[0] else best
        greedy = [int(m) for m in population.ranking if self.role(int(m)) is Role.GREEDY]
        return _Board(
            at_work=at_work,
            assigned=self._assigned(population, at_work),
            greedy=greedy,
            child=next((population.latest[m] for m in greedy if population.can_donate(m)), None),
            winners={child: one for child, (_, one) in winners.items()},
            worth=_worth(at_work),
        )

    def gives_up(self, curve: Curve, rival: Curve) -> bool:
        """Returns whether an evaluator with this curve has shown that it will not get higher than the greedy one."""
        if overlap_of(curve, rival) is None:
            return len(curve) >= self.evaluations
        return p_of_wins(curve, rival) > self.level_at(len(curve))

    def level_at(self, num_measured: int) -> float:
        """Returns the probability of chance above which an evaluator gives up after so many measurements."""
        return _LEVEL + max(0.0, 1 - num_measured / self.evaluations)

    def _assigned(self, population: Population, at_work: Mapping[int, Evaluating]) -> dict[int, int]:
        """Returns which patient member each free evaluator takes: those that have waited longest."""
        taken = {one.parent.member for one in at_work.values()}
        waiting = [m for m in _members(population, Role.PATIENT) if m not in taken and population.can_donate(m)]
        since = _evaluated_at(population)
        order = sorted(waiting, key=lambda m: (since.get(m, -1) - _generation(population, m), m))
        free = [m for m in _members(population, Role.EVALUATOR) if m not in at_work]
        return dict(zip(free, order, strict=False))


def curve_of(population: Population, segment: Segment) -> Curve | None:
    """Returns what was measured since the weights of a segment were copied or put to the test; None without a number.

    Weights that were taken from an evaluator bring its curve with them.
    """
    scores: list[float] = []
    for ancestor in population.ancestry(segment):
        scores.extend(population.mode.orient(e.score) for e in reversed(ancestor.evaluations))
        if ancestor.why.get("does") in (Does.COPIES.value, Does.EVALUATES.value) or len(scores) >= _MEMORY:
            break
    finite = [score for score in scores[:_MEMORY] if abs(score) < float("inf")]
    return Curve.of(finite[::-1]) if finite else None


def _members(population: Population, role: Role) -> list[int]:
    return [m for m, s in enumerate(population.latest) if s is not None and FirePBT.role(m) is role]


def _generation(population: Population, member: int) -> int:
    newest = population.latest[member]
    return -1 if newest is None else newest.generation


def _has_copied(population: Population, id: SegmentId) -> bool:
    """Returns whether a member has copied anybody since a segment of its life, begun anew, or left the run."""
    if id.member >= population.size:
        return True  # it has left the run
    newest = _generation(population, id.member)
    later = (SegmentId(id.member, g) for g in range(max(id.generation + 1, newest - _DEPTH + 1), newest + 1))
    return any((s := population.forest.get(one)) is not None and _is_begun_elsewhere(s) for one in later)


def _is_begun_elsewhere(segment: Segment) -> bool:
    return segment.donor is not None or segment.parent is None


def _evaluated_at(population: Population) -> dict[int, int]:
    """Returns by patient member the generation at which its wait began: its last evaluation, or its last copy."""
    since: dict[int, int] = {}
    for segment in population.lives(_DEPTH):
        role, does = FirePBT.role(segment.member), segment.why.get("does")
        if role is Role.EVALUATOR and does == Does.EVALUATES.value and segment.donor is not None:
            since[segment.donor.member] = max(since.get(segment.donor.member, -1), segment.donor.generation)
        if role is Role.PATIENT and segment.donor is not None:
            since[segment.member] = max(since.get(segment.member, -1), segment.generation)
    return since


def _worth(at_work: Mapping[int, Evaluating]) -> dict[int, float]:
    """Returns by patient member how much higher its evaluator gets than those of the others, summed."""
    curves: dict[int, Curve] = {}
    for member in sorted(at_work):
        one = at_work[member]
        if len(one.curve) >= _FEWEST:
            curves.setdefault(one.parent.member, one.curve)
    return {m: sum(gain(a, b) for other, b in curves.items() if other != m) for m, a in curves.items()}


def _marked(decision: Decision, more: Mapping[str, object]) -> Decision:
    """Returns a decision that says what its segment is begun for."""
    does = Does.COPIES if isinstance(decision, Exploit) else Does.GOES_ON
    return replace(decision, why={**decision.why, "does": does.value, **more})
