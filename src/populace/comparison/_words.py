"""A comparison in words: what was compared, what came out, and what may be concluded from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.comparison._statistics import FEWEST_SEEDS, SIGNIFICANT, Paired
from populace.core import Mode

if TYPE_CHECKING:
    from populace.comparison._comparison import Comparison, Row


def setting(found: Comparison) -> str:
    """Returns what was compared, in a paragraph."""
    terms = found.terms
    score = "the score" if terms.metric is None else terms.metric
    return (
        f"{len(found.algorithms)} algorithms on {_count(len(found.seeds), 'seed')}, each with the same budget per "
        f"seed: {terms.population} members x {terms.steps} steps = {terms.budget} member-steps, those of discarded "
        f"weights and restarts included (interval {terms.interval}). Algorithms that train a population begin with the "
        f"same hyperparameters and weights. What ranks is {score}: {direction(terms.mode)}."
    )


def source(found: Comparison) -> str:
    """Returns where the reported scores come from, in a paragraph."""
    if found.tested:
        return (
            "Of every run the checkpoint with the best validation score was selected; the scores below were measured "
            "once on it, on data that selected nothing."
        )
    return (
        "**No test was given: the scores below are the best validation scores of each run, by which its checkpoint was "
        "selected. A maximum over many noisy scores is too good; what you will see on fresh data is worse.** Give the "
        "trainable a method `test(state)`, or pass `test=`, to have the selected checkpoints measured once."
    )


def limits(found: Comparison) -> str | None:
    """Returns why no difference can count, whatever comes out; None where one can."""
    rivals, seeds = len(found.algorithms) - 1, len(found.seeds)
    if rivals < 1 or seeds < FEWEST_SEEDS or rivals * 2 / 2**seeds < SIGNIFICANT:
        return None
    return (
        f"With {rivals} rivals and {seeds} seeds no difference can count, however clear: the smallest possible p, "
        f"{2 / 2**seeds:.2g}, is {min(1.0, rivals * 2 / 2**seeds):.2g} after correction. Add seeds, or leave rivals "
        "out."
    )


def verdicts(found: Comparison) -> list[str]:
    """Returns a sentence per rival."""
    return [_verdict(found, row) for row in found.rows if row.rival is not None]


def headline(found: Comparison) -> str:
    """Returns the outcome in a line."""
    groups: dict[str, list[str]] = {}
    for row in found.rows:
        if row.rival is not None:
            groups.setdefault(row.rival.verdict, []).append(row.algorithm)
    if not groups:
        return f"{found.subject} has no rival"
    if "too few seeds" in groups or limits(found) is not None:
        return f"Too few seeds to tell {found.subject} from its rivals"
    told = []
    if "better" in groups:
        told.append(f"better than {_listed(groups['better'])}")
    if "worse" in groups:
        told.append(f"worse than {_listed(groups['worse'])}")
    if "within noise" in groups:
        told.append(f"not told apart from {_listed(groups['within noise'])}")
    return f"{found.subject} is {'; '.join(told)}"


def reached(found: Comparison, row: Row) -> str:
    """Returns when the judged algorithm had reached a rival's final validation score."""
    seeds = f"{row.reached} of {len(found.seeds)} seeds"
    return f"never on most seeds ({seeds})" if row.share is None else f"{row.share:.0%} of the budget ({seeds})"


def direction(mode: Mode) -> str:
    """Returns which way is better."""
    return "lower is better" if mode is Mode.MIN else "higher is better"


def number(value: float | None) -> str:
    """Returns a score as people read it."""
    return "nothing" if value is None else f"{value:.4g}"


def interval(found: Comparison, rival: Paired) -> str:
    """Returns the median difference with its interval, on the user's scale: the judged algorithm minus the rival."""
    low, high = sorted(found.terms.mode.orient(end) for end in (rival.low, rival.high))
    return f"{found.terms.mode.orient(rival.median):+.3g} ({low:+.3g} to {high:+.3g})"


def _verdict(found: Comparison, row: Row) -> str:
    rival, subject = row.rival, found.subject
    assert rival is not None
    ties = rival.num_seeds - rival.wins - rival.losses
    level = f", level on {ties}" if ties else ""
    numbers = (
        f"better on {rival.wins} of {_count(rival.num_seeds, 'seed')}{level}; median difference with 95 % interval "
        f"{interval(found, rival)}, p = {rival.p:.2g}"
    )
    rivals = len(found.algorithms) - 1
    if rivals > 1:
        numbers += f", {rival.adjusted_p:.2g} after correction for {rivals} rivals"
    match rival.verdict:
        case "too few seeds":
            return (
                f"**{subject} and {row.algorithm}: too few seeds to tell** ({numbers}). At least {FEWEST_SEEDS} are "
                "needed, 8 or more are usual."
            )
        case "within noise":
            return (
                f"**{subject} and {row.algorithm}: the difference is within noise** ({numbers}). These seeds do not "
                "show which is better."
            )
        case "better":
            return f"**{subject} is better than {row.algorithm}** ({numbers})."
        case _:
            return f"**{subject} is worse than {row.algorithm}** ({numbers})."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
