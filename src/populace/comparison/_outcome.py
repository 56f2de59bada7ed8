"""Outcomes: what one algorithm found on one seed, as a file that is written once."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from populace._errors import StoreError
from populace.space import Value


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One algorithm on one seed."""

    algorithm: str
    """The algorithm's name."""
    seed: int
    """The seed."""
    run: str
    """Name of the run's folder beside this file's."""
    member_steps: int
    """Steps trained, those of discarded weights included."""
    score: float | None
    """The best validation score of the whole run: the checkpoint that was selected. None where there was none."""
    test: float | None = None
    """The selected checkpoint's score on data that selected nothing; None where there is no test."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Everything that was measured at the test."""
    curve: Sequence[tuple[float, float]] = ()
    """Best validation score so far over member-steps of the whole population."""
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    """The selected checkpoint's last ones."""
    failure: str | None = None
    """Why the run found nothing; None where it did."""

    def write(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=1, allow_nan=False))

    @classmethod
    def read(cls, path: Path) -> Outcome | None:
        """Returns the outcome in a file; None where there is none yet.

        Raises:
            StoreError: The file holds something else.
        """
        try:
            held: dict[str, Any] = json.loads(path.read_text("utf-8"))
            return cls(**{**held, "curve": tuple((float(x), float(y)) for x, y in held["curve"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path} holds no outcome of a comparison ({error}): delete it, and the same call makes it again"
            ) from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            part.write_text(text, "utf-8")
            os.replace(part, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}): make room or permit it") from error
