"""Choosing how a run is shown: one live screen on a terminal, a plain line per event elsewhere."""

from __future__ import annotations

import os
from typing import TextIO

from populace.run._display import Display, Silence
from populace.run._plain import PlainLines

SWITCH = "POPULACE_PROGRESS"


def choose_display(stream: TextIO) -> Display:
    """Returns a display for a stream; the environment variable POPULACE_PROGRESS=off, plain or live decides if set."""
    wanted = os.environ.get(SWITCH, "")
    if wanted in ("off", "0", "no"):
        return Silence()
    return PlainLines(stream)
