"""Options that hold names and TOML values."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from populace._errors import UsageError


def dimensions_given(entries: Sequence[str]) -> dict[str, object]:
    """Returns the dimensions of `--space NAME=TOML` options.

    Raises:
        UsageError: One is not of that form, or a name comes twice.
    """
    found: dict[str, object] = {}
    for entry in entries:
        name, value = _named("--space", entry, "NAME=TOML, as in 'lr=[1e-5, 0.1]'")
        if name in found:
            raise UsageError(f"--space names a dimension once, but got {name!r} twice: leave one out")
        found[name] = toml_given(f"--space {name}", value)
    return found


def algorithms_given(entries: Sequence[str]) -> dict[str, object]:
    """Returns the algorithms of `--algorithm NAME=KIND|TOML` options.

    Raises:
        UsageError: One is not of that form, or a name comes twice.
    """
    found: dict[str, object] = {}
    for entry in entries:
        name, value = _named("--algorithm", entry, "NAME=KIND, as in 'random search=RandomSearch'")
        if name in found:
            raise UsageError(f"--algorithm names an algorithm once, but got {name!r} twice: rename one")
        found[name] = kind_given(f"--algorithm {name}", value)
    return found


def kind_given(option: str, entry: str) -> object:
    """Returns the bare name of a kind, or the table that a text holds."""
    return entry if entry.isidentifier() else toml_given(option, entry)


def toml_given(option: str, value: str) -> object:
    """Returns the one TOML value that a text holds.

    Raises:
        UsageError: It is none, or more than one.
    """
    try:
        held = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as error:
        raise UsageError(f'{option}: {value!r} is not TOML ({error}): quote texts, as in {{kind="PBT"}}') from error
    if len(held) > 1:
        raise UsageError(f"{option} takes one value, but {value!r} holds {len(held)}: give each its own {option}")
    return held["value"]


def _named(option: str, entry: str, form: str) -> tuple[str, str]:
    name, found, value = entry.partition("=")
    if not found or not name.strip():
        raise UsageError(f"{option} takes {form}, but got {entry!r}")
    return name.strip(), value.strip()
