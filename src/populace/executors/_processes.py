"""Worker processes on this machine, under a supervisor that restarts the dead."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import final

from populace._errors import RunFailed, StoreError, UsageError
from populace.core import RunSpec
from populace.executors._by_value import to_bytes
from populace.executors._executor import LEASE_S, Executor, Job
from populace.executors._forkserver import environment, start_process
from populace.executors._outages import Outages
from populace.executors._process import Assignment, Word, work
from populace.store import HostClock, Store
from populace.worker import PatientStore, loop_of

_TICK_S = 0.05
_MOST_WORKERS = 1024  # of one host; a slip of the finger must not start processes without end
_MAX_IDLE_DEATHS = 3
_SUPERVISOR = "the supervisor"


@final
@dataclass(frozen=True)
class Processes(Executor):
    """Trains the members in worker processes of this machine.

    With more members than workers a worker trains them in turn, warm; with more workers than members some idle.

    Attributes:
        workers: Number of processes; None takes one per processor core, at most one per member.
        devices: What CUDA_VISIBLE_DEVICES is set to, worker after worker, round and round; None takes the devices
            that the machine shows, an empty list leaves the variable alone.
        threads: Numerical threads of each worker; None shares the cores among the workers. Results of large matrix
            products may depend on it in their last bits.
        preload: Modules that workers should find imported; torch and scikit-learn are, where this process has them.
        lease_s: Seconds after which a worker that gives no sign of life loses its member.
    """

    workers: int | None = None
    devices: Sequence[int | str] | None = None
    threads: int | None = None
    preload: Sequence[str] = ()
    lease_s: float = LEASE_S

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if value is not None and (type(value) is not int or not 1 <= value <= _MOST_WORKERS):
                raise UsageError(
                    f"`1 <= {name} <= {_MOST_WORKERS}` must hold, but got Processes({name}={value!r}): leave it out "
                    "to use all cores"
                )
        if self.devices is not None:
            _check_list("devices", self.devices, (int, str), "[0, 1]")
        _check_list("preload", self.preload, (str,), "['torch']")
        if type(self.lease_s) not in (int, float) or not 0 < self.lease_s < math.inf:
            raise UsageError(
                f"`lease_s` must be a finite number above 0, but got Processes(lease_s={self.lease_s!r}): 60 is usual"
            )

    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        patience = outages.patience(_SUPERVISOR, lease_s=self.lease_s, stopping=stopping)
        store = PatientStore(job.store(), patience)
        supervisor = _Supervisor(self, job, store, outages)
        try:
            supervisor.run(watch, stopping)
        finally:
            supervisor.kill()
            store.close()

    def check(self, job: Job) -> None:
        loop_of(job.trainable)
        to_bytes(job)

    def warnings(self, spec: RunSpec) -> list[str]:
        return []

    def num_workers(self, spec: RunSpec) -> int:
        """Returns how many processes a run gets."""
        if self.workers is not None:
            return self.workers
        return min(len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count() or 1, spec.population)


def _check_list(name: str, held: object, kinds: tuple[type, ...], example: str) -> None:
    is_list = isinstance(held, Sequence) and not isinstance(held, str)
    if not is_list or not all(type(item) in kinds for item in held):  # type: ignore[attr-defined]  # a list by then
        raise UsageError(f"`{name}` must be a list such as {example}, but got Processes({name}={held!r})")


@final
@dataclass(kw_only=True)
class _Place:
    """A worker process that was started and whose end was not seen yet."""

    name: str
    """The worker's name in the log."""
    process: BaseProcess
    """The process."""
    report: Connection
    """Where it speaks."""
    said: tuple[Word, str] | None = None
    """Its last words, once it has spoken them."""


@final
class _Supervisor:
    """Starts workers, restarts those that die, and gathers what they say."""

    def __init__(self, settings: Processes, job: Job, store: Store, outages: Outages) -> None:
        self._settings = settings
        self._store = store
        self._outages = outages
        self._payload = to_bytes(job)
        self._count = settings.num_workers(job.spec)
        cores = len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count() or 1
        self._threads = settings.threads or max(1, cores // self._count)
        self._devices = _devices(settings.devices)
        self._alive: dict[int, _Place] = {}
        self._starts = 0
        self._idle_deaths = 0
        # One member alone may kill its workers until it is given up.
        self._max_idle_deaths = max(_MAX_IDLE_DEATHS * self._count, job.spec.max_failures + 2)
        self._progress = -1

    def run(self, watch: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """Supervises until all workers have ended by themselves."""
        asked = False
        for place in range(self._count):
            self._start(place)
        while self._alive:
            wait([worker.process.sentinel for worker in self._alive.values()], timeout=_TICK_S)
            if stopping():
                if self._outages.lasting:
                    raise KeyboardInterrupt  # whoever waits comes to no ready point
                if not asked:
                    self._store.command("stop")
                    asked = True
            for place, worker in list(self._alive.items()):
                code = worker.process.exitcode  # before it is heard: what it says until it ends counts
                self._hear(worker)
                if code is not None:
                    del self._alive[place]
                    worker.process.close()
                    worker.report.close()
                    self._bury(place, code, worker, asked)
                    self._outages.end(worker.name)
            watch()

    def kill(self) -> None:
        """Ends what is left, at once."""
        for worker in self._alive.values():
            worker.process.kill()
            worker.process.join()
            worker.process.close()
            worker.report.close()
        self._alive.clear()

    def _start(self, place: int) -> None:
        name = f"w{place}.{self._starts}"
        self._starts += 1
        device = self._devices[place % len(self._devices)] if self._devices else None
        told = Assignment(
            name=name,
            device=device,
            threads=self._threads,
            lease_s=self._settings.lease_s,
            since=HostClock().now(),
            environment=environment(self._threads),
        )
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = start_process(
            work,
            self._payload,
            told,
            theirs,
            name=f"populace-{name}",
            preload=self._settings.preload,
            threads=self._threads,
        )
        theirs.close()
        self._alive[place] = _Place(name=name, process=process, report=ours)

    def _hear(self, worker: _Place) -> None:
        """Notes what a worker has said."""
        with suppress(EOFError):
            # A child of the user's may live on and hold the pipe open: nobody must wait for its end.
            while worker.report.poll():
                word, text = worker.report.recv()
                match word:
                    case Word.PAUSED:
                        self._outages.hear(worker.name)
                    case Word.RESUMED:
                        self._outages.end(worker.name)
                    case _:
                        worker.said = word, text

    def _bury(self, place: int, code: int, worker: _Place, asked: bool) -> None:
        """Acts on a worker's end: done, failed, or died and to be replaced."""
        match worker.said:
            case (Word.DONE, _):
                return
            case (Word.RUN_FAILED, text):
                raise RunFailed(text)
            case (Word.UNUSABLE, text):
                raise StoreError(text)
        self._store.expire(worker.name)
        if asked:
            return
        progress = self._store.state().num_segments
        self._idle_deaths = 0 if progress > self._progress else self._idle_deaths + 1
        self._progress = progress
        if self._idle_deaths >= self._max_idle_deaths:
            raise RunFailed(
                f"{self._idle_deaths} workers died one after another without finishing an interval, the last by "
                f"{_cause(code)}: run with executor=populace.Inline() to see why"
            )
        self._start(place)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name} (killed, as systems do when memory runs out)" if name == "SIGKILL" else name


def _devices(wanted: Sequence[int | str] | None) -> list[str]:
    if wanted is not None:
        return [str(device) for device in wanted]
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return [device for device in shown.split(",") if device]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(index) for index in range(len(list(folder.iterdir())))] if folder.is_dir() else []


def _has_affinity() -> bool:
    return os.name == "posix" and "sched_getaffinity" in dir(os)
