"""A full disk during training: one clear line, nothing published is lost, and the run goes on when there is space."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from populace import Inline, PopulaceError, Processes, Trainable, resume
from populace.run import Result, verify
from populace.testing import tune_toy

pytestmark = pytest.mark.slow

SIZE_BYTES = 4_000_000


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes; mounting one takes an administrator."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only Linux's root can mount a small file system to fill")
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", bytes(disk), b"tmpfs", 0, f"size={SIZE_BYTES}".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield disk
    finally:
        libc.umount2(bytes(disk), 2)


class Growing(Trainable):
    """Its state grows by a quarter of a megabyte at every step, until `limit` steps."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def init(self, key, hp):
        return {"w": np.zeros(0), "steps": 0}

    def step(self, key, state, hp):
        steps = state["steps"] + 1
        return {"w": key.generator().random(32_000 * min(steps, self.limit)), "steps": steps}

    def evaluate(self, key, state):
        return float(state["steps"])


def _fill(disk: Path) -> Path:
    """Takes all space that is left; returns the file that does."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(10_000))
        except OSError:
            return ballast


@pytest.mark.parametrize("executor", [Inline(), Processes(workers=2)], ids=["inline", "processes"])
def test_a_disk_that_fills_up_costs_an_interval_and_no_more(small_disk, executor):
    """The commonest accident of a long run: it says so in one line, and goes on when files were deleted."""
    with pytest.raises(PopulaceError, match=r"full") as caught:
        tune_toy(Growing(limit=100), small_disk, executor=executor, steps=40, interval=1)
    assert "\n" not in str(caught.value)
    before = Result.load("toy", str(small_disk))
    ended = {s.id: s for s in before.segments if s.ended is not None}
    assert ended
    result = resume("toy", Growing(limit=1), directory=small_disk, executor=executor, steps=12)
    assert result.finished
    after = {s.id: s for s in result.segments}
    assert all(after[id].score == s.score and after[id].checkpoint == s.checkpoint for id, s in ended.items())
    assert verify(result.directory) == []


def test_a_disk_that_is_full_at_the_start_is_one_clear_line(small_disk):
    """Nothing half made may be left that a second try would stumble over."""
    ballast = _fill(small_disk)
    with pytest.raises(PopulaceError, match=r"free space") as caught:
        tune_toy(Growing(limit=1), small_disk)
    assert "\n" not in str(caught.value)
    ballast.unlink()
    assert tune_toy(Growing(limit=1), small_disk).finished
