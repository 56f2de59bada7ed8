"""A session: worker processes on one run, under a supervisor that buries the dead, until they end or all is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from populace._errors import PopulaceError, RunFailed, StaleClaim, StoreError
from populace.core import RunSpec, SegmentId
from populace.store import Claim, Store
from populace.testing.simulator._clock import LEASE_TICKS, TICK_S
from populace.testing.simulator._disk import SimulatedCheckpoints
from populace.testing.simulator._gate import GatedStore
from populace.testing.simulator._plan import Fault
from populace.testing.simulator._toy import StepError
from populace.testing.simulator._turns import Actor, Killed
from populace.testing.simulator._world import World
from populace.worker import Member, Worker

_BEAT_TICKS = LEASE_TICKS // 4
_ANYWHERE = (
    *(Fault.KILL_BEFORE, Fault.PAUSE, Fault.RUN_CRASH, Fault.HOST_CRASH, Fault.STOP),
    *(Fault.WALL_JUMP, Fault.EXTRA_WORKER, Fault.PIN, Fault.SPOIL),
)


@final
class Session:
    """Trains a run until its workers have ended.

    Args:
        world: What all processes share.
        spec: The run as this session opened it.

    Attributes:
        crash: What has ended all processes at once, if anything has.
        failure: What has ended the run, if anything has.
        stopped: Whether the run was asked to stop.
    """

    def __init__(self, world: World, spec: RunSpec) -> None:
        self.world = world
        self.spec = spec
        self.crash: Fault | None = None
        self.failure: RunFailed | None = None
        self.stopped = False
        self._processes: list[_Process] = []

    def run(self) -> None:
        """Starts the workers and lets them move until all have ended."""
        for _ in range(self.world.plan.num_workers):
            self.start()
        self.world.turns.run()

    def start(self, before: Callable[[], None] = lambda: None) -> None:
        """Starts one more worker, which does something `before` its work."""
        name = f"s{self.world.session}.w{len(self._processes)}"
        self._processes.append(_Process(self, name, before))

    def end(self, cause: Fault | RunFailed) -> None:
        """Ends all processes at once."""
        if isinstance(cause, Fault):
            self.crash = cause
        else:
            self.failure = cause
        for process in self._processes:
            process.kill()

    def bury(self, name: str) -> None:
        """Replaces a dead worker; the supervisor may have seen it die, or only miss it."""
        told = self.world.rng.random() < self.world.plan.p_told
        self.start(lambda: self._expire(name) if told else None)

    def stop(self) -> None:
        """Asks the workers to stop, as a user would."""
        self.world.before_write(durable=True)
        self.world.log.command("stop")
        self.world.observer.stopping = True
        self.stopped = True

    def _expire(self, name: str) -> None:
        self.world.before_write(durable=True)
        self.world.log.expire(name)
        self.world.observer.expired(name)


@final
class _Process:
    """One worker process: the real worker between a gated store, a simulated disk and the simulated user's code."""

    def __init__(self, session: Session, name: str, before: Callable[[], None]) -> None:
        self._session = session
        self._world = session.world
        self._notes = session.world.observer
        self._name = name
        self._before = before
        self._claim: Claim | None = None
        self._paused = False
        self._heart: Store | None = None
        self._actor: Actor = self._world.turns.start(name, self._live, after=self._world.rng.randrange(4))

    def kill(self) -> None:
        """Kills it."""
        self._notes.hit(self._name, "killed")
        self._world.turns.kill(self._actor)

    def _live(self) -> None:
        self._before()
        self._beat_later()
        store = GatedStore(self._world, self._name, self._world.store(), self._turn, self._die)
        try:
            Worker(
                name=self._name,
                spec=self._session.spec,
                store=store,
                checkpoints=SimulatedCheckpoints(self._world.disk, self._operate),
                loop=self._world.plan.toy.loop(self._step),
                pause=self._pause,
                holding=self._hold,
            ).run()
        except Exception as error:
            self._judge(error)
        finally:
            store.close()
            self._notes.ended(self._name)

    def _judge(self, error: Exception) -> None:
        """Acts on how the worker ended, as a supervisor would."""
        if self._actor.dead:
            return
        if isinstance(error, RunFailed):
            self._session.end(error)
        elif isinstance(error, PopulaceError) and self._notes.process(self._name).hit:
            self._session.end(Fault.FULL_STORE)
        else:
            self._notes.violate("crash", self._name, f"{type(error).__name__}: {error}")
            self._session.end(RunFailed(str(error)))

    def _hold(self, claim: Claim | None) -> None:
        self._claim = claim

    def _beat_later(self) -> None:
        self._world.turns.appoint(_BEAT_TICKS, self._beat)

    def _beat(self) -> None:
        """Renews the lease beside the training; a paused process has a paused heart."""
        if self._actor.dead or self._actor.done:
            return
        if self._claim is not None and not self._paused:
            self._heart = self._heart or self._world.store()
            self._world.before_write(durable=False)
            try:
                self._heart.renew(self._claim)
                self._notes.extended(self._claim, self._world.clock.now())
            except StaleClaim:
                self._notes.counts["stale claim at renew"] += 1
                self._claim = None
        self._beat_later()

    def _pause(self, seconds: float) -> None:
        self._turn()
        self._world.turns.wait(max(1, round(seconds / TICK_S)) + self._world.rng.randrange(2))

    def _step(self, member: Member) -> None:
        self._turn()
        slow = self._world.fault(Fault.SLOW) is not None
        self._world.turns.wait(3 * LEASE_TICKS if slow else self._world.rng.choice((0, 0, 1, 1, 2)))
        self._notes.stepped(self._name, SegmentId(member.id, member.key.path[1]))
        if self._world.fault(Fault.STEP_ERROR):
            self._notes.hit(self._name, "exception")
            raise StepError("sometimes")

    def _operate(self, name: str) -> None:
        """Is called at every operation on checkpoints."""
        self._turn()
        if name in ("put", "sync") and self._world.fault(Fault.FULL_DISK):
            self._notes.hit(self._name, "full disk")
            raise StoreError("disk full: a checkpoint could not be written")
        if name == "synced" and self._world.fault(Fault.KILL_AFTER):
            self._notes.counts["killed after put"] += 1
            self._die()

    def _die(self) -> None:
        self.kill()
        self._session.bury(self._name)
        raise Killed

    def _turn(self) -> None:
        """Lets others move, and fate."""
        world, session = self._world, self._session
        world.turns.pass_on()
        if self._notes.violations:
            session.end(RunFailed("broken"))
            raise Killed
        fault = world.fault(*_ANYWHERE)
        match fault:
            case None:
                return
            case Fault.KILL_BEFORE:
                self._die()
            case Fault.PAUSE:
                self._sleep()
            case Fault.RUN_CRASH | Fault.HOST_CRASH:
                session.end(fault)
                raise Killed
            case Fault.STOP:
                session.stop()
            case Fault.WALL_JUMP:
                world.clock.wall_offset_s += world.rng.choice((-1e5, 1e5))
            case Fault.EXTRA_WORKER:
                session.start()
            case Fault.PIN:
                world.pin()
            case Fault.SPOIL:
                world.spoil()

    def _sleep(self) -> None:
        """Stops for longer than a lease, as a stopped process or a suspended machine does."""
        self._notes.hit(self._name, "paused")
        self._paused = True
        try:
            self._world.turns.wait(LEASE_TICKS + self._world.rng.randrange(1, 2 * LEASE_TICKS))
        finally:
            self._paused = False
