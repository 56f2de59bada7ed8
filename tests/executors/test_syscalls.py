"""Faults at system calls: a sample of what `./do bench syscalls` does in full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERYTHING_MUST_BE_THERE = os.environ.get("POPULACE_TEST_ALL") == "1"
CANNOT_TRACE = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strace, which injects the faults, is Linux's"),
    pytest.mark.skipif(
        shutil.which("strace") is None and not EVERYTHING_MUST_BE_THERE,
        reason="strace, which injects the faults, is not here (Debian: apt-get install strace)",
    ),
]


def test_run_survives_a_fault_at_any_system_call():
    """A process is killed, or its disk fails, between two lines of anybody's code, and never where tests expect it."""
    command = [sys.executable, "-m", "benchmarks", "syscalls", "--sample", "60"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode == CANNOT_TRACE and not EVERYTHING_MUST_BE_THERE:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stdout + ended.stderr
