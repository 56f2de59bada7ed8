"""Results: a line of JSON per algorithm, task, interval and seed, appended as soon as it is known."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from benchmarks.suite._outcome import Outcome
from benchmarks.suite._task import Task


@final
@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a line was measured with, the seed apart."""

    task: str
    interval: int
    """Ticks, that is percent of the run."""
    population: int
    timing: str
    algorithm: str
    digest: str
    """Of the algorithm's and the task's settings: lines of other settings do not count."""


def digest_of(task: Task, algorithm: object) -> str:
    """Returns a digest of everything that is set."""
    plain = {k: v for k, v in sorted(vars(task.trainable).items()) if isinstance(v, int | float | str | bool)}
    text = repr((task.name, task.steps_per_tick, task.space, plain, algorithm))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Results:
    """All lines of a folder, a file per task."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, setting: Setting, outcomes: Iterable[Outcome], *, seconds: float) -> None:
        """Writes lines; `seconds` is what each took."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(_storable(asdict(setting) | _known(outcome) | {"seconds": seconds}), allow_nan=False)
            for outcome in outcomes
        ]
        with (self._folder / f"{setting.task}.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def of(self, setting: Setting) -> list[dict[str, Any]]:
        """Returns the lines of a setting, in the order of their writing."""
        wanted = asdict(setting)
        return [line for line in self._lines(setting.task) if wanted.items() <= line.items()]

    def missing(self, setting: Setting, seeds: Sequence[int]) -> list[int]:
        """Returns the seeds that have no line yet."""
        known = {line["seed"] for line in self.of(setting)}
        return [seed for seed in seeds if seed not in known]

    def read(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Returns the newest line of every algorithm, task, interval, population, timing and seed among these."""
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in self._lines(path.stem):
                if line["seed"] in seeds:
                    newest[tuple(line[name] for name in _IDENTITY)] = line
        return list(newest.values())

    def _lines(self, task: str) -> list[dict[str, Any]]:
        path = self._folder / f"{task}.jsonl"
        if not path.exists():
            return []
        # A line that was cut off in the middle of being written is measured again.
        return [line for text in path.read_text("utf-8").splitlines() if (line := _parsed(text)) is not None]


_IDENTITY = ("task", "interval", "population", "timing", "algorithm", "seed")


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return {**line, "test": -math.inf if line["test"] is None else line["test"]}


def _known(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in asdict(outcome).items() if name != "schedule" or value is not None}


def _storable(value: Any) -> Any:
    match value:
        case dict():
            return {name: _storable(each) for name, each in value.items()}
        case tuple() | list():
            return [_storable(each) for each in value]
        case float():
            return float(np.format_float_scientific(value, 6)) if math.isfinite(value) else None
        case _:
            return value
