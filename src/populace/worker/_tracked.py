"""Tracked objects: how the state of a user's object is taken and put back in place.

An object is loaded in place, never replaced, so that the user's own names stay valid across an exploit.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import numpy as np

from populace._errors import StateMismatch, UsageError
from populace.checkpoints import Files, SavedFiles, needs_template, unpack


@runtime_checkable
class Stateful(Protocol):
    """Anything that gives and takes its state, as torch's modules, optimisers and schedulers do."""

    def state_dict(self) -> Any:
        """Returns the state."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Takes a state over."""


class Tracked(ABC):
    """One tracked object."""

    @abstractmethod
    def save(self) -> object:
        """Returns its state as a tree that a checkpoint can hold; valid until the object changes."""

    @abstractmethod
    def load(self, state: object) -> None:
        """Puts a state back in place."""

    def discard(self) -> None:  # noqa: B027 - only files leave something behind
        """Frees what `save` left behind, once the checkpoint is written."""


def tracked(name: str, thing: object, scratch: Path | None = None) -> Tracked:
    """Returns how an object's state is taken and put back.

    Args:
        name: The name under which it is tracked, for messages.
        thing: The object.
        scratch: Where files may lie for a moment; None: where the system keeps such files.

    Raises:
        UsageError: The object is of no kind that can be tracked.
    """
    if type(thing) is not dict and isinstance(thing, Stateful):  # a protocol is slow to ask for
        return _StatefulObject(thing)
    if isinstance(thing, dict | list):
        return _Container(thing)
    if isinstance(thing, np.ndarray):
        return _Array(thing)
    if isinstance(thing, np.random.Generator):
        return _Generator(thing)
    if isinstance(thing, tuple) and len(thing) == 2 and all(callable(part) for part in thing):
        return _Directory(*thing, scratch)
    raise UsageError(
        f"`track` takes an object with state_dict and load_state_dict, a dict or list that holds the state, a numpy "
        f"array or generator, or a pair (save, load) of functions of a directory, but got "
        f"{name}={type(thing).__qualname__}: for example "
        f"track({name}=(save, load)), or track(state=holder) with holder = {{{name!r}: ...}}"
    )


@final
class _StatefulObject(Tracked):
    def __init__(self, thing: Stateful) -> None:
        self._thing = thing

    def save(self) -> object:
        return self._thing.state_dict()

    def load(self, state: object) -> None:
        self._thing.load_state_dict(state)


@final
class _Container(Tracked):
    """A dict or list; its content is replaced, the object stays."""

    def __init__(self, thing: dict[Any, Any] | list[Any]) -> None:
        self._thing = thing

    def save(self) -> object:
        return self._thing

    def load(self, state: object) -> None:
        if isinstance(self._thing, dict) and isinstance(state, dict):
            self._thing.clear()
            self._thing.update(state)
        elif isinstance(self._thing, list) and isinstance(state, list):
            self._thing[:] = state
        else:
            raise StateMismatch(
                f"a {type(self._thing).__name__} is tracked, but the checkpoint holds a {type(state).__name__}"
            )


@final
class _Array(Tracked):
    def __init__(self, thing: np.ndarray[Any, Any]) -> None:
        self._thing = thing

    def save(self) -> object:
        return self._thing

    def load(self, state: object) -> None:
        saved = np.asarray(state)
        if saved.shape != self._thing.shape or saved.dtype != self._thing.dtype:
            raise StateMismatch(
                f"a {self._thing.dtype} array of shape {self._thing.shape} is tracked, but the checkpoint holds one of "
                f"{saved.dtype} and {saved.shape}"
            )
        self._thing[...] = saved


@final
class _Generator(Tracked):
    def __init__(self, thing: np.random.Generator) -> None:
        self._thing = thing

    def save(self) -> object:
        return self._thing.bit_generator.state

    def load(self, state: object) -> None:
        self._thing.bit_generator.state = state  # type: ignore[assignment]  # numpy checks it


@final
class _Directory(Tracked):
    """A pair of the user's functions that save to and load from a directory."""

    def __init__(self, save: Callable[[Path], object], load: Callable[[Path], object], scratch: Path | None) -> None:
        self._save, self._load = save, load
        self._scratch = scratch
        self._made: list[Path] = []

    def save(self) -> object:
        directory = Path(tempfile.mkdtemp(prefix="populace-save-", dir=self._made_scratch()))
        self._made.append(directory)
        self._save(directory)
        return Files(directory)

    def load(self, state: object) -> None:
        if not isinstance(state, SavedFiles):
            raise StateMismatch(f"a pair (save, load) is tracked, but the checkpoint holds a {type(state).__name__}")
        with tempfile.TemporaryDirectory(prefix="populace-load-", dir=self._made_scratch()) as directory:
            state.extract(directory)
            self._load(Path(directory))

    def discard(self) -> None:
        while self._made:
            shutil.rmtree(self._made.pop(), ignore_errors=True)

    def _made_scratch(self) -> Path | None:
        if self._scratch is not None:
            self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch


def as_tree(objects: Mapping[str, Tracked]) -> dict[str, object]:
    """Returns the state of all tracked objects by name."""
    return {name: thing.save() for name, thing in objects.items()}


def load_into(objects: Mapping[str, Tracked], state: Mapping[str, object], names: Iterable[str]) -> None:
    """Puts the saved state of the named objects back in place.

    Raises:
        StateMismatch: The state lacks a name, or does not fit an object.
    """
    for name in names:
        if name not in state:
            raise StateMismatch(
                f"{name!r} is tracked, but the checkpoint holds {', '.join(state)}: "
                "track the same objects in every call"
            )
        try:
            objects[name].load(state[name])
        except StateMismatch:
            raise
        except Exception as error:
            raise StateMismatch(f"the saved state of {name!r} does not fit what the function built: {error}") from error


def restore_into(blob: bytes, things: Mapping[str, object], *, allow_pickle: bool) -> None:
    """Loads a checkpoint into objects, by the names under which they were tracked.

    Raises:
        StateMismatch: The state lacks a name, or does not fit an object.
    """
    objects = {name: tracked(name, thing) for name, thing in things.items()}
    like = as_tree(objects) if needs_template(blob) else None
    load_into(objects, unpack(blob, like=like, allow_pickle=allow_pickle), objects)
    for thing in objects.values():
        thing.discard()
