"""A full disk during training: the run pauses, goes on by itself when there is space, and loses nothing."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
from contextlib import suppress

import numpy as np
import pytest

from populace import Callback, Inline, PopulaceError, Processes, Trainable, resume
from populace._errors import RunInterrupted
from populace.run import verify
from populace.run._plain import PlainLines
from populace.store import EventKind, SqliteStore
from populace.testing import tune_toy

SIZE_BYTES = 8_000_000
GOES_ON = "there is space again: the run goes on"
EXECUTORS = pytest.mark.parametrize(
    "executor", [Inline(), Processes(workers=2, lease_s=0.5)], ids=["inline", "processes"]
)


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


class Heavy(Trainable):
    """Its state is a quarter of a megabyte."""

    def init(self, key, hp):
        return {"w": np.zeros(32_000), "steps": 0}

    def step(self, key, state, hp):
        return {"w": key.generator().random(32_000), "steps": state["steps"] + 1}

    def evaluate(self, key, state):
        return float(state["steps"])


class Attentive(io.StringIO):
    """Standard error, read by a user who acts as soon as the run says something of the disk."""

    def __init__(self, when_full, when_goes_on):
        super().__init__()
        self._acts = {"populace: disk full": when_full, f"populace: {GOES_ON}": when_goes_on}

    def write(self, text):
        written = super().write(text)
        for words, act in self._acts.items():
            if text.startswith(words):
                act()
        return written


class User(Callback):
    """Fills the disk, deletes a file when told that it is full, and stops the run after some outages."""

    def __init__(self, disk, *, outages, leave_bytes=0):
        self._disk, self._left, self._leave_bytes = disk, outages, leave_bytes
        self._is_filled = False
        self.published = {}

    def on_segment(self, segment):
        self.published[segment.id] = segment.checkpoint
        if self._left and not self._is_filled:
            self._is_filled = True
            fill(self._disk, self._leave_bytes)

    def make_space(self):
        (self._disk / "ballast").unlink()

    def see_it_go_on(self):
        self._is_filled = False
        self._left -= 1
        if not self._left:
            interrupt()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def fill(disk, leave_bytes=0):
    """Takes all space but some; returns the file that does."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave_bytes))
    return ballast


def listen(monkeypatch, when_full, when_goes_on):
    """Shows the run in plain lines to a user who acts on them."""
    told = Attentive(when_full, when_goes_on)
    monkeypatch.setenv("POPULACE_PROGRESS", "plain")
    monkeypatch.setattr(sys, "stderr", told)
    return told


def temporary_files(run):
    return [*(run / "checkpoints" / "tmp").glob("*"), *(run / "scratch").glob("*")]


def log_of(run):
    store = SqliteStore(run)
    try:
        return store.segments(), {event.kind for event in store.events(limit=10_000)}
    finally:
        store.close()


@pytest.mark.slow
@EXECUTORS
@pytest.mark.parametrize("leave_bytes", [0, 16_384, 65_536])
def test_run_waits_for_space_and_loses_nothing(small_disk, monkeypatch, executor, leave_bytes):
    """The commonest accident of a long run is over when somebody has deleted a file: nobody has to restart anything."""
    user = User(small_disk, outages=4, leave_bytes=leave_bytes)
    told = listen(monkeypatch, user.make_space, user.see_it_go_on)
    with pytest.raises(RunInterrupted, match="everything is saved"):
        tune_toy(Heavy(), small_disk, executor=executor, steps=10**6, interval=1, callbacks=[user])
    run = small_disk / "toy"
    lines = [line.removeprefix("populace: ") for line in told.getvalue().splitlines()]
    pauses = f"disk full: the run pauses until space returns in {run}; what was published is safe"
    assert [line for line in lines if line in (pauses, GOES_ON)] == [pauses, GOES_ON] * 4
    segments, kinds = log_of(run)
    assert {s.id: s.checkpoint for s in segments if s.ended is not None} == user.published
    assert kinds <= {EventKind.CREATED, EventKind.OPENED, EventKind.BEGUN, EventKind.PUBLISHED, EventKind.COMMAND}
    assert temporary_files(run) == []
    assert verify(run) == []


@pytest.mark.slow
@EXECUTORS
def test_run_that_waits_for_space_is_stopped_at_once_and_resumes(small_disk, monkeypatch, executor):
    """Whoever cannot make space now wants the machine back, and the run later."""
    user = User(small_disk, outages=1)
    listen(monkeypatch, interrupt, user.see_it_go_on)
    with pytest.raises(RunInterrupted, match=r"stopped at once.*Resume with") as caught:
        tune_toy(Heavy(), small_disk, executor=executor, steps=10**6, interval=1, callbacks=[user])
    assert "\n" not in str(caught.value)
    assert temporary_files(small_disk / "toy") == []
    user.make_space()
    most = 2 + max(segment.generation for segment in user.published)
    result = resume("toy", Heavy(), directory=small_disk, executor=executor, steps=most)
    assert result.finished
    assert user.published.items() <= {s.id: s.checkpoint for s in result.segments}.items()
    assert verify(result.directory) == []


@pytest.mark.slow
def test_disk_that_is_full_at_the_start_is_one_clear_line(small_disk):
    """Nothing half made may be left that a second try would stumble over."""
    ballast = fill(small_disk)
    with pytest.raises(PopulaceError, match=r"free space") as caught:
        tune_toy(Heavy(), small_disk)
    assert "\n" not in str(caught.value)
    ballast.unlink()
    assert tune_toy(Heavy(), small_disk).finished


def test_lines_that_find_no_space_do_not_end_the_run():
    """`python train.py 2> train.log` writes where the checkpoints lie."""
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as stream:  # the system's own full disk
        with pytest.raises(OSError, match="No space"):
            stream.write("a line\n")
        PlainLines(stream).note("the run pauses")
