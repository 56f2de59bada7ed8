"""Schedules: hyperparameters over weight steps along one segment's ancestry, through the exploits.

This is what trained the winner, not the history of the member that holds it. A schedule can be exported, imported,
called as a function of the step, and replayed.
"""

from __future__ import annotations

import bisect
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.core._segment import Segment
from populace.core._shrink import Shrink
from populace.core._whole import check_metric, check_whole
from populace.space import Constant, Hyperparameters, Key, Space, Value

_PLACE = ("start_step", "end_step", "member", "generation")


@final
@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of steps with fixed hyperparameters."""

    start_step: int
    """First step of the stretch, counted from 0."""
    end_step: int
    """First step after it."""
    hyperparameters: Hyperparameters
    """What it trained with; dimensions whose condition does not hold are left out."""
    member: int = 0
    """The member that trained it: together with the generation it names the stretch's random keys."""
    generation: int = 0
    """The generation of that member."""
    shrink: Shrink | None = None
    """How the weights were shrunk and perturbed before it; None: they were not."""

    def __post_init__(self) -> None:
        for name in _PLACE:
            check_whole(name, getattr(self, name), 0, "steps, members and generations count from 0")
        if not isinstance(self.hyperparameters, Mapping):
            raise UsageError(f"`hyperparameters` must map names to values, but got {self.hyperparameters!r}")
        for name, value in self.hyperparameters.items():
            if not isinstance(name, str) or not name:
                raise UsageError(f"a hyperparameter's name must be a non-empty string, but got {name!r}: rename it")
            Constant(value)  # knows what a value may be


@final
@dataclass(frozen=True)
class Schedule:
    """Hyperparameters as a function of the step.

    Attributes:
        pieces: Stretches in order, each beginning where the last ended, the first at step 0.
        seed: Seed of the run that found it; None where it is not known, then a replay draws other random numbers.
        metric: The metric that was the run's score; None where it is not known or a single number was reported.

    >>> schedule = Schedule((Piece(start_step=0, end_step=4, hyperparameters={"lr": 0.1}),))
    >>> schedule(3)
    {'lr': 0.1}
    """

    pieces: tuple[Piece, ...]
    seed: int | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pieces, tuple) or not all(isinstance(piece, Piece) for piece in self.pieces):
            raise UsageError(f"`pieces` must be a tuple of Piece(...), but got {self.pieces!r}: write (piece, ...)")
        if self.seed is not None:
            check_whole("seed", self.seed, 0, "leave it out where it is not known", most=None)
            Key(self.seed)  # knows how large a seed may be
        check_metric(self.metric)
        step = 0
        for piece in self.pieces:
            if piece.start_step != step or piece.end_step <= piece.start_step:
                raise UsageError(
                    f"a schedule's pieces must follow one another from step 0, but after step {step} came a piece "
                    f"from {piece.start_step} to {piece.end_step}"
                )
            step = piece.end_step

    @classmethod
    def of(cls, ancestry: Iterable[Segment], space: Space, seed: int | None, metric: str | None = None) -> Schedule:
        """Returns the schedule of a path from a root to a segment; segments without steps drop out."""
        pieces = tuple(
            Piece(
                start_step=s.start_step,
                end_step=s.end_step,
                hyperparameters=space.active(s.hyperparameters),
                member=s.member,
                generation=s.generation,
                shrink=Shrink.of(s.why),
            )
            for s in ancestry
            if s.end_step > s.start_step
        )
        return cls(pieces, seed, metric)

    @property
    def num_steps(self) -> int:
        """Length in steps."""
        return self.pieces[-1].end_step if self.pieces else 0

    @property
    def names(self) -> list[str]:
        """The hyperparameters that occur, in order of appearance."""
        return list(dict.fromkeys(name for piece in self.pieces for name in piece.hyperparameters))

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)

    def __call__(self, step: int) -> dict[str, Value]:
        """Returns the hyperparameters at a step (0-based); after the end, the last ones hold."""
        if step < 0 or not self.pieces:
            raise UsageError(f"a schedule of {self.num_steps} steps has no step {step}: steps count from 0")
        index = bisect.bisect_right([piece.start_step for piece in self.pieces], step) - 1
        return dict(self.pieces[index].hyperparameters)

    def to_json(self) -> str:
        """Returns the schedule as JSON text; `from_json` gives it back exactly."""
        pieces = []
        for piece in self.pieces:
            entry = {name: getattr(piece, name) for name in (*_PLACE, "hyperparameters")}
            pieces.append(entry if piece.shrink is None else dict(piece.shrink.told(entry)))
        return json.dumps(
            {"populace_schedule": 1, "seed": self.seed, "metric": self.metric, "pieces": pieces},
            indent=1,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Returns the schedule written by `to_json`.

        Raises:
            UsageError: The text is not a schedule.
        """
        try:
            data = json.loads(text)
            if not isinstance(data["pieces"], list):
                raise TypeError(f"`pieces` must be a list, got {data['pieces']!r}")
            return cls(tuple(_piece(entry) for entry in data["pieces"]), data.get("seed"), data.get("metric"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"this is not a schedule written by `populace schedule --json`: {error!r}") from error

    def to_csv(self) -> str:
        """Returns one line per piece: start_step, end_step, member, generation, then the hyperparameters.

        A spreadsheet's format: it holds no seed, so that a replay from it draws other random numbers.

        Raises:
            UsageError: Weights were shrunk on the way, which no column tells.
        """
        if any(piece.shrink is not None for piece in self.pieces):
            raise UsageError(
                "a table of hyperparameters cannot hold where weights were shrunk and perturbed, as this schedule "
                "does: write it as JSON"
            )
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*_PLACE, *self.names])
        for piece in self.pieces:
            values = [json.dumps(piece.hyperparameters[n]) if n in piece.hyperparameters else "" for n in self.names]
            writer.writerow([*(getattr(piece, name) for name in _PLACE), *values])
        return out.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> Schedule:
        """Returns the schedule written by `to_csv`.

        Raises:
            UsageError: A line is not of that form.
        """
        # By place and not by name: a hyperparameter may be called "member" too.
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
        try:
            if tuple(header[: len(_PLACE)]) != _PLACE:
                raise TypeError(f"the first columns must be {', '.join(_PLACE)}, got {header}")
            names = header[len(_PLACE) :]
            if len(set(names)) < len(names):
                raise TypeError(f"every hyperparameter has one column, got {names}")
            pieces = []
            for row in rows:
                place, values = row[: len(_PLACE)], zip(names, row[len(_PLACE) :], strict=True)
                numbers: dict[str, object] = dict(zip(_PLACE, map(int, place), strict=True))
                pieces.append(_piece({**numbers, "hyperparameters": {n: json.loads(v) for n, v in values if v}}))
            return cls(tuple(pieces))
        except (ValueError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"this is not a schedule written by `populace schedule --csv`: {error!r}") from error


def _piece(entry: dict[str, object]) -> Piece:
    place = {name: entry[name] for name in _PLACE}
    hyperparameters = entry["hyperparameters"]
    shrink = Shrink.of(entry)
    if shrink is None and "shrink" in entry:
        raise TypeError(f"`shrink` must be a list of two numbers, got {entry['shrink']!r}")
    return Piece(hyperparameters=hyperparameters, shrink=shrink, **place)  # type: ignore[arg-type]  # a piece checks its values
