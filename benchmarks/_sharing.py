"""Time-sharing: what it costs a warm worker to change from one member of a torch loop to another.

State saved, next state loaded, function entered; what the user's function itself builds is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import populace
from benchmarks._disk import measure
from benchmarks._figures import Figure, median_ms
from benchmarks._training import SPACE

_MEMBERS, _STEPS = 16, 20
_WIDTH = 1000


def train(member: populace.Member, momentum: float) -> None:
    """A model of a million parameters, 4 MB of state, 8 MB with momentum; a step costs next to nothing."""
    import torch

    start = time.time()
    model = torch.nn.Linear(_WIDTH, _WIDTH)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    built = time.time()
    member.track(model=model, optimiser=optimiser)
    entered = time.time() - (built - start)
    for _ in member:
        optimiser.zero_grad()
        model(torch.ones(1, _WIDTH)).square().mean().backward()
        optimiser.step()
        member.report({"score": 0.0, "entered": entered, "trained": time.time(), "member": member.id, "pid": _pid()})


def changes(folder: Path) -> Iterator[Figure]:
    """Trains sixteen members in two workers, handed over at every interval."""
    for momentum, num_bytes in ((0.0, 4_000_000), (0.9, 8_000_000)):
        disk = measure(folder / f"raw-{num_bytes}", file_bytes=num_bytes, times=15)
        seconds = _changes(folder, momentum)
        size = f"{num_bytes // 1_000_000} MB"
        note = f"{len(seconds)} changes; a raw durable file of {size}: {disk.file_ms:.1f} ms, one at a time"
        title = f"a change of member, 1M parameters in torch, {size}"
        yield Figure(name=title, value=median_ms(seconds), unit="ms", demand=30.0, note=note)


def _changes(folder: Path, momentum: float) -> list[float]:
    """Returns the seconds of every change."""
    segments = populace.tune(
        lambda member: train(member, momentum),
        SPACE,
        population=_MEMBERS,
        steps=_STEPS,
        interval=2,
        metric="score",
        seed=0,
        executor=populace.Processes(workers=2),
        directory=folder,
    ).segments
    workers: dict[float, list[populace.core.Segment]] = {}
    for segment in sorted(segments, key=lambda s: s.evaluations[-1].metrics["trained"]):
        workers.setdefault(segment.metrics["pid"], []).append(segment)
    seconds = []
    for trained in workers.values():
        for one, other in pairwise(trained):
            if one.member != other.member and one.generation > 0:
                seconds.append(other.metrics["entered"] - one.metrics["trained"])
    return seconds


def _pid() -> int:
    import os

    return os.getpid()
