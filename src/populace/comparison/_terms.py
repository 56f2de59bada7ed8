"""The terms of a comparison: what all its algorithms have in common, so that only the algorithm differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.comparison._algorithms import Plan
from populace.core import Mode, RunSpec
from populace.space import Space


@final
@dataclass(frozen=True, kw_only=True)
class Terms:
    """Task, budget and start of every algorithm. Whatever trains, trains `population` x `steps` member-steps."""

    space: Space
    """The search space."""
    population: int
    """Number of members of a population, N."""
    steps: int
    """Steps that each of them trains, T."""
    interval: int
    """Steps between two ready points."""
    metric: str | None
    """The metric that is the score."""
    mode: Mode
    """Whether a larger or a smaller score is better."""
    evaluate_every: int | None
    """Steps between evaluations inside an interval."""
    synchronous: bool
    """Whether members wait for one another."""
    max_failures: int
    """Failures in a row that a member may have."""
    allow_pickle: bool
    """Whether checkpoints may hold pickles."""
    entry: str | None
    """Where the trainable is found again, as FILE:NAME."""
    code: str | None
    """Fingerprint of the trainable's source."""

    @property
    def budget(self) -> int:
        """Member-steps that every algorithm trains."""
        return self.population * self.steps

    def spec(self, plan: Plan, *, name: str, seed: int) -> RunSpec:
        """Returns the specification of one algorithm's run.

        Raises:
            UsageError: A value does not obey its rule, or the plan costs more or less than the others.
        """
        if plan.population * plan.steps != self.budget:
            raise UsageError(
                f"every algorithm trains population x steps = {self.budget} member-steps, but {name} plans "
                f"{plan.population} x {plan.steps}: make them equal"
            )
        return RunSpec(
            name=name,
            space=self.space,
            policy=plan.policy,
            seed=seed,
            population=plan.population,
            steps=plan.steps,
            interval=self.interval,
            evaluate_every=self.evaluate_every,
            metric=self.metric,
            mode=self.mode,
            synchronous=self.synchronous,
            max_failures=self.max_failures,
            allow_pickle=self.allow_pickle,
            entry=self.entry,
            code=self.code,
        )

    def to_json(self) -> dict[str, object]:
        """Returns the terms as strict JSON values."""
        plain = {name: getattr(self, name) for name in ("population", "steps", "interval", "metric", "evaluate_every")}
        more = {name: getattr(self, name) for name in ("synchronous", "max_failures", "allow_pickle", "code")}
        return {**plain, "mode": self.mode.value, **more, "space": self.space.to_json()}
