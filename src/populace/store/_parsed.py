"""Columns of JSON that are parsed when they are first looked at.

A worker reads the newest segment of everybody, and looks into those of its own member and its donor: in a large
population, parsing the rest would cost more than all else it does between two intervals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final, overload

from populace.core import Evaluation


@final
class ParsedMapping(Mapping[str, Any]):
    """A mapping held as JSON text.

    Args:
        text: A JSON object.
    """

    __slots__ = ("_held",)

    def __init__(self, text: str) -> None:
        self._held: str | dict[str, Any] = text

    def _read(self) -> dict[str, Any]:
        held = self._held
        if isinstance(held, str):
            held = self._held = json.loads(held)
        return held

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


@final
class ParsedEvaluations(Sequence[Evaluation]):
    """Evaluations held as JSON text.

    Args:
        text: What `parse` understands.
        parse: Returns the evaluations that a text holds.
    """

    __slots__ = ("_held", "_parse")

    def __init__(self, text: str, parse: Callable[[str], tuple[Evaluation, ...]]) -> None:
        self._held: str | tuple[Evaluation, ...] = text
        self._parse = parse

    def _read(self) -> tuple[Evaluation, ...]:
        held = self._held
        if isinstance(held, str):
            held = self._held = self._parse(held)
        return held

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, index: int | slice) -> Evaluation | tuple[Evaluation, ...]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return self._read() == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._read())

    def __repr__(self) -> str:
        return repr(self._read())
