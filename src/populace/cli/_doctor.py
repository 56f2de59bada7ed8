"""The command that looks at the machine: doctor."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import populace
from populace._errors import PopulaceError
from populace.cli._output import write, write_json, write_pairs
from populace.store import file_system, refuse_network

_NEEDED = ("numpy", "sqlalchemy", "safetensors", "cloudpickle", "typer", "rich", "pydantic")
_OPTIONAL = ("torch", "jax", "scikit-learn", "scipy", "matplotlib", "optuna")
_OLDEST_SQLITE = (3, 35, 0)
_NUM_SYNCS, _SYNC_BYTES = 11, 10_000
_LITTLE_BYTES, _SLOW_SYNC_S = 1 << 30, 0.05


def examine(directory: str, *, as_json: bool) -> bool:
    """Tells what there is; returns whether a run can be trained here."""
    place = _existing(Path(directory))
    problems: list[str] = []
    warnings: list[str] = []
    facts: dict[str, object] = {
        "populace": populace.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "cores": len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count(),
        "devices": _devices(),
        "directory": str(Path(directory).absolute()),
        "file_system": file_system(place),
        "free_bytes": shutil.disk_usage(place).free,
        "sync_s": _sync_s(place),
        "packages": {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)},
    }
    try:
        refuse_network(place)
    except PopulaceError as error:
        problems.append(str(error))
    if facts["sync_s"] is None:
        problems.append(f"{place} is not writable: change its permissions or choose another --directory")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        problems.append(f"SQLite {sqlite3.sqlite_version} is too old: a Python built with 3.35 or newer is needed")
    if shutil.disk_usage(place).free < _LITTLE_BYTES:
        warnings.append("less than 1 GB is free: a run needs about population x size of a checkpoint")
    sync_s = facts["sync_s"]
    if isinstance(sync_s, float) and sync_s > _SLOW_SYNC_S:
        warnings.append(f"a durable write takes {sync_s * 1000:.0f} ms: choose long intervals or a faster disk")
    if as_json:
        write_json({**facts, "problems": problems, "warnings": warnings})
    else:
        _write(facts, problems, warnings)
    return not problems


def _write(facts: dict[str, object], problems: list[str], warnings: list[str]) -> None:
    packages, free, sync_s = facts["packages"], facts["free_bytes"], facts["sync_s"]
    assert isinstance(packages, dict)
    assert isinstance(free, int)
    plain = {
        name: value for name, value in facts.items() if name not in ("packages", "free_bytes", "sync_s", "devices")
    }
    write_pairs(
        {
            **{name.replace("_", " "): value for name, value in plain.items()},
            "free": f"{free / 1e9:.1f} GB",
            "durable write": f"{sync_s * 1000:.2f} ms" if isinstance(sync_s, float) else None,
            "devices": facts["devices"] or "none seen: processor only",
            **{f"package {name}": version or "not installed" for name, version in packages.items()},
        }
    )
    for line in warnings:
        write(f"warning: {line}", style="yellow")
    for line in problems:
        write(f"problem: {line}", style="red")
    if not problems:
        write("ready to train", style="green")


def _existing(directory: Path) -> Path:
    """Returns the nearest folder that exists: looking makes nothing."""
    absolute = directory.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())


def _devices() -> list[str]:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return [device for device in shown.split(",") if device]
    folder = Path("/proc/driver/nvidia/gpus")
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _sync_s(directory: Path) -> float | None:
    """Returns the median time of a durable write of 10 kB, in seconds; None where nothing can be written."""
    times = []
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".populace-doctor-") as file:
            for _ in range(_NUM_SYNCS):
                begun = time.perf_counter()
                file.write(bytes(_SYNC_BYTES))
                file.flush()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - begun)
    except OSError:
        return None
    return statistics.median(times)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
