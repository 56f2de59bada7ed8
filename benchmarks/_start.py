"""How soon something happens: imports, the command's help, the first step."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks._figures import Figure

_FIRST_STEP = """
import sys, time
import populace
called = time.time()
def train(member):
    member.track(state={"step_at": time.time()})
    for _ in member:
        member.report(time.time())
result = populace.tune(train, {"lr": populace.Uniform(0.0, 1.0)}, population=2, steps=1, directory=sys.argv[1],
                       executor=populace.Processes(workers=2))
print(min(s.score for s in result.segments) - called)
"""


def times(repeats: int) -> Iterator[Figure]:
    """Times fresh interpreters."""
    bare = _runs(["-c", "pass"], repeats)
    imported = _runs(["-c", "import populace"], repeats)
    yield Figure(name="import populace, over the bare interpreter", value=imported - bare, unit="s", demand=0.15)
    helped = _runs(["-c", "import sys; sys.argv[1:] = ['--help']; from populace.cli import main; main()"], repeats)
    yield Figure(name="populace --help, the whole command", value=helped, unit="s", demand=0.4)
    firsts = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-c", _FIRST_STEP, folder], check=True, capture_output=True, text=True
            )
        firsts.append(float(done.stdout))
    note = "two worker processes, a fresh interpreter"
    yield Figure(
        name="first step, after tune is called", value=statistics.median(firsts), unit="s", demand=2.0, note=note
    )


def _runs(arguments: list[str], repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first one warms the file system's cache
