"""Results: what a run has found. The winner, its schedule, everybody's lineage."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

from populace._errors import RunFailed
from populace.checkpoints import LocalCheckpoints, needs_template, unpack
from populace.core import Evaluation, Lineage, Policy, RunSpec, Schedule, Segment, SegmentId
from populace.executors import CHECKPOINTS
from populace.run._directory import find_run
from populace.space import Value
from populace.store import RunState, RunStatus, SqliteStore
from populace.worker import STATE_NAME, Trainable, restore_into


@final
class Best:
    """A trained model and the schedule that made it."""

    def __init__(self, result: Result, segment: Segment) -> None:
        self._result = result
        self.segment = segment
        """The segment that ended with it."""

    @property
    def score(self) -> float:
        """Its score."""
        score = self.segment.score
        assert score is not None, "the best segment has a finite score"
        return score

    @property
    def metrics(self) -> Mapping[str, float]:
        """Everything that was measured with the score."""
        return self.segment.metrics

    @property
    def member(self) -> int:
        """The member that ended with it."""
        return self.segment.member

    @property
    def step(self) -> int:
        """Steps that its weights have seen."""
        return self.segment.end_step

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """Those of its last interval. What trained it is the whole `schedule`."""
        return self._result.spec.space.active(self.segment.hyperparameters)

    @property
    def ancestry(self) -> list[Segment]:
        """The segments that trained its weights, from the first step to the last."""
        return self._result.lineage.ancestry(self.segment.id)

    @property
    def evaluations(self) -> list[Evaluation]:
        """What was measured along its ancestry: its learning curve."""
        return [evaluation for segment in self.ancestry for evaluation in segment.evaluations]

    @property
    def schedule(self) -> Schedule:
        """Hyperparameters over steps along its ancestry, through the exploits."""
        return Schedule.of(self.ancestry, self._result.spec.space, self._result.spec.seed, self._result.spec.metric)

    def restore(self, **objects: object) -> Any:
        """Loads the trained state.

        Args:
            objects: The objects to load it into, by the names under which they were tracked. Without any, the state is
                returned: of a `Trainable` what its `step` returned, of a loop a dict by tracked name.

        Raises:
            DamagedCheckpoint: The checkpoint's bytes are missing or not those that were saved.
            StateMismatch: The state does not fit the objects.
        """
        assert self.segment.checkpoint is not None, "an ended segment has a checkpoint"
        blob = self._result.checkpoints.get(self.segment.checkpoint)
        allow_pickle = self._result.spec.allow_pickle
        if objects:
            restore_into(blob, objects, allow_pickle=allow_pickle)
            return None
        state = unpack(blob, like=self._template(blob), allow_pickle=allow_pickle)
        held = state.get(STATE_NAME)
        return held[STATE_NAME] if isinstance(held, dict) and set(state) == set(held) == {STATE_NAME} else state

    def _template(self, blob: bytes) -> dict[str, object] | None:
        trainable = self._result.trainable
        if not needs_template(blob) or not isinstance(trainable, Trainable):
            return None
        first = self.ancestry[0]
        made = trainable.init(
            self._result.spec.init_key(*first.id), self._result.spec.space.active(first.hyperparameters)
        )
        return {STATE_NAME: {STATE_NAME: made}}

    def __repr__(self) -> str:
        return f"Best(score={self.score:.6g}, segment={self.segment.id}, hyperparameters={self.hyperparameters})"


@final
class Result:
    """What a run has found so far. It reads the run's folder, which can be copied and read elsewhere.

    Args:
        directory: The run's folder.
        trainable: The user's code; needed only to restore states that hold the user's own classes.
        policy: The policy, where it holds a user's function.
    """

    def __init__(self, directory: Path, *, trainable: object = None, policy: Policy | None = None) -> None:
        self.directory = directory
        self.trainable = trainable
        self.checkpoints = LocalCheckpoints(directory / CHECKPOINTS)
        store = SqliteStore(directory)
        try:
            self.spec = RunSpec.from_json(store.read(), policy=policy)
            self._state = store.state()
        finally:
            store.close()

    @classmethod
    def load(cls, run: str, directory: str = "runs") -> Result:
        """Returns the result of an existing run, given by name or by path.

        Raises:
            UnknownRun: There is none.
        """
        return cls(find_run(run, directory))

    @property
    def name(self) -> str:
        """The run's name."""
        return self.spec.name

    @property
    def state(self) -> RunState:
        """The run at a glance, as it stood when this result was made."""
        return self._state

    @property
    def finished(self) -> bool:
        """Whether every member has trained its steps."""
        return self._state.status is RunStatus.FINISHED

    @property
    def best(self) -> Best:
        """The best segment of the whole run.

        Raises:
            RunFailed: No segment has a finite score.
        """
        if self._state.best is None:
            raise RunFailed(f"run {self.name!r} has no best: no member has reported a finite score")
        return Best(self, self._state.best)

    @property
    def final(self) -> list[Segment]:
        """Each member's newest ended segment: the final population of a finished run."""
        newest: dict[int, Segment] = {s.member: s for s in self.segments if s.ended is not None}
        return [newest[member] for member in sorted(newest)]

    @cached_property
    def segments(self) -> list[Segment]:
        """All segments, in the order of their begins."""
        store = SqliteStore(self.directory)
        try:
            return store.segments()
        finally:
            store.close()

    @cached_property
    def lineage(self) -> Lineage:
        """Who descends from whom."""
        return Lineage(self.segments)

    @property
    def schedule(self) -> Schedule:
        """The winner's schedule."""
        return self.best.schedule

    def schedule_of(self, id: SegmentId | str) -> Schedule:
        """Returns the schedule that led to any segment."""
        return Schedule.of(self.lineage.ancestry(id), self.spec.space, self.spec.seed, self.spec.metric)

    def restore(self, **objects: object) -> Any:
        """Loads the winner's state; see `Best.restore`."""
        return self.best.restore(**objects)

    def to_records(self) -> list[dict[str, object]]:
        """Returns a flat dict per segment, by generation and member, for a data frame.

        Leaves out what depends on who trained when: in synchronous mode the records depend on the seed alone.
        """
        space = self.spec.space
        return [
            {
                "member": s.member,
                "generation": s.generation,
                "parent": None if s.parent is None else str(s.parent),
                "donor": None if s.donor is None else str(s.donor),
                "start_step": s.start_step,
                "end_step": s.end_step,
                "status": s.status.value,
                "score": s.score,
                **{f"metrics.{name}": value for name, value in s.metrics.items()},
                **{f"hyperparameters.{name}": value for name, value in space.active(s.hyperparameters).items()},
                "why": dict(s.why),
                "checkpoint": s.checkpoint,
            }
            for s in sorted(self.segments, key=lambda s: (s.generation, s.member))
        ]

    def __repr__(self) -> str:
        state = self._state
        best = (
            f"best score {state.best.score:.6g}"
            if state.best is not None and state.best.score is not None
            else "no score yet"
        )
        return f"Result({self.name!r}, {state.status.value}, {sum(state.steps)} member-steps, {best})"
