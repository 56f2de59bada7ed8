"""Writing on standard output: tables for people, aligned text for pipes, strict JSON for programs."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from populace.core import Segment
from populace.space import Value


def write_json(value: object) -> None:
    """Writes a value as strict JSON: a number that is not finite becomes null."""
    print(json.dumps(strict(value), indent=1, allow_nan=False))


def strict(value: object) -> Any:
    """Returns a value of plain types in which every number is finite."""
    if isinstance(value, Mapping):
        return {str(name): strict(held) for name, held in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return [strict(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(text: str = "", *, style: str = "") -> None:
    """Writes a line, in a style where standard output is a terminal."""
    if sys.stdout.isatty():
        _console().print(Text(clean(text), style=style), soft_wrap=True)
    else:
        print(clean(text))


def write_pairs(pairs: Mapping[str, object]) -> None:
    """Writes names and values, a line each; None values are left out."""
    shown = {name: text(value) for name, value in pairs.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        first, *rest = value.splitlines() or [""]
        write(f"{name:<{width}}  {first}")
        for line in rest:
            write(f"{'':<{width}}  {line}")


def write_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Writes a table; columns that hold numbers alone are aligned to the right."""
    cells = [[clean(text(value)) for value in row] for row in rows]
    heads = [clean(column) for column in columns]
    right = [all(_is_number(row[i]) for row in rows) and bool(rows) for i in range(len(columns))]
    if sys.stdout.isatty():
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for head, is_right in zip(heads, right, strict=True):
            table.add_column(Text(head), justify="right" if is_right else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        _console().print(table)
        return
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    for line in [heads, *cells]:
        padded = (f"{c:>{w}}" if is_right else f"{c:<{w}}" for c, w, is_right in zip(line, widths, right, strict=True))
        print("  ".join(padded).rstrip())


def text(value: object) -> str:
    """Returns a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def clean(line: str) -> str:
    """Returns a text in which no character commands the terminal."""
    return "".join("\ufffd" if unicodedata.category(letter) in ("Cc", "Cf", "Cs") else letter for letter in line)


def assigned(hyperparameters: Mapping[str, Value]) -> str:
    """Returns hyperparameters in a line: `lr=0.01 momentum=0.9`."""
    return " ".join(f"{name}={text(value)}" for name, value in hyperparameters.items())


def ago(at: float | None, now: float) -> str | None:
    """Returns how long ago something was, in words."""
    if at is None:
        return None
    seconds = max(0.0, now - at)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def moment(at: float | None) -> str | None:
    """Returns a wall time as local date and time."""
    return None if at is None else datetime.fromtimestamp(at).isoformat(" ", "seconds")


def segment_json(segment: Segment, active: Mapping[str, Value]) -> dict[str, object]:
    """Returns a segment as JSON values, with the hyperparameters in force."""
    return {
        "id": str(segment.id),
        "member": segment.member,
        "generation": segment.generation,
        "parent": None if segment.parent is None else str(segment.parent),
        "donor": None if segment.donor is None else str(segment.donor),
        "start_step": segment.start_step,
        "end_step": segment.end_step,
        "status": segment.status.value,
        "score": segment.score,
        "reason": getattr(segment.outcome, "reason", None),
        "metrics": dict(segment.metrics),
        "hyperparameters": dict(active),
        "why": dict(segment.why),
        "checkpoint": segment.checkpoint,
        "checkpoint_bytes": segment.checkpoint_bytes,
        "checkpoint_kept": segment.checkpoint_kept,
        "worker": segment.worker,
        "begun_at": segment.begun_at,
        "ended_at": segment.ended_at,
    }


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
