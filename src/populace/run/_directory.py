"""Run folders: where a run lies, by name."""

from __future__ import annotations

import errno
import os
import re
from datetime import datetime
from pathlib import Path

from populace._errors import StoreError, UnknownRun, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STORE_FILE = "store.sqlite"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def run_directory(directory: str | os.PathLike[str], name: str) -> Path:
    """Returns the folder of a run.

    Raises:
        UsageError: The name is not one that every file system takes.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"a run's name has 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit, "
            f"but got {name!r}: choose one such as 'digits-3'"
        )
    return Path(directory) / name


def find_run(run: str, directory: str | os.PathLike[str] = "runs") -> Path:
    """Returns the folder of an existing run, given by name or by path.

    Raises:
        UnknownRun: There is none.
    """
    for folder in (Path(run), Path(directory) / run):
        if os.path.isfile(folder / STORE_FILE):  # unlike Path's, it takes a name that no file system takes
            return folder
    names = [path.name for path in list_runs(directory)]
    there = f"it holds {', '.join(map(repr, names[-8:]))}" if names else "it holds none yet"
    raise UnknownRun(f"there is no run {run!r} in {str(directory)!r}: {there}")


def list_runs(directory: str | os.PathLike[str] = "runs") -> list[Path]:
    """Returns the folders of all runs in a directory, the newest last."""
    stores = Path(directory).glob(f"*/{STORE_FILE}") if os.path.isdir(directory) else ()
    return [path.parent for path in sorted(stores, key=lambda path: (path.stat().st_ctime, path))]


def fresh_name(stem: str, directory: str | os.PathLike[str], now: datetime) -> str:
    """Returns a name for a run that does not exist yet."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40] or "run"
    name = first = f"{clean}-{now:%Y%m%d-%H%M%S}"
    number = 2
    while os.path.exists(Path(directory) / name):
        name, number = f"{first}-{number}", number + 1
    return name


def make_directory(folder: Path) -> None:
    """Makes a run's folder.

    Raises:
        UsageError: It cannot be made there.
        StoreError: It cannot be written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # the latter for a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        kind = StoreError if isinstance(error, OSError) and error.errno in _FULL else UsageError
        raise kind(f"the run's folder {str(folder)!r} cannot be made ({reason}): choose another directory") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"the run's folder {folder} is not writable: change its permissions or choose another directory"
        )
