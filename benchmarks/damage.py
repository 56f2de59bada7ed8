"""Damaged checkpoints: none is accepted, none crashes the reader or executes code, and a run goes on from good ones."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import populace
from benchmarks._figures import heading
from populace._errors import DamagedCheckpoint, StateMismatch
from populace.checkpoints import LocalCheckpoints, needs_template, pack, unpack
from populace.core import SegmentId
from populace.executors import CHECKPOINTS
from populace.run import Result, change_in_words, verify
from populace.store import Event, EventKind, SqliteStore
from populace.testing import MUTATIONS, mutant_of

_PICKLES = ("bare pickle", "pickle in a checkpoint")
_PAUSE_S = 0.05
_MEMORY = Path("/dev/shm")  # a file is written for every mutant
_SHOWN = 3


class History(populace.Trainable):
    """The state counts its steps; the score grows with them, and differs from member to member."""

    def init(self, key, hp):
        return {"steps": 0, "sum": 0.0}

    def step(self, key, state, hp):
        time.sleep(0.002)
        return {"steps": state["steps"] + 1, "sum": state["sum"] + hp["lr"]}

    def evaluate(self, key, state):
        return state["sum"] + key.generator().normal()


def main(arguments: list[str]) -> int:
    """Runs both parts and prints their figures; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="benchmarks damage", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="mutated checkpoints (default 100,000)")
    parser.add_argument("--steps", type=int, default=400, help="steps of each member of the run (default 400)")
    parser.add_argument("--seed", type=int, default=0, help="root of the chance (default 0)")
    told = parser.parse_args(arguments)
    print(heading())
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        canary = Path(folder) / "canary"
        broken = _mutants(Path(folder) / "store", canary, told.mutants, random.Random(told.seed))
        broken += _run(Path(folder), told.steps, random.Random(told.seed))
    print(f"\n{broken} promises broken" if broken else "\nall promises kept")
    return int(broken > 0)


def _mutants(folder: Path, canary: Path, count: int, rng: random.Random) -> int:
    store = LocalCheckpoints(folder)
    blobs = [b"".join(pack(_state(member), label={"member": member, "generation": 0})) for member in range(4)]
    digest = store.put([blobs[0]])
    file = folder / "objects" / digest

    def get(content: bytes) -> object:
        file.write_bytes(content)
        return store.get(digest)

    def read(content: bytes, *, allow_pickle: bool) -> object:
        needs_template(content)
        return unpack(content, allow_pickle=allow_pickle)

    untrusted = [kind for kind in MUTATIONS if kind not in _PICKLES]
    parts: list[tuple[str, Callable[[bytes], object], Sequence[str]]] = [
        ("CheckpointStore.get", get, list(MUTATIONS)),
        ("unpack, behind the digest", lambda content: read(content, allow_pickle=False), list(MUTATIONS)),
        ("unpack with allow_pickle=True", lambda content: read(content, allow_pickle=True), untrusted),
    ]
    broken = 0
    for name, act, kinds in parts:
        began = time.perf_counter()
        outcomes = Counter(
            _outcome(act, mutant_of(blobs[0], blobs[1:], canary, rng, kinds).content) for _ in range(count)
        )
        seconds = time.perf_counter() - began
        refused = outcomes.pop("refused", 0)
        read_back = outcomes.pop("read", 0)
        executed = int(canary.exists())
        print(
            f"{name}: {count:,d} mutants in {seconds:.0f} s: {refused:,d} refused, {read_back:,d} accepted, "
            f"{outcomes.total()} crashes, {executed} code executions",
            flush=True,
        )
        for crash, times in outcomes.most_common(_SHOWN):
            print(f"  {times:,d} x {crash}")
        broken += outcomes.total() + executed + (read_back if act is get else 0)
    return broken


def _state(member: int) -> dict[str, object]:
    values = np.random.default_rng(member)
    return {
        "weights": {"w": values.normal(size=(8, 4)), "b": values.normal(size=4).astype(np.float32)},
        "optimiser": [values.integers(0, 9, size=3), {"lr": 0.1, "betas": (0.9, 0.99)}],
        "more": {"seen": {1, 2}, "text": "a text", "mask": np.array([True, False])},
    }


def _outcome(act: Callable[[bytes], object], content: bytes) -> str:
    try:
        act(content)
    except (DamagedCheckpoint, StateMismatch):
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:80]}"
    return "read"


def _run(folder: Path, steps: int, rng: random.Random) -> int:
    space = {"lr": populace.LogUniform(1e-3, 1e-1)}
    settings = {"population": 8, "steps": steps, "interval": 4, "seed": 0, "name": "damage", "directory": folder}
    began = time.monotonic()
    with _harm(folder / "damage" / CHECKPOINTS / "objects", rng) as harmed:
        result = populace.tune(History(), space, executor=populace.Processes(workers=4), **settings)
    seconds = time.monotonic() - began
    events = list(_events(folder / "damage"))
    damaged = [e for e in events if e.kind is EventKind.DAMAGED]
    blamed = [e for e in events if e.kind in (EventKind.FAILURE, EventKind.GIVEN_UP, EventKind.LOST)]
    unknown = [e for e in damaged if e.detail["checkpoint"] not in harmed]
    violations = verify(result.directory)
    # What nobody had to load is still harmed at the end, and has to be named.
    left = {f"segment {s.id}" for s in result.segments if s.checkpoint in harmed and (s.checkpoint_kept or s.damaged)}
    wrong = [v for v in violations if v.law != "checkpoint" or v.subject not in left]
    went = Counter(_way(result, event) for event in damaged)
    print(
        f"run of 8 members on 4 workers, {len(result.segments)} segments in {seconds:.0f} s: {len(harmed)} checkpoints "
        f"harmed on the disk, {len(damaged)} met by a member: {', '.join(f'{n} {way}' for way, n in went.items())}"
    )
    for event in damaged[:_SHOWN]:
        print(f"  {change_in_words(event)}")
    print(
        f"finished: {result.finished}; {len(blamed)} failures blamed on members, {len(unknown)} events that name "
        f"a sound checkpoint; verify: {len(violations) - len(wrong)} harmed files left, {len(wrong)} laws broken"
    )
    for violation in wrong[:_SHOWN]:
        print(f"  {violation}")
    return len(blamed) + len(unknown) + len(wrong) + (not result.finished) + (not damaged)


def _way(result: Result, event: Event) -> str:
    if event.detail["fallback"] is not None:
        return "went back to an ancestor"
    assert event.member is not None
    assert event.generation is not None
    following = SegmentId(event.member, event.generation + 1)
    found = next((s for s in result.segments if s.id == following), None)
    if found is None:
        return "ended there"
    return "began anew" if found.parent is None else "copied another member"


@contextmanager
def _harm(objects: Path, rng: random.Random) -> Iterator[set[str]]:
    """Damages checkpoints now and then, beside whatever happens to them, for the length of a block."""
    harmed: set[str] = set()
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(rng.expovariate(1 / _PAUSE_S)):
            files = sorted(objects.iterdir()) if objects.is_dir() else []
            sound = [file for file in files if file.name not in harmed]
            if not sound:
                continue
            file = rng.choice(sound)
            try:
                content = file.read_bytes()
                others = [b"another member's"]
                mutant = mutant_of(content, others, objects / "canary", rng, list(MUTATIONS))
                with file.open("r+b") as held:
                    held.truncate()
                    held.write(mutant.content)
            except FileNotFoundError:
                continue  # collected meanwhile
            harmed.add(file.name)
            if rng.random() < 0.2:
                file.unlink(missing_ok=True)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield harmed
    finally:
        ended.set()
        thread.join()


def _events(directory: Path) -> Iterator[Event]:
    store = SqliteStore(directory)
    try:
        yield from store.events(limit=10**9)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
