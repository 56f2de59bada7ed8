"""Conditions under which a dimension is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TypeAlias, final

from populace._errors import SpaceError
from populace.space._value import Hyperparameters, Value, plain, same

Conditions: TypeAlias = Mapping[str, Value | Sequence[Value]]
"""What `when=` takes: a parent's name -> the value, or the values, for which the dimension is in force."""


@final
class When(Mapping[str, tuple[Value, ...]]):
    """Conditions in one form: a parent's name -> the values of it that allow the dimension; all must hold.

    Immutable and hashable. No conditions at all hold always.

    >>> When.of({"optimizer": "sgd"}).hold({"optimizer": "adam"})
    False
    """

    __slots__ = ("_allowed",)

    def __init__(self, allowed: Mapping[str, tuple[Value, ...]]) -> None:
        self._allowed = dict(allowed)

    @staticmethod
    def of(conditions: Conditions | None) -> When:
        """Returns `conditions` in their one form.

        Raises:
            SpaceError: A name is not a string, or a name has no values.
        """
        if isinstance(conditions, When):
            return conditions
        if conditions is not None and not isinstance(conditions, Mapping):
            raise SpaceError(
                f"`when` must map a parent's name to its values, but got {conditions!r}: write when={{'name': value}}"
            )
        return When({_name(name): _values(name, values) for name, values in (conditions or {}).items()})

    def hold(self, hyperparameters: Hyperparameters) -> bool:
        """Returns whether every named parent has one of its allowed values."""
        return all(
            any(same(hyperparameters[name], value) for value in values) for name, values in self._allowed.items()
        )

    def __getitem__(self, name: str) -> tuple[Value, ...]:
        return self._allowed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._allowed)

    def __len__(self) -> int:
        return len(self._allowed)

    def __hash__(self) -> int:
        return hash(frozenset(self._allowed.items()))

    def __repr__(self) -> str:
        shown = {name: values[0] if len(values) == 1 else list(values) for name, values in self._allowed.items()}
        return repr(shown)


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise SpaceError(f"a name in `when` must be a non-empty string, but got {name!r}: use the parent's name")
    return name


def _values(name: str, values: object) -> tuple[Value, ...]:
    if not isinstance(values, Set) and (isinstance(values, str) or not isinstance(values, Sequence)):
        return (plain(values),)
    if not values:
        raise SpaceError(f"`when` must allow at least one value of {name!r}, but got {values!r}: name one")
    # A set has no order of its own; one is needed so that the same space always reads and compares the same.
    ordered = sorted(values, key=repr) if isinstance(values, Set) else values
    return tuple(plain(value) for value in ordered)
