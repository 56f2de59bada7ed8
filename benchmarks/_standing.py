"""What decisions cost where nothing trains: of everybody at once in lockstep, and of one member in a crowd."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

import populace
from populace.core import Evaluation, Exploit, RunSpec, Segment, SegmentId, decide, decision_key, outcome_of, parent_of
from populace.space import LogUniform, Space
from populace.store import Changes, Claim, Draft, Ending
from populace.vectorised._standing import Standing
from populace.worker._view import View

_SPACE = Space({"lr": LogUniform(1e-5, 1e-1), "decay": LogUniform(1e-6, 1e-2)})
_NOISE = 0.02


class _Log:
    """A log that tells what has ended since it was last asked."""

    def __init__(self) -> None:
        self._new: list[Segment] = []
        self._sequence = 0

    def end(self, segments: Iterable[Segment]) -> None:
        """Notes segments that have ended together."""
        self._new += segments
        self._sequence += 1

    def snapshot(self, after: int = 0) -> Changes:
        """Returns what is new."""
        new, self._new = tuple(self._new), []
        return Changes(sequence=self._sequence, ended=new, damaged=())


def lockstep_ms(policy: populace.Policy, size: int, generations: int = 40) -> float:
    """Returns the processor time of a generation's decisions and of noting how it ended, in milliseconds."""
    spec = _spec(policy, size)
    claims = [Claim(member=m, epoch=1, worker="", steps=0, newest=None, running=None) for m in range(size)]
    standing = Standing(_Log(), spec, claims)  # type: ignore[arg-type]  # a snapshot is all that it asks for
    luck, spent = np.random.default_rng(0), []
    for generation in range(generations):
        began = time.thread_time()
        begun = standing.begin(1)
        decided = time.thread_time() - began
        endings = {m: _ending(m, generation, draft, luck) for m, draft in begun.drafts.items()}
        began = time.thread_time()
        standing.end(begun, endings, generation)
        spent.append(decided + time.thread_time() - began)
    return 1e3 * float(np.median(spent[10:]))


def crowd_ms(policy: populace.Policy, size: int, decisions: int = 200, depth: int = 10) -> float:
    """Returns the processor time of one asynchronous decision, from what has ended since the last, in milliseconds."""
    spec, log, luck = _spec(policy, size), _Log(), np.random.default_rng(0)
    draft = Draft(
        parent=None, donor=None, start_step=0, num_steps=1, hyperparameters={}, why={}, snapshot=0
    )  # of a first segment
    newest: dict[int, Segment] = {}
    for generation in range(depth):
        newest = {m: _segment(m, generation, newest.get(m), draft, spec, luck) for m in range(size)}
        log.end(newest.values())
    view, spent = View(log, spec), []  # type: ignore[arg-type]  # as above
    for turn in range(decisions):
        member = turn % size
        began = time.thread_time()
        key = decision_key(spec.seed, member, newest[member].generation + 1)
        answer = decide(view.after(newest[member]), member, policy, key)
        spent.append(time.thread_time() - began)
        parent = newest[answer.donor.member] if isinstance(answer, Exploit) else newest[member]
        assert parent_of(answer, newest[member]) == parent.id  # type: ignore[arg-type]  # nobody waits or retires
        segment = _segment(member, newest[member].generation + 1, parent, draft, spec, luck)
        newest[member] = segment
        log.end([segment])
    return 1e3 * float(np.median(spent[5:]))


def _spec(policy: populace.Policy, size: int) -> RunSpec:
    return RunSpec(name="bench", space=_SPACE, policy=policy, seed=0, population=size, steps=100)


def _ending(member: int, generation: int, draft: Draft, luck: np.random.Generator) -> Ending:
    score = float(0.01 * generation + 0.001 * member + _NOISE * luck.standard_normal())
    evaluation = Evaluation(step=draft.start_step + 1, score=score, metrics={})
    return Ending(
        generation=generation, outcome=outcome_of(score), evaluations=(evaluation,), checkpoint=None, checkpoint_bytes=0
    )


def _segment(
    member: int, generation: int, parent: Segment | None, draft: Draft, spec: RunSpec, luck: np.random.Generator
) -> Segment:
    ending = _ending(member, generation, draft, luck)
    return Segment(
        member=member,
        generation=generation,
        parent=None if parent is None else SegmentId(parent.member, parent.generation),
        donor=None,
        start_step=generation,
        end_step=generation + 1,
        member_start=generation,
        hyperparameters=spec.space.sample(decision_key(0, member, 0)),
        why={},
        snapshot=0,
        begun=0,
        ended=1,
        outcome=ending.outcome,
        evaluations=ending.evaluations,
        checkpoint_kept=True,
    )
