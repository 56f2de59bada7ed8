"""A comparison as a table, and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from populace.comparison._words import direction, headline, interval, limits, number, reached, setting, source, verdicts

if TYPE_CHECKING:
    from populace.comparison._comparison import Comparison, Row

NOTES = (
    "median, worst to best: over the seeds.",
    "selected: median of the validation scores by which the checkpoints were selected.",
    "difference: the first algorithm minus the rival, seed by seed; the median and its 95 % bootstrap interval.",
    "p: Wilcoxon's signed-rank test, two-sided; in brackets after Holm's correction for the number of rivals. "
    "A difference counts where that is below 0.05 and the interval leaves out 0.",
    "as good after: the share of the budget after which the first algorithm's best validation score was as good as the "
    "rival's final one.",
)
"""How to read the table."""


def heads(found: Comparison) -> list[str]:
    """Returns the table's headings."""
    what = "test" if found.tested else "validation"
    metric = found.terms.metric or "score"
    subject = found.subject
    return [
        "algorithm",
        f"{what} {metric}: median",
        "worst to best",
        "selected",
        f"{subject} better on",
        f"difference of {subject}",
        "p",
        f"{subject} as good after",
    ]


def cells(found: Comparison, row: Row) -> list[str]:
    """Returns a row of the table."""
    mine = [row.algorithm, number(row.median), f"{number(row.worst)} to {number(row.best)}", number(row.selected)]
    rival = row.rival
    if rival is None:
        return [*mine, "", "", "", ""]
    corrected = f" ({rival.adjusted_p:.2g})" if len(found.algorithms) > 2 else ""
    return [
        *mine,
        f"{rival.wins} of {rival.num_seeds}",
        interval(found, rival),
        f"{rival.p:.2g}{corrected}",
        reached(found, row),
    ]


def to_markdown(found: Comparison, has_figure: bool) -> str:
    """Returns the report as Markdown."""
    head = heads(found)
    picture = [f"![Best score so far over member-steps, and the end of every seed]({FIGURE})", ""] if has_figure else []
    return "\n".join(
        [
            f"# {headline(found)}",
            "",
            setting(found),
            source(found),
            *filter(None, [limits(found)]),
            "",
            *(f"* {sentence}" for sentence in verdicts(found)),
            "",
            *picture,
            _line(head),
            "|" + "---|" * len(head),
            *(_line(cells(found, row)) for row in found.rows),
            "",
            f"How to read the table ({direction(found.terms.mode)}):",
            "",
            *(f"* {note}" for note in NOTES),
            "",
            "## The algorithms",
            "",
            *(f"* {name}: {summary}" for name, summary in found.summaries.items()),
            "",
            "## Seed by seed",
            "",
            *seed_table(found),
            "",
            *_failures(found),
            "Every run lies in this folder and can be looked at: `populace show RUN`, `populace plot RUN`, "
            "`populace verify RUN`.",
            "",
        ]
    )


FIGURE = "comparison.png"


def seed_table(found: Comparison) -> list[str]:
    """Returns a table of the reported scores, a line per seed."""
    scores = {name: found.scores(name) for name in found.algorithms}
    lines = [_line(["seed", *scores]), "|" + "---|" * (len(scores) + 1)]
    for index, seed in enumerate(found.seeds):
        lines.append(_line([str(seed), *(number(scores[name][index]) for name in scores)]))
    return lines


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _failures(found: Comparison) -> list[str]:
    failed = [outcome for name in found.algorithms for outcome in found.of(name) if outcome.failure is not None]
    lines = [f"* {o.algorithm}, seed {o.seed}: {(o.failure or '').splitlines()[0]}" for o in failed]
    return ["Runs that found nothing, which count as the worst:", "", *lines, ""] if lines else []
