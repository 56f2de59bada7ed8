"""A whole population as one compiled program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, final

from populace._errors import DamagedCheckpoint, MissingExtra, UsageError
from populace.checkpoints import CheckpointStore, needs_template, unpack
from populace.core import RunSpec, Segment, SegmentId, base_of
from populace.executors import LEASE_S, Executor, Job, Outages
from populace.store import Claim, Store
from populace.vectorised._level import claim_level, release
from populace.worker import STATE_NAME, Driven, PatientCheckpoints, PatientStore, Worker, first_draft, loop_of

if TYPE_CHECKING:
    from populace.jax import Programs
    from populace.vectorised._rows import Rows

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
            often where writing would take more than a twentieth of the time.
    """

    devices: int | None = None
    chunk: int | Literal["auto"] = "auto"
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("devices", self.devices), ("checkpoint_every", self.checkpoint_every)):
            if value is not None and (type(value) is not int or value < 1):
                raise UsageError(
                    f"`{name}` must be a whole number of at least 1, but got Vectorised({name}={value!r}): leave it out"
                )
        if self.chunk != "auto" and (type(self.chunk) is not int or self.chunk < 1):
            raise UsageError(
                f"`chunk` must be a whole number of at least 1 or 'auto', but got Vectorised(chunk={self.chunk!r}): "
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
        if not isinstance(job.trainable, Driven):
            name = getattr(job.trainable, "__name__", type(job.trainable).__name__)
            raise UsageError(
                f"Vectorised trains a populace.jax.Trainable, whose functions JAX can trace, but got {name!r}: derive "
                "from populace.jax.Trainable, or use executor=populace.Processes()"
            )
        if job.spec.policy.needs_log:
            raise UsageError(
                f"Vectorised trains a population side by side, but {type(job.spec.policy).__name__} makes one attempt "
                "after another: use executor=populace.Processes() or Inline()"
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
        devices = _devices(self.devices, len(claims))
        from populace.jax import Programs
        from populace.vectorised._chunks import Chunks
        from populace.vectorised._loop import Loop
        from populace.vectorised._standing import Standing
        from populace.vectorised._writer import Writer

        spec = job.spec
        programs = Programs(job.trainable, spec.metric)  # type: ignore[arg-type]  # `check` has seen to it
        rows, largest = _rows(programs, spec, store, checkpoints, claims, devices)
        best = store.state().best
        left = -(-(spec.steps - claims[0].steps) // spec.interval)
        Loop(
            spec=spec,
            claims=claims,
            standing=Standing(store, spec, claims),
            rows=rows,
            writer=Writer(open_store, checkpoints, allow_pickle=spec.allow_pickle),
            chunks=Chunks(self._chunk(spec, devices[0].platform, largest), largest, left),
            checkpoint_every=self.checkpoint_every,
            best=best,
            best_state=_best_state(programs, spec, checkpoints, best),
        ).run(watch, stopping)


def _devices(wanted: int | None, members: int) -> list[Any]:
    """Returns the devices to use, at most one per member."""
    import jax

    if wanted != 1:
        cores = len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1
        with suppress(RuntimeError):  # JAX has started: its devices are what they are
            # An XLA device of a processor keeps little more than one core busy with small models.
            jax.config.update("jax_num_cpu_devices", wanted or cores)
    found: list[Any] = jax.devices()
    if wanted is not None and wanted > len(found):
        raise UsageError(
            f"`devices` must be at most the {len(found)} that JAX has, but got Vectorised(devices={wanted}): lower it, "
            f"or start JAX with more (jax.config.update('jax_num_cpu_devices', {wanted}))"
        )
    return found[: min(wanted or len(found), members)]


def _rows(
    programs: Programs,
    spec: RunSpec,
    store: Store,
    checkpoints: CheckpointStore,
    claims: Sequence[Claim],
    devices: Sequence[Any],
) -> tuple[Rows, int]:
    """Returns the members' states, loaded or made, and how many members a device holds at most."""
    from populace.vectorised._block import Block
    from populace.vectorised._rows import Rows

    first_state = partial(_first_state, programs, spec)

    def state_of(claim: Claim) -> Any:
        base = None if claim.newest is None else base_of(claim.newest)
        if base is None:
            return first_state(SegmentId(claim.member, 0), first_draft(spec, claim.member, 1).hyperparameters)
        source = store.segment(base)
        assert source is not None, "a base is in the log"
        return _saved_state(programs, spec, checkpoints, source)

    share = -(-len(claims) // len(devices))
    parts = [claims[i : i + share] for i in range(0, len(claims), share)]
    blocks = [Block(programs, d, map(state_of, part), share) for d, part in zip(devices, parts, strict=False)]
    return Rows(blocks, [[c.member for c in part] for part in parts], first_state), share


def _first_state(programs: Programs, spec: RunSpec, id: SegmentId, hyperparameters: Any) -> Any:
    return programs.init(spec.init_key(*id).jax(), spec.space.active(hyperparameters))


def _saved_state(programs: Programs, spec: RunSpec, checkpoints: CheckpointStore, segment: Segment) -> Any:
    assert segment.checkpoint is not None, "what is copied has a checkpoint"
    blob = checkpoints.get(segment.checkpoint)
    like = None
    if needs_template(blob):
        like = {STATE_NAME: {STATE_NAME: _first_state(programs, spec, segment.id, segment.hyperparameters)}}
    held = unpack(blob, like=like, allow_pickle=spec.allow_pickle)[STATE_NAME]
    assert isinstance(held, dict), "a task's state is tracked in a dict"
    return held[STATE_NAME]


def _best_state(programs: Programs, spec: RunSpec, checkpoints: CheckpointStore, best: Segment | None) -> Any:
    """Returns the state of the best segment of the run; None where no decision will copy it."""
    if best is None or not best.can_donate or not spec.policy.needs_best:
        return None
    return _saved_state(programs, spec, checkpoints, best)
