"""The specification of a run: everything that its decisions depend on, as one value that the log holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from populace._errors import UsageError
from populace.core._codec import policy_from_json, policy_to_json
from populace.core._looks import Looks
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._score import Mode
from populace.core._whole import check_metric, check_whole
from populace.space import Key, Space


@final
@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What a run is. Limits (`population`, `steps`, `max_failures`) may change on resume; the rest may not."""

    name: str
    """The run's name."""
    space: Space
    """The search space."""
    policy: Policy
    """What decides."""
    seed: int
    """Root of all randomness."""
    population: int
    """Number of members."""
    steps: int
    """Steps each member trains."""
    interval: int = 1
    """Steps between two ready points."""
    evaluate_every: int | None = None
    """Steps between evaluations; None evaluates once, at the end of the interval."""
    metric: str | None = None
    """The metric that is the score; None where a single number is reported."""
    mode: Mode = Mode.MAX
    """Whether a larger or a smaller score is better."""
    synchronous: bool = False
    """Whether generations are taken in lockstep."""
    max_failures: int = 3
    """Failures in a row after which a member is replaced."""
    allow_pickle: bool = False
    """Whether checkpoints may hold pickles."""
    entry: str | None = None
    """Where the trainable is found again, as FILE:NAME."""
    code: str | None = None
    """Fingerprint of the trainable's source."""

    def __post_init__(self) -> None:
        check_whole("population", self.population, 1, "it is the number of members", most=_LARGEST_POPULATION)
        check_whole("steps", self.steps, 1, "it is the steps each member trains")
        check_whole("interval", self.interval, 1, "it is the steps between two ready points")
        check_whole("max_failures", self.max_failures, 0, "it is the failures in a row that a member may have")
        check_metric(self.metric)
        if self.evaluate_every is not None:
            check_whole("evaluate_every", self.evaluate_every, 1, "it is the steps between two evaluations")
            if self.evaluate_every > self.interval:
                raise UsageError(
                    f"`evaluate_every <= interval` must hold, but got (evaluate_every={self.evaluate_every}, "
                    f"interval={self.interval}): every interval ends with an evaluation anyway"
                )
        check_whole("seed", self.seed, 0, "it is the root of all randomness", most=None)
        Key(self.seed)  # knows how large a seed may be
        if len(self.policy.starts) > self.population:
            raise UsageError(
                f"`initial` holds at most one mapping per member, but got {len(self.policy.starts)} for a population "
                f"of {self.population}: shorten it or raise `population`"
            )
        for given in self.policy.starts:
            self.space.check({**self.space.sample(Key(self.seed)), **given})

    @property
    def looks(self) -> Looks:
        """What its decisions look at."""
        return self.policy.looks(self.population)

    def to_json(self) -> dict[str, object]:
        """Returns the specification as strict JSON values."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "space": self.space.to_json(),
            "policy": policy_to_json(self.policy),
            "mode": self.mode.value,
            # Stores keep one checkpoint more for such a policy, and do not know policies.
            **({"needs_best": True} if self.looks.best else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object], *, policy: Policy | None = None) -> RunSpec:
        """Returns the specification that `to_json` wrote.

        Args:
            data: What was written.
            policy: The policy, where it holds a user's function, which no log can hold.
        """
        return cls(**_parts(data), policy=policy or policy_from_json(data["policy"]))  # type: ignore[arg-type]  # as written by to_json

    @staticmethod
    def check_json(data: Mapping[str, object]) -> None:
        """Checks that these are values that `to_json` wrote; the policy apart, which may hold a user's function.

        Raises:
            KeyError: A name is missing.
            TypeError: A value is of another type.
            ValueError: A value cannot be read.
        """
        _parts(data)

    def empty(self) -> Population:
        """Returns the population in which nobody has trained."""
        return Population.empty(
            space=self.space,
            mode=self.mode,
            seed=self.seed,
            size=self.population,
            steps=self.steps,
            interval=self.interval,
        )

    def init_key(self, member: int, generation: int = 0) -> Key:
        """Returns the key of the weights made at the beginning of a generation: the first, or one that begins anew."""
        return Key(self.seed).fold(member, generation, "init")

    def with_limits(self, other: RunSpec) -> RunSpec:
        """Returns this specification with another's limits and place of the code."""
        return replace(
            self,
            population=other.population,
            steps=other.steps,
            max_failures=other.max_failures,
            entry=other.entry or self.entry,
            code=other.code or self.code,
        )

    def differences(self, other: RunSpec) -> list[str]:
        """Returns what keeps another specification from continuing this run, a line each; limits are left out."""
        lines = [f"space: {line}" for line in self.space.differences(other.space)]
        mine, theirs = self.to_json(), other.to_json()
        for name in ("policy", *_IDENTITY):
            if mine[name] != theirs[name] and name == "code":
                lines.append("code: its source has changed")
            elif mine[name] != theirs[name]:
                lines.append(f"{name}: {mine[name]!r} became {theirs[name]!r}")
        return lines


def _parts(data: Mapping[str, object]) -> dict[str, object]:
    plain = {name: data[name] for name in _PLAIN}
    return {**plain, "space": Space.from_json(data["space"]), "mode": Mode(data["mode"])}


_LARGEST_POPULATION = 10**6  # a row each, written at once; far above what one host can train
_IDENTITY = ("seed", "interval", "evaluate_every", "metric", "mode", "synchronous", "allow_pickle", "code")
_PLAIN = (
    *("name", "seed", "population", "steps", "interval", "evaluate_every", "metric", "synchronous"),
    *("max_failures", "allow_pickle", "entry", "code"),
)
