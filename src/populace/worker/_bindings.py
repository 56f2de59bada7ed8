"""Bindings: hyperparameters that live inside a tracked optimiser, applied after every restore and read back.

An optimiser's saved state carries the donor's old values. Loading it would silently undo the exploration, so every
bound hyperparameter is written again after every load and then compared with what the optimiser holds.

A hyperparameter is bound to every tracked optimiser whose parameter groups have an entry of its name (`lr`, `momentum`,
`weight_decay` ...), and `beta1`, `beta2` to the entries of `betas`. With several optimisers, `NAME.lr` is bound to the
one tracked as NAME alone.

A learning-rate scheduler multiplies the rate that it found at its start, and its saved state carries the donor's. With
one, the hyperparameter is that rate at the start, and what the scheduler has made of it so far is kept as a factor.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

from populace._errors import StateMismatch, UsageError
from populace.space import Value

_BETAS = {"beta1": 0, "beta2": 1}
_PEAK = "max_lr"  # what cyclic schedulers make the rate from
_START = "initial_lr"  # where torch's schedulers keep the rate that they multiply
_TENSOR_PRECISION = 1e-6


@runtime_checkable
class Optimiser(Protocol):
    """An optimiser in torch's sense: its hyperparameters live in parameter groups."""

    param_groups: Sequence[MutableMapping[str, Any]]


@runtime_checkable
class Scheduler(Protocol):
    """A learning-rate scheduler in torch's sense."""

    optimizer: object


@runtime_checkable
class _Simple(Protocol):
    """A scheduler that multiplies rates of its own."""

    base_lrs: list[Any]


@runtime_checkable
class _Composite(Protocol):
    """A scheduler made of others, after or upon one another."""

    _schedulers: Sequence[object]


@runtime_checkable
class _Fillable(Protocol):
    """A tensor, which compiled optimiser steps hold on to: its content may change, the object may not."""

    def fill_(self, value: Any, /) -> object: ...


@final
@dataclass(frozen=True, kw_only=True)
class Binding:
    """One hyperparameter in one optimiser."""

    hyperparameter: str
    """Its name in the search space."""
    owner: str
    """The name under which the optimiser is tracked."""
    optimiser: Optimiser
    """Where it lives."""
    entry: str
    """The entry of the parameter groups."""

    def apply(self, value: Value) -> None:
        """Writes a value into every group and reads it back.

        Raises:
            StateMismatch: The optimiser refuses it, or holds something else afterwards.
        """
        try:
            held = [self._write(group, value) for group in self.optimiser.param_groups]
        except Exception as error:
            raise StateMismatch(
                f"hyperparameter {self.hyperparameter!r} cannot be set: {self.owner}.{self.entry} refuses {value!r} "
                f"({type(error).__name__}: {error}); rename the hyperparameter and apply it in your loop"
            ) from error
        if any(not _same(other, wanted) for other, wanted in held):
            shown = [other for other, _ in held]
            raise StateMismatch(
                f"hyperparameter {self.hyperparameter!r} was set to {value!r}, but {self.owner}.{self.entry} reads "
                f"{shown}: the optimiser overrides it; rename the hyperparameter and apply it in your loop"
            )

    def _write(self, group: MutableMapping[str, Any], value: Value) -> tuple[object, object]:
        """Writes a value into a group; returns what the group holds then, and what it should hold."""
        wanted: object = value
        if self.entry in _BETAS:
            betas = list(group["betas"])
            betas[_BETAS[self.entry]] = value
            group["betas"] = tuple(betas)
            return group["betas"][_BETAS[self.entry]], wanted
        if self.entry == "lr" and _START in group:
            start = float(group[_START])
            if start != 0 and not _same(group[_START], value):
                wanted = float(value) * (float(group["lr"]) / start)  # type: ignore[arg-type]  # a rate is a number
                _put(group, _START, value)
                _put(group, "lr", wanted)
            else:
                wanted = group["lr"]
            return group["lr"], wanted
        _put(group, self.entry, value)
        return group[self.entry], wanted

    def tell_schedulers(self, value: Value, tracked: Iterable[object]) -> None:
        """Gives the optimiser's schedulers the rate that they multiply.

        Args:
            value: The value.
            tracked: All tracked objects.

        Raises:
            UsageError: It has a scheduler that is not tracked and would undo the value.
        """
        if self.entry != "lr" or not any(_START in group for group in self.optimiser.param_groups):
            return
        schedulers = [t for t in tracked if isinstance(t, Scheduler) and t.optimizer is self.optimiser]
        if not schedulers:
            raise UsageError(
                f"{self.owner!r} has a learning-rate scheduler that would undo hyperparameter {self.hyperparameter!r} "
                f"and lose its own state: track it too, as in member.track({self.owner}=..., scheduler=scheduler)"
            )
        for scheduler in schedulers:
            _set_base(scheduler, value)


def bindings(objects: Mapping[str, object], names: Collection[str]) -> list[Binding]:
    """Returns which hyperparameters live in which tracked optimisers.

    Args:
        objects: What is tracked.
        names: The names of all hyperparameters.

    Raises:
        UsageError: An optimiser's groups hold different values of a bound hyperparameter, so that one value would undo
            the user's own distinction, or its scheduler makes the learning rate from something else.
    """
    found: list[Binding] = []
    for owner, thing in objects.items():
        if type(thing) is dict or not isinstance(thing, Optimiser):  # a protocol is slow to ask for
            continue
        for name in names:
            entry = name.removeprefix(f"{owner}.")
            holder = "betas" if entry in _BETAS else entry
            if "." in entry or not all(holder in group for group in thing.param_groups):
                continue
            if f"{owner}.{entry}" in names and name == entry:
                continue  # the more particular name wins
            if entry == "lr" and any(_PEAK in group for group in thing.param_groups):
                raise UsageError(
                    f"hyperparameter {name!r} has no effect on {owner!r}, whose scheduler makes the rate from max_lr: "
                    f"name the hyperparameter max_lr"
                )
            held = {repr(_entry(group, entry)) for group in thing.param_groups}
            if len(held) > 1:
                raise UsageError(
                    f"hyperparameter {name!r} sets one value in all parameter groups, but those of {owner!r} hold "
                    f"{', '.join(sorted(held))}: give the hyperparameter another name and apply it in your loop"
                )
            found.append(Binding(hyperparameter=name, owner=owner, optimiser=thing, entry=entry))
    return found


def _set_base(scheduler: object, value: Value) -> None:
    if isinstance(scheduler, _Simple):
        scheduler.base_lrs = [value for _ in scheduler.base_lrs]
    if isinstance(scheduler, _Composite):
        for part in scheduler._schedulers:
            _set_base(part, value)


def _entry(group: Mapping[str, Any], entry: str) -> Any:
    return group["betas"][_BETAS[entry]] if entry in _BETAS else group[entry]


def _put(group: MutableMapping[str, Any], entry: str, value: object) -> None:
    held = group[entry]
    if isinstance(held, _Fillable):
        held.fill_(value)
    else:
        group[entry] = value


def _same(held: object, wanted: object) -> bool:
    if isinstance(held, _Fillable) and isinstance(wanted, int | float):
        return math.isclose(float(held), wanted, rel_tol=_TENSOR_PRECISION)  # type: ignore[arg-type]  # of one number
    return bool(held == wanted)
