"""A log that was written once is read, and gone on with, by every later version that says it can."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from populace.core import PBT, Diverged, Evaluation, RunSpec, SegmentId
from populace.store import Ending, MemoryStore, SqliteStore, Store
from populace.store._schema import SCHEMA_VERSION
from populace.testing import FakeClock
from populace.testing._store_calls import begin, claim_of, spec_of, train

SPEC = replace(spec_of(population=3, max_failures=0), policy=PBT.paper())
FILE = "store.sqlite"


def _write(store: Store, clock: FakeClock) -> None:
    """A log in which everything has happened: it was recorded once, by these calls on a store in a file."""
    store.create(SPEC)
    train(store, 4, 0.5)
    claim = claim_of(store)
    copied = begin(store, claim, parent=SegmentId(0, 1))
    measured = Evaluation(step=2, score=math.nan, metrics={"loss": math.inf, "acc": 0.25})
    nan = Diverged(reason="the score is nan")
    ending = Ending(
        generation=1, outcome=nan, evaluations=(measured,), checkpoint="digest of m01/1", checkpoint_bytes=7
    )
    assert store.publish(claim, ending).segment.donor == copied.parent
    clock.advance(11.0)
    claim = claim_of(store)
    begin(store, claim, parent=SegmentId(0, 1))
    store.fall_back(claim, "its bytes have changed")
    claim = claim_of(store)
    begin(store, claim)
    assert store.fail(claim, "broken").ended
    begin(store, claim_of(store))
    store.command("stop")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The folder of a run with the recorded log."""
    text = (Path(__file__).parent / f"log_{SCHEMA_VERSION}.sql").read_text()
    driver = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    driver.executescript(text)
    driver.execute("PRAGMA journal_mode=WAL")
    driver.close()
    return tmp_path


def _tables(folder: Path) -> dict[str, str]:
    driver = sqlite3.connect(folder / FILE)
    rows = driver.execute("SELECT name, sql FROM sqlite_master").fetchall()
    driver.close()
    return {name: " ".join(sql.split()) for name, sql in rows}


def test_tables_are_those_of_every_log_of_this_version(recorded: Path) -> None:
    """A changed column or index needs a new version, or old logs fail in the midst of a run."""
    folder = recorded / "new"
    folder.mkdir()
    new = SqliteStore(folder)
    new.create(SPEC)
    new.close()
    assert _tables(folder) == _tables(recorded)


def test_recorded_log_is_read_as_it_was_written(recorded: Path) -> None:
    """Figures and decisions of last year's run are those of last year."""
    clock = FakeClock()
    memory, store = MemoryStore(clock=clock, lease_s=10.0), SqliteStore(recorded)
    _write(memory, clock)
    assert repr(store.segments()) == repr(memory.segments())  # as text, in which nan equals nan
    assert store.events() == memory.events()
    assert repr(store.snapshot()) == repr(memory.snapshot())
    assert store.state() == memory.state()
    assert store.referenced() == memory.referenced()
    assert RunSpec.from_json(store.read()) == SPEC
    store.close()


def test_recorded_run_goes_on(recorded: Path) -> None:
    """A run of the version before is resumed and comes to its end."""
    store = SqliteStore(recorded)
    store.open(SPEC)
    train(store, 7, 2.0)
    state = store.state()
    assert state.steps == (4, 4, 4)
    assert state.best is not None
    assert (state.best.id, state.num_segments) == (SegmentId(1, 2), 14)
    store.close()
