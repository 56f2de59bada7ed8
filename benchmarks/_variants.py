"""What each policy costs the engine: processor time of an interval of the zero-cost run, and what of it is arithmetic.

One worker in this process trains the run of the `async` section, 64 members x 50 steps at an interval of 5, on a
durable SQLite store. Processor time, since it does not depend on who else uses the machine. Of each interval, `decide`
is the policy's own arithmetic and `look` what the worker reads of the log for it; the rest is the same work for
everybody, but for longer reasons in the log and for states that are loaded at an exploit.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from unittest.mock import patch

import populace
from benchmarks._training import INTERVAL, POPULATION, SPACE, STEPS, Nothing
from populace import PB2, PBT, Backtrack, Pairwise, Truncation, TrustRegion
from populace.core import Policy
from populace.worker import _stay, _view

BASE = "PBT.paper()"
POLICIES: Mapping[str, Callable[[], Policy]] = {
    BASE: PBT.paper,
    "random search": populace.RandomSearch,
    "PBT()": PBT,
    "MFPBT()": populace.MFPBT,
    "PB2": lambda: PBT(exploit=Truncation(0.25), explore=PB2()),
    "PB2 modelled": lambda: PBT(exploit=Truncation(0.25), explore=PB2(choices="modelled")),
    "TrustRegion": lambda: PBT(explore=TrustRegion()),
    "Pairwise": lambda: PBT(explore=Pairwise()),
    "Backtrack": lambda: PBT(exploit=Backtrack(Truncation(0.2))),
    "Restart": lambda: populace.Restart(anew=1.0),
    "FirePBT": populace.FirePBT,
}
"""Those of docs/variants.md, by their names there."""


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """Processor milliseconds of an interval."""

    whole: float
    """All of it, of the process: the training costs nothing."""
    decide: float
    """The policy's arithmetic."""
    look: float
    """Reading what it looks at."""

    def __sub__(self, other: Cost) -> Cost:
        return Cost(whole=self.whole - other.whole, decide=self.decide - other.decide, look=self.look - other.look)

    @property
    def beyond(self) -> float:
        """What is not arithmetic."""
        return self.whole - self.decide


def table(folder: Path, names: Sequence[str], repeats: int, *, synchronous: bool) -> Iterator[str]:
    """Yields the lines of a table, as soon as they are known; policies take turns, so that a busy hour hits all."""
    os.environ["POPULACE_PROGRESS"] = "off"
    found: dict[str, list[Cost]] = {name: [] for name in names}
    _cost(folder / "warm", POLICIES[BASE](), synchronous=synchronous)
    for turn in range(repeats):
        for place, name in enumerate(names):
            found[name].append(_cost(folder / f"{turn}-{place}", POLICIES[name](), synchronous=synchronous))
    costs = {name: _median(each) for name, each in found.items()}
    yield "| policy | an interval, ms | of it decide | look | more than the paper's | of it decide | not arithmetic |"
    yield f"|{'---|' * 7}"
    for name, cost in costs.items():
        more = cost - costs[BASE]
        numbers = (cost.whole, cost.decide, cost.look, more.whole, more.decide, more.beyond)
        yield f"| {name} | {' | '.join(f'{number:.2f}' for number in numbers)} |"


def _cost(folder: Path, policy: Policy, *, synchronous: bool) -> Cost:
    spent = {"decide": 0.0, "look": 0.0}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return call(*given, **named)
            finally:
                spent[name] += time.process_time() - began

        return measured

    # The library has no switch for this: the stopwatch goes around its two calls.
    with (
        patch.object(_stay, "decide", timed("decide", _stay.decide)),
        patch.object(_view.View, "after", timed("look", _view.View.after)),
    ):
        began = time.process_time()
        populace.tune(
            Nothing(),
            SPACE,
            population=POPULATION,
            steps=STEPS,
            interval=INTERVAL,
            seed=0,
            policy=policy,
            synchronous=synchronous,
            executor=populace.Inline(),
            directory=folder,
        )
        whole = time.process_time() - began
    count = POPULATION * STEPS / INTERVAL
    per = {name: 1e3 * seconds / count for name, seconds in spent.items()}
    return Cost(whole=1e3 * whole / count, **per)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        **{name: statistics.median(getattr(cost, name) for cost in costs) for name in ("whole", "decide", "look")}
    )
