"""Policies as JSON: what a log holds of them, and back."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum

from populace._errors import StoreError
from populace.core._fire import FirePBT
from populace.core._guard import Guard
from populace.core._oversampled import Oversampled
from populace.core._pbt import PBT
from populace.core._policy import Policy
from populace.core._restart import Restart
from populace.core.baselines import Attempts, Follow, Rally
from populace.core.exploit import (
    Backtrack,
    BinaryTournament,
    Halves,
    MultiFrequency,
    NoExploit,
    Truncation,
    TTest,
)
from populace.core.explore import (
    PB2,
    FunctionExplore,
    Mixture,
    NoExplore,
    Pairwise,
    Perturb,
    Resample,
    Strides,
    TrustRegion,
)

_KINDS: Mapping[str, type[object]] = {
    kind.__name__: kind
    for kind in (
        *(PBT, Oversampled, Restart, FirePBT, Guard),
        *(Truncation, TTest, BinaryTournament, NoExploit, MultiFrequency, Halves, Backtrack),
        *(Perturb, Resample, Mixture, NoExplore, Strides, PB2, TrustRegion, Pairwise),
        *(Attempts, Follow, Rally),
    )
}


def policy_to_json(policy: object) -> dict[str, object]:
    """Returns a policy, strategy or guard as strict JSON values; a user's function as its name and source's digest."""
    if isinstance(policy, FunctionExplore):
        function = policy.function
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return {"kind": "function", "name": name, "source": source_digest(function)}
    kind = type(policy).__name__
    # A user's class may bear the name of one of ours.
    if _KINDS.get(kind) is not type(policy):
        return {"kind": "custom", "name": type(policy).__qualname__, "source": source_digest(type(policy))}
    return {"kind": kind} | {f.name: _plain(getattr(policy, f.name)) for f in fields(policy)}  # type: ignore[arg-type]  # all kinds are dataclasses


def policy_from_json(data: object) -> Policy:
    """Returns the policy that `policy_to_json` wrote.

    Raises:
        StoreError: It held a user's function or class, which must be given again; or it is no policy.
    """
    policy = _value(data)
    if not isinstance(policy, Policy):
        raise StoreError(
            f"a log holds its run's policy, but this one holds {data!r}: it is damaged; restore the run's folder from "
            "a copy"
        )
    return policy


def source_digest(thing: object) -> str | None:
    """Returns a digest of a function's or class's source text; None where there is none to be had."""
    try:
        source = inspect.getsource(thing)  # type: ignore[arg-type]  # anything else raises TypeError
    except (TypeError, OSError):
        return None
    return hashlib.sha256(inspect.cleandoc(source).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return policy_to_json(value) if value is not None and not isinstance(value, bool | int | float | str) else value


def _value(data: object) -> object:
    if isinstance(data, list):
        return tuple(data)
    if not isinstance(data, Mapping):
        return data
    kind = _KINDS.get(str(data["kind"]))
    if kind is None:
        raise StoreError(
            f"this run's policy holds the {data['kind']} {data.get('name')!r}, which a log cannot hold: "
            "pass the same policy again"
        )
    return kind(**{str(name): _value(value) for name, value in data.items() if name != "kind"})
