"""Planting: how a bug is put into the engine for the length of a block.

A mutant replaces functions by ones that are wrong. It reaches into private parts, by name, since that is where bugs
live; a renamed part fails loudly when its mutant is planted.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, final

Wrong = Callable[..., Any]
"""What takes the place of a function: called with the right one, then with its arguments."""


@final
@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One bug."""

    name: str
    """Its name."""
    about: str
    """What is wrong, in a sentence."""
    parts: Mapping[str, Wrong]
    """By MODULE:NAME or MODULE:CLASS.NAME below `populace`, what takes its place."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Plants the bug for the length of a block."""
        with ExitStack() as stack:
            for place, wrong in self.parts.items():
                stack.enter_context(replaced(place, wrong))
            yield


@contextmanager
def replaced(place: str, wrong: Wrong) -> Iterator[None]:
    """Puts a wrong function in a right one's place for the length of a block."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(f"populace.{module}")
    for part in owners:
        owner = getattr(owner, part)
    right = vars(owner)[name]
    if isinstance(right, property):
        getter = right.fget
        changed: Any = property(lambda self: wrong(getter, self))
    else:
        changed = lambda *args, **kwargs: wrong(right, *args, **kwargs)  # noqa: E731 - one line is clearer here
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, right)


@final
class Catalogue:
    """Mutants in the making: `add` decorates a wrong function and names what it takes the place of.

    Attributes:
        mutants: What was added.
    """

    def __init__(self) -> None:
        self.mutants: list[Mutant] = []

    def add(self, name: str, about: str, *places: str) -> Callable[[Wrong], Wrong]:
        """Adds a mutant whose wrong function is the decorated one."""

        def added(wrong: Wrong) -> Wrong:
            self.mutants.append(Mutant(name=name, about=about, parts=dict.fromkeys(places, wrong)))
            return wrong

        return added
