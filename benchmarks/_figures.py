"""Figures: what was measured, beside what was demanded."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_QUIET = 0.15  # cores


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value."""

    name: str
    """What was measured."""
    value: float
    """The median of the repetitions."""
    unit: str
    """Its unit."""
    demand: float | None = None
    """The largest value that is allowed; None where nothing is demanded."""
    note: str = ""
    """How to read it."""

    def __str__(self) -> str:
        if self.demand is None:
            verdict = ""
        else:
            verdict = f"<= {self.demand:g}  {'met' if self.value <= self.demand else 'MISSED'}"
        return f"  {self.name:<58} {self.value:>9.3g} {self.unit:<4} {verdict:<18} {self.note}".rstrip()


@dataclass
class Noise:
    """How busy the machine was with other things while something was measured."""

    cores: float = 0.0
    """Cores that other processes used."""


@contextmanager
def noise() -> Iterator[Noise]:
    """Measures how much processor time other processes took meanwhile; children must have been waited for."""
    found, before = Noise(), (time.monotonic(), _busy_s(), _own_s())
    yield found
    after = (time.monotonic(), _busy_s(), _own_s())
    wall, busy, own = (b - a for a, b in zip(before, after, strict=True))
    found.cores = max(0.0, (busy - own) / wall)


def wait_for_quiet(limit_s: float) -> float:
    """Waits until other processes leave the machine alone, or until a limit; returns the cores that they use."""
    end = time.monotonic() + limit_s
    while True:
        with noise() as others:
            time.sleep(0.5)
        if others.cores < _QUIET or time.monotonic() >= end:
            return others.cores


def _busy_s() -> float:
    """Returns processor seconds that the whole machine has spent working."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, path.read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """Returns processor seconds of this process and of the children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def median_ms(seconds: Sequence[float]) -> float:
    """Returns the median in milliseconds."""
    return 1e3 * statistics.median(seconds)


def heading() -> str:
    """Returns one line about machine and moment."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{now}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
