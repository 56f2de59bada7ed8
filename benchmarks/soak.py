"""Kills, pauses and restarts real processes on a real run, then verifies it: `./do soak --kills 1000`.

A run of worker processes trains a toy whose state carries its own history. Meanwhile workers are killed (SIGKILL) or
paused past their lease (SIGSTOP, SIGCONT), and now and then the supervisor is killed and the run resumed. An outside
observer reads what is published. At the end the run is stopped, and `verify` and the observer must agree that nothing
was lost.

One run sleeps most of the time: a worker that is stopped amid a commit holds up the others. So many faults are had by
many runs side by side (`--runs`), each with its share of them, and not by a shorter time between two.
"""

from __future__ import annotations

import argparse
import bisect
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from populace.run import verify
from populace.store import EventKind, SqliteStore

LEASE_S = 0.5
_WAKE_EVERY_S = 0.01
TRAIN = """
import hashlib, time
import populace

class History(populace.Trainable):
    '''The state is the digest of all it has been through: hyperparameters, steps, and the state before.'''
    def init(self, key, hp):
        return {{"digest": key.seed().to_bytes(4, "big"), "steps": 0}}
    def step(self, key, state, hp):
        time.sleep({step_s})
        text = state["digest"] + repr(sorted(hp.items())).encode() + str(key.path).encode()
        return {{"digest": hashlib.sha256(text).digest(), "steps": state["steps"] + 1}}
    def evaluate(self, key, state):
        return state["digest"][0] / 255 + state["steps"] / 50

executor = populace.Processes(workers={workers}, lease_s={lease_s})
space = {{"lr": populace.LogUniform(1e-4, 1e-1), "width": populace.IntUniform(1, 64)}}
populace.tune(History(), space, population={members}, steps=10**9, interval=2, seed={seed}, name="soak",
              directory={directory!r}, executor=executor, max_failures=10**9)
"""


@dataclass(kw_only=True)
class Soak:
    """What has happened so far."""

    kills: int = 0
    pauses: int = 0
    supervisor_kills: int = 0
    times: list[float] = field(default_factory=list)
    seen: dict[tuple[int, int], str] = field(default_factory=dict)
    sequence: int = 0


@final
class Sleepers:
    """Processes that are stopped for a while: `with Sleepers() as sleepers: ...`.

    They are woken from a thread of its own: one that was stopped amid a commit holds up everybody who reads, the
    observer too, and must not wait for who waits for it.
    """

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._use = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-sleepers", daemon=True)

    def __enter__(self) -> Sleepers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.wake_all()

    def stop(self, pid: int, seconds: float) -> bool:
        """Stops a process; returns whether there was one."""
        with self._use:
            if not _signal(pid, signal.SIGSTOP):
                return False
            self._due[pid] = time.monotonic() + seconds
            return True

    def stopped(self) -> set[int]:
        """Returns who is stopped now."""
        with self._use:
            return set(self._due)

    def wake_all(self) -> None:
        """Wakes everybody."""
        self._wake(float("inf"))

    def _run(self) -> None:
        while not self._ended.wait(_WAKE_EVERY_S):
            self._wake(time.monotonic())

    def _wake(self, now: float) -> None:
        with self._use:
            for pid in [pid for pid, due in self._due.items() if due <= now]:
                _signal(pid, signal.SIGCONT)
                del self._due[pid]


def main(arguments: list[str]) -> int:
    """Runs the soak; returns 0 if nothing was lost."""
    parser = argparse.ArgumentParser(prog="./do soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="processes to kill or pause (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="root of the soak's own randomness (default 0)")
    parser.add_argument("--workers", type=int, default=4, help="worker processes (default 4)")
    parser.add_argument("--members", type=int, default=8, help="members (default 8)")
    parser.add_argument("--every", type=float, default=0.04, help="mean seconds between two of them (default 0.04)")
    parser.add_argument("--runs", type=int, default=1, help="runs that share them, of seeds from SEED on (default 1)")
    options = parser.parse_args(arguments)
    if options.runs > 1:
        return _side_by_side(options)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "train.py"
        settings = {"workers": options.workers, "members": options.members, "seed": options.seed}
        script.write_text(TRAIN.format(step_s=0.002, lease_s=LEASE_S, directory=directory, **settings))
        began = time.monotonic()
        soak = _torment(script, Path(directory) / "soak", options.kills, options.every, rng)
        return _report(soak, Path(directory) / "soak", options, time.monotonic() - began)


def _side_by_side(options: argparse.Namespace) -> int:
    """Starts a soak for each run; returns 0 if all passed."""
    kills = -(-options.kills // options.runs)
    shared = {"--kills": kills, "--workers": options.workers, "--members": options.members, "--every": options.every}
    words = [str(word) for option in shared.items() for word in option]
    command = [sys.executable, "-m", "benchmarks", "soak", *words, "--seed"]
    began = time.monotonic()
    soaks = [
        subprocess.Popen([*command, str(options.seed + i)], stdout=subprocess.PIPE, text=True)
        for i in range(options.runs)
    ]
    for soak in soaks:
        print(soak.communicate()[0], flush=True)
    failed = sum(soak.returncode != 0 for soak in soaks)
    print(f"{options.runs} runs of {kills} faults in {time.monotonic() - began:.0f} s: {failed} failed")
    return int(failed > 0)


def _torment(script: Path, run: Path, kills: int, every_s: float, rng: random.Random) -> Soak:
    soak = Soak()
    supervisor = _start(script)
    store = _open(run, supervisor)
    with Sleepers() as sleepers:
        try:
            while soak.kills + soak.pauses + soak.supervisor_kills < kills:
                time.sleep(rng.expovariate(1 / every_s))
                _observe(store, soak)
                workers = [pid for pid in _workers(supervisor.pid) if pid not in sleepers.stopped()]
                if not workers:
                    if supervisor.poll() is not None:
                        raise SystemExit("soak FAILED: the run has ended by itself: nothing may end it but the soak")
                    continue  # they are being started
                what = rng.random()
                if what < 0.01:
                    supervisor.kill()
                    supervisor.wait()
                    soak.supervisor_kills += 1
                    soak.times.append(time.time())
                    sleepers.wake_all()
                    supervisor = _start(script)
                elif what < 0.33:
                    pause_s = LEASE_S * rng.uniform(1.2, 2.5)
                    if len(workers) > 1 and sleepers.stop(rng.choice(workers), pause_s):
                        soak.pauses += 1
                        soak.times.append(time.time())
                elif _signal(rng.choice(workers), signal.SIGKILL):
                    soak.kills += 1
                    soak.times.append(time.time())
        finally:
            sleepers.wake_all()
            supervisor.send_signal(signal.SIGINT)
            try:
                supervisor.wait(timeout=60)
            except subprocess.TimeoutExpired:
                supervisor.kill()
                supervisor.wait()
    _observe(store, soak)
    store.close()
    return soak


def _report(soak: Soak, run: Path, options: argparse.Namespace, took_s: float) -> int:
    violations = verify(run)
    store = SqliteStore(run)
    held = {(s.member, s.generation): s.checkpoint for s in store.segments() if s.ended is not None}
    events = []
    while page := store.events(events[-1].sequence if events else 0, 10_000):
        events += page
    store.close()
    missing = [place for place, digest in soak.seen.items() if held.get(place) != digest]
    lost = [e for e in events if e.kind is EventKind.LOST]
    given_up = [e for e in events if e.kind is EventKind.GIVEN_UP]
    leftovers = list((run / "checkpoints" / "tmp").glob("*"))
    faults = soak.kills + soak.pauses + soak.supervisor_kills
    delays = sorted(_delays(soak.times, [e.at for e in lost]))
    p99 = delays[int(0.99 * (len(delays) - 1))] if delays else 0.0
    print(
        f"{soak.kills} kills, {soak.pauses} pauses past the lease, {soak.supervisor_kills} supervisor kills "
        f"in {took_s:.0f} s"
    )
    print(f"{len(held)} segments published, {len(soak.seen)} seen by the observer, {len(missing)} of them missing")
    print(f"{len(lost)} intervals lost, at most one per fault: {len(lost) <= faults}; {len(given_up)} given up")
    print(f"from a fault to the loss being known: p99 {p99:.2f} s (lease {LEASE_S} s)")
    print(f"{len(leftovers)} temporary files left, {len(violations)} laws broken")
    for violation in violations[:5]:
        print(f"  {violation}")
    good = not violations and not missing and not given_up and len(lost) <= faults and p99 <= LEASE_S + 2
    print(f"soak of seed {options.seed}: {'passed' if good else 'FAILED'}")
    return 0 if good else 1


def _delays(faults: list[float], losses: list[float]) -> list[float]:
    """Returns how long before each loss was written the nearest fault not yet matched had happened."""
    free, delays = sorted(faults), []
    for loss in sorted(losses):
        if before := bisect.bisect_right(free, loss):
            delays.append(loss - free.pop(before - 1))
    return delays


def _start(script: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL, cwd=script.parent)


def _open(run: Path, supervisor: subprocess.Popen[bytes]) -> SqliteStore:
    while not (run / "store.sqlite").exists():
        if supervisor.poll() is not None:
            raise SystemExit("soak: the run could not start: run the script by hand to see why")
        time.sleep(0.01)
    time.sleep(0.5)
    return SqliteStore(run)


def _observe(store: SqliteStore, soak: Soak) -> None:
    changes = store.snapshot(max(1, soak.sequence))
    soak.sequence = changes.sequence
    for segment in changes.ended:
        if segment.checkpoint is not None:
            soak.seen[segment.member, segment.generation] = segment.checkpoint


def _workers(supervisor: int) -> list[int]:
    """Returns the process ids of the supervisor's workers: the children of its fork server."""
    return [worker for server in _children(supervisor) for worker in _children(server)]


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
