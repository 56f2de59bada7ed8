"""What a seed stands for: a run, its user's code, its workers, and the faults that may hit it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum
from typing import final

from populace.core import MFPBT, PBT, Compare, Guard, Mode, Policy, RandomSearch, RunSpec
from populace.core.exploit import BinaryTournament, ExploitStrategy, Truncation, TTest
from populace.core.explore import ExploreStrategy, Mixture, NoExplore, Perturb, Resample
from populace.space import IntUniform, LogUniform, Space
from populace.testing.simulator._toy import Toy

_SQLITE_SHARE = 0.02
BOUNDS = {"x": (1e-3, 1e-1), "n": (1, 9)}
"""Where the hyperparameters must stay."""
_SPACE = Space.of({"x": LogUniform(*BOUNDS["x"]), "n": IntUniform(1, 9)})


class Fault(Enum):
    """What may go wrong at an operation."""

    KILL_BEFORE = "killed before an operation"
    KILL_AFTER = "killed after an operation"
    PAUSE = "paused"
    STEP_ERROR = "exception in a step"
    SLOW = "slow step"
    FULL_DISK = "full disk"
    FULL_STORE = "store cannot write"
    REPEAT = "publish repeated after its answer was lost"
    SPOIL = "checkpoint spoilt at rest"
    RUN_CRASH = "supervisor crash"
    HOST_CRASH = "host crash"
    STOP = "stop command"
    WALL_JUMP = "wall clock jump"
    EXTRA_WORKER = "another worker joins"
    PIN = "checkpoint kept by the user"


_WEIGHTS = {
    Fault.KILL_BEFORE: 5,
    Fault.KILL_AFTER: 5,
    Fault.PAUSE: 5,
    Fault.STEP_ERROR: 3,
    Fault.SLOW: 2,
    Fault.FULL_DISK: 1,
    Fault.FULL_STORE: 1,
    Fault.REPEAT: 2,
    Fault.SPOIL: 1,
    Fault.RUN_CRASH: 1,
    Fault.HOST_CRASH: 1,
    Fault.STOP: 1,
    Fault.WALL_JUMP: 1,
    Fault.EXTRA_WORKER: 1,
    Fault.PIN: 1,
}


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a schedule depends on, drawn from its seed."""

    seed: int
    """The schedule's seed."""
    spec: RunSpec
    """The run as it is created."""
    later: RunSpec
    """The run as it is resumed."""
    toy: Toy
    """The user's code."""
    num_workers: int
    """Workers of each session."""
    sticky: float
    """Probability that whoever moved moves again."""
    rate: float
    """Probability of a fault per operation."""
    budget: int
    """Number of faults at most."""
    faults: tuple[Fault, ...]
    """The kinds that may happen."""
    weights: tuple[float, ...]
    """How often, in proportion."""
    p_told: float
    """Probability that the supervisor sees a death at once and frees the member."""
    sqlite: bool
    """Whether the log is a SQLite file; else it is in memory."""

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Returns the plan of a seed."""
        rng = random.Random(seed)
        population = rng.choice((1, 2, 3, 3, 4, 4))
        interval = rng.choice((1, 1, 2))
        steps = interval * rng.choice((2, 3, 4)) + rng.choice((0, 0, interval - 1))
        spec = RunSpec(
            name="simulated",
            space=_SPACE,
            policy=_several_speeds(seed) or _policy(rng),
            seed=seed,
            population=population,
            steps=steps,
            interval=interval,
            evaluate_every=rng.choice((None, 1)),
            mode=rng.choice((Mode.MAX, Mode.MAX, Mode.MIN)),
            synchronous=rng.random() < 0.35,
            max_failures=rng.choice((0, 1, 3, 3, 3)),
        )
        change = rng.choice((1, 1, -1, 0, 0, 0, 0, 0, 0, 0))
        later = replace(
            spec,
            population=max(1, population + change * rng.randrange(2)),
            steps=max(1, steps + change * rng.randrange(3)),
        )
        toy = Toy(
            seed=seed,
            levels=rng.choice((1, 3, 1000)),
            p_diverge=rng.choice((0.0, 0.0, 0.2, 0.4)),
            hopeless=rng.random() < 0.01,
            cursed=frozenset({rng.randrange(population)}) if rng.random() < 0.05 else frozenset(),
        )
        faults = tuple(fault for fault in Fault if rng.random() < 0.6)
        return cls(
            seed=seed,
            spec=spec,
            later=later,
            toy=toy,
            num_workers=rng.choice((1, 2, 2, 3, 4)),
            sticky=rng.choice((0.0, 0.5, 0.8)),
            rate=rng.choice((0.0, 0.03, 0.06, 0.1, 0.1)) if faults else 0.0,
            budget=rng.randrange(1, 13),
            faults=faults,
            weights=tuple(_WEIGHTS[fault] * rng.random() for fault in faults),
            p_told=rng.choice((0.0, 0.5, 1.0)),
            sqlite=rng.random() < _SQLITE_SHARE,
        )

    def without_faults(self) -> Plan:
        """Returns the same run with nothing going wrong, trained by one worker."""
        return replace(self, num_workers=1, sticky=0.9, rate=0.0, faults=(), sqlite=False, later=self.spec)


def _several_speeds(seed: int) -> Policy | None:
    """Returns a policy of several speeds for one seed in eight; its draws leave those of the other seeds alone."""
    rng = random.Random(f"speeds of {seed}")
    if rng.random() >= 1 / 8:
        return None
    return rng.choice((PBT(), PBT(compare="equal progress", burn_in=1), MFPBT(periods=(1, 2))))


def _policy(rng: random.Random) -> Policy:
    if rng.random() < 0.08:
        return RandomSearch()
    exploit: ExploitStrategy = rng.choice(
        (Truncation(0.25), Truncation(0.5), BinaryTournament(), TTest(alpha=0.4, window=3))
    )
    explore: ExploreStrategy = rng.choice((Perturb(), Perturb((0.1, 10.0)), Resample(), Mixture(), NoExplore()))
    return PBT(
        exploit=exploit,
        explore=explore,
        copy=rng.choice(("both", "both", "both", "both", "weights", "hyperparameters", "nothing")),
        compare=rng.choice((Compare.LATEST, Compare.LATEST, Compare.LATEST, Compare.EQUAL_PROGRESS)),
        burn_in=rng.choice((0, 0, 0, 2)),
        guard=rng.choice((Guard(), Guard(), Guard(min_std=0.5), Guard(spare=True, explores=True))),
    )
