"""The heartbeat: renews a worker's lease beside the training.

A thread of the worker's own process, so that a process that is stopped or killed stops renewing, and its member is
taken over by others when the lease has run out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import final

from populace._errors import DiskFull, StaleClaim, StoreError
from populace.store import Claim, Store

_SOONER = 0.2
_log = logging.getLogger(__name__)


@final
class Heartbeat:
    """Renews the claim that is held, every `every_s` seconds, from its own thread with its own store.

    After a failure it tries again sooner: when the store can be written again, the lease may have run out.

    Args:
        open_store: Opens a store; called in the thread.
        every_s: Seconds between renewals; a quarter of the lease is usual.
    """

    def __init__(self, open_store: Callable[[], Store], every_s: float) -> None:
        self._open_store = open_store
        self._every_s = every_s
        self._claim: Claim | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="populace-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def hold(self, claim: Claim | None) -> None:
        """Says which claim is held from now on."""
        self._claim = claim

    def _run(self) -> None:
        store = None
        failing = False
        while not self._stopped.wait(self._every_s * (_SOONER if failing else 1)):
            claim = self._claim
            if claim is None:
                continue
            try:
                store = store or self._open_store()
                store.renew(claim)
                failing = False
            except StaleClaim:
                if self._claim is claim:
                    self._claim = None  # the worker learns it at its next publish
                failing = False
            except DiskFull:
                failing = True  # whoever waits for space says so
            except StoreError as error:
                if not failing:
                    _log.warning("the lease of member %d could not be renewed: %s", claim.member, error)
                failing = True
        if store is not None:
            store.close()
