"""System calls of a child process: listed once, and then hit one at a time with a fault, both by strace.

A signal that strace sends when a call is entered has two meanings. SIGKILL ends the process before the call has done
anything; any other deadly signal waits for the call's end, so that the process dies right after it.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import subprocess
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks._faulty import MARK

CALLS = (
    *("openat", "close", "read", "pread64", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "flock", "fcntl"),
)
FAULTS = {
    "kill before": "signal=KILL",
    "kill after": "signal=USR1",
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    "EINTR": "error=EINTR",
}
_MARKS = "access,faccessat,faccessat2"
_LINE = re.compile(r"\d+ +(\w+)\((.*)")
_ANYBODY = (0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: who is no ancestor may trace too
_PATIENCE_S = 300.0  # an unlock that is refused is waited for twice, a minute each time, before the run says so


class CannotTrace(Exception):
    """strace may not trace here."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One system call of the run."""

    scenario: str
    """The run that does it: "fresh" or "resumed"."""
    call: str
    """Its name."""
    number: int
    """The how-manieth call of this name it is."""
    phase: str
    """What the run was about."""
    target: str
    """What it is done to, relative to the run's folder."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What became of a child."""

    code: int
    """Its exit code; minus the signal that killed it."""
    said: str
    """What it wrote to its standard error."""
    acknowledged: tuple[str, ...]
    """What it told of."""
    trace: tuple[str, ...]
    """What strace saw."""


def run_child(work: Callable[[int], None], *, strace: list[str] | None, notes: Path) -> Ending | None:
    """Runs `work` in a fork of this process, under strace if asked; None if it hangs.

    Args:
        work: Called with the descriptor to acknowledge to.
        strace: Options of strace; None runs without it.
        notes: Where the child's words and the trace are written to, as `.said` and `.trace`.

    Raises:
        CannotTrace: What strace says.
    """
    said, trace = notes.with_suffix(".said"), notes.with_suffix(".trace")
    go, start = os.pipe()
    acknowledgements, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
            ctypes.CDLL(None).prctl(*_ANYBODY)
            select.select([go], [], [])
            work(tell)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(tell)
    tracer = None
    if strace is not None:
        command = ["strace", "-f", "-y", "-s", "0", "-p", str(pid), "-o", str(trace), *strace]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        if b"attached" not in first:
            os.kill(pid, signal.SIGKILL)
            raise CannotTrace(first.decode().strip())
    os.write(start, b"x")
    process = os.pidfd_open(pid)
    ended, _, _ = select.select([process], [], [], _PATIENCE_S)
    if not ended:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if tracer is not None:
        tracer.communicate()
    with os.fdopen(acknowledgements) as lines:
        told = tuple(lines.read().splitlines())
    for descriptor in (go, start, process):
        os.close(descriptor)
    if not ended:
        return None
    seen = tuple(trace.read_text().splitlines()) if strace is not None else ()
    return Ending(code=code, said=said.read_text(), acknowledged=told, trace=seen)


def tracing() -> list[str]:
    """Returns the options that list all calls."""
    return ["-e", f"trace={','.join(CALLS)},{_MARKS}"]


def injecting(site: Site, fault: str) -> list[str]:
    """Returns the options that hit one call with a fault."""
    return ["-e", f"trace={site.call}", "-e", f"inject={site.call}:{FAULTS[fault]}:when={site.number}"]


def was_hit(site: Site, fault: str, folder: Path, trace: tuple[str, ...]) -> bool:
    """Returns whether a fault has hit the call that it was meant for."""
    calls = [line for line in trace if _LINE.fullmatch(line)]
    return (
        len(calls) >= site.number
        and _target(calls[site.number - 1], folder) == site.target
        and ("(INJECTED)" in calls[site.number - 1] or fault.startswith("kill"))
    )


def sites(scenario: str, folder: Path, trace: tuple[str, ...]) -> Iterator[Site]:
    """Yields the calls of a trace that touch the run's folder."""
    counts: Counter[str] = Counter()
    phase = ""
    for line in trace:
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        call, rest = match.groups()
        marked = re.search(rf'"{MARK}([^"]*)"', rest)
        if marked is not None:
            phase = marked[1]
        if call not in CALLS:
            continue
        counts[call] += 1
        target = _target(line, folder)
        if target is not None:
            yield Site(scenario=scenario, call=call, number=counts[call], phase=phase, target=target)


def _target(line: str, folder: Path) -> str | None:
    """Returns what a call touches, relative to the run's folder; names that differ from run to run are left out."""
    found = re.search(rf'[<"]{re.escape(str(folder))}/?([^">]*)[">]', line)
    if found is None:
        return None
    return re.sub(r"[0-9a-f]{64}", "*", re.sub(r"[0-9a-f]{8}-\d+-\d+", "*", found[1])) or "."
