"""A worker: claims a member, trains it for a stay, hands it over, claims the next."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import final

from populace._errors import (
    DamagedCheckpoint,
    MemberFailed,
    PopulaceError,
    RunFailed,
    StaleClaim,
    StateMismatch,
    StoreError,
    UnsavableState,
    UsageError,
)
from populace.checkpoints import CheckpointStore
from populace.core import RunSpec
from populace.store import Claim, Store
from populace.worker._loops import Loop
from populace.worker._member import Member
from populace.worker._stay import Stay
from populace.worker._view import View

_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 0.0005, 0.05, 1.5
_MAX_REASON = 10_000
_MISUSE = (UsageError, UnsavableState, StateMismatch)
_log = logging.getLogger(__name__)


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
        scratch: Where files may lie for a moment; None: where the system keeps such files.
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
        scratch: Path | None = None,
    ) -> None:
        self._name = name
        self._spec = spec
        self._store = store
        self._checkpoints = checkpoints
        self._loop = loop
        self._pause = pause
        self._holding = holding
        self._stopping = stopping
        self._scratch = scratch
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
            scratch=self._scratch,
        )
        try:
            if stay.begin():
                self._train(stay)
            else:
                self._pause(_LAST_PAUSE_S)  # nothing to do for this member now, nor perhaps for others
        except StaleClaim:
            return None  # the member was taken: what was trained since is dropped, and the new owner's work stands
        except BaseException:
            with suppress(StoreError):  # what is raised already tells more
                for held in filter(None, (stay.claim, stay.handed)):
                    self._store.release(held)
            raise
        finally:
            self._holding(stay.handed)
        return stay.handed

    def _train(self, stay: Stay) -> None:
        """Calls the user's function; what it raises is counted as a failure of the member."""
        try:
            self._loop(Member(stay))
            if stay.claim is not None and stay.broken is None:
                segment = stay.segment
                raise MemberFailed(
                    f"the function returned before the loop ended (member {segment.member}, between steps "
                    f"{segment.start_step} and {segment.end_step}): let `for step in member` run out, "
                    "without break or return"
                )
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if stay.damage is None and stay.broken is None:
                self._judge(stay, error)
        if stay.damage is not None and stay.broken is None:
            self._fall_back(stay, stay.damage)
        if stay.broken is not None:
            raise stay.broken  # whatever the user's code has made of it

    def _judge(self, stay: Stay, error: BaseException) -> None:
        """Acts on what the user's code has raised."""
        if stay.claim is None:
            # Nothing of the member's is at stake any more.
            _log.error(
                "the function raised after its loop had ended (member %d); all is saved and training goes on:\n%s",
                stay.segment.member,
                _told(error),
            )
        elif isinstance(error, _MISUSE) and self._store.state().num_segments == 0:
            raise RunFailed(str(error)) from error  # no member would fare better
        else:
            self._fail(stay.claim, error)
            stay.claim = None

    def _fall_back(self, stay: Stay, damage: DamagedCheckpoint) -> None:
        """Gives up what cannot begin, at once: the bytes would be the same at a second look."""
        assert stay.claim is not None, "what cannot begin cannot have been handed over"
        fell = self._store.fall_back(stay.claim, str(damage))
        stay.claim = None
        for gone in fell.collected:
            self._checkpoints.delete(gone)
        lost, found = fell.segment.parent, fell.segment.fallback
        goes_on = f"goes on from {found}" if found is not None else "has no good ancestor left"
        _log.warning("member %d cannot load segment %s and %s: %s", fell.segment.member, lost, goes_on, damage)

    def _fail(self, claim: Claim, error: BaseException) -> None:
        reason = _told(error)
        verdict = self._store.fail(claim, reason)
        for gone in verdict.collected:
            self._checkpoints.delete(gone)
        if verdict.hopeless:
            raise RunFailed(
                f"every member failed before any had trained an interval; the last one with:\n{reason}"
            ) from error


def _told(error: BaseException) -> str:
    """Returns what a user needs of an error: our own in a line, theirs with the traceback from their code on."""
    if isinstance(error, PopulaceError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and "populace" in trace.tb_frame.f_globals.get("__name__", "").split(".")[:1]:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))[-_MAX_REASON:].rstrip()
