"""A comparison as it stands: the outcomes of all entries, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from populace import report
from populace.comparison._outcome import Outcome
from populace.comparison._report import write_report
from populace.comparison._statistics import Paired, corrected, paired
from populace.comparison._table import cells, heads
from populace.comparison._terms import Terms
from populace.comparison._words import headline, verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One algorithm in the table. Scores are the reported ones: those of the test where there is one."""

    algorithm: str
    """Its name."""
    median: float | None
    """Median score over the seeds; None where most seeds found nothing."""
    worst: float | None
    """The worst seed's score; None where one found nothing."""
    best: float | None
    """The best seed's."""
    selected: float | None
    """Median of the validation scores by which the checkpoints were selected."""
    num_failed: int
    """Seeds that found nothing."""
    rival: Paired | None = None
    """How the first algorithm does against this one; None for the first itself."""
    reached: int = 0
    """Seeds on which the first algorithm reached this one's final validation score."""
    share: float | None = None
    """Median share of the budget after which it did; None where it did so on fewer than half of the seeds."""


@final
class Comparison:
    """What a comparison has found so far. The first algorithm is judged, the others are its rivals.

    Args:
        folder: The comparison's folder.
        terms: What the algorithms share.
        algorithms: Their names, the judged one first, and what they do.
        seeds: The seeds.
        outcomes: What was found, in any order.
        tested: Whether the selected checkpoints were measured on data that selected nothing.
    """

    def __init__(
        self,
        *,
        folder: Path,
        terms: Terms,
        algorithms: Mapping[str, str],
        seeds: Sequence[int],
        outcomes: Sequence[Outcome],
        tested: bool,
    ) -> None:
        self.folder = folder
        self.terms = terms
        self.algorithms = tuple(algorithms)
        self.summaries = dict(algorithms)
        self.seeds = tuple(seeds)
        self.tested = tested
        self._outcomes = {(o.algorithm, o.seed): o for o in outcomes}

    @property
    def name(self) -> str:
        """The comparison's name."""
        return self.folder.name

    @property
    def subject(self) -> str:
        """The algorithm that is judged."""
        return self.algorithms[0]

    def outcome(self, algorithm: str, seed: int) -> Outcome:
        """Returns what an algorithm found on a seed."""
        return self._outcomes[algorithm, seed]

    def of(self, algorithm: str) -> list[Outcome]:
        """Returns what an algorithm found, seed by seed."""
        return [self._outcomes[algorithm, seed] for seed in self.seeds]

    def scores(self, algorithm: str) -> list[float | None]:
        """Returns an algorithm's reported scores, seed by seed: the test's where there is one; None: found nothing."""
        return [self._reported(outcome) for outcome in self.of(algorithm)]

    @cached_property
    def rows(self) -> list[Row]:
        """The table, the judged algorithm first, the others from the best median to the worst."""
        rivals = self.algorithms[1:]
        mine = self._oriented(self.subject)
        judged = corrected([paired(mine, self._oriented(rival)) for rival in rivals])
        rows = [self._row(rival, result) for rival, result in zip(rivals, judged, strict=True)]
        worst = -math.inf
        rows.sort(key=lambda row: worst if row.median is None else self.terms.mode.orient(row.median), reverse=True)
        return [self._row(self.subject, None), *rows]

    @property
    def headline(self) -> str:
        """The outcome in a line."""
        return headline(self)

    @property
    def verdicts(self) -> list[str]:
        """The outcome against each rival, in a sentence with its numbers."""
        return [sentence.replace("**", "") for sentence in verdicts(self)]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Returns the table as texts: headings and rows."""
        return heads(self), [cells(self, row) for row in self.rows]

    def figure(self) -> Figure:
        """Returns the figure: best so far over member-steps, and the end of every seed.

        Raises:
            MissingExtra: matplotlib is not installed.
            UsageError: No run has found anything.
        """
        return report.figure_rivals(
            {name: [outcome.curve for outcome in self.of(name)] for name in self.algorithms},
            {name: self.scores(name) for name in self.algorithms},
            mode=self.terms.mode,
            budget=self.terms.budget,
            metric=self.terms.metric,
            tested=self.tested,
            title=self.headline,
        )

    def to_json(self) -> dict[str, object]:
        """Returns the whole comparison as strict JSON values."""
        return {
            "populace_comparison": 1,
            "name": self.name,
            "terms": self.terms.to_json(),
            "budget": self.terms.budget,
            "seeds": list(self.seeds),
            "algorithms": list(self.algorithms),
            "tested": self.tested,
            "rows": [_plain(asdict(row), row.rival) for row in self.rows],
            "outcomes": [asdict(self._outcomes[name, seed]) for name in self.algorithms for seed in self.seeds],
        }

    def save(self) -> list[Path]:
        """Writes the report beside the runs and returns its files: JSON, Markdown, HTML, and a figure."""
        return write_report(self)

    def _row(self, algorithm: str, rival: Paired | None) -> Row:
        scores = self._oriented(algorithm)
        selected = [self._orient(outcome.score) for outcome in self.of(algorithm)]
        shares = [] if rival is None else self._shares(algorithm)
        middle = float(np.median(shares)) if shares and math.isfinite(float(np.median(shares))) else None
        return Row(
            algorithm=algorithm,
            median=self._back(_median(scores)),
            worst=self._back(min(scores)),
            best=self._back(max(scores)),
            selected=self._back(_median(selected)),
            num_failed=sum(score == -math.inf for score in scores),
            rival=rival,
            reached=sum(math.isfinite(share) for share in shares),
            share=middle,
        )

    def _shares(self, rival: str) -> list[float]:
        """Returns by seed the share of the budget after which the judged algorithm reached the rival's final score."""
        shares = []
        for mine, theirs in zip(self.of(self.subject), self.of(rival), strict=True):
            goal = self._orient(theirs.score)
            reached = (x for x, y in mine.curve if self.terms.mode.orient(y) >= goal)
            shares.append(next(reached, math.inf) / self.terms.budget)
        return shares

    def _oriented(self, algorithm: str) -> list[float]:
        return [self._orient(score) for score in self.scores(algorithm)]

    def _orient(self, score: float | None) -> float:
        return -math.inf if score is None else self.terms.mode.orient(score)

    def _back(self, oriented: float) -> float | None:
        return self.terms.mode.orient(oriented) if math.isfinite(oriented) else None

    def _reported(self, outcome: Outcome) -> float | None:
        return outcome.test if self.tested else outcome.score

    def __repr__(self) -> str:
        return f"Comparison({self.name!r}, {', '.join(self.algorithms)}, {len(self.seeds)} seeds)"


def _median(oriented: Sequence[float]) -> float:
    """Returns the median; -inf where that lies between a number and nothing."""
    ordered = sorted(oriented)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return -math.inf if low == -math.inf else (low + high) / 2


def _plain(row: Mapping[str, object], rival: Paired | None) -> dict[str, object]:
    return {**row, "verdict": None if rival is None else rival.verdict}
