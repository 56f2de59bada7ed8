"""Entries: one algorithm on one seed, trained as an ordinary run and measured once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from populace._errors import RunFailed
from populace.comparison._algorithms import Algorithm, needs_of, plan_of, slug
from populace.comparison._outcome import Outcome
from populace.comparison._terms import Terms
from populace.comparison._test import Test, measure
from populace.executors import Inline
from populace.report import best_so_far
from populace.run import Result, Silence, train_run
from populace.worker import Loop, Trainable

OUTCOMES = "outcomes"


@final
@dataclass(frozen=True, kw_only=True)
class Entry:
    """One algorithm on one seed."""

    algorithm: str
    """The algorithm's name."""
    seed: int
    """The seed."""

    @property
    def run(self) -> str:
        """Name of its run, and of its folder in the comparison's."""
        return f"{slug(self.algorithm)}-s{self.seed}"

    @property
    def file(self) -> str:
        """Where its outcome lies in the comparison's folder."""
        return f"{OUTCOMES}/{self.run}.json"


@final
@dataclass(frozen=True, kw_only=True)
class Field:
    """All that entries are trained from; it travels to worker processes."""

    folder: Path
    """The comparison's folder."""
    terms: Terms
    """What the algorithms share."""
    algorithms: Mapping[str, Algorithm]
    """The algorithms by name."""
    trainable: Trainable | Loop
    """The user's code."""
    test: Test | None
    """What measures the selected checkpoints."""

    def entries(self, seeds: tuple[int, ...]) -> list[Entry]:
        """Returns all entries, seed after seed, whoever is needed by another before that one."""
        names = sorted(self.algorithms, key=lambda name: needs_of(self.algorithms[name]) is not None)
        return [Entry(algorithm=name, seed=seed) for seed in seeds for name in names]

    def needed_by(self, entry: Entry) -> Entry | None:
        """Returns the entry that must be trained before another; None where there is none."""
        needed = needs_of(self.algorithms[entry.algorithm])
        return None if needed is None else Entry(algorithm=needed, seed=entry.seed)

    def outcome(self, entry: Entry) -> Outcome | None:
        """Returns what an entry has found; None where it has not been trained to its end."""
        return Outcome.read(self.folder / entry.file)

    def train(self, entry: Entry) -> Outcome:
        """Trains an entry, or goes on with it, and writes its outcome.

        Raises:
            RunInterrupted: It was stopped.
            StoreError: Its run cannot be stored.
            UsageError: Its test measures something else than what ranks.
        """
        needed = self.needed_by(entry)
        found = None if needed is None else self._result(needed)
        if needed is not None and found is None:
            outcome = _failed(entry, f"the run of {needed.algorithm} that it follows found nothing")
        else:
            outcome = self._trained(entry, found)
        outcome.write(self.folder / entry.file)
        return outcome

    def _trained(self, entry: Entry, found: Result | None) -> Outcome:
        plan = plan_of(self.algorithms[entry.algorithm], self.terms, found)
        spec = self.terms.spec(plan, name=entry.run, seed=entry.seed + plan.seed_shift)
        try:
            result = train_run(self.folder / entry.run, spec, self.trainable, Inline(), display=Silence())
        except RunFailed as error:
            return _failed(entry, str(error))
        test, metrics = (None, {}) if self.test is None else measure(self.test, result)
        # Members train side by side, so that the population has spent N times what each of them has.
        curve = [(x * spec.population, y) for x, y in best_so_far(result.segments, mode=spec.mode)]
        return Outcome(
            algorithm=entry.algorithm,
            seed=entry.seed,
            run=entry.run,
            member_steps=sum(result.state.steps),
            score=result.best.score,
            test=test,
            metrics=metrics,
            curve=tuple(curve),
            hyperparameters=result.best.hyperparameters,
        )

    def _result(self, entry: Entry) -> Result | None:
        outcome = self.outcome(entry)
        if outcome is None or outcome.failure is not None:
            return None
        plan = plan_of(self.algorithms[entry.algorithm], self.terms, None)
        return Result(self.folder / entry.run, trainable=self.trainable, policy=plan.policy)


def _failed(entry: Entry, reason: str) -> Outcome:
    return Outcome(
        algorithm=entry.algorithm, seed=entry.seed, run=entry.run, member_steps=0, score=None, failure=reason
    )
