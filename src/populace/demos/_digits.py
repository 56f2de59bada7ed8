"""The main demo: handwritten digits, PBT and random search side by side.

The setting (interval, fraction, factors, resampling) was chosen on some seeds and checked on others; the figures of all
seeds are in docs/benchmarks/digits.md.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from populace.core import PBT
from populace.core.exploit import Truncation
from populace.core.explore import Mixture
from populace.demos._contest import Contest, hold_contest
from populace.demos._digits_task import CARELESS_SHARE, DIGITS_SPACE, Digits
from populace.demos._tell import tell_end, tell_schedule

POPULATION, STEPS, INTERVAL = 16, 60, 4


def digits_policy() -> PBT:
    """Returns the demo's policy."""
    return PBT(exploit=Truncation(0.25), explore=Mixture(resample=0.1, factors=(0.8, 1.25)))


def contest(*, directory: Path, seed: int, stem: str) -> Contest:
    """Trains both populations."""
    return hold_contest(
        Digits(),
        DIGITS_SPACE,
        policy=digits_policy(),
        stem=stem,
        directory=directory,
        seed=seed,
        population=POPULATION,
        steps=STEPS,
        interval=INTERVAL,
        evaluate_every=1,
        metric="log_loss",
    )


def run_digits(*, directory: Path, seed: int, stem: str, console: Console) -> None:
    """Runs the demo and tells what happened."""
    console.print(
        f"[bold]Handwritten digits, careless annotators.[/bold] {POPULATION} small networks learn real scans, "
        f"but {CARELESS_SHARE:.0%} of the labels are random, drawn anew at every visit. Large steps learn fast, "
        "small steps average the noise away: the best learning rate falls while training goes on.\n"
        f"Two runs from the same start, same code, same seed ({seed}), {POPULATION} x {STEPS} member-steps each "
        "(a step is 300 updates): PBT, and random search, where nobody copies.\n"
    )
    held = contest(directory=directory, seed=seed, stem=stem)
    task = Digits()
    tests = {
        name: task.test(result.best.restore()) for name, result in (("PBT", held.pbt), ("random search", held.random))
    }
    table = Table(title="Best checkpoint by validation, then measured once on held-out images", title_justify="left")
    for heading in ("", "validation log-loss", "test log-loss", "test accuracy"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, result in (("PBT", held.pbt), ("random search", held.random)):
        figures = tests[name]
        table.add_row(name, f"{result.best.score:.3f}", f"{figures['log_loss']:.3f}", f"{figures['accuracy']:.1%}")
    console.print(table)
    pbt, random = tests["PBT"]["log_loss"], tests["random search"]["log_loss"]
    if pbt < random:
        console.print(f"PBT's test log-loss is {1 - pbt / random:.0%} lower on this seed.")
    else:
        console.print(
            f"[bold]Random search won on this seed[/bold] (test log-loss {random:.3f} against {pbt:.3f}); seeds differ."
        )
    tell_schedule(held, console, unit="steps of 300 updates")
    tell_end(held, stem, console)
