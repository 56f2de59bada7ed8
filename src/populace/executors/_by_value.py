"""A job by value: the user's functions travel as they are, never as names to be imported again.

cloudpickle does that for functions and classes of scripts, notebooks and modules loaded for a run. What it misses are
functions cached with `functools.cache` or `lru_cache`, which are the way to keep data warm in a worker: they travel
here with an empty cache.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from typing import Any, final

import cloudpickle

from populace._errors import UsageError

_Cached = type(functools.lru_cache(lambda: None))


@final
class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, _Cached) and not _importable(obj):
            parameters = obj.cache_parameters()
            return _cached, (parameters["maxsize"], parameters["typed"], obj.__wrapped__)
        return super().reducer_override(obj)


def to_bytes(job: object) -> bytes:
    """Returns a job for other processes.

    Raises:
        UsageError: The user's code holds something that cannot travel.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(job)
    except Exception as error:
        raise UsageError(
            f"the trainable must be picklable to reach worker processes, but {type(error).__name__}: {error}. "
            "Create files, locks, connections and devices inside the function, or use executor=populace.Inline()"
        ) from error
    return buffer.getvalue()


def _cached(maxsize: int | None, typed: bool, function: Callable[..., object]) -> object:
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def _importable(thing: object) -> bool:
    """Whether another process finds this very object by its module's name and its own."""
    name = getattr(thing, "__module__", "")
    if name == "__main__" or name in cloudpickle.list_registry_pickle_by_value() or name not in sys.modules:
        return False
    found: object = sys.modules[name]
    for part in getattr(thing, "__qualname__", "").split("."):
        found = getattr(found, part, None)  # inside a function, there is none
    return found is thing
