"""Decisions: what a member does next. Values, to be performed by a worker and derived again by `verify`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from populace.core._segment import SegmentId, Why
from populace.core._shrink import Shrink
from populace.space import Hyperparameters


@final
@dataclass(frozen=True, kw_only=True)
class Start:
    """The member begins from `init`: its life, or anew where no good checkpoint is left to go on from."""

    hyperparameters: Hyperparameters
    """Drawn from the member's key."""
    why: Why
    """The rule that drew them; of a member that begins anew, what was lost."""


@final
@dataclass(frozen=True, kw_only=True)
class Continue:
    """The member trains on from its own newest segment, or from its last good ancestor."""

    hyperparameters: Hyperparameters
    """Its own; changed only where a policy explores without copying."""
    why: Why
    """The numbers that spared it."""
    shrink: Shrink | None = None
    """How its weights are shrunk and perturbed before it trains; None: they stay as they are."""


@final
@dataclass(frozen=True, kw_only=True)
class Exploit:
    """The member copies a donor and explores from there."""

    donor: SegmentId
    """The segment copied."""
    copies_weights: bool
    """Whether the weights come from the donor; else they stay the member's own."""
    hyperparameters: Hyperparameters
    """What it trains with next: explored from the donor's (from its own where only weights are copied, from those of
    `source` where it is given)."""
    why: Why
    """The numbers that led to it; `hyperparameters` names the `source` where it is given."""
    source: SegmentId | None = None
    """Another segment whose hyperparameters go with the donor's weights; None in all but MF-PBT's migration."""


@final
@dataclass(frozen=True, kw_only=True)
class Wait:
    """The member failed and nobody can be copied yet, but somebody may be soon: ask again later."""

    why: Why
    """Who is still unknown."""


@final
@dataclass(frozen=True, kw_only=True)
class Retire:
    """The member failed and nobody can ever replace it: it trains no more."""

    why: Why
    """Why nobody can."""


Decision = Start | Continue | Exploit | Wait | Retire
"""What `decide` answers."""
