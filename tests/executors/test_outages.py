"""What a user hears of a full disk: one line when the run pauses, one when it goes on."""

import pytest

from populace.executors import Outages
from populace.executors import _outages as module


@pytest.fixture
def disk(monkeypatch, tmp_path):
    """Returns outages, what they have said, and what sets whether a small file has room, and the time."""
    state = {"has_room": False, "now": 0.0}
    monkeypatch.setattr(module, "has_room", lambda directory: state["has_room"])
    monkeypatch.setattr(module.time, "monotonic", lambda: state["now"])
    said = []
    return Outages(tmp_path, said.append), said, state.update


def test_news_that_comes_when_there_is_space_again_begins_no_outage(disk):
    """A worker's message may be late on a busy machine: the user would look for a file to delete, and find none."""
    outages, said, now = disk
    outages.hear("one")
    outages.look()
    now(has_room=True)
    outages.end("one")
    outages.look()
    outages.hear("another")
    outages.look()
    outages.end("another")
    outages.look()
    assert [line.split(":")[0] for line in said] == ["disk full", "there is space again"]


def test_worker_that_finds_no_space_for_long_is_told_of(disk):
    """A small file has room, a large checkpoint has none."""
    outages, said, now = disk
    now(has_room=True)
    outages.hear("one")
    outages.look()
    assert said == []
    now(now=3.0)
    outages.look()
    outages.look()
    assert [line.split(":")[0] for line in said] == ["disk full"]


def test_waiting_in_this_process_is_told_at_once(disk):
    """Nobody looks while it waits."""
    outages, said, now = disk
    now(has_room=True)
    outages.begin("the worker")
    assert [line.split(":")[0] for line in said] == ["disk full"]
