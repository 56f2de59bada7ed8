"""Both stores obey the conformance suite."""

from __future__ import annotations

import pytest

from populace.store import MemoryStore, SqliteStore
from populace.testing import StoreConformance


class TestMemoryStore(StoreConformance):
    def make_store(self, tmp_path, clock, lease_s):
        return MemoryStore(clock=clock, lease_s=lease_s)

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
