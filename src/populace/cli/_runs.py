"""Opening runs to read: by name, by path, or the newest; costs the same for a million segments as for ten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from populace._errors import RunFailed, UnknownRun, UsageError
from populace.core import RunSpec, Segment, SegmentId
from populace.run import find_run, list_runs
from populace.space import Space, Value
from populace.store import Event, RunState, SqliteStore

LATEST = "latest"
_END = 2**62  # after every sequence number


@final
@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A run that is being read."""

    folder: Path
    """Its folder."""
    store: SqliteStore
    """Its log."""
    name: str
    """Its name."""
    settings: dict[str, object]
    """Its specification as JSON values."""
    space: Space
    """Its search space."""

    def state(self) -> RunState:
        """Returns the run at a glance."""
        return self.store.state()

    def best(self) -> Segment:
        """Returns the best segment.

        Raises:
            RunFailed: No member has a finite score.
        """
        best = self.store.state().best
        if best is None:
            raise RunFailed(f"run {self.name!r} has no best: no member has reported a finite score yet")
        return best

    def segment(self, id: SegmentId) -> Segment:
        """Returns a segment.

        Raises:
            UsageError: There is none.
        """
        found = self.store.segment(id)
        if found is None:
            raise UsageError(f"run {self.name!r} has no segment {id}: `populace show {self.name}` lists its members")
        return found

    def ancestry(self, segment: Segment) -> list[Segment]:
        """Returns the path from the root to a segment, reading no other segments."""
        path = [segment]
        while path[-1].parent is not None:
            path.append(self.segment(path[-1].parent))
        return path[::-1]

    def active(self, segment: Segment) -> dict[str, Value]:
        """Returns the hyperparameters of a segment that are in force."""
        return self.space.active(segment.hyperparameters)

    def last_events(self, number: int) -> list[Event]:
        """Returns the newest events, oldest first."""
        newest = self.store.snapshot(after=_END).sequence  # the number alone, without a segment of every member
        return self.store.events(max(0, newest - number), number)

    def spec(self) -> RunSpec:
        """Returns the specification.

        Raises:
            StoreError: Its policy holds a user's function.
        """
        return RunSpec.from_json(self.settings)


@contextmanager
def open_run(run: str, directory: str) -> Iterator[OpenRun]:
    """Opens a run for reading.

    Raises:
        UnknownRun: There is none.
    """
    with open_folder(folder_of(run, directory)) as opened:
        yield opened


@contextmanager
def open_folder(folder: Path) -> Iterator[OpenRun]:
    """Opens the run in a folder for reading."""
    store = SqliteStore(folder)
    try:
        settings = dict(store.read())
        space = Space.from_json(settings["space"])
        yield OpenRun(folder=folder, store=store, name=str(settings["name"]), settings=settings, space=space)
    finally:
        store.close()


def folder_of(run: str, directory: str) -> Path:
    """Returns the folder of a run, `latest` being the newest.

    Raises:
        UnknownRun: There is none.
    """
    if run != LATEST:
        return find_run(run, directory)
    runs = list_runs(directory)
    if not runs:
        raise UnknownRun(f"there are no runs in {directory!r}: start one with `populace run`, or say --directory")
    return runs[-1]
