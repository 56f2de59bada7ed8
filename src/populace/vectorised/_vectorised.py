"""A whole population as one compiled program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

from populace._errors import DamagedCheckpoint, MissingExtra, UsageError
from populace.checkpoints import CheckpointStore
from populace.core import RunSpec
from populace.executors import LEASE_S, Executor, Job, Outages
from populace.store import Claim, Store
from populace.vectorised._level import claim_level, release
from populace.worker import Driven, PatientCheckpoints, PatientStore, Worker, loop_of

_NAME = "vectorised"


@final
@dataclass(frozen=True)
class Vectorised(Executor):
    """Trains all members at once in one compiled JAX program per interval, in this process.

    For models that do not fill the device alone. The task is a `populace.jax.Trainable`. Decisions, log and results are
    those of every other executor; a run may be begun by one and resumed by another. The log follows the checkpoints:
    a kill costs what was trained since the last one.

    Attributes:
        devices: How many of JAX's devices the population is spread over; None takes all. On a processor whose JAX has
            not started yet, None makes a device of each core.
        chunk: How many members train in one vectorised call. With 1 a member trains by the very program of a member
            alone, and not a bit differs; wider ones differ in the last bits. "auto": in a synchronous run, whose log is
            to depend on the seed alone, 1 on a processor and all members elsewhere; else found by measuring.
        checkpoint_every: Generations between checkpoints of the population; None checkpoints every second, and less
            often where saving the states would take more than a fortieth of a core's time.
        generations_per_call: How many generations the device trains before the host looks again. It changes nothing but
            the speed of short intervals. More than 1 needs one device (which it takes where `devices` is left out),
            Truncation without a guard, one of the paper's ways to explore, and hyperparameters that are all numbers
            and not static; elsewhere it is 1. "auto": as many as pay.
    """

    devices: int | None = None
    chunk: int | Literal["auto"] = "auto"
    checkpoint_every: int | None = None
    generations_per_call: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in ("devices", "checkpoint_every", "chunk", "generations_per_call"):
            value, left_out = getattr(self, name), None if name in ("devices", "checkpoint_every") else "auto"
            if value != left_out and (type(value) is not int or value < 1):
                or_auto = "" if left_out is None else " or 'auto'"
                raise UsageError(
                    f"`{name}` must be a whole number of at least 1{or_auto}, but got Vectorised({name}={value!r}): "
                    "leave it out"
                )

    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        def patient(who: str) -> Store:
            patience = outages.patience(who, lease_s=LEASE_S, stopping=stopping)
            return PatientStore(job.store(), patience)

        store = patient(_NAME)
        patience = outages.patience(_NAME, lease_s=LEASE_S, stopping=stopping)
        checkpoints = PatientCheckpoints(job.checkpoints(), patience)

        def worker(stopping: Callable[[], bool]) -> Worker:
            return Worker(
                name=_NAME,
                spec=job.spec,
                store=store,
                checkpoints=checkpoints,
                loop=loop_of(job.trainable),
                pause=time.sleep,
                holding=lambda _: watch(),
                stopping=stopping,
                scratch=job.scratch,
            )

        try:
            claims = claim_level(_NAME, job.spec, store, worker, stopping)
            if not claims:
                return
            try:
                self._train(job, store, lambda: patient("the writer"), checkpoints, claims, watch, stopping)
            except DamagedCheckpoint:
                release(store, claims)  # an ordinary worker knows how to go on without it
                worker(stopping).run()
            else:
                release(store, claims)
        finally:
            store.close()

    def check(self, job: Job) -> None:
        try:
            import jax  # noqa: F401 - an extra, asked for here so that nothing is created without it
        except ImportError:
            raise MissingExtra('Vectorised needs JAX: pip install "populace[jax]"') from None
        if job.spec.looks.log:
            raise UsageError(
                f"Vectorised trains a population side by side, but {type(job.spec.policy).__name__} makes one attempt "
                "after another: use executor=populace.Processes() or Inline()"
            )
        if not isinstance(job.trainable, Driven):
            name = getattr(job.trainable, "__name__", type(job.trainable).__name__)
            raise UsageError(
                f"Vectorised trains a populace.jax.Trainable, whose functions JAX can trace, but got {name!r}: derive "
                "from populace.jax.Trainable, or use executor=populace.Processes()"
            )

    def warnings(self, spec: RunSpec) -> list[str]:
        return []

    def _chunk(self, spec: RunSpec, platform: str, largest: int) -> int | None:
        """Returns the chunk; None where it is to be found by measuring."""
        if self.chunk != "auto":
            return self.chunk
        return (1 if platform == "cpu" else largest) if spec.synchronous else None

    def _train(
        self,
        job: Job,
        store: Store,
        open_store: Callable[[], Store],
        checkpoints: CheckpointStore,
        claims: Sequence[Claim],
        watch: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        from populace.jax import Programs
        from populace.vectorised._backlog import Backlog
        from populace.vectorised._calls import Calls
        from populace.vectorised._chunks import Chunks
        from populace.vectorised._devices import devices_for
        from populace.vectorised._fused import is_traceable
        from populace.vectorised._loading import load_best, load_rows
        from populace.vectorised._loop import Loop
        from populace.vectorised._standing import Standing
        from populace.vectorised._writer import Writer

        spec = job.spec
        programs = Programs(job.trainable, spec.metric)  # type: ignore[arg-type]  # `check` has seen to it
        standing = Standing(store, spec, claims)
        asks = self.generations_per_call not in ("auto", 1)
        can = standing.together is not None and is_traceable(standing.together, programs.static)
        devices = devices_for(1 if asks and can and self.devices is None else self.devices, len(claims))
        has_spare = can and self.generations_per_call != 1 and len(devices) == 1
        rows, largest = load_rows(programs, spec, store, checkpoints, claims, devices, has_spare=has_spare)
        left = -(-(spec.steps - claims[0].steps) // spec.interval)
        chunks = Chunks(self._chunk(spec, devices[0].platform, largest), largest, left)
        best = store.state().best
        writer = Writer(open_store, checkpoints, allow_pickle=spec.allow_pickle)
        Loop(
            spec=spec,
            members=[claim.member for claim in claims],
            steps=claims[0].steps,
            standing=standing,
            rows=rows,
            backlog=Backlog(
                spec=spec,
                claims=claims,
                writer=writer,
                every=self.checkpoint_every,
                best=best,
                best_state=load_best(programs, spec, checkpoints, best),
            ),
            chunks=chunks,
            calls=Calls(
                self.generations_per_call,
                spec=spec,
                programs=programs,
                standing=standing,
                block=rows.block,
                chunks=chunks,
            ),
        ).run(watch, stopping)
