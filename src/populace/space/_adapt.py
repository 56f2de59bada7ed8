"""Reading search spaces as users write them: our dimensions, shorthand, and the distributions of other packages.

Another package's object is recognised by the package and class it says it comes from and read by its public
attributes; nothing is imported, so none of the packages need be installed. What cannot be kept exactly (a normal
prior, unequal weights, a forbidden combination) is refused rather than dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from populace._errors import SpaceError
from populace.space import _adapt_configspace, _adapt_optuna, _adapt_ray, _adapt_scipy
from populace.space._continuous import Uniform
from populace.space._dimension import Dimension
from populace.space._discrete import Choice, Constant
from populace.space._integer import IntUniform
from populace.space._value import as_number, plain

ACCEPTED = (
    "a populace dimension such as LogUniform(1e-5, 1e-1); a tuple (low, high); a list of choices; "
    "a bare number, string, bool or None; or a distribution of Optuna, Ray Tune, ConfigSpace or scipy.stats"
)

# (package, class name) -> how to read it. A subclass is read as its nearest known base.
_READERS: Mapping[tuple[str, str], Callable[[object], Dimension]] = {
    **{("optuna", name): reader for name, reader in _adapt_optuna.READERS.items()},
    **{("ray", name): reader for name, reader in _adapt_ray.READERS.items()},
    **{("ConfigSpace", name): reader for name, reader in _adapt_configspace.READERS.items()},
    **{("scipy", name): reader for name, reader in _adapt_scipy.READERS.items()},
}


def read_space(entries: object) -> dict[str, Dimension]:
    """Returns the dimensions of a mapping of names to anything readable, or of a whole ConfigurationSpace.

    Raises:
        SpaceError: `entries` is no mapping, or an entry cannot be read.
    """
    if ("ConfigSpace", "ConfigurationSpace") in _origins(entries):
        return _adapt_configspace.read_whole(entries, read_entry)
    if not isinstance(entries, Mapping):
        raise SpaceError(
            f"a space must map names to dimensions, but got {entries!r} of type {type(entries).__name__}: "
            "write {'lr': LogUniform(1e-5, 1e-1)}"
        )
    return {name: read_entry(name, entry) for name, entry in entries.items()}


def read_entry(name: object, entry: object) -> Dimension:
    """Returns the dimension that `entry` stands for.

    Raises:
        SpaceError: It is of no readable type, or breaks the rules of the dimension it would become.
    """
    if isinstance(entry, Dimension):
        return entry
    reader = next((_READERS[origin] for origin in _origins(entry) if origin in _READERS), _read_shorthand)
    try:
        return reader(entry)
    except SpaceError as error:
        raise SpaceError(f"search space entry {name!r}: {error}") from error


def _origins(entry: object) -> list[tuple[str, str]]:
    """Returns the (package, class name) of an object's class and its bases, nearest first."""
    return [(base.__module__.partition(".")[0], base.__name__) for base in type(entry).__mro__]


def _read_shorthand(entry: object) -> Dimension:
    if isinstance(entry, tuple):
        return _read_range(entry)
    if isinstance(entry, list):
        return Choice(entry)
    try:
        return Constant(plain(entry))
    except SpaceError:
        if isinstance(entry, float):  # NaN or infinite
            raise
        raise SpaceError(f"cannot read {entry!r} of type {_full_name(entry)}: give {ACCEPTED}") from None


def _read_range(entry: Sequence[object]) -> Dimension:
    bounds = [number for number in map(as_number, entry) if number is not None]
    if len(entry) != 2 or len(bounds) != 2:
        raise SpaceError(f"a range must be two finite numbers (low, high), but got {entry!r}: use a list for choices")
    low, high = bounds
    if isinstance(low, int) and isinstance(high, int):
        return IntUniform(low, high)
    return Uniform(low, high)


def _full_name(entry: object) -> str:
    return f"{type(entry).__module__}.{type(entry).__qualname__}".removeprefix("builtins.")
