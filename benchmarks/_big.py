"""Large runs, written into the log's tables directly: a million segments would take an hour to train."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace import PBT, LogUniform, Space, Uniform
from populace.core import Mode, RunSpec
from populace.store import SqliteStore

_EVENTS_PER_SEGMENT = 2


def spec_of(population: int, generations: int) -> RunSpec:
    """Returns the specification of a large run: two hyperparameters, an interval of one step."""
    return RunSpec(
        name="big",
        space=Space.of({"lr": LogUniform(1e-5, 1e-1), "dropout": Uniform(0.0, 0.6)}),
        policy=PBT.paper(),
        seed=0,
        population=population,
        steps=generations,
        interval=1,
        evaluate_every=None,
        metric=None,
        mode=Mode.MAX,
        synchronous=False,
        max_failures=3,
        allow_pickle=False,
        entry=None,
        code=None,
    )


def build(folder: Path, population: int, generations: int, *, steps: int | None = None) -> RunSpec:
    """Writes a run in which every member has ended `generations` segments; the last have checkpoints.

    Args:
        folder: The run's folder.
        population: Number of members.
        generations: Segments of each member.
        steps: The run's steps; None makes it a finished one.
    """
    folder.mkdir(parents=True)
    spec = spec_of(population, steps or generations)
    store = SqliteStore(folder)
    store.create(spec)
    store.close()
    with sqlite3.connect(folder / "store.sqlite") as db:
        db.execute("PRAGMA synchronous=OFF")
        _insert(db, "segment", _segments(population, generations))
        _insert(db, "event", _events(population, generations))
        db.execute("UPDATE member SET steps=?, generation=?", (generations, generations))
        best = {"m": population - 1, "g": generations - 1, "b": _score(population - 1, generations - 1)}
        status = "finished" if steps is None else "unfinished"
        count = {"n": population * generations, "status": status}
        update = "best_member=:m, best_generation=:g, best_better=:b, num_segments=:n, status=:status"
        db.execute(f"UPDATE run SET {update}", best | count)
    db.close()
    return spec


def _score(member: int, generation: int) -> float:
    return generation + (member * 7919 % 1000) / 1000


def _insert(db: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(first)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in first)})"
    db.execute(statement, first)
    db.executemany(statement, rows)


def _segments(population: int, generations: int) -> Iterator[dict[str, Any]]:
    hp = json.dumps({"lr": 0.0123456789, "dropout": 0.123456789})
    why = json.dumps({"rule": "truncation", "rank": 12, "num_known": population, "k": population // 5, "score": 0.5})
    for generation in range(generations):
        for member in range(population):
            begun = _EVENTS_PER_SEGMENT * (generation * population + member) + 2
            parent = (member, generation - 1) if generation else (None, None)
            score = _score(member, generation)
            yield {
                **{"member": member, "generation": generation, "parent_member": parent[0]},
                **{"parent_generation": parent[1], "start_step": generation, "end_step": generation + 1},
                **{"member_start": generation, "hyperparameters": hp, "why": why, "snapshot": begun - 1},
                **{"begun": begun, "ended": begun + 1, "status": "finished", "score": score},
                **{"evaluations": json.dumps([[generation + 1, score, {}]]), "checkpoint": f"{begun:064x}"},
                **{"checkpoint_bytes": 10_000, "checkpoint_kept": generation == generations - 1, "asked": False},
                **{"parent_damaged": False},
                **{"worker": "w0.0", "epoch": 1, "begun_at": 1.7e9 + begun, "ended_at": 1.7e9 + begun + 1},
            }


def _events(population: int, generations: int) -> Iterator[dict[str, Any]]:
    for generation in range(generations):
        for member in range(population):
            for offset, kind in enumerate(("begun", "published")):
                sequence = _EVENTS_PER_SEGMENT * (generation * population + member) + 2 + offset
                where = {"member": member, "generation": generation, "epoch": 1, "worker": "w0.0"}
                yield {"sequence": sequence, "kind": kind, **where, "at": 1.7e9 + sequence, "detail": "{}"}
