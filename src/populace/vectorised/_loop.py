"""The generation loop: train all members, evaluate, decide from one snapshot, copy rows, go on.

The host decides with the same pure code as every worker; the device copies rows. What has ended is written behind, once
there are checkpoints it can stand on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import final

import jax
import numpy as np

from populace._errors import RunFailed
from populace.core import RunSpec, SegmentId, Why
from populace.vectorised._backlog import Backlog
from populace.vectorised._calls import Calls
from populace.vectorised._chunks import Chunks
from populace.vectorised._garbage import set_aside
from populace.vectorised._generation import Begun
from populace.vectorised._interval_keys import IntervalKeys
from populace.vectorised._layout import Turn
from populace.vectorised._measured import Measured, by_member, plan_of
from populace.vectorised._rows import Rows
from populace.vectorised._standing import Standing


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
        chunks: Chooses how many members train at a time.
        calls: Chooses how many generations a call trains.
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
        calls: Calls,
    ) -> None:
        self._spec = spec
        self._members = members
        self._steps = steps
        self._standing = standing
        self._rows = rows
        self._backlog = backlog
        self._chunks = chunks
        self._calls = calls
        self._keys = IntervalKeys(spec.seed, members)
        self._is_prepared = False

    def run(self, watch: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """Trains until the members are done or the run is to stop.

        Raises:
            RunFailed: The run cannot go on.
            StoreError: What has ended cannot be written.
        """
        try:
            self._advance(watch, stopping)  # before: it compiles the programs, which stay
            with set_aside():
                while self._advance(watch, stopping):
                    pass
        finally:
            self._backlog.wait()
        if len(self._backlog):
            self._backlog.write(self._rows)
            self._backlog.wait()

    def _advance(self, watch: Callable[[], None], stopping: Callable[[], bool]) -> bool:
        """Trains by one call; returns whether there was anything left to do."""
        if self._steps >= self._spec.steps or stopping():
            return False
        count = self._calls.num_next(self._steps, self._backlog.room)
        if count > 1:
            self._call(count)
        else:
            self._generation()
        if self._backlog.is_due:
            self._backlog.write(self._rows)
        watch()
        return True

    def _generation(self) -> None:
        began = time.perf_counter()
        num_steps = min(self._spec.interval, self._spec.steps - self._steps)
        self._standing.check_hope(self._backlog.best)
        begun = self._standing.begin(num_steps)
        if begun.retired:
            self._retire(begun.retired)
        if not self._members:
            self._steps = self._spec.steps
            return
        generations = self._standing.generations()
        self._move(begun, generations)
        plan = plan_of(num_steps, self._spec.evaluate_every)
        told = self._chunks.train(self._rows, self._turns(begun, generations), plan)
        _ = begun.drafts, self._keys.of([g + 1 for g in generations])  # while the device trains
        self._standing.foresee()
        self._backlog.catch_up()
        if not self._is_prepared:
            self._rows.block.prepare()
            self._is_prepared = True
        trained = time.perf_counter()
        told = jax.device_get(told)
        waited_s = time.perf_counter() - trained
        measured = Measured(self._spec, plan, by_member(self._members, told))
        best = self._end(begun, measured)
        if best is not None:
            self._backlog.hold(best, self._rows.take(best.member))
        left = (self._spec.steps - self._steps) // self._spec.interval
        self._calls.note(measured.score, time.perf_counter() - began, waited_s, left)

    def _retire(self, retired: Mapping[int, Why]) -> None:
        self._backlog.retire(retired, self._rows)
        self._members = [member for member in self._members if member not in retired]
        self._keys = IntervalKeys(self._spec.seed, self._members)

    def _move(self, begun: Begun, generations: Sequence[int]) -> None:
        self._rows.move(begun.sources)
        for member in begun.back:
            self._rows.put(member, self._backlog.best_state)
        for member, generation in zip(self._members, generations, strict=True):
            id = SegmentId(member, generation)
            if member in begun.anew:
                self._rows.begin_anew(id, begun.anew[member])
            if member in begun.shrunk:
                self._rows.shrink(id, begun.courses[member][0], begun.shrunk[member])

    def _call(self, count: int) -> None:
        """Trains generations on which the device decides, then derives each decision again for the log."""
        num_steps = self._spec.interval
        self._standing.check_hope(self._backlog.best)
        told = self._calls.train(count, self._backlog.best, self._keys)
        plan, best = plan_of(num_steps, self._spec.evaluate_every), None
        for g in range(count):
            begun = self._standing.begin(num_steps)
            _check_equal(begun, told["sources"][g], told["codes"][g])
            metrics = {name: values[g][: len(self._members)] for name, values in told["metrics"].items()}
            best = self._end(begun, Measured(self._spec, plan, metrics)) or best
        if best is not None:
            self._backlog.hold(best, self._rows.block.take_spare())

    def _turns(self, begun: Begun, generations: list[int]) -> list[Turn]:
        active = self._spec.space.active
        return [
            Turn(member, active(hyperparameters), key_2, start_step)
            for (member, (hyperparameters, start_step)), key_2 in zip(
                begun.courses.items(), self._keys.of(generations), strict=True
            )
        ]

    def _end(self, begun: Begun, measured: Measured) -> SegmentId | None:
        """Notes how a generation has ended; returns its best segment if it is the best so far."""
        ended = self._standing.end(begun, measured, self._steps)
        self._steps += begun.num_steps
        return self._backlog.add(ended)


def _check_equal(begun: Begun, sources_P: np.ndarray, codes_PD: np.ndarray) -> None:
    """Sees to it that the device has decided as `verify` will derive.

    Raises:
        RunFailed: It has not.
    """
    answers = begun.answers
    assert answers is not None, "the device decides where everybody is decided on at once"
    if not (np.array_equal(answers.sources, sources_P) and np.array_equal(answers.codes_PD, codes_PD)):
        raise RunFailed(
            "the device has decided otherwise than the log would tell, so nothing of that call was kept: go on with "
            "Vectorised(generations_per_call=1), and please report this with your JAX version and device"
        )
