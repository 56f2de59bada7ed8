"""Writing a figure to a file, whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from populace._errors import StoreError, UsageError

SUFFIXES: Final = (".png", ".svg", ".pdf")

_DOTS_PER_IN = 160


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Writes a figure in the format that the path's suffix names and returns the path.

    The file appears complete or not at all: the figure is written beside it first, then renamed.

    Raises:
        UsageError: The suffix is none of .png, .svg, .pdf, or the path cannot be written.
        StoreError: The disk is full.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise UsageError(
            f"a figure's file name must end in one of {allowed}, but got {str(path)!r}: choose one of them"
        )
    try:
        # A folder, not a temporary file: the latter would be readable by its owner alone.
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            part = Path(folder) / f"figure{suffix}"
            figure.savefig(part, format=suffix[1:], dpi=_DOTS_PER_IN, facecolor="white")
            os.replace(part, target)
    except OSError as error:
        kind = StoreError if error.errno in (errno.ENOSPC, errno.EDQUOT) else UsageError
        raise kind(
            f"the figure cannot be written to {str(path)!r} ({error.strerror or error}): "
            "choose a folder that exists and that you may write to"
        ) from error
    return target
