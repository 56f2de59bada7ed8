"""The third demo: deep reinforcement learning, ten small players of Breakout.

The size is the benchmark's: 10 members, 80 x 3,072 frames each. How the setting was chosen, and how it did on other
seeds than those it was chosen on, is in docs/benchmarks/breakout.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from populace.core import PBT
from populace.demos._contest import Contest, hold_contest
from populace.demos._ppo import FRAMES_PER_STEP, NUM_SCORED, PPO, PPO_SPACE
from populace.demos._tell import tell_end, tell_schedule
from populace.executors import Executor
from populace.run import Result
from populace.space import Key
from populace.vectorised import Vectorised

POPULATION, STEPS, INTERVAL = 10, 960, 12
NUM_EPISODES: Final = 256

_PLAY_FRESH = jax.jit(PPO().test)


def contest(*, directory: Path, seed: int, stem: str, steps: int = STEPS, executor: Executor | None = None) -> Contest:
    """Trains both populations, each as one program where no other executor is given."""
    return hold_contest(
        PPO(),
        PPO_SPACE,
        policy=PBT(),
        stem=stem,
        mode="max",
        directory=directory,
        seed=seed,
        population=POPULATION,
        steps=steps,
        interval=INTERVAL,
        metric="return",
        executor=executor or Vectorised(),
    )


def fresh_returns_of(result: Result) -> np.ndarray:
    """Returns the returns (256,) of the best policy in episodes that no training has seen, the same for all runs."""
    key = Key(result.spec.seed).fold("fresh episodes").jax()
    return np.asarray(_PLAY_FRESH(key, result.best.restore()))


def run_breakout(
    *, directory: Path, seed: int, stem: str, console: Console, steps: int = STEPS, executor: Executor | None = None
) -> None:
    """Runs the demo and tells what happened."""
    frames = steps * FRAMES_PER_STEP
    console.print(
        f"[bold]Breakout on a grid of 10 x 10.[/bold] {POPULATION} small networks learn to play by proximal policy "
        "optimisation: learning rate, entropy cost, discount, trace and clip are tuned while they learn.\n"
        f"Two runs from the same start, same code, same seed ({seed}), {POPULATION} x {frames:,} frames each: PBT, and "
        f"random search, where nobody copies. A member's score is the mean return of {NUM_SCORED} episodes played for "
        "that alone.\n"
        "At full size, the benchmark's, this takes about two minutes on two cores.\n"
    )
    held = contest(directory=directory, seed=seed, stem=stem, steps=steps, executor=executor)
    runs = {"PBT": held.pbt, "random search": held.random}
    fresh = {name: fresh_returns_of(result) for name, result in runs.items()}
    table = Table(
        title=f"Best policy by its score, then measured on {NUM_EPISODES} fresh episodes (bricks per episode)",
        title_justify="left",
    )
    for heading in ("", "score", "fresh mean", "standard error"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, result in runs.items():
        table.add_row(name, f"{result.best.score:.1f}", f"{fresh[name].mean():.1f}", f"{_error(fresh[name]):.1f}")
    console.print(table)
    console.print("The score is the best of 800 noisy ones, so it flatters; fresh episodes do not.")
    console.print(_verdict(fresh["PBT"], fresh["random search"]))
    tell_schedule(held, console, unit=f"steps of {FRAMES_PER_STEP} frames and 12 updates")
    tell_end(held, stem, console, about=f"Breakout, bricks per episode (a step is {FRAMES_PER_STEP} frames)")


def _error(returns: np.ndarray) -> float:
    return float(returns.std(ddof=1) / np.sqrt(len(returns)))


def _verdict(pbt: np.ndarray, random: np.ndarray) -> str:
    gap = float(pbt.mean() - random.mean())
    noise = 2.0 * float(np.hypot(_error(pbt), _error(random)))
    if abs(gap) <= noise:
        return f"[bold]Level on this seed[/bold]: the gap of {gap:+.1f} is within two standard errors ({noise:.1f})."
    if gap > 0:
        return f"PBT's policy breaks {gap:.1f} bricks more per episode on this seed."
    return f"[bold]Random search won on this seed[/bold], by {-gap:.1f} bricks per episode; seeds differ."
