"""Both stores obey the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from populace.core import Finite, SegmentId
from populace.store import EventKind, MemoryStore, SqliteStore, Store
from populace.testing import StoreConformance
from populace.testing._store_calls import begin, claim_of, ending_of, publish, spec_of, train
from populace.worker import Patience, PatientStore, Record


def _in_memory(directory: Path) -> Store:
    return MemoryStore()


@pytest.mark.parametrize("make", [_in_memory, SqliteStore])
def test_members_that_come_later_know_when(make: Callable[[Path], Store], tmp_path: Path):
    """In lockstep nobody else may count as further than it was then."""
    store = make(tmp_path)
    store.create(spec_of(population=2, steps=2))
    train(store, 2)
    store.open(spec_of(population=3, steps=2))
    assert [claim.joined for claim in store.claim_all("ann")] == [0, 0, store.events()[-1].sequence]
    store.close()


@pytest.mark.parametrize("make", [_in_memory, SqliteStore])
def test_bytes_that_two_segments_share_stay_while_one_is_kept(make: Callable[[Path], Store], tmp_path: Path):
    """Checkpoints are named by their contents, and members that do not move have the same."""
    store = make(tmp_path)
    store.create(spec_of())
    for member in (0, 1):
        claim = claim_of(store, prefer=member)
        ending = replace(ending_of(begin(store, claim), Finite(value=1.0)), checkpoint="shared")
        store.publish(claim, ending)
        store.expire("ann")
    assert publish(store, claim_of(store, prefer=0), 2.0).collected == ()
    assert not store.segment(SegmentId(0, 0)).checkpoint_kept
    assert store.referenced() == {"shared", "digest of m00/1"}
    store.close()


def test_events_are_called_as_in_logs_that_were_written():
    """A log that cannot be read any more is lost."""
    names = "created opened begun published failure given up damaged lost retired command ended"
    assert " ".join(kind.value for kind in EventKind) == names


class TestMemoryStore(StoreConformance):
    def make_store(self, tmp_path, clock, lease_s):
        return MemoryStore(clock=clock, lease_s=lease_s)

    def reopen(self, store):
        return store


class TestPatientStore(StoreConformance):
    """Patience changes nothing while there is space."""

    def make_store(self, tmp_path, clock, lease_s):
        # Where a heartbeat beats and others claim, no worker goes without a word of the disk for half a lease.
        record = Record(now=lambda: 0.0, lease_s=lease_s, has_room=lambda: True, since=0.0)
        patience = Patience(record=record, pause=clock.advance, paused=pytest.fail, resumed=pytest.fail)
        return PatientStore(MemoryStore(clock=clock, lease_s=lease_s), patience)

    def reopen(self, store):
        return store


class TestSqliteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def opened(self, tmp_path, clock):
        self.open_another = lambda: SqliteStore(tmp_path, clock=clock, lease_s=10.0)
        self.stores = []
        yield
        for store in self.stores:
            store.close()

    def make_store(self, tmp_path, clock, lease_s):
        self.stores.append(SqliteStore(tmp_path, clock=clock, lease_s=lease_s))
        return self.stores[-1]

    def reopen(self, store):
        self.stores.append(self.open_another())
        return self.stores[-1]
