"""Commands that look after a run: verify and gc."""

from __future__ import annotations

import sys
from pathlib import Path

from populace.checkpoints import LocalCheckpoints
from populace.cli._output import clean, write, write_json
from populace.cli._runs import folder_of, open_folder
from populace.executors import CHECKPOINTS
from populace.run import verify as verify_run
from populace.store import RunLock, SqliteStore


def verify(name: str, directory: str, *, as_json: bool) -> bool:
    """Says whether a run keeps every law, naming the first that is broken; returns whether it does."""
    folder = folder_of(name, directory)
    found = verify_run(folder)
    if as_json:
        violations = [{"law": v.law, "subject": v.subject, "text": v.text} for v in found]
        write_json({"run": folder.name, "folder": str(folder), "valid": not found, "violations": violations})
        return not found
    with open_folder(folder) as run:
        number = run.state().num_segments
    if not found:
        write(f"run {folder.name}: every law holds on {number} segments")
        return True
    first, rest = clean(str(found[0])), len(found) - 1
    more = f" (and {rest} more: --json lists them)" if rest else ""
    print(f"populace: run {folder.name} breaks a law: {first}{more}", file=sys.stderr)
    return False


def collect(name: str, directory: str, *, delete: bool) -> None:
    """Shows the checkpoints and left-overs that nothing needs, and deletes them if asked.

    Raises:
        RunBusy: The run is being trained.
    """
    folder = folder_of(name, directory)
    with RunLock(folder):
        store = SqliteStore(folder)
        try:
            checkpoints = LocalCheckpoints(folder / CHECKPOINTS)
            if delete:
                store.collect()
            needed = store.referenced()
            files = _orphans(checkpoints.directory, needed)
            size = sum(path.stat().st_size for path in files)
            if delete:
                checkpoints.sweep(needed)
        finally:
            store.close()
    for path in files:
        write(f"  {path.relative_to(checkpoints.directory)}  {path.stat().st_size if path.exists() else ''}".rstrip())
    if not files:
        write(f"run {folder.name}: nothing to delete, {len(needed)} checkpoints are needed")
    elif delete:
        write(f"run {folder.name}: deleted {len(files)} files, {size} bytes; {len(needed)} checkpoints are kept")
    else:
        write(f"run {folder.name}: {len(files)} files, {size} bytes, are needed no more: delete them with --yes")


def _orphans(directory: Path, needed: set[str]) -> list[Path]:
    objects = sorted((directory / "objects").glob("*"))
    return [*(path for path in objects if path.name not in needed), *sorted((directory / "tmp").glob("*"))]
