"""Laws of the heartbeat: it renews what is held, as long as it is held, and outlives failures of the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from populace._errors import DiskFull, StaleClaim, StoreError
from populace.store import Claim, MemoryStore
from populace.testing import Between
from populace.testing._store_calls import claim_of, spec_of
from populace.worker._heartbeat import Heartbeat


class Renewals:
    """A log whose renewals go as was said, one after the other; then they all succeed, and the test is told."""

    def __init__(self, *outcomes: Callable[[], None], then: int = 1) -> None:
        log = MemoryStore(lease_s=1e9)
        log.create(spec_of())
        self.old, self.new = claim_of(log), claim_of(log)
        self.store = Between(log, renew=self._renew, close=self._close)
        self.outcomes = list(outcomes)
        self.renewed: list[Claim] = []
        self.done = threading.Event()
        self.closed = 0
        self.threads: set[str] = set()
        self._then = then

    def _renew(self, claim: Claim) -> None:
        self.threads.add(threading.current_thread().name)
        self.renewed.append(claim)
        if self.outcomes:
            self.outcomes.pop(0)()
            return
        self._then -= 1
        if self._then <= 0:
            self.done.set()

    def _close(self) -> None:
        self.closed += 1


def _fails(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _beat(log: Renewals) -> None:
    """Lets a heart beat, without a pause between two beats, until the log has seen what it waits for."""
    with Heartbeat(lambda: log.store, 0.0) as heartbeat:
        heartbeat.hold(log.old)
        assert log.done.wait(30)


def test_held_claim_is_renewed_again_and_again() -> None:
    """One renewal lasts for one lease; an interval may last for hours."""
    log = Renewals(then=5)
    _beat(log)
    assert log.renewed[:5] == [log.old] * 5
    assert log.closed == 1
    assert log.threads == {"populace-heartbeat"}


def test_nothing_is_opened_while_nothing_is_held() -> None:
    """A worker that waits for a member must not keep the store busy."""
    opened = []
    with Heartbeat(lambda: opened.append(1), 0.0) as heartbeat:
        heartbeat.hold(None)
    assert opened == []


def test_stale_claim_is_let_go() -> None:
    """The member was taken: renewing it for ever would only fill the log."""
    log = Renewals()
    log.outcomes.append(_fails(StaleClaim()))
    with Heartbeat(lambda: log.store, 0.0) as heartbeat:
        heartbeat.hold(log.old)
        while heartbeat._claim is not None:
            threading.Event().wait(0)
        assert log.renewed == [log.old]
        heartbeat.hold(log.new)
        assert log.done.wait(30)
    assert set(log.renewed[1:]) == {log.new}


def test_claim_taken_up_while_an_old_one_is_found_stale_stays_held() -> None:
    """The worker moves on at the very moment at which the beat learns that the old claim is gone."""
    log = Renewals()

    def moves_on() -> None:
        heartbeat.hold(log.new)
        raise StaleClaim

    log.outcomes.append(moves_on)
    heartbeat = Heartbeat(lambda: log.store, 0.0)
    with heartbeat:
        heartbeat.hold(log.old)
        assert log.done.wait(30)
    assert log.renewed[:2] == [log.old, log.new]


def test_failing_store_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is away for a minute is no reason to lose the member, nor to write a thousand lines."""
    down = _fails(StoreError("the file is away"))
    log = Renewals(down, down, down)
    with caplog.at_level(logging.DEBUG):
        _beat(log)
    assert log.renewed[:4] == [log.old] * 4
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("populace.worker._heartbeat", "WARNING", "the lease of member 0 could not be renewed: the file is away")
    ]


@pytest.mark.parametrize("between", [lambda: None, _fails(StaleClaim())])
def test_second_outage_is_told_again(between: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    """Two failures with success between them are two events."""
    down = _fails(StoreError("away"))
    log = Renewals(down, between, down)
    with Heartbeat(lambda: log.store, 0.0) as heartbeat, caplog.at_level(logging.DEBUG):
        while not log.done.is_set():
            heartbeat.hold(log.old)
    assert len(caplog.records) == 2


def test_full_disk_is_waited_out_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits for space says so, once for all."""
    log = Renewals(_fails(DiskFull()), _fails(DiskFull()))
    with caplog.at_level(logging.DEBUG):
        _beat(log)
    assert caplog.records == []


def test_store_that_cannot_be_opened_is_tried_again_and_opened_once() -> None:
    """The worker may start a moment before the file system is there."""
    log, opened = Renewals(then=3), []

    def open_store() -> Between:
        opened.append(1)
        if len(opened) == 1:
            raise StoreError("not there yet")
        return log.store

    with Heartbeat(open_store, 0.0) as heartbeat:
        heartbeat.hold(log.old)
        assert log.done.wait(30)
    assert len(opened) == 2
    assert log.closed == 1


@pytest.mark.parametrize("error", [StoreError("away"), DiskFull()])
def test_renewal_that_failed_is_tried_again_sooner(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store can be written again, the lease may have run out."""
    log = Renewals(lambda: None, _fails(error), _fails(error), then=2)
    heartbeat, waited = Heartbeat(lambda: log.store, 8.0), []
    wait = heartbeat._stopped.wait

    def pass_time(seconds: float) -> bool:
        waited.append(seconds)
        return wait(0)

    monkeypatch.setattr(heartbeat._stopped, "wait", pass_time)
    with heartbeat:
        heartbeat.hold(log.old)
        assert log.done.wait(30)
    first = waited.index(1.6)
    assert waited[:first] == [8.0] * first
    assert waited[first : first + 3] == [1.6, 1.6, 8.0]


def test_error_of_a_bug_is_not_swallowed() -> None:
    """A heart that stops must be seen: the process's hook for threads is told."""
    told = []
    log = Renewals(_fails(ZeroDivisionError()))
    before, threading.excepthook = threading.excepthook, lambda told_of: told.append(told_of.exc_type)
    try:
        heartbeat = Heartbeat(lambda: log.store, 0.0)
        heartbeat.hold(log.old)
        with heartbeat:
            heartbeat._thread.join(30)
    finally:
        threading.excepthook = before
    assert told == [ZeroDivisionError]


def test_heart_does_not_keep_a_dead_worker_alive() -> None:
    """A worker that ends without closing must not hang on its heart."""
    assert Heartbeat(MemoryStore, 1.0)._thread.daemon
