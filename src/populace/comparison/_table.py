"""A comparison as Markdown: the verdict in words, the table, how to read it, and what it rests on."""

from __future__ import annotations

from populace.comparison._comparison import Comparison, Row, better_word


def to_markdown(found: Comparison) -> str:
    """Returns the report as Markdown."""
    head = ["algorithm", "median score", "worst to best", "wins", "median difference", "95 % interval", "p"]
    lines = [f"# {found.name}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cells(found, row)) + " |" for row in found.rows]
    return "\n".join([*lines, "", f"{better_word(found.terms.mode)}.", ""])


def _cells(found: Comparison, row: Row) -> list[str]:
    n = len(found.seeds)
    rival = row.rival
    judged = (
        ["", "", "", ""]
        if rival is None
        else [
            f"{rival.wins} of {n}",
            f"{rival.median:+.4g}",
            f"[{rival.low:+.4g}, {rival.high:+.4g}]",
            f"{rival.p:.2g}",
        ]
    )
    return [row.algorithm, number(row.median), f"{number(row.worst)} to {number(row.best)}", *judged]


def number(value: float | None) -> str:
    """Returns a score as people read it."""
    return "nothing found" if value is None else f"{value:.4g}"
