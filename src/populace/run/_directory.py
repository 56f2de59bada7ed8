"""Run folders: where a run lies, by name."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from populace._errors import StoreError, UnknownRun, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STORE_FILE = "store.sqlite"


def run_directory(directory: str | os.PathLike[str], name: str) -> Path:
    """Returns the folder of a run.

    Raises:
        UsageError: The name is not one that every file system takes.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a run's name has 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit, "
            f"but got {name!r}"
        )
    return Path(directory) / name


def find_run(run: str, directory: str | os.PathLike[str] = "runs") -> Path:
    """Returns the folder of an existing run, given by name or by path.

    Raises:
        UnknownRun: There is none.
    """
    for folder in (Path(run), Path(directory) / run):
        if (folder / STORE_FILE).is_file():
            return folder
    names = [path.name for path in list_runs(directory)]
    there = f"the runs there are {', '.join(names[-8:])}" if names else "there are none there yet"
    raise UnknownRun(f"there is no run {run!r} in {Path(directory)}: {there}")


def list_runs(directory: str | os.PathLike[str] = "runs") -> list[Path]:
    """Returns the folders of all runs in a directory, the newest last."""
    stores = Path(directory).glob(f"*/{STORE_FILE}")
    return [path.parent for path in sorted(stores, key=lambda path: (path.stat().st_ctime, path))]


def fresh_name(stem: str, directory: str | os.PathLike[str], now: datetime) -> str:
    """Returns a name for a run that does not exist yet."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40] or "run"
    name = first = f"{clean}-{now:%Y%m%d-%H%M%S}"
    number = 2
    while (Path(directory) / name).exists():
        name, number = f"{first}-{number}", number + 1
    return name


def make_directory(folder: Path) -> None:
    """Makes a run's folder.

    Raises:
        StoreError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the run's folder {folder} cannot be made ({error.strerror}): choose another directory"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"the run's folder {folder} is not writable: change its permissions or choose another directory"
        )
