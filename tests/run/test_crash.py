"""Crashes and interruptions of real processes: nothing published is lost, and the same run goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from populace import Inline, Processes, Result, resume
from populace.run import verify
from populace.store import EventKind, SqliteStore

SLOW_LOOP = """
import time
import numpy as np
import populace

def train(member):
    w = np.full(4, 0.9)
    member.track(w=w)
    for _ in member:
        time.sleep(0.01)
        w *= 1 - member["lr"]
        member.report(float(1 - np.mean(w ** 2)))

populace.tune(train, {"lr": populace.LogUniform(1e-3, 1e-1)}, population=4, steps=40, interval=2, seed=0, name="r",
              executor=populace.EXECUTOR, max_failures=50)
"""
RUN = Path("runs/r")


@pytest.fixture
def start(tmp_path):
    """Starts the script in a folder of its own; returns the process once something has been published."""
    started = []

    def starter(executor="Processes(workers=2, lease_s=2.0)"):
        script = tmp_path / "train.py"
        script.write_text(SLOW_LOOP.replace("EXECUTOR", executor))
        process = subprocess.Popen(
            [sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        wait_for(lambda: published(tmp_path / RUN) >= 5)
        return process

    yield starter
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        os.sched_yield()


def published(run):
    if not (run / "store.sqlite").exists():
        return 0
    store = SqliteStore(run)
    try:
        return store.state().num_segments
    except Exception:
        return 0
    finally:
        store.close()


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_killed_supervisor_takes_its_workers_along_and_resume_completes_the_run(start, tmp_path):
    """A preempted job must leave no processes behind, and the next one must continue where it stood."""
    process = start()
    workers = [w for server in children(process.pid) for w in children(server)]
    assert len(workers) == 2
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers), seconds=10)
    before = {s.id: s for s in Result(tmp_path / RUN).segments if s.ended is not None}
    result = resume(str(tmp_path / RUN), executor=Inline())
    assert result.finished
    assert sum(s.end_step - s.start_step for s in result.segments) == 4 * 40
    after = {s.id: s for s in result.segments}
    assert all(after[id].checkpoint == segment.checkpoint for id, segment in before.items())
    assert verify(result.directory) == []
    assert not list((tmp_path / RUN / "checkpoints" / "tmp").glob("*"))


@pytest.mark.slow
def test_killed_workers_cost_at_most_one_interval_each(start, tmp_path):
    """Out of memory, preemption, a segmentation fault: the run goes on by itself."""
    process = start()
    kills = 0
    while kills < 6 and process.poll() is None:
        workers = [w for server in children(process.pid) for w in children(server)]
        if len(workers) == 2:
            os.kill(workers[kills % 2], signal.SIGKILL)
            kills += 1
            wait_for(lambda dead=workers[(kills - 1) % 2]: not alive(dead))
    assert process.wait(timeout=60) == 0, process.stderr.read()
    store = SqliteStore(tmp_path / RUN)
    lost = [e for e in store.events() if e.kind is EventKind.LOST]
    store.close()
    assert len(lost) <= kills
    result = Result(tmp_path / RUN)
    assert sum(s.end_step - s.start_step for s in result.segments) == 4 * 40
    assert verify(result.directory) == []


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["Processes(workers=2)", "Inline()"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_interrupt_saves_and_tells_how_to_resume(start, tmp_path, executor, number):
    """Ctrl-C in the middle of a night's run must not cost the night."""
    process = start(executor)
    os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "Resume with: populace resume" in error
    interrupted = Result(tmp_path / RUN)
    assert not interrupted.finished
    assert all(s.ended is not None for s in interrupted.segments), "every member has ended its interval"
    command = re.search(r"Resume with: populace (resume .*)", error).group(1).split()
    subprocess.run(
        [Path(sys.executable).with_name("populace"), *command], cwd=tmp_path, check=True, capture_output=True
    )
    assert Result(tmp_path / RUN).finished
    assert verify(tmp_path / RUN) == []


@pytest.mark.slow
def test_second_interrupt_stops_now_and_loses_nothing_published(start, tmp_path):
    """Whoever presses Ctrl-C twice wants the terminal back."""
    process = start()
    os.killpg(process.pid, signal.SIGINT)
    wait_for(lambda: "stopping" in process.stderr.readline())
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert verify(tmp_path / RUN) == []
    assert resume(str(tmp_path / RUN), executor=Processes(workers=2)).finished
