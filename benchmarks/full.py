"""Fills and frees the disk under a live run of worker processes: `./do bench full --cycles 200`.

The run lies on a small file system of its own, which takes an administrator to mount. In every cycle the disk is filled
up to some kilobytes, so that now a checkpoint, now the log is the first to find no space; when the run has said that it
pauses, space returns after up to four leases. An outside observer reads what is published. At the end the run is
stopped, and `verify` and the observer must agree that nothing was lost.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from populace._errors import StoreError
from populace.run import verify
from populace.store import Event, EventKind, SqliteStore

LEASE_S = 0.5
SIZE_BYTES = 24_000_000
NAME = "full"
PAUSES, GOES_ON = "disk full: the run pauses", "there is space again"
MOST_S = 10.0
_GIVE_UP_S = 60.0
TRAIN = """
import hashlib, sys, time
import populace

class History(populace.Trainable):
    '''The state is the digest of all it has been through, and some weight.'''
    def init(self, key, hp):
        return {{"digest": key.seed().to_bytes(4, "big"), "ballast": b""}}
    def step(self, key, state, hp):
        time.sleep({step_s})
        text = state["digest"] + repr(sorted(hp.items())).encode() + str(key.path).encode()
        digest = hashlib.sha256(text).digest()
        return {{"digest": digest, "ballast": digest * {repeats}}}
    def evaluate(self, key, state):
        return state["digest"][0] / 255

executor = populace.Processes(workers={workers}, lease_s={lease_s})
space = {{"lr": populace.LogUniform(1e-4, 1e-1), "width": populace.IntUniform(1, 64)}}
try:
    populace.tune(History(), space, population={members}, steps=10**9, interval=2, seed={seed}, name="{name}",
                  directory={directory!r}, executor=executor)
except populace.PopulaceError as error:
    print("ended:", error, file=sys.stderr)
"""


@dataclass(kw_only=True)
class Told:
    """What has been seen so far."""

    seen: dict[tuple[int, int], str | None] = field(default_factory=dict)
    sequence: int = 1
    waits_s: list[float] = field(default_factory=list)
    outages_s: list[float] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Runs the cycles; returns 0 if nothing was lost and every outage was over in time."""
    parser = argparse.ArgumentParser(prog="./do bench full", description=__doc__)
    parser.add_argument("--cycles", type=int, default=200, help="times that the disk is filled (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="root of the benchmark's own randomness (default 0)")
    parser.add_argument("--workers", type=int, default=3, help="worker processes (default 3)")
    parser.add_argument("--members", type=int, default=5, help="members (default 5)")
    parser.add_argument("--weight", type=int, default=20_000, help="bytes of a checkpoint, about (default 20,000)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, _small_disk(Path(folder) / "disk") as disk:
        settings = {"workers": options.workers, "members": options.members, "seed": options.seed}
        code = TRAIN.format(
            step_s=0.01, repeats=options.weight // 32, lease_s=LEASE_S, name=NAME, directory=str(disk), **settings
        )
        script, said = Path(folder) / "train.py", Path(folder) / "said.txt"
        script.write_text(code)
        began = time.monotonic()
        with said.open("w") as stream:
            environment = {**os.environ, "POPULACE_PROGRESS": "plain"}
            run = subprocess.Popen([sys.executable, str(script)], stderr=stream, cwd=folder, env=environment)
        told = Told()
        try:
            _cycle(run, disk, said, options, told)
        finally:
            run.send_signal(signal.SIGINT)
            try:
                run.wait(timeout=60)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
        return _report(told, disk / NAME, said.read_text(), time.monotonic() - began)


def _cycle(run: subprocess.Popen[bytes], disk: Path, said: Path, options: argparse.Namespace, told: Told) -> None:
    rng = random.Random(options.seed)
    store = SqliteStore(disk / NAME)

    def until(holds: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + _GIVE_UP_S
        while not holds():
            if run.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"full: cycle {len(told.lines)}: {what}; the run said:\n{said.read_text()[-2000:]}")
            time.sleep(0.005)

    until(lambda: (disk / NAME / "store.sqlite").exists() and _observe(store, told) > 0, "the run did not start")
    for _ in range(options.cycles):
        pauses, goes_on = _lines(said)
        _fill(disk, rng.choice([0, 0, 4096 * rng.randint(1, 16)]))
        until(lambda before=pauses: _lines(said)[0] > before, "no line told of the full disk")  # type: ignore[misc]
        time.sleep(rng.uniform(0, 4 * LEASE_S))
        _observe(store, told)
        (disk / "ballast").unlink()
        freed = time.monotonic()
        until(lambda: _observe(store, told) > 0, "nothing was published after space had returned")
        told.waits_s.append(time.monotonic() - freed)
        until(lambda before=goes_on: _lines(said)[1] > before, "no line told that the run goes on")  # type: ignore[misc]
        told.outages_s.append(time.monotonic() - freed)
        after = _lines(said)
        told.lines.append((after[0] - pauses, after[1] - goes_on))
        time.sleep(rng.uniform(0, 0.2))
    _observe(store, told)
    store.close()


def _report(told: Told, run: Path, said: str, took_s: float) -> int:
    store = SqliteStore(run)
    held = {(s.member, s.generation): s.checkpoint for s in store.segments() if s.ended is not None}
    events: list[Event] = []
    while page := store.events(events[-1].sequence if events else 0, 10_000):
        events += page
    store.close()
    missing = [place for place, digest in told.seen.items() if held.get(place) != digest]
    failures = [e for e in events if e.kind in (EventKind.FAILURE, EventKind.LOST, EventKind.GIVEN_UP)]
    left = [*(run / "checkpoints" / "tmp").glob("*"), *(run / "scratch").glob("*")]
    laws = verify(run)
    other = [line for line in told.lines if line != (1, 1)]
    noise = [line for line in said.splitlines() if "warning" in line.lower() or "Traceback" in line]
    longest = max(told.waits_s, default=0.0)
    print(f"{len(told.waits_s)} cycles in {took_s:.0f} s, lease {LEASE_S} s")
    print(
        f"from space returning to the next publish: median {statistics.median(told.waits_s):.2f} s, max {longest:.2f} s"
    )
    print(f"from space returning to the line that all go on: max {max(told.outages_s, default=0.0):.2f} s")
    print(f"{len(held)} segments published, {len(told.seen)} seen by the observer, {len(missing)} of them missing")
    print(f"{len(failures)} failures counted, {len(left)} temporary files left, {len(laws)} laws broken")
    print(f"lines per outage: 1 + 1, but for {len(other)} outages; {len(noise)} other warnings")
    for failure in failures[:5]:
        print(f"  {failure.kind.value} m{failure.member}: {failure.detail}")
    good = not (missing or failures or left or laws or other or noise) and longest <= MOST_S
    print("full: passed" if good else "full: FAILED")
    return 0 if good else 1


@contextmanager
def _small_disk(disk: Path) -> Iterator[Path]:
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", bytes(disk), b"tmpfs", 0, f"size={SIZE_BYTES}".encode()) != 0:
        raise SystemExit(f"full: mounting a small disk takes an administrator ({os.strerror(ctypes.get_errno())})")
    try:
        yield disk
    finally:
        libc.umount2(bytes(disk), 2)


def _fill(disk: Path, leave_bytes: int) -> None:
    """Takes all space but some, as often as the run gives some back meanwhile."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave_bytes))


def _observe(store: SqliteStore, told: Told) -> int:
    """Notes what was published since the last look; returns how much."""
    try:
        changes = store.snapshot(told.sequence)
    except StoreError:  # not created yet, or no space for a reader's own connection
        return 0
    told.sequence = max(1, changes.sequence)
    told.seen |= {(s.member, s.generation): s.checkpoint for s in changes.ended}
    return len(changes.ended)


def _lines(said: Path) -> tuple[int, int]:
    text = said.read_text()
    return text.count(PAUSES), text.count(GOES_ON)
