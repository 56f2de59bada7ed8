"""Policies on toy tasks: PBT's default, its paper's and MF-PBT's against random search at equal steps.

Real decisions of the core, training in numpy, no store: `benchmarks/_policies.py` says how. Prints a Markdown table:
the median score, on how many seeds it is better than random search, and Wilcoxon's signed-rank p of the paired
differences (two-sided, not corrected). On pure noise: the spread of hyperparameters at the end over that at the start.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks._policies import Outcome, play
from benchmarks._toys import TOYS, Toy
from populace.core import MFPBT, PBT, Policy, RandomSearch
from populace.core.exploit import Truncation
from populace.core.explore import Mixture

POLICIES: dict[str, Policy] = {
    "default": PBT(),
    "plain": PBT(exploit=Truncation(0.25), explore=Mixture(resample=0.1, factors=(0.8, 1.25))),
    "paper": PBT.paper(),
    "MF-PBT": MFPBT(periods=(1, 5)),
}


def main(arguments: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks policies", description=__doc__)
    parser.add_argument("--seeds", default="0:8", help="A:B, from A up to B - 1; 0 to 15 were chosen on")
    parser.add_argument("--size", type=int, default=10, help="number of members")
    parser.add_argument(
        "--slowest", type=float, default=1.0, help="above 1: asynchronous, with members up to so much slower"
    )
    parser.add_argument("--unknown-length", action="store_true", help="do not tell the policy how long the run is")
    parser.add_argument("--task", action="append", choices=list(TOYS), help="may be repeated; all if left out")
    parser.add_argument("--policy", action="append", choices=list(POLICIES), help="may be repeated")
    parser.add_argument("--interval", action="append", type=int, help="in percent of the run; 1, 3 and 10 if left out")
    told = parser.parse_args(arguments)
    first, last = map(int, told.seeds.split(":"))
    names = told.policy or ["default", "plain"]
    print("| task | interval | random [worst] |", *(f"{name} |" for name in names))
    print("|---|---|---|" + "---|" * len(names))
    for task in told.task or TOYS:
        for interval in told.interval or (1, 3, 10):
            given = {
                "size": told.size,
                "interval": interval,
                "slowest": told.slowest,
                "known_length": not told.unknown_length,
            }
            rows = {
                name: [play(TOYS[task], policy, seed=seed, **given) for seed in range(first, last)]
                for name, policy in {"random": RandomSearch(), **{name: POLICIES[name] for name in names}}.items()
            }
            print(f"| {task} | {interval} % |", *_cells(TOYS[task], rows), flush=True)
    return 0


def _cells(toy: Toy, rows: dict[str, list[Outcome]]) -> list[str]:
    if not toy.is_noise:
        scores = [outcome.score for outcome in rows["random"]]
        return [
            f"{np.median(scores):.3g} [{min(scores):.3g}] |",
            *(f"{_compared([o.score for o in rows[name]], scores)} |" for name in rows if name != "random"),
        ]
    cells = ["1 |"]
    for name in rows:
        if name != "random":
            spreads = [outcome.spread for outcome in rows[name]]
            wide = sum(spread >= 0.5 for spread in spreads)
            cells.append(f"{np.median(spreads):.2f} [{min(spreads):.2f}] ({wide}/{len(spreads)} >= .5) |")
    return cells


def _compared(scores: Sequence[float], rivals: Sequence[float]) -> str:
    """Returns the median, the seeds that are better, and p."""
    from scipy.stats import wilcoxon

    differences = np.subtract(scores, rivals)
    better = int(np.count_nonzero(differences > 0))
    p = float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0
    told = "<.001" if p < 0.001 else f"{p:.2g}"
    return f"{np.median(scores):.3g} ({better}/{len(scores)}, {told})"
