"""Bindings: hyperparameters that live inside a tracked optimiser, applied after every restore and read back.

An optimiser's saved state carries the donor's old values. Loading it would silently undo the exploration, so every
bound hyperparameter is written again after every load and then compared with what the optimiser holds.

A hyperparameter is bound to every tracked optimiser whose parameter groups have an entry of its name (`lr`, `momentum`,
`weight_decay` ...), and `beta1`, `beta2` to the entries of `betas`. With several optimisers, `NAME.lr` is bound to the
one tracked as NAME alone.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

from populace._errors import StateMismatch, UsageError
from populace.space import Hyperparameters, Value

_BETAS = {"beta1": 0, "beta2": 1}


@runtime_checkable
class Optimiser(Protocol):
    """An optimiser in torch's sense: its hyperparameters live in parameter groups."""

    param_groups: Sequence[MutableMapping[str, Any]]


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
            StateMismatch: The optimiser holds something else afterwards.
        """
        for group in self.optimiser.param_groups:
            if self.entry in _BETAS:
                betas = list(group["betas"])
                betas[_BETAS[self.entry]] = value
                group["betas"] = tuple(betas)
            else:
                # The optimiser's own type is kept: capturable ones hold tensors.
                group[self.entry] = value if _is_plain(group[self.entry]) else type(group[self.entry])(value)
        held = [_entry(group, self.entry) for group in self.optimiser.param_groups]
        if any(float(other) != float(value) for other in held if isinstance(value, int | float)):
            raise StateMismatch(
                f"hyperparameter {self.hyperparameter!r} was set to {value!r}, but {self.owner}.{self.entry} reads {held}: "
                f"the optimiser overrides it; rename the hyperparameter and apply it in your loop"
            )


def bindings(objects: Mapping[str, object], hyperparameters: Hyperparameters) -> list[Binding]:
    """Returns which hyperparameters live in which tracked optimisers.

    Raises:
        UsageError: An optimiser's groups hold different values of a bound hyperparameter, so that one value would undo
            the user's own distinction.
    """
    found: list[Binding] = []
    for owner, thing in objects.items():
        if type(thing) is dict or not isinstance(thing, Optimiser):  # a protocol is slow to ask for
            continue
        for name in hyperparameters:
            entry = name.removeprefix(f"{owner}.")
            holder = "betas" if entry in _BETAS else entry
            if "." in entry or not all(holder in group for group in thing.param_groups):
                continue
            if f"{owner}.{entry}" in hyperparameters and name == entry:
                continue  # the more particular name wins
            held = {repr(_entry(group, entry)) for group in thing.param_groups}
            if len(held) > 1:
                raise UsageError(
                    f"hyperparameter {name!r} sets one value in all parameter groups, but those of {owner!r} hold "
                    f"{', '.join(sorted(held))}: give the hyperparameter another name and apply it in your loop"
                )
            found.append(Binding(hyperparameter=name, owner=owner, optimiser=thing, entry=entry))
    return found


def _entry(group: Mapping[str, Any], entry: str) -> Any:
    return group["betas"][_BETAS[entry]] if entry in _BETAS else group[entry]


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str) or value is None
