"""The report of a comparison: JSON, Markdown, a figure, and one HTML file with all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from populace import report
from populace._errors import MissingExtra, UsageError
from populace.comparison._outcome import write_text
from populace.comparison._page import to_html
from populace.comparison._table import FIGURE, to_markdown

if TYPE_CHECKING:
    from populace.comparison._comparison import Comparison


def write_report(found: Comparison) -> list[Path]:
    """Writes the report beside the runs and returns its files; without matplotlib it has no figure."""
    figure: Path | None = found.folder / FIGURE
    try:
        report.save_figure(found.figure(), found.folder / FIGURE)
    except MissingExtra:
        figure = None
    except UsageError:  # no run has found anything to draw
        if any(outcome.curve for name in found.algorithms for outcome in found.of(name)):
            raise
        figure = None
    picture = None if figure is None else figure.read_bytes()
    texts = {
        "comparison.html": to_html(found, picture),
        "comparison.md": to_markdown(found, figure is not None),
        "comparison.json": json.dumps(found.to_json(), indent=1, allow_nan=False),
    }
    for name, text in texts.items():
        write_text(found.folder / name, text)
    return [found.folder / name for name in texts] + ([] if figure is None else [figure])
