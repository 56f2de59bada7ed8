"""Replay: one model trained along a schedule that a run has found.

With the run's seed, every stretch draws the random numbers that the original drew, so that a deterministic task ends
with the same weights, bit for bit. With another seed it shows how much of the gain lies in the schedule.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from populace._errors import DamagedCheckpoint, UsageError
from populace.checkpoints import pack, unpack
from populace.core import Evaluation, Piece, Schedule, check_whole
from populace.space import Key
from populace.worker import STATE_NAME, Life, Loop, Member, Stretch, Trainable, loop_of, restore_into


@final
class Replayed:
    """A model trained along a schedule."""

    def __init__(
        self, blob: bytes, evaluations: list[Evaluation], like: Mapping[str, object], *, allow_pickle: bool
    ) -> None:
        self._blob = blob
        self._like = like
        self._allow_pickle = allow_pickle
        self.evaluations = evaluations
        """All that was measured."""

    @property
    def score(self) -> float:
        """The last score.

        Raises:
            UsageError: Nothing was reported.
        """
        if not self.evaluations:
            raise UsageError("the replay reported no score: call member.report(score) in the loop")
        return self.evaluations[-1].score

    @property
    def checkpoint(self) -> str:
        """The digest of its state: equal to the original's if and only if the weights are, bit for bit."""
        return hashlib.sha256(self._blob).hexdigest()

    def restore(self, **objects: object) -> Any:
        """Loads the trained state, as `Best.restore` does."""
        if objects:
            restore_into(self._blob, objects, allow_pickle=self._allow_pickle)
            return None
        state = unpack(self._blob, like=self._like, allow_pickle=self._allow_pickle)
        held = state.get(STATE_NAME)
        return held[STATE_NAME] if isinstance(held, dict) and set(state) == set(held) == {STATE_NAME} else state


def replay(
    schedule: Schedule,
    trainable: Trainable | Loop,
    *,
    seed: int | None = None,
    metric: str | None = None,
    evaluate_every: int | None = None,
    allow_pickle: bool = False,
) -> Replayed:
    """Trains one model along a schedule, in this process.

    Args:
        schedule: What a run has found, or one of your own.
        trainable: The user's code.
        seed: Root of all randomness; None takes the schedule's, which repeats the original.
        metric: The name of the reported metric that is the score; None takes the schedule's.
        evaluate_every: Steps between evaluations inside a stretch.
        allow_pickle: Whether the state may need pickling.

    Raises:
        UsageError: The schedule is empty, or an argument does not obey its rule.
    """
    if not isinstance(schedule, Schedule):
        raise UsageError(
            f"`schedule` must be a populace.Schedule, but got {schedule!r}: pass result.best.schedule, or read one "
            "with Schedule.from_json(text)"
        )
    if evaluate_every is not None:
        check_whole("evaluate_every", evaluate_every, 1, "it is the steps between two evaluations")
    schedule = replace(  # a schedule checks them
        schedule,
        seed=schedule.seed if seed is None else seed,
        metric=schedule.metric if metric is None else metric,
    )
    if not schedule.pieces:
        raise UsageError("a schedule to replay has at least one piece, but this one is empty")
    root = secrets.randbits(32) if schedule.seed is None else schedule.seed
    life = _Replay(schedule.pieces, root, schedule.metric, evaluate_every, allow_pickle)
    loop_of(trainable)(Member(life))
    if life.blob is None:
        raise UsageError(
            "the function returned before the loop ended: let `for step in member` run out, without break or return"
        )
    return Replayed(life.blob, life.evaluations, life.like, allow_pickle=allow_pickle)


@final
class _Replay(Life):
    """A life that follows a schedule and needs neither store nor population."""

    def __init__(
        self, pieces: Sequence[Piece], seed: int, metric: str | None, evaluate_every: int | None, allow_pickle: bool
    ) -> None:
        self._pieces = list(pieces)
        self._root = pieces[0].member, pieces[0].generation
        self._seed = seed
        self._metric = metric
        self._evaluate_every = evaluate_every
        self._allow_pickle = allow_pickle
        self.evaluations: list[Evaluation] = []
        self.blob: bytes | None = None
        self.like: Mapping[str, object] = {}
        self._names = {name for piece in pieces for name in piece.hyperparameters}

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def metric(self) -> str | None:
        return self._metric

    @property
    def names(self) -> Collection[str]:
        return self._names

    @property
    def allow_pickle(self) -> bool:
        return self._allow_pickle

    @property
    def scratch(self) -> Path | None:
        return None

    @property
    def shrinks(self) -> bool:
        return any(piece.shrink is not None for piece in self._pieces)

    @property
    def stretch(self) -> Stretch:
        piece = self._pieces[0]
        return Stretch(
            member=piece.member,
            generation=piece.generation,
            start_step=piece.start_step,
            end_step=piece.end_step,
            hyperparameters=piece.hyperparameters,
            evaluate_every=self._evaluate_every,
            shrink=piece.shrink,
        )

    @property
    def init_key(self) -> Key:
        return Key(self._seed).fold(*self._root, "init")

    def checkpoint(self) -> bytes | None:
        return None

    def spoilt(self, error: DamagedCheckpoint) -> None:
        raise AssertionError("a replay loads no checkpoint")

    def finish(
        self, evaluations: Sequence[Evaluation], save: Callable[[], dict[str, object]], written: Callable[[], None]
    ) -> bool:
        self.evaluations.extend(evaluations)
        if len(self._pieces) > 1:
            del self._pieces[0]
            return True
        last = self._pieces[0]
        label = {"member": last.member, "generation": last.generation}
        self.like = save()
        self.blob = b"".join(pack(self.like, label=label, allow_pickle=self._allow_pickle))
        written()
        return False
