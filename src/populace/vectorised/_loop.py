"""The generation loop: train all members, evaluate, decide from one snapshot, copy rows, go on.

The host decides with the same pure code as every worker; the device copies rows. What has ended is written behind, once
there are checkpoints it can stand on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import jax

from populace.core import RunSpec
from populace.store import Ending
from populace.vectorised._backlog import Backlog
from populace.vectorised._block import Turn
from populace.vectorised._chunks import Chunks
from populace.vectorised._endings import Endings, plan_of
from populace.vectorised._interval_keys import IntervalKeys
from populace.vectorised._rows import Rows
from populace.vectorised._standing import Begun, Standing


@final
class Loop:
    """Trains members, all level, until they are done.

    Args:
        spec: The run.
        members: Who trains.
        steps: Member steps that each has trained.
        standing: Where they stand.
        rows: Their states.
        backlog: Holds what has ended.
        chunks: Chooses how many members train in one call.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        members: Sequence[int],
        steps: int,
        standing: Standing,
        rows: Rows,
        backlog: Backlog,
        chunks: Chunks,
    ) -> None:
        self._spec = spec
        self._members = members
        self._steps = steps
        self._standing = standing
        self._rows = rows
        self._backlog = backlog
        self._chunks = chunks
        self._keys = IntervalKeys(spec.seed, members)

    def run(self, watch: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """Trains until the members are done or the run is to stop.

        Raises:
            RunFailed: The run cannot go on.
            StoreError: What has ended cannot be written.
        """
        try:
            while self._steps < self._spec.steps and not stopping():
                self._generation()
                if self._backlog.is_due:
                    self._backlog.write(self._rows)
                watch()
        finally:
            self._backlog.wait()
        if len(self._backlog):
            self._backlog.write(self._rows)
            self._backlog.wait()

    def _generation(self) -> None:
        num_steps = min(self._spec.interval, self._spec.steps - self._steps)
        self._standing.check_hope(self._backlog.best)
        begun = self._standing.begin(num_steps)
        self._rows.move(begun.sources)
        for member, hyperparameters in begun.anew.items():
            self._rows.begin_anew(member, hyperparameters)
        generations = self._standing.generations()
        plan = plan_of(num_steps, self._spec.evaluate_every)
        told = self._chunks.train(self._rows, self._turns(begun, generations), plan)
        self._keys.of([g + 1 for g in generations])  # ahead, while the device trains
        endings = self._endings(Endings(self._spec, plan), begun, generations, jax.device_get(told))
        self._end(begun, endings, num_steps)

    def _turns(self, begun: Begun, generations: list[int]) -> list[Turn]:
        active = self._spec.space.active
        return [
            Turn(member, active(draft.hyperparameters), key_2, draft.start_step)
            for (member, draft), key_2 in zip(begun.drafts.items(), self._keys.of(generations), strict=True)
        ]

    def _endings(
        self, endings: Endings, begun: Begun, generations: Sequence[int], told: Sequence[tuple[Sequence[int], Any]]
    ) -> dict[int, Ending]:
        of = dict(zip(self._members, generations, strict=True))
        made: dict[int, Ending] = {}
        for members, metrics in told:
            rows_ME = {name: values.reshape(-1, values.shape[-1]) for name, values in metrics.items()}
            made |= endings.of(members, rows_ME, begun.drafts, of)
        return {member: made[member] for member in self._members}

    def _end(self, begun: Begun, endings: Mapping[int, Ending], num_steps: int) -> None:
        best = self._backlog.add(begun.drafts, endings)
        if best is not None:
            self._backlog.hold(best, self._rows.take(best.member))
        self._standing.end(begun, endings, self._steps)
        self._steps += num_steps
