"""Tests run in a copy of the tree, in a forked child that has the heavy packages loaded but not ours."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Loaded once, before the forks: a mutant is judged in the time that its tests take.
_HEAVY = (
    "numpy",
    "numpy.random",
    "hypothesis",
    "hypothesis.stateful",
    "sqlalchemy",
    "safetensors.numpy",
    "cloudpickle",
)
_MEMORY_BYTES = 8 << 30


@dataclass(eq=False)  # pytest hashes its plugins
class Chosen:
    """A pytest plugin: runs the chosen tests only, in their order; failures are not made smaller."""

    order: Sequence[str]
    """Node ids, in order; empty for all tests."""
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds that each test took."""
    failed: list[str] = field(default_factory=list)
    """Tests that failed."""
    before_each: Callable[[str], None] = lambda _: None
    """What is told the name of each test."""
    limits_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds after which a test ends the process: many mistakes make a loop that never ends."""

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("unshrunk", parent=settings.get_profile("repeatable"), phases=phases)
        settings.load_profile("unshrunk")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.order:
            place = {name: index for index, name in enumerate(self.order)}
            items[:] = sorted((i for i in items if i.nodeid in place), key=lambda i: place[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.before_each(item.nodeid)
        signal.setitimer(signal.ITIMER_REAL, self.limits_s.get(item.nodeid, 0.0))
        began = time.monotonic()
        result = yield
        self.durations[item.nodeid] = time.monotonic() - began
        return result


def limits_s(durations: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Returns the seconds after which each test, and all of them, have failed, from those that they took."""
    return {test: 5 * took_s + 10 for test, took_s in durations.items()}, 5 * sum(durations.values()) + 30


def load_heavy() -> None:
    """Loads the packages that every child needs."""
    for name in _HEAVY:
        importlib.import_module(name)


def run_tests(root: Path, files: Collection[str], plugin: Chosen, *options: str) -> int:
    """Runs tests in this process, which must have imported nothing of ours; returns pytest's exit code."""
    sys.path[:] = [str(root / "src"), str(root), *(p for p in sys.path if Path(p or ".").resolve().name != "src")]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.chdir(root)
    # Hypothesis was loaded before pytest could rewrite its own asserts, and need not be rewritten.
    quiet = ("-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    temporary = root / f"temporary-{os.getpid()}"
    try:
        return int(pytest.main([*quiet, f"--basetemp={temporary}", *options, *files], plugins=[plugin]))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def in_child(work: Callable[[], object], limit_s: float, log: Path = Path(os.devnull)) -> object | None:
    """Returns what `work` returns in a forked child, as JSON knows it; None where it took too long or died.

    Args:
        work: What the child does.
        limit_s: Seconds after which it is killed.
        log: Where its output goes.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become_quiet(log, limit_s)
            answer = json.dumps(work()).encode()
            with open(writer, "wb") as file:
                file.write(answer)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + limit_s
    done = 0
    with open(reader, "rb") as file:
        os.set_blocking(file.fileno(), False)
        answer = b""
        while not done and time.monotonic() < deadline:
            done, _ = os.waitpid(child, os.WNOHANG)
            answer += file.read() or b""
            time.sleep(0.005)
        answer += file.read() or b""
    # Processes that the tests started and did not end go with them.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not done:
        os.waitpid(child, 0)
    return json.loads(answer) if answer else None


def become_quiet(log: Path, limit_s: float | None = None) -> None:
    """Makes this process the head of a group that reads nothing, writes to a file, and has limits.

    Args:
        log: The file.
        limit_s: Seconds of processor time; None for no limit.
    """
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    if limit_s is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 2))
