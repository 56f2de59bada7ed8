"""The command that compares algorithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from populace import advise as advise_on
from populace import compare as compare_algorithms
from populace.cli._given import algorithms_given, dimensions_given
from populace.cli._output import write, write_json, write_table
from populace.comparison import read_comparison, read_pilot
from populace.run import ExecutorSettings, load_entry


def compare(
    code: str,
    config: Path | None,
    given: Mapping[str, object],
    *,
    algorithms: Sequence[str],
    space: Sequence[str],
    as_json: bool,
) -> None:
    """Compares algorithms and says what came of it."""
    named, dimensions = algorithms_given(algorithms), dimensions_given(space)
    overrides = {**given, "space": dimensions or None, "algorithms": named or None}
    arguments = read_comparison(config, overrides)
    found = compare_algorithms(cast("Any", load_entry(code)), **arguments)
    if as_json:
        write_json(found.to_json())
        return
    write(found.headline, style="bold")
    for line in found.verdicts:
        write(line)
    heads, rows = found.table()
    write_table(heads, rows)
    write(f"report: {found.folder / 'comparison.html'} (also .md, .json, .png)")


def advise(
    code: str,
    config: Path | None,
    given: Mapping[str, object],
    pilot: Mapping[str, object],
    *,
    space: Sequence[str],
    executor: Mapping[str, object] | None,
    as_json: bool,
) -> None:
    """Trains a pilot and says what it recommends."""
    arguments = read_pilot(config, {**given, "space": dimensions_given(space) or None})
    chosen: dict[str, Any] = {name: value for name, value in pilot.items() if value is not None}
    made = None if executor is None else ExecutorSettings.model_validate(executor).make()
    advice = advise_on(cast("Any", load_entry(code)), **arguments, **chosen, executor=made)
    if as_json:
        write_json(advice.to_json())
    else:
        for line in advice.to_text().splitlines():
            write(line)
