"""Turns: real threads of which exactly one runs at a time, on virtual time, in an order that one seed determines.

Every simulated process is an actor: a thread that holds the baton or waits for it. Wherever a process could be
interrupted it calls `pass_on` or `wait`, and the scheduler draws who moves next among those whose time has come. When
nobody's has, time jumps to the first. What happens at a moment without a process of its own (a heartbeat, a command
from outside) is an appointment; it is drawn like an actor and runs in the thread that holds the baton.

Threads rather than generators, because the code under test is the real worker, which knows nothing of simulation.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import final


class Killed(BaseException):
    """Ends a simulated process: no handler of the code under test may stop it, and no effect of theirs counts."""


@final
class Actor:
    """One simulated process.

    Attributes:
        name: Its name.
        wakes: The tick before which it does not move.
        dead: Whether it was killed; its thread unwinds at its next turn.
        done: Whether its thread has ended.
    """

    def __init__(self, name: str, body: Callable[[], None], wakes: int) -> None:
        self.name = name
        self.wakes = wakes
        self.dead = False
        self.done = False
        self._body = body
        self._baton = threading.Lock()
        self._baton.acquire()
        self._started = False

    def move(self, at_end: Callable[[], None]) -> None:
        """Hands it the baton."""
        if self._started:
            self._baton.release()
            return
        self._started = True
        _thread().give(lambda: self._run(at_end))

    def halt(self) -> None:
        """Waits for the baton; called by the actor itself."""
        self._baton.acquire()

    def _run(self, at_end: Callable[[], None]) -> None:
        try:
            if not self.dead:
                self._body()
        except Killed:
            pass
        finally:
            self.done = True
            at_end()


@final
class Turns:
    """Draws who moves.

    Args:
        rng: Source of the order.
        sticky: Probability that whoever moved moves again where it can; in [0, 1).
        max_turns: Turns after which everybody is killed and `stuck` is set.

    Attributes:
        now: The time in ticks.
        taken: Turns taken.
        stuck: Whether the turns ran out.
    """

    def __init__(self, rng: random.Random, *, sticky: float, max_turns: int) -> None:
        self.now = 0
        self.taken = 0
        self.stuck = False
        self._rng = rng
        self._sticky = sticky
        self._max_turns = max_turns
        self._actors: list[Actor] = []
        self._appointments: list[tuple[int, Callable[[], None]]] = []
        self._current: Actor | None = None
        self._ended = threading.Lock()
        self._ended.acquire()
        self._broken: BaseException | None = None

    @property
    def current(self) -> Actor:
        """The actor that holds the baton."""
        assert self._current is not None, "somebody moves"
        return self._current

    def start(self, name: str, body: Callable[[], None], *, after: int = 0) -> Actor:
        """Adds an actor that begins to move after some ticks."""
        actor = Actor(name, body, self.now + after)
        self._actors.append(actor)
        return actor

    def appoint(self, after: int, happening: Callable[[], None]) -> None:
        """Lets something happen after some ticks, if anybody lives then."""
        self._appointments.append((self.now + after, happening))

    def kill(self, actor: Actor) -> None:
        """Ends an actor at its next turn, which it takes at once."""
        actor.dead = True
        actor.wakes = self.now

    def run(self) -> None:
        """Lets the actors move until all have ended."""
        self._appointments.clear()
        self._hand_over()
        self._ended.acquire()
        self._actors.clear()
        if self._broken is not None:
            raise self._broken

    def pass_on(self) -> None:
        """Lets others move, perhaps.

        Raises:
            Killed: The actor was killed meanwhile.
        """
        me = self.current
        self.taken += 1
        if me.dead:
            raise Killed
        if self._rng.random() < self._sticky and self.taken < self._max_turns:
            return
        self._yield(me)

    def wait(self, ticks: int) -> None:
        """Lets others move for some ticks at least.

        Raises:
            Killed: The actor was killed meanwhile.
        """
        me = self.current
        self.taken += 1
        if me.dead:
            raise Killed
        me.wakes = self.now + ticks
        self._yield(me)

    def _yield(self, me: Actor) -> None:
        chosen = self._draw()
        if chosen is not None and chosen is not me:
            self._current = chosen
            chosen.move(self._at_end)
            me.halt()
        if me.dead:
            raise Killed

    def _at_end(self) -> None:
        try:
            self._hand_over()
        except BaseException as error:  # a bug of the simulator: nobody else would hear of it
            self._broken = error
            self._ended.release()

    def _hand_over(self) -> None:
        chosen = self._draw()
        self._current = chosen
        if chosen is None:
            self._ended.release()
        else:
            chosen.move(self._at_end)

    def _draw(self) -> Actor | None:
        """Returns who moves next, after whatever happens before; None where nobody is left."""
        while True:
            alive = [actor for actor in self._actors if not actor.done]
            if not alive:
                return None
            if self.taken >= self._max_turns:
                self.stuck = True
                for actor in alive:
                    self.kill(actor)
                return alive[0]
            ready: list[Actor | tuple[int, Callable[[], None]]] = [a for a in alive if a.wakes <= self.now]
            ready += [due for due in self._appointments if due[0] <= self.now]
            if not ready:
                self.now = min([a.wakes for a in alive] + [due[0] for due in self._appointments])
                continue
            chosen = ready[int(self._rng.random() * len(ready))]
            if isinstance(chosen, Actor):
                return chosen
            self._appointments.remove(chosen)
            chosen[1]()


@final
class _Thread:
    """A thread that takes one job after another: a new one for every actor would cost more than what it does."""

    def __init__(self) -> None:
        self._job: Callable[[], None] | None = None
        self._given = threading.Lock()
        self._given.acquire()
        threading.Thread(target=self._work, name="populace-simulated", daemon=True).start()

    def give(self, job: Callable[[], None]) -> None:
        self._job = job
        self._given.release()

    def _work(self) -> None:
        while True:
            self._given.acquire()
            assert self._job is not None
            self._job()
            self._job = None
            _idle.append(self)


_idle: list[_Thread] = []


def _thread() -> _Thread:
    return _idle.pop() if _idle else _Thread()
