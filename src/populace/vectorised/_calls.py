"""How many generations the device trains before the host looks again.

One, unless the device can decide by itself (`Fused`): everybody is on one device and stands level, the policy is known
exactly, every hyperparameter is an argument of the program. Left to itself, several where deciding and talking to the
device takes so much of a generation that another program, which must be compiled, pays off; then as many as a run can
go without being looked at.
"""

from __future__ import annotations

from typing import Any, Literal, final

from populace.core import RunSpec
from populace.jax import Programs
from populace.vectorised._block import Block
from populace.vectorised._chunks import Chunks
from populace.vectorised._fused import Fused, Kernel, is_traceable
from populace.vectorised._interval_keys import IntervalKeys
from populace.vectorised._measured import plan_of
from populace.vectorised._standing import Standing

_MOMENT_S = 0.25
_MOST = 64
_WORTH = 2.0  # how many times the compiling must be saved


@final
class Calls:
    """Chooses how many generations a call trains, and trains them.

    Args:
        asked: Generations in a call; "auto": as many as pay.
        spec: The run.
        programs: The task.
        standing: Where the members stand.
        block: The rows. The device can decide where one holds everybody, and has room for one more.
        chunks: Chooses how many members train at a time.
    """

    def __init__(
        self,
        asked: int | Literal["auto"],
        *,
        spec: RunSpec,
        programs: Programs,
        standing: Standing,
        block: Block,
        chunks: Chunks,
    ) -> None:
        self._spec, self._programs, self._standing, self._chunks = spec, programs, standing, chunks
        self._block = block
        together = standing.together
        is_possible = block.has_spare and together is not None and is_traceable(together, programs.static)
        self._most = None if asked == "auto" else asked
        if not is_possible:
            self._most = 1
        self._score: str | None = None
        self._compile_s = 0.0
        self._seen = 0
        self._fused: Fused | None = None

    def note(self, score: str, took_s: float, waited_s: float, left: int) -> None:
        """Notes a generation that the host has decided on.

        Args:
            score: The metric that is the score.
            took_s: How long it took.
            waited_s: How long of that the host waited for the device.
            left: How many generations the run has left.
        """
        self._score = score
        self._seen += 1
        if self._most is not None or not self._chunks.is_settled:
            self._compile_s = max(self._compile_s, took_s)
        elif self._seen > 2:
            pays = left * (took_s - waited_s) > _WORTH * self._compile_s
            self._most = min(_MOST, int(_MOMENT_S / max(waited_s, 1e-6))) if pays else 1

    def num_next(self, steps: int, room: int | None) -> int:
        """Returns how many generations the next call trains.

        Args:
            steps: Member steps so far.
            room: How many generations may end before a checkpoint is due; None: any number.
        """
        if self._most is None or self._most < 2 or self._score is None or not self._chunks.is_settled:
            return 1
        level, together = self._standing.level, self._standing.together
        if level is None or together is None:
            return 1
        most = min(self._most, (self._spec.steps - steps) // self._spec.interval, room or self._most)
        if most < 2:
            return 1
        draws = self._standing.draws(level.generation + 1, most)
        start = level.generation + 1 - draws.first
        is_odd = together.ahead(draws.part(start, most)).is_odd_G
        return int(is_odd.argmax()) if is_odd.any() else most

    def train(self, count: int, best: float, keys: IntervalKeys) -> dict[str, Any]:
        """Trains generations; returns what `Fused.train` does.

        Args:
            count: How many.
            best: The best score so far.
            keys: Makes keys of intervals.
        """
        level, together, block = self._standing.level, self._standing.together, self._block
        assert level is not None, "`num_next` has seen to it"
        assert together is not None, "`num_next` has seen to it"
        first = level.generation + 1
        if self._fused is None:
            assert self._score is not None, "`num_next` has seen to it"
            assert self._most is not None, "`num_next` has seen to it"
            kernel = Kernel(
                shape=self._programs.shape_of(self._spec.space.active(level.hyperparameters[0])),
                plan=plan_of(self._spec.interval, self._spec.evaluate_every),
                chunk=self._chunks.chosen,
                score=self._score,
                mode=self._spec.mode,
                num_generations=self._most,
            )
            self._fused = Fused(self._programs, together, kernel)
        draws = self._standing.draws(first, count)
        ahead = together.ahead(draws.part(first - draws.first, count))
        return self._fused.train(block, level, self._standing.ends, best, ahead, keys.ahead(first, count))
