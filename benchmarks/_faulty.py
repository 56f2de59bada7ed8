"""A small run that tells what it is about, so that a trace of its system calls can be cut into phases.

Three members in one process, synchronous: the whole log depends on the seed alone, whatever is done to the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import populace
from populace.core import RunSpec, Segment
from populace.executors import Executor, Inline, Job
from populace.run import Result, _watch

NAME = "run"
SPACE = {"lr": populace.LogUniform(1e-4, 1e-1), "width": populace.IntUniform(1, 64)}
MARK = "/phase/"
_PHASES = {
    **{"claim": "claim", "begin": "begin", "publish": "publish", "release": "publish"},
    **{"put": "save", "delete": "collect", "get": "restore", "close": "end"},
}


class History(populace.Trainable):
    """The state is the digest of all it has been through: hyperparameters, steps, and the state before."""

    def init(self, key: populace.Key, hp: Any) -> Any:
        return {"digest": key.seed().to_bytes(4, "big"), "steps": 0}

    def step(self, key: populace.Key, state: Any, hp: Any) -> Any:
        text = state["digest"] + repr(sorted(hp.items())).encode() + str(key.path).encode()
        return {"digest": hashlib.sha256(text).digest(), "steps": state["steps"] + 1}

    def evaluate(self, key: populace.Key, state: Any) -> float:
        return float(state["digest"][0] / 255 + state["steps"] / 50)


def mark(phase: str) -> None:
    """Says in the trace what comes next: asks for a file that nobody has."""
    os.access(MARK + phase, os.F_OK)


@final
class Marked:
    """A store or checkpoint store whose calls are marked."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self._exploits = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._inner, name)
        phase = _PHASES.get(name, "decide")

        def marked(*arguments: Any, **named: Any) -> Any:
            exploits = name == "begin" and arguments[1].donor is not None
            mark("exploit" if exploits else phase)
            return call(*arguments, **named)

        return marked


@final
@dataclass(frozen=True)
class MarkedJob:
    """A job whose log and checkpoints are marked."""

    job: Job

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)

    def store(self) -> Marked:
        return Marked(self.job.store())

    def checkpoints(self) -> Marked:
        return Marked(self.job.checkpoints())


@final
class MarkedInline(Executor):
    """`Inline` with marks."""

    def execute(self, job: Job, **told: Any) -> None:
        Inline().execute(cast("Job", MarkedJob(job)), **told)

    def check(self, job: Job) -> None:
        Inline().check(job)

    def warnings(self, spec: RunSpec) -> list[str]:
        return []


@final
class Acknowledge(populace.Callback):
    """Writes every segment it is told of to a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def on_segment(self, segment: Segment) -> None:
        os.write(self._descriptor, (repr(fingerprint(segment)) + "\n").encode())


def fingerprint(segment: Segment) -> tuple[object, ...]:
    """Returns all of a segment that the seed determines."""
    scores = tuple((evaluation.step, evaluation.score) for evaluation in segment.evaluations)
    place = (segment.member, segment.generation, segment.parent, segment.donor, segment.start_step, segment.end_step)
    return (*place, tuple(sorted(segment.hyperparameters.items())), scores, segment.checkpoint)


def train(directory: Path, phase: str, acknowledgements: int) -> Result:
    """Trains the run in a directory, or takes it up; `phase` names what comes before the training."""
    with _looking_always():
        mark(phase)
        return populace.tune(
            History(),
            SPACE,
            population=3,
            steps=3,
            seed=0,
            synchronous=True,
            name=NAME,
            directory=directory,
            executor=MarkedInline(),
            callbacks=[Acknowledge(acknowledgements)],
        )


@contextlib.contextmanager
def _looking_always() -> Iterator[None]:
    """Lets the watch look after every publish and not every tenth of a second: no two traces would be equal."""
    every_s = _watch._EVERY_S
    _watch._EVERY_S = 0.0
    try:
        yield
    finally:
        _watch._EVERY_S = every_s
