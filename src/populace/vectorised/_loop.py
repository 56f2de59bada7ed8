"""The generation loop: train all members, evaluate, decide from one snapshot, copy rows, go on.

The host decides with the same pure code as every worker; the device copies rows. While the device trains, the host
makes the keys of the next generation. What has ended is written behind, once there are checkpoints it can stand on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import jax
import numpy as np

from populace._errors import RunFailed
from populace.core import (
    Decision,
    Evaluation,
    Exploit,
    Finite,
    Retire,
    RunSpec,
    Segment,
    SegmentId,
    Start,
    Wait,
    outcome_of,
)
from populace.jax import SCORE
from populace.space import Key
from populace.store import Claim, Draft, Ending, Trained
from populace.vectorised._block import Turn
from populace.vectorised._chunks import Chunks
from populace.vectorised._rows import Rows
from populace.vectorised._standing import Standing
from populace.vectorised._writer import Batch, Writer
from populace.worker import hopeless, score_name

_WRITE_EVERY_S = 1.0
_WRITE_SHARE = 0.05


@final
class Loop:
    """Trains claimed members, all level, until they are done.

    Args:
        spec: The run.
        claims: The members.
        standing: Where they stand.
        rows: Their states.
        writer: Writes what has ended.
        chunks: Chooses how many members train in one call.
        checkpoint_every: Generations between checkpoints; None: so that writing takes little time.
        best: The best segment so far.
        best_state: Its state, where the policy may copy it.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        claims: Sequence[Claim],
        standing: Standing,
        rows: Rows,
        writer: Writer,
        chunks: Chunks,
        checkpoint_every: int | None,
        best: Segment | None,
        best_state: Any = None,
    ) -> None:
        self._spec = spec
        self._claims = claims
        self._members = [claim.member for claim in claims]
        self._steps = claims[0].steps
        self._standing = standing
        self._rows = rows
        self._writer = writer
        self._chunks = chunks
        self._checkpoint_every = checkpoint_every
        self._best = -math.inf if best is None else best.better(spec.mode)
        self._best_state: tuple[SegmentId, Any] | None = None
        self._copied_best = best_state
        self._unwritten: list[list[Trained]] = []
        self._written_at = time.perf_counter()
        self._keys: dict[tuple[int, int], np.ndarray] = {}

    def run(self, watch: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """Trains until the members are done or the run is to stop.

        Raises:
            RunFailed: The run cannot go on.
            StoreError: What has ended cannot be written.
        """
        try:
            while self._steps < self._spec.steps and not stopping():
                self._generation()
                if self._is_due():
                    self._write()
                watch()
        finally:
            self._writer.wait()
        if self._unwritten:
            self._write()
            self._writer.wait()

    def _generation(self) -> None:
        num_steps = min(self._spec.interval, self._spec.steps - self._steps)
        known = [member for member in self._members if self._standing.newest(member) is not None]
        decisions = self._without_retired(self._decided(known))
        if not self._members:
            self._steps = self._spec.steps
            return
        drafts = {m: self._standing.draft(m, _going_on(decisions.get(m)), num_steps) for m in self._members}
        self._move(decisions)
        places = {m: self._generation_of(m) for m in self._members}
        active = self._spec.space.active
        turns = [
            Turn(
                row=member,
                hyperparameters=active(draft.hyperparameters),
                key_2=self._key(member, places[member]),
                start_step=draft.start_step,
            )
            for member, draft in drafts.items()
        ]
        plan = _plan(num_steps, self._spec.evaluate_every)
        told = self._chunks.train(self._rows, turns, plan)
        # The device trains on; meanwhile:
        self._keys = {(m, g + 1): self._make_key(m, g + 1) for m, g in places.items()}
        endings = self._endings(drafts, places, plan, jax.device_get(told))
        ended = self._standing.end(drafts, endings, self._steps)
        self._steps += num_steps
        self._unwritten.append([Trained(member=m, draft=drafts[m], ending=endings[m]) for m in drafts])
        self._note_best(ended)

    def _decided(self, known: Sequence[int]) -> dict[int, Decision]:
        population = self._standing.population
        if known and population.num_unknown == 0 and not any(map(math.isfinite, population.better_P)):
            newest = self._standing.newest(known[0])
            if self._best == -math.inf and newest is not None:
                raise hopeless(self._spec, newest)
        try:
            return self._standing.decide(known)
        except AssertionError:
            raise
        except Exception as error:
            raise RunFailed(f"the policy could not decide: {type(error).__name__}: {error}") from error

    def _without_retired(self, decisions: Mapping[int, Decision]) -> Mapping[int, Decision]:
        """Ends the members that the policy ends, and returns the decisions on the others."""
        ended = {m: decision for m, decision in decisions.items() if isinstance(decision, Retire)}
        if not ended:
            return decisions
        if self._unwritten:
            self._write()
        self._writer.wait()
        for claim in self._claims:
            if claim.member in ended:
                self._writer.retire(claim, ended[claim.member].why)
        self._claims = [claim for claim in self._claims if claim.member not in ended]
        self._members = [claim.member for claim in self._claims]
        return {m: decision for m, decision in decisions.items() if m not in ended}

    def _move(self, decisions: Mapping[int, Decision]) -> None:
        """Gives clones the weights of their donors."""
        sources = {m: d.donor.member for m, d in decisions.items() if isinstance(d, Exploit) and d.copies_weights}
        self._rows.move({m: source for m, source in sources.items() if not self._is_of_the_past(decisions[m])})
        for member in sources:
            if self._is_of_the_past(decisions[member]):
                self._rows.put(member, self._copied_best)
        for member, decision in decisions.items():
            if isinstance(decision, Start):
                self._rows.begin_anew(SegmentId(member, self._generation_of(member)), decision.hyperparameters)

    def _is_of_the_past(self, decision: Decision) -> bool:
        """Whether a decision copies the best segment of the run, which its member has left behind since."""
        if not isinstance(decision, Exploit):
            return False
        newest = self._standing.newest(decision.donor.member)
        return newest is None or newest.id != decision.donor

    def _generation_of(self, member: int) -> int:
        newest = self._standing.newest(member)
        return 0 if newest is None else newest.generation + 1

    def _key(self, member: int, generation: int) -> np.ndarray:
        made = self._keys.get((member, generation))
        return self._make_key(member, generation) if made is None else made

    def _make_key(self, member: int, generation: int) -> np.ndarray:
        return Key(self._spec.seed).fold(member, generation, "interval").words()

    def _endings(
        self,
        drafts: Mapping[int, Draft],
        places: Mapping[int, int],
        plan: Sequence[int],
        told: Sequence[tuple[Sequence[int], Mapping[str, np.ndarray]]],
    ) -> dict[int, Ending]:
        after = np.cumsum(plan).tolist()
        endings = {}
        for members, metrics in told:
            named = SCORE not in metrics
            name = score_name(self._spec.metric, metrics) if named else SCORE
            by_name = {n: v.reshape(-1, v.shape[-1])[: len(members)].tolist() for n, v in metrics.items()}
            for place, member in enumerate(members):
                start = drafts[member].start_step
                evaluations = tuple(
                    Evaluation(
                        step=start + done,
                        score=by_name[name][place][e],
                        metrics=self._metrics({n: values[place][e] for n, values in by_name.items()}, named),
                    )
                    for e, done in enumerate(after)
                )
                endings[member] = Ending(
                    generation=places[member],
                    outcome=outcome_of(evaluations[-1].score),
                    evaluations=evaluations,
                    checkpoint=None,
                    checkpoint_bytes=0,
                )
        return {member: endings[member] for member in drafts}

    def _metrics(self, values: dict[str, float], named: bool) -> dict[str, float]:
        if named:
            return values
        return {} if self._spec.metric is None else {self._spec.metric: values[SCORE]}

    def _note_best(self, ended: Sequence[Segment]) -> None:
        """Keeps a copy of the best state, which nothing else may hold when it is to be saved."""
        for segment in ended:
            better = segment.better(self._spec.mode)
            if isinstance(segment.outcome, Finite) and better > self._best:
                self._best, self._best_state = better, (segment.id, None)
        if self._best_state is not None and self._best_state[1] is None:
            id = self._best_state[0]
            self._best_state = id, self._rows.take(id.member)
            if self._spec.policy.needs_best:
                self._copied_best = self._best_state[1]

    def _is_due(self) -> bool:
        if self._checkpoint_every is not None:
            return len(self._unwritten) >= self._checkpoint_every
        waited = time.perf_counter() - self._written_at
        return not self._writer.is_busy and waited >= max(_WRITE_EVERY_S, self._writer.last_s / _WRITE_SHARE)

    def _write(self) -> None:
        self._writer.wait()  # two copies of the population would be one too many
        frozen = self._rows.copied()
        states: dict[SegmentId, Callable[[], Any]] = {
            SegmentId(one.member, one.ending.generation): frozen[one.member] for one in self._unwritten[-1]
        }
        if self._best_state is not None and self._best_state[0] not in states:
            id, state = self._best_state
            states[id] = lambda: state
        self._best_state = None
        self._writer.write(Batch(claims=self._claims, generations=self._unwritten, states=states))
        self._unwritten = []
        self._written_at = time.perf_counter()


def _going_on(decision: Decision | None) -> Any:
    assert not isinstance(decision, Wait | Retire), "nobody fails in a program, and all starts end at once"
    return decision


def _plan(num_steps: int, evaluate_every: int | None) -> tuple[int, ...]:
    """Returns the steps before each evaluation of an interval."""
    every = num_steps if evaluate_every is None else evaluate_every
    whole, rest = divmod(num_steps, every)
    return (*[every] * whole, *([rest] if rest else []))
