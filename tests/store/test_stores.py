"""Both stores obey the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from populace.store import MemoryStore, SqliteStore, Store
from populace.testing import StoreConformance
from populace.testing._store_calls import spec_of, train
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
