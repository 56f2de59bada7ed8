"""Time-sharing: what it costs a warm worker to change from one member of a torch loop to another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import populace
from benchmarks._disk import measure
from benchmarks._figures import Figure, median_ms
from benchmarks._training import SPACE

_MEMBERS, _STEPS = 16, 20
_WIDTH = 1000


def train(member: populace.Member) -> None:
    """A model of a million parameters under momentum: 8 MB of state; a step costs next to nothing."""
    import torch

    model = torch.nn.Linear(_WIDTH, _WIDTH)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    member.track(model=model, optimiser=optimiser)
    entered = time.time()
    for _ in member:
        optimiser.zero_grad()
        model(torch.ones(1, _WIDTH)).square().mean().backward()
        optimiser.step()
        member.report({"score": 0.0, "entered": entered, "trained": time.time(), "member": member.id, "pid": _pid()})


def changes(folder: Path) -> Iterator[Figure]:
    """Trains sixteen members in two workers, handed over at every interval."""
    disk = measure(folder / "raw")
    segments = populace.tune(
        train,
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
        for one, other in zip(trained, trained[1:], strict=False):
            if one.member != other.member and one.generation > 0:
                seconds.append(other.metrics["entered"] - one.metrics["trained"])
    note = f"{len(seconds)} changes of 8 MB each; a durable 10 kB file: {disk.file_ms:.2f} ms"
    yield Figure(name="a change of member, 1M parameters in torch", value=median_ms(seconds), unit="ms", demand=30.0, note=note)


def _pid() -> int:
    import os

    return os.getpid()
