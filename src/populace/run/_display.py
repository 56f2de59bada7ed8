"""What a display of a run is told. The command line's live table is one; a library call in the dark has none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from populace.core import RunSpec, Segment
from populace.store import Event


class Display(ABC):
    """Shows a run while it trains."""

    @abstractmethod
    def start(self, spec: RunSpec, segments: list[Segment], best: Segment | None) -> None:
        """Training begins, or goes on after these newest segments of the members and this best one so far."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something the user should know, in a line."""

    @abstractmethod
    def begun(self, segment: Segment) -> None:
        """A segment has begun."""

    @abstractmethod
    def ended(self, segment: Segment) -> None:
        """A segment has ended."""

    @abstractmethod
    def failure(self, event: Event) -> None:
        """A member failed, was lost, could not load its checkpoint, was given up or retired."""

    @abstractmethod
    def refresh(self) -> None:
        """Everything new has been told for now."""

    @abstractmethod
    def stop(self) -> None:
        """Training has ended."""


@final
class Silence(Display):
    """Shows nothing."""

    def start(self, spec: RunSpec, segments: list[Segment], best: Segment | None) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def begun(self, segment: Segment) -> None:
        pass

    def ended(self, segment: Segment) -> None:
        pass

    def failure(self, event: Event) -> None:
        pass

    def refresh(self) -> None:
        pass

    def stop(self) -> None:
        pass
