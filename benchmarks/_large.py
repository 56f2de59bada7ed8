"""Large runs: decisions among ten thousand members, answers from a million segments, and the supervisor's memory."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import populace
from benchmarks import _big
from benchmarks._figures import Figure, median_ms
from benchmarks._training import SPACE, Nothing
from populace.cli import _reading
from populace.core import Evaluation, Exploit, Finite, SegmentId, decide, decision_key, parent_of
from populace.store import Claim, Draft, Ending, SqliteStore
from populace.worker._view import View

_MEMBERS = 10_000


def decisions(folder: Path, count: int) -> Iterator[Figure]:
    """Times decisions in a population that goes on meanwhile: one segment has ended since the last look."""
    spec = _big.build(folder / "many", _MEMBERS, 1, steps=1000)
    store = SqliteStore(folder / "many")
    store.open(spec)
    view = View(store, spec)
    first = store.segment(SegmentId(0, 0))
    assert first is not None
    start = time.perf_counter()
    view.after(first)
    first_s = time.perf_counter() - start
    looks, decides, claims, begins, publishes = ([] for _ in range(5))  # type: list[float], ...
    for index in range(count):
        start = time.perf_counter()
        claim = store.claim("bench")
        claims.append(time.perf_counter() - start)
        assert isinstance(claim, Claim)
        assert claim.newest is not None
        generation = claim.newest.generation + 1
        start = time.perf_counter()
        population = view.after(claim.newest)
        looked = time.perf_counter()
        decision = decide(population, claim.member, spec.policy, decision_key(0, claim.member, generation))
        decided = time.perf_counter()
        looks.append(looked - start)
        decides.append(decided - start)
        assert isinstance(decision, populace.core.Continue | Exploit)
        draft = Draft(
            parent=parent_of(decision, claim.newest),
            donor=decision.donor if isinstance(decision, Exploit) else None,
            start_step=claim.newest.end_step,
            num_steps=1,
            hyperparameters=decision.hyperparameters,
            why=decision.why,
            snapshot=population.sequence,
        )
        start = time.perf_counter()
        segment = store.begin(claim, draft)
        begins.append(time.perf_counter() - start)
        score = float(index)
        ending = Ending(
            generation=segment.generation,
            outcome=Finite(value=score),
            evaluations=[Evaluation(step=segment.end_step, score=score, metrics={})],
            checkpoint=f"{index:064x}",
            checkpoint_bytes=10_000,
        )
        start = time.perf_counter()
        store.publish(claim, ending)
        publishes.append(time.perf_counter() - start)
    store.close()
    yield Figure(name=f"a decision among {_MEMBERS} members", value=median_ms(decides), unit="ms", demand=5.0)
    yield Figure(name="  of it the snapshot, one segment newer than the last", value=median_ms(looks), unit="ms")
    yield Figure(name="  a worker's first look at all members, once", value=1e3 * first_s, unit="ms")
    for name, seconds in (("claim", claims), ("begin", begins), ("publish", publishes)):
        yield Figure(name=f"  {name}", value=median_ms(seconds), unit="ms", note="with a durable disk")


def answers(folder: Path, segments: int) -> Iterator[Figure]:
    """Times what answers about a large run, each time from a store that is opened anew."""
    population = 100
    run = folder / "long"
    _big.build(run, population, segments // population)
    size_mb = (run / "store.sqlite").stat().st_size / 1e6

    def state() -> None:
        store = SqliteStore(run)
        store.state()
        store.close()

    title = f"{segments:,} segments"
    note = f"the log has {size_mb:.0f} MB"
    yield Figure(name=f"the state of a run of {title}", value=_timed(state), unit="s", demand=0.1, note=note)
    for name, ask in (
        ("best", lambda: _reading.best(str(run), str(folder), as_json=True)),
        ("show", lambda: _reading.show(str(run), str(folder), as_json=True)),
    ):
        note = "100 members; without the start of the interpreter"
        yield Figure(name=f"populace {name}, {title}", value=_timed(ask), unit="s", demand=0.1, note=note)


def memory(folder: Path, steps: int) -> Iterator[Figure]:
    """Watches the memory of the process that supervises, while it trains several thousand segments."""
    sizes: list[float] = []

    class Watcher(populace.Callback):
        def on_segment(self, segment: object) -> None:
            sizes.append(_resident_mb())

    population = 64
    populace.tune(
        Nothing(),
        SPACE,
        population=population,
        steps=steps,
        seed=0,
        executor=populace.Processes(workers=2),
        directory=folder,
        callbacks=[Watcher()],
    )
    tenth = len(sizes) // 10
    grown = max(sizes[-tenth:]) - max(sizes[tenth : 2 * tenth])
    note = f"over {len(sizes)} segments; with what this benchmark imports"
    yield Figure(name="memory of the supervisor, at most", value=max(sizes), unit="MB", demand=120.0, note=note)
    yield Figure(name="  last tenth over second tenth of the run", value=grown, unit="MB", note="0 is flat")


def _timed(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            call()
        seconds.append(time.perf_counter() - start)
    return median_ms(seconds[1:]) / 1e3


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
