"""Laws of crashes: whoever is killed at whatever moment, at most one unpublished interval is lost, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from populace import Callback, PopulaceError, Processes, Trainable
from populace.core import Finite
from populace.run import verify
from populace.store import EventKind, SqliteStore
from populace.testing import NoisyBowl, tune_toy

pytestmark = pytest.mark.slow
linux = pytest.mark.skipif(sys.platform != "linux", reason="waits for processes by pidfd, which only Linux has")


class Counting(Trainable):
    """Notes every step it is asked for in a file, with the process that takes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def init(self, key, hp):
        return {"w": 0.9}

    def step(self, key, state, hp):
        with self.path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return {"w": state["w"] * (1 - hp["lr"])}

    def evaluate(self, key, state):
        return 1 - state["w"]


STEPS = 96  # long enough for several kills: who watches sees segments ten times a second


class Killer(Callback):
    """Kills a worker process after every few segments."""

    def __init__(self, pids: Path, every: int) -> None:
        self.pids = pids
        self.every = every
        self.num_seen = 0
        self.num_killed = 0
        self.random = random.Random(0)

    def on_segment(self, segment):
        self.num_seen += 1
        if self.num_seen % self.every:
            return
        known = {int(line) for line in self.pids.read_text().split()} if self.pids.exists() else set()
        alive = sorted(pid for pid in known if _is_alive(pid))
        if alive:
            os.kill(self.random.choice(alive), signal.SIGKILL)
            self.num_killed += 1


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _events(directory: Path, *kinds: EventKind):
    store = SqliteStore(directory)
    try:
        return [event for event in store.events(limit=100_000) if event.kind in kinds]
    finally:
        store.close()


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run whose workers are killed again and again; with its killer and the file of its steps."""
    folder = tmp_path_factory.mktemp("killed")
    killer = Killer(folder / "steps", every=5)
    result = tune_toy(
        Counting(folder / "steps"),
        folder,
        population=6,
        steps=STEPS,
        max_failures=20,
        executor=Processes(workers=2),
        callbacks=[killer],
    )
    return result, killer, folder / "steps"


@linux
def test_killed_workers_cost_an_interval_at_most(killed):
    """Out of memory, a preemption, an impatient administrator: the run completes, and its budget is exact."""
    result, killer, steps = killed
    assert killer.num_killed >= 3
    assert result.finished
    assert result.state.steps == (STEPS,) * 6
    assert all(isinstance(s.outcome, Finite) for s in result.segments)
    trained = len(steps.read_text().splitlines())
    assert 6 * STEPS <= trained <= 6 * STEPS + 2 * killer.num_killed
    assert len(_events(result.directory, EventKind.LOST)) <= killer.num_killed


@linux
def test_killed_workers_leave_a_log_that_can_be_verified(killed):
    """Decisions, budget, lineage and bytes: everything that a log promises holds after crashes as well."""
    result, _, _ = killed
    assert verify(result.directory) == []


@linux
def test_killed_workers_leave_nothing_behind(killed):
    """Neither processes nor files: a machine that runs for months must not fill up."""
    result, _, steps = killed
    assert not [pid for pid in {int(p) for p in steps.read_text().split()} if _is_alive(pid)]
    assert list((result.directory / "checkpoints" / "tmp").iterdir()) == []
    assert not (result.directory / "scratch").exists()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The log of a synchronous run, trained inline."""
    result = tune_toy(NoisyBowl(), tmp_path_factory.mktemp("reference"), metric="score", synchronous=True)
    return result.to_records()


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_synchronous_log_depends_on_the_seed_alone(reference, tmp_path, workers):
    """A result that another number of workers would not repeat is no result."""
    executor = Processes(workers=workers, threads=1)
    result = tune_toy(NoisyBowl(), tmp_path, metric="score", synchronous=True, executor=executor)
    assert result.to_records() == reference


@linux
def test_a_synchronous_log_does_not_show_kills(reference, tmp_path):
    """A crash within the failure budget is repeated from the same checkpoint with the same random numbers."""

    class Dying(Trainable):
        def init(self, key, hp):
            return NoisyBowl().init(key, hp)

        def step(self, key, state, hp):
            mark = tmp_path / f"{key.seed()}"
            if key.seed() % 3 == 0 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return NoisyBowl().step(key, state, hp)

        def evaluate(self, key, state):
            return NoisyBowl().evaluate(key, state)

    executor = Processes(workers=2, threads=1)
    result = tune_toy(Dying(), tmp_path, metric="score", synchronous=True, executor=executor, max_failures=20)
    assert _events(result.directory, EventKind.LOST)
    assert result.to_records() == reference


def _die(how):
    match how:
        case "exit 0":
            os._exit(0)
        case "exit 3":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)


class Deadly(Trainable):
    """Ends its own process: always, or once."""

    def __init__(self, how: str, mark: Path | None = None) -> None:
        self.how = how
        self.mark = mark

    def init(self, key, hp):
        return {"w": 0.9}

    def step(self, key, state, hp):
        if self.mark is None:
            _die(self.how)
        elif not self.mark.exists():
            self.mark.touch()
            _die(self.how)
        return state

    def evaluate(self, key, state):
        return 1.0


@pytest.mark.parametrize(
    ("how", "told"), [("exit 0", "exit code 0"), ("exit 3", "exit code 3"), ("segfault", "SIGSEGV")]
)
def test_code_that_always_kills_its_process_stops_the_run(tmp_path, how, told):
    """A broken native library must not restart workers for ever; nor may an exit code of 0 pass for success."""
    with pytest.raises(PopulaceError, match=rf"died one after another .* by {told}: .*Inline"):
        tune_toy(Deadly(how), tmp_path, executor=Processes(workers=2))


@pytest.mark.parametrize("how", ["exit 0", "segfault"])
def test_code_that_kills_its_process_once_is_retried(tmp_path, how):
    """One crash of a native library is an accident."""
    result = tune_toy(Deadly(how, tmp_path / "mark"), tmp_path, executor=Processes(workers=2))
    assert result.finished
    assert result.state.steps == (6,) * 4
    assert len(_events(result.directory, EventKind.LOST)) == 1


def test_a_child_of_the_users_that_lives_on_holds_nobody_up(tmp_path):
    """Data loaders that outlive their worker hold its pipes open; the supervisor must not wait for them."""

    class Forking(Deadly):
        def step(self, key, state, hp):
            if not self.mark.exists():
                child = os.fork()
                if child == 0:
                    signal.pause()
                self.mark.write_text(str(child))
                os.kill(os.getpid(), signal.SIGKILL)
            return state

    mark = tmp_path / "mark"
    try:
        assert tune_toy(Forking("", mark), tmp_path, executor=Processes(workers=2)).finished
    finally:
        os.kill(int(mark.read_text()), signal.SIGKILL)
