"""A population as one program: against a process per member, its overhead, exploits, memory, and a thousand members.

Every case runs in a process of its own; cases that are compared take turns. Worker processes are children of a fork
server, whose processor time cannot be read from here: for them, wall time on a core each stands in.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._figures import heading

_repeats = 3


def main(arguments: list[str]) -> int:
    """Prints a line per demand; returns 1 where one was missed."""
    parser = argparse.ArgumentParser(prog="./do bench vectorised", description=__doc__)
    parser.add_argument("--case", choices=[*_CASES], help="run one case and print its figures as JSON")
    parser.add_argument("--only", nargs="*", default=[*_DEMANDS], choices=[*_DEMANDS], help="demands to look at")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case, of which the median counts")
    asked = parser.parse_args(arguments)
    if asked.case:
        print(json.dumps(_CASES[asked.case]()))
        return 0
    print(heading())
    global _repeats  # noqa: PLW0603 - asked once, for all demands
    _repeats = asked.repeats
    met = [_DEMANDS[name]() for name in asked.only]
    print("all demands met" if all(met) else "a demand was missed")
    return int(not all(met))


# ------------------------------------------------------------------------------------------------------------- demands


def _against_torch() -> bool:
    torch, ours = _each("torch", "train-64")
    ratio = torch["core_us"] / ours["core_us"]
    return _tell("training, against a torch-eager process per member, per core-second", ratio, 5, at_least=True)


def _against_processes() -> bool:
    theirs, ours = _each("processes-train", "train-64")
    ratio = theirs["core_us"] / ours["core_us"]
    return _tell("training, against the same task with Processes, per core-second", ratio, 1.0, at_least=True)


def _generations() -> bool:
    theirs, ours = _each("processes-generations", "generations")
    ratio = theirs["generation_ms"] / ours["generation_ms"]
    return _tell("generations of 20 steps, against Processes with 2 workers", ratio, 3, at_least=True)


def _cold() -> bool:
    theirs, ours = _each("processes-cold", "cold")
    ratio = theirs["wall_s"] / ours["wall_s"]
    return _tell("cold start to generation 10, N = 16, against a process per member", ratio, 5, at_least=True)


def _overhead() -> bool:
    met = []
    for policy, ours in zip(("PBT.paper()", "PBT()"), _each("overhead", "overhead-default"), strict=True):
        what = f"decide, copy, perturb and log, of a 20-step generation, {policy}"
        met.append(_tell(f"{what}, of core time", 100 * ours["core_share"], 5, "%"))
        met.append(_tell(f"{what}, of wall time", 100 * ours["share"], 5, "%"))
        print(f"    of it saving states, for checkpoints: {100 * ours['saving_share']:.2f} % of core time", flush=True)
    return all(met)


def _fused() -> bool:
    met = []
    for population in (16, 64):
        one, many = _each(f"host-{population}", f"fused-{population}")
        wall, core = (one[name] / many[name] for name in ("wall_ms", "core_ms"))
        what = f"64 generations of 1 step in a call, against one, N = {population}"
        met.append(_tell(f"{what}, wall", wall, 1, at_least=True))
        _tell(f"{what}, core", core, 1, at_least=True)
        print(f"    a generation takes {one['wall_ms']:.2f} and {many['wall_ms']:.2f} ms", flush=True)
    return all(met)


def _two_devices() -> bool:
    one, two = _each("train-64-one-device", "train-64")
    return _tell("two emulated devices against one", one["wall_us"] / two["wall_us"], 1.7, at_least=True)


def _exploit() -> bool:
    (ours,) = _each("exploit")
    return _tell("exploit of a 100 MB state, in copies by memcpy", ours["ratio"], 2)


def _memory() -> bool:
    (ours,) = _each("memory")
    demand = round(2.2 + 1 / 16, 2)  # and one chunk: a member
    return _tell("memory, in states of the whole population", ours["ratio"], demand)


def _recompiles() -> bool:
    (ours,) = _each("recompiles")
    return _tell("programs compiled after the first generation", ours["compiled"], 0, "")


def _thousand() -> bool:
    few, many = _each("h32-16", "h32-1024")
    lost = 100 * (1 - few["wall_us"] / many["wall_us"])
    return _tell("throughput per member lost from N = 16 to 1,024 (h32)", lost, 25, "%")


_DEMANDS: dict[str, Callable[[], bool]] = {
    "torch": _against_torch,
    "processes": _against_processes,
    "generations": _generations,
    "cold": _cold,
    "overhead": _overhead,
    "fused": _fused,
    "devices": _two_devices,
    "exploit": _exploit,
    "memory": _memory,
    "recompiles": _recompiles,
    "thousand": _thousand,
}


def _tell(what: str, value: float, demand: float, unit: str = "x", *, at_least: bool = False) -> bool:
    met = value >= demand if at_least else value <= demand
    sign = ">=" if at_least else "<="
    print(f"  {what:<72} {value:8.2f} {unit:<2} {sign} {demand:g}  {'met' if met else 'MISSED'}", flush=True)
    return met


def _each(*cases: str) -> list[dict[str, float]]:
    """Returns the median figures of cases that take turns."""
    told: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(_repeats):
        for case in cases:
            command = [sys.executable, "-m", "benchmarks", "vectorised", "--case", case]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"case {case} failed:\n{done.stderr[-3000:]}")
            told[case].append(json.loads(done.stdout.splitlines()[-1]))
    return [{name: statistics.median(one[name] for one in told[case]) for name in told[case][0]} for case in cases]


# --------------------------------------------------------------------------------------------------------------- cases


def _rows(population: int, hidden: int, devices: int) -> tuple[Any, list[Any], Any]:
    """Returns the rows of a population, its turns, and its programs."""
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    from benchmarks._digits_jax import SPACE, Digits
    from populace.jax import Programs
    from populace.space import Key, Space
    from populace.vectorised._block import Block
    from populace.vectorised._layout import Turn
    from populace.vectorised._rows import Rows

    programs, space = Programs(Digits(hidden), None), Space.of(SPACE)
    draws = [space.sample(Key(m)) for m in range(population)]
    share = population // devices
    states = (programs.init(Key(m).jax(), draws[m]) for m in range(population))
    block = Block(programs, jax.devices(), states, share)
    rows = Rows(block, range(population), lambda m, hp: programs.init(Key(m).jax(), hp), programs.shrunk)
    turns = [Turn(m, draws[m], Key(m).words(), 0) for m in range(population)]
    return rows, turns, programs


def _train(
    population: int = 64, hidden: int = 128, devices: int = 2, steps: int = 100, chunk: int | None = None
) -> Any:
    import jax

    from populace.vectorised._chunks import Chunks

    rows, turns, _ = _rows(population, hidden, devices)
    chunks = Chunks(chunk, population // devices, 1_000_000)
    while not chunks.is_settled:
        chunks.train(rows, turns, (steps,))

    def once() -> None:
        jax.block_until_ready(chunks.train(rows, turns, (steps,)))

    once()
    walls, cores = [], []
    for _ in range(5):
        wall, core = time.perf_counter(), time.process_time()
        once()
        walls.append(time.perf_counter() - wall)
        cores.append(time.process_time() - core)
    scale = 1e6 / population / steps
    return {"wall_us": min(walls) * scale, "core_us": min(cores) * scale}


def _torch() -> dict[str, float]:
    from benchmarks._digits_jax import torch_core_s_per_step

    return {"core_us": 1e6 * torch_core_s_per_step()}


def _tune(
    executor: Any, generations: int, *, task: Any = None, population: int = 16, interval: int = 20, **settings: Any
) -> Any:
    import populace
    from benchmarks._digits_jax import SPACE, Digits

    os.environ["POPULACE_PROGRESS"] = "off"
    with tempfile.TemporaryDirectory() as directory:
        return populace.tune(
            task or Digits(),
            SPACE,
            population=population,
            steps=interval * generations,
            interval=interval,
            seed=0,
            name="bench",
            directory=directory,
            executor=executor,
            **settings,
        ).segments


def _differential(executor: Any, few: int, many: int, **settings: Any) -> tuple[float, float]:
    """Returns wall and processor seconds of a generation, without the start.

    The first run pays for more than those after it, such as a fork server that imports JAX, and is not counted.
    """

    def spent() -> tuple[float, float]:
        used = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        return time.perf_counter(), used

    _tune(executor, few, **settings)
    marks = [spent()]
    for generations in (few, many):
        _tune(executor, generations, **settings)
        marks.append(spent())
    (a, b), (c, d), (e, f) = marks
    return ((e - c) - (c - a)) / (many - few), ((f - d) - (d - b)) / (many - few)


def _processes_train() -> dict[str, float]:
    import populace

    # Two workers train two members, a core each: what a step takes on the wall it takes of a core.
    wall, _ = _differential(populace.Processes(workers=2), 2, 6, population=2, interval=20_000)
    return {"core_us": 1e6 * wall / 20_000}


def _processes_generations() -> dict[str, float]:
    import populace

    wall, _ = _differential(populace.Processes(workers=2), 10, 160)  # fewer would drown in the start of the workers
    return {"generation_ms": 1e3 * wall}


def _vectorised_generations() -> dict[str, float]:
    import populace

    wall, _ = _differential(populace.Vectorised(devices=2, chunk=8), 100, 900)
    return {"generation_ms": 1e3 * wall}


def _cold_processes() -> dict[str, float]:
    import populace

    began = time.perf_counter()
    _tune(populace.Processes(workers=16), 10)
    return {"wall_s": time.perf_counter() - began}


def _cold_vectorised() -> dict[str, float]:
    import populace

    began = time.perf_counter()
    _tune(populace.Vectorised(), 10)
    return {"wall_s": time.perf_counter() - began}


def _overhead_case(policy: str) -> dict[str, float]:
    """Whole generations of a run of 64 against bare calls of its own program, on its own rows, in turns.

    Rows made elsewhere would not do: where arrays lie in memory changes the time of a call by a tenth.
    """
    import jax

    import populace
    from populace.vectorised._loop import Loop
    from populace.vectorised._rows import Rows
    from populace.vectorised._writer import Batch, Writer

    chosen = populace.PBT.paper() if policy == "paper" else populace.PBT()
    windows, bares = [], []
    last_turns: list[Any] = []
    saved_s: list[float] = []
    marks: list[tuple[float, float]] = []
    generation, train, write = Loop._generation, Rows.train, Writer._write

    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def trained(self: Rows, turns: Any, plan: tuple[int, ...], chunk: int) -> Any:
        last_turns[:] = turns
        return train(self, turns, plan, chunk)

    def written(self: Writer, batch: Batch) -> None:
        write(self, batch)
        saved_s.append(self.last_s)

    count = 0

    def marked(self: Loop) -> None:
        nonlocal count
        # A write every 50 generations, in the middle of each window: nothing of it is left when the window ends.
        if count >= 75 and (count - 75) % 50 == 0:
            marks.append(now())
            if len(marks) > 1:
                windows.append([(b - a) / 50 for a, b in zip(*marks, strict=True)])
            began = now()
            for _ in range(50):
                jax.block_until_ready(train(self._rows, last_turns, (20,), 16))
            marks[:] = [now()]
            bares.append([(b - a) / 50 for a, b in zip(began, marks[0], strict=True)])
        count += 1
        generation(self)

    Loop._generation, Rows.train, Writer._write = marked, trained, written  # type: ignore[method-assign]
    _tune(populace.Vectorised(devices=2, chunk=16, checkpoint_every=50), 300, population=64, policy=chosen)
    around = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(bares)]
    shares, core_shares = (
        [1 - bare[i] / window[i] for bare, window in zip(around, windows, strict=True)] for i in range(2)
    )
    wall, core = (statistics.median(window[i] for window in windows) for i in range(2))
    return {
        "share": statistics.median(shares),
        "core_share": statistics.median(core_shares),
        "saving_share": statistics.median(saved_s) / 50 / core,
        "wall_ms": 1e3 * wall,
    }


def _walk() -> Any:
    """Returns a task that trains next to nothing, so that what is around it shows."""
    import jax
    import jax.numpy as jnp

    from populace.jax import Trainable

    class Walk(Trainable):
        def init(self, key: Any, hp: Any) -> Any:
            return jax.random.normal(key, (8,))

        def step(self, key: Any, state: Any, hp: Any) -> Any:
            return state * (1 - hp["lr"]) + hp["decay"] * jax.random.normal(key, (8,))

        def evaluate(self, key: Any, state: Any) -> Any:
            return -jnp.sum(state**2)

    return Walk()


def _short(population: int, generations_per_call: int) -> dict[str, float]:
    import populace

    executor = populace.Vectorised(devices=1, chunk=16, generations_per_call=generations_per_call)
    wall, core = _differential(executor, 130, 1410, population=population, interval=1, task=_walk())
    return {"wall_ms": 1e3 * wall, "core_ms": 1e3 * core}


def _exploit_case() -> dict[str, float]:
    import jax
    import jax.numpy as jnp

    from populace.jax import Programs
    from populace.testing import JaxBowl
    from populace.vectorised._block import Block

    size = 25_000_000
    state = {"w": jnp.arange(size, dtype=jnp.float32)}
    block = Block(Programs(JaxBowl(), None), jax.devices()[:1], [state] * 6, 6)
    source, target = np.random.default_rng(0).random(size, np.float32), np.ones(size, np.float32)

    def fastest(act: Callable[[], object]) -> float:
        times = []
        for _ in range(12):
            began = time.perf_counter()
            act()
            times.append(time.perf_counter() - began)
        return min(times[2:])

    def exploit() -> None:
        block.move({5: 0})
        block.settle()  # as where training cannot read the other row instead
        jax.block_until_ready(block._rows_M)

    return {"ratio": fastest(exploit) / fastest(lambda: np.copyto(target, source))}


def _memory_case() -> dict[str, float]:
    """The largest resident size while a population with large states trains and is saved, over what they weigh."""
    import jax.numpy as jnp

    import populace
    from populace.jax import Trainable

    size, population = 4_000_000, 16

    class Large(Trainable):
        def init(self, key: Any, hp: Any) -> Any:
            return {"w": jnp.full(size, 0.9, jnp.float32)}

        def step(self, key: Any, state: Any, hp: Any) -> Any:
            return {"w": state["w"] * (1 - hp["lr"])}

        def evaluate(self, key: Any, state: Any) -> Any:
            return -state["w"].mean()

    def run(task: Any, generations: int) -> None:
        executor = populace.Vectorised(devices=1, chunk=1, checkpoint_every=3)
        _tune(executor, generations, task=task, population=population, interval=2)

    run(None, 3)  # what the library itself takes
    before = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[1])
    run(Large(), 9)
    after = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ratio": (after - before) / (4 * size * population)}


def _recompiles_case() -> dict[str, float]:
    import jax

    import populace
    from populace import Callback

    compiled: list[float] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, duration, **_: compiled.append(time.perf_counter()) if "backend_compile" in name else None
    )
    seen: list[float] = []

    class Watch(Callback):
        def on_segment(self, segment: Any) -> None:
            if segment.generation == 2:
                seen.append(time.perf_counter())

    executor = populace.Vectorised(devices=2, chunk=4, checkpoint_every=1)
    _tune(executor, 60, population=16, callbacks=[Watch()])
    assert compiled, "nothing was compiled: the counter counts something else"
    return {"compiled": float(sum(at > seen[0] for at in compiled))}


_CASES: dict[str, Callable[[], dict[str, float]]] = {
    "torch": _torch,
    "train-64": _train,
    "train-64-one-device": lambda: _train(devices=1),
    "processes-train": _processes_train,
    "processes-generations": _processes_generations,
    "generations": _vectorised_generations,
    "processes-cold": _cold_processes,
    "cold": _cold_vectorised,
    "overhead": lambda: _overhead_case("paper"),
    "overhead-default": lambda: _overhead_case("default"),
    "host-16": lambda: _short(16, 1),
    "fused-16": lambda: _short(16, 64),
    "host-64": lambda: _short(64, 1),
    "fused-64": lambda: _short(64, 64),
    "exploit": _exploit_case,
    "memory": _memory_case,
    "recompiles": _recompiles_case,
    "h32-16": lambda: _train(population=16, hidden=32, steps=400, chunk=16),
    "h32-1024": lambda: _train(population=1024, hidden=32, steps=20, chunk=16),
}
