"""A worker: claims a member, trains it for a stay, hands it over, claims the next."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import final

from populace._errors import (
    MemberFailed,
    PopulaceError,
    RunFailed,
    StaleClaim,
    StoreError,
)
from populace.checkpoints import CheckpointStore
from populace.core import RunSpec
from populace.store import Claim, Store
from populace.worker._loops import Loop
from populace.worker._member import Member
from populace.worker._stay import Stay
from populace.worker._view import View

_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 0.0005, 0.05, 1.5
_MAX_REASON = 20_000


@final
class Worker:
    """Trains members until none is left.

    Args:
        name: The worker's name in the log; unique among the run's workers.
        spec: The run.
        store: Its log.
        checkpoints: Its checkpoints.
        loop: The user's code.
        pause: Waits for some seconds.
        holding: Told which claim is held, and None when it is not; a heartbeat renews it meanwhile.
        stopping: Whether to stop at the next ready point.
    """

    def __init__(
        self,
        *,
        name: str,
        spec: RunSpec,
        store: Store,
        checkpoints: CheckpointStore,
        loop: Loop,
        pause: Callable[[float], None],
        holding: Callable[[Claim | None], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name = name
        self._spec = spec
        self._store = store
        self._checkpoints = checkpoints
        self._loop = loop
        self._pause = pause
        self._holding = holding
        self._stopping = stopping
        self._view = View(store, spec)

    def run(self) -> None:
        """Works until every member is done or the run is asked to stop.

        Raises:
            RunFailed: The run cannot go on.
            StoreError: The store or the checkpoints cannot be used.
        """
        claim = self._claim(None)
        while claim is not None:
            claim = self._stay(claim) or self._claim(None)

    def _claim(self, prefer: int | None) -> Claim | None:
        """Waits for a claim; None means that there is nothing left to do."""
        pause = _FIRST_PAUSE_S
        while not self._stopping():
            claim = self._store.claim(self._name, prefer=prefer)
            if isinstance(claim, Claim):
                self._holding(claim)
                return claim
            if claim.finished or claim.stopping:
                return None
            self._pause(pause)
            pause = min(pause * _GROWTH, _LAST_PAUSE_S)
        return None

    def _stay(self, claim: Claim) -> Claim | None:
        """Trains a member for one stay; returns the claim to go on with, if it has one."""
        stay = Stay(
            spec=self._spec,
            store=self._store,
            checkpoints=self._checkpoints,
            view=self._view,
            claim=claim,
            next_claim=self._claim,
            holding=self._holding,
            stopping=self._stopping,
        )
        try:
            if stay.begin():
                self._train(stay)
            else:
                self._pause(_LAST_PAUSE_S)  # nothing to do for this member now, nor perhaps for others
        except StaleClaim:
            return None  # the member was taken: what was trained since is dropped, and the new owner's work stands
        except BaseException:
            if stay.claim is not None:
                self._store.release(stay.claim)
            raise
        finally:
            self._holding(stay.handed)
        return stay.handed

    def _train(self, stay: Stay) -> None:
        """Calls the user's function; what it raises is counted as a failure of the member."""
        try:
            self._loop(Member(stay))
            if stay.claim is not None:
                segment = stay.segment
                raise MemberFailed(
                    f"the function returned before the loop ended (member {segment.member}, between steps "
                    f"{segment.start_step} and {segment.end_step}): let `for step in member` run out, without break or return"
                )
        except (StaleClaim, RunFailed, KeyboardInterrupt):
            raise
        except StoreError:
            raise
        except BaseException as error:
            if stay.claim is None:
                raise  # after the loop's end: nothing of the member's is at stake, but it is the user's to know
            self._fail(stay.claim, error)
            stay.claim = None

    def _fail(self, claim: Claim, error: BaseException) -> None:
        reason = _told(error)
        verdict = self._store.fail(claim, reason)
        for gone in verdict.collected:
            self._checkpoints.delete(gone)
        if verdict.hopeless:
            raise RunFailed(f"every member failed before any had trained an interval; the last one with:\n{reason}") from error


def _told(error: BaseException) -> str:
    """Returns what a user needs of an error: our own in a line, theirs with the traceback from their code on."""
    if isinstance(error, PopulaceError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and "populace" in trace.tb_frame.f_globals.get("__name__", "").split(".")[:1]:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))[-_MAX_REASON:].rstrip()
