"""Choosing how a run is shown: one live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from typing import TextIO

from populace._errors import UsageError
from populace.run._display import Display, Silence
from populace.run._plain import PlainLines

SWITCH = "POPULACE_PROGRESS"


def choose_display(stream: TextIO) -> Display:
    """Returns a display for a stream.

    The environment variable POPULACE_PROGRESS=off, plain or live decides if set. Else a terminal gets a live screen,
    unless it is a dumb one or continuous integration's; everything else gets plain lines.

    Raises:
        UsageError: The variable is set to something else.
    """
    wanted = os.environ.get(SWITCH, "").lower()
    if wanted not in ("", "off", "plain", "live"):
        raise UsageError(f"{SWITCH} must be off, plain or live, but got {wanted!r}: correct or unset it")
    if wanted == "off":
        return Silence()
    if wanted == "plain" or (not wanted and not _can_redraw(stream)):
        return PlainLines(stream)
    from populace.run._live import LiveScreen  # rich is not loaded where nothing is redrawn

    return LiveScreen(stream)


def _can_redraw(stream: TextIO) -> bool:
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown") and not in_ci
