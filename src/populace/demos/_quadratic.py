"""The second demo: a noisy quadratic, where the best constant and the best schedule are known."""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from populace.core import PBT
from populace.core.exploit import Truncation
from populace.core.explore import Mixture
from populace.demos._contest import hold_contest
from populace.demos._quadratic_task import QUADRATIC_SPACE, NoisyQuadratic, best_constant, oracle_schedule
from populace.demos._tell import tell_end, tell_schedule

POPULATION, STEPS = 10, 30


def run_quadratic(*, directory: Path, seed: int, stem: str, console: Console) -> None:
    """Runs the demo and tells what happened."""
    console.print(
        "[bold]A noisy quadratic.[/bold] Stochastic gradient descent in 200 dimensions; only the rate is tuned. "
        "The expected loss of every schedule is known exactly, so the best constant "
        "and the best schedule (the oracle) are too.\n"
    )
    task = NoisyQuadratic()
    held = hold_contest(
        task,
        QUADRATIC_SPACE,
        policy=PBT(exploit=Truncation(0.2), explore=Mixture(resample=0.1, factors=(0.8, 1.25))),
        stem=stem,
        directory=directory,
        seed=seed,
        population=POPULATION,
        steps=STEPS,
        metric="loss",
    )
    constant, oracle = best_constant(task, num_steps=STEPS), oracle_schedule(task, num_steps=STEPS)
    table = Table(title=f"Loss after {STEPS} steps of 20 updates (seed {seed})", title_justify="left")
    for heading in ("", "loss", "-log10 loss", "learning rate"):
        table.add_column(heading, justify="left" if not heading else "right")
    rates = [piece.hyperparameters["learning_rate"] for piece in held.pbt.schedule]
    fixed = held.random.best.hyperparameters["learning_rate"]
    rows = (
        ("random search", held.random.best.score, f"{fixed:.3g}"),
        ("best constant (expected)", constant.loss, f"{constant.learning_rates[0]:.3g}"),
        ("PBT", held.pbt.best.score, f"{rates[0]:.3g} ... {rates[-1]:.3g}"),
        (
            "oracle schedule (expected)",
            oracle.loss,
            f"{oracle.learning_rates[0]:.3g} ... {oracle.learning_rates[-1]:.3g}",
        ),
    )
    for name, loss, rate in rows:
        table.add_row(name, f"{loss:.5f}", f"{-math.log10(loss):.3f}", rate)
    console.print(table)
    if held.pbt.best.score >= held.random.best.score:
        console.print("[bold]Random search won on this seed.[/bold]")
    tell_schedule(held, console, unit="steps of 20 updates")
    tell_end(held, stem, console)
