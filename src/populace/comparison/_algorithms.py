"""Algorithms: what a comparison compares. Each is trained as an ordinary run of the engine, described by a plan.

A policy (`PBT()`, `RandomSearch()`, any of your own) trains the whole population. A baseline says itself how it spends
the same member-steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

from populace._errors import UsageError
from populace.core import PBT, Policy
from populace.core.exploit import NoExploit

if TYPE_CHECKING:
    from populace.comparison._terms import Terms
    from populace.run import Result


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of the engine."""

    policy: Policy
    """What decides."""
    population: int
    """Number of members."""
    steps: int
    """Steps each member trains."""
    seed_shift: int = 0
    """Added to the seed: an algorithm that repeats what another has found must not repeat its luck."""


@dataclass(frozen=True)
class Baseline(ABC):
    """An algorithm that is not a policy of the whole population. Its fields are all that it is."""

    @property
    @abstractmethod
    def needs(self) -> str | None:
        """The algorithm whose run of the same seed comes first; None where it needs none."""

    @abstractmethod
    def check(self, terms: Terms) -> None:
        """Refuses terms under which it cannot train.

        Raises:
            UsageError: Why, and what to do.
            MissingExtra: It needs a package that is not installed.
        """

    @abstractmethod
    def plan(self, terms: Terms, found: Result | None) -> Plan:
        """Returns its run.

        Args:
            terms: What it shares with the others.
            found: The finished run of the algorithm that it needs.
        """

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it does with its member-steps, in a line for somebody who has never heard of it."""

    @final
    def to_json(self) -> dict[str, object]:
        """Returns it as strict JSON values, to be recognised again."""
        return {"kind": type(self).__name__, **asdict(self)}


Algorithm = Policy | Baseline
"""What can be compared."""


def check_algorithms(algorithms: Mapping[str, Algorithm]) -> None:
    """Checks that these are algorithms by name.

    Raises:
        UsageError: One is not, or one needs another that is not there.
    """
    if not isinstance(algorithms, Mapping) or not algorithms:
        raise UsageError(
            f"`algorithms` must map names to policies or baselines, but got {algorithms!r}: write "
            "{'PBT': PBT(), 'random search': RandomSearch()}"
        )
    slugs: dict[str, str] = {}
    for name, algorithm in algorithms.items():
        if not isinstance(name, str) or not slug(name):
            raise UsageError(
                f"an algorithm's name must hold a letter or digit, but got {name!r}: it names run folders too"
            )
        other = slugs.setdefault(slug(name), name)
        if other != name:
            raise UsageError(
                f"algorithms must have names that differ in letters and digits, but got {other!r} and {name!r}: "
                "rename one"
            )
        if not isinstance(algorithm, Policy | Baseline):
            raise UsageError(
                f"an algorithm must be a policy such as PBT() or a baseline such as SequentialSearch(), but "
                f"{name!r} is {algorithm!r}"
            )
        needed = needs_of(algorithm)
        if needed is not None and (needed not in algorithms or needed == name):
            raise UsageError(
                f"{name!r} needs the runs of {needed!r}, which is not among the algorithms: they are "
                f"{', '.join(map(repr, algorithms))}"
            )
        if needed is not None and needs_of(algorithms[needed]) is not None:
            raise UsageError(
                f"{name!r} needs the runs of {needed!r}, which itself repeats another: name that one instead"
            )


def needs_of(algorithm: Algorithm) -> str | None:
    """Returns the algorithm whose run must come first."""
    return algorithm.needs if isinstance(algorithm, Baseline) else None


def summary_of(algorithm: Algorithm) -> str:
    """Returns what an algorithm does, in a line."""
    if isinstance(algorithm, Baseline):
        return algorithm.summary
    if isinstance(algorithm, PBT) and isinstance(algorithm.exploit, NoExploit):
        return "every member trains to the end with the hyperparameters that it began with; nobody copies anybody"
    return f"a population whose lagging members copy better ones and change their hyperparameters: {_short(algorithm)}"


def _short(policy: Policy) -> str:
    """Returns a policy as it would be written, without what it has by default."""
    if not is_dataclass(policy):
        return repr(policy)
    needed = {f.name for f in fields(policy) if f.default is MISSING and f.default_factory is MISSING}
    usual = type(policy)(**{name: getattr(policy, name) for name in needed})  # fills in what depends on the rest
    given = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if field.name in needed or value != getattr(usual, field.name):
            given.append(f"{field.name}={(value.value if isinstance(value, Enum) else value)!r}")
    return f"{type(policy).__name__}({', '.join(given)})"


def plan_of(algorithm: Algorithm, terms: Terms, found: Result | None) -> Plan:
    """Returns the run by which an algorithm is trained."""
    if isinstance(algorithm, Baseline):
        return algorithm.plan(terms, found)
    return Plan(policy=algorithm, population=terms.population, steps=terms.steps)


def slug(name: str) -> str:
    """Returns a name as a part of a folder's name."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return "-".join(filter(None, letters.split("-")))[:40]
