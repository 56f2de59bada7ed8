"""From the bytes of a checkpoint back to a state.

The bytes are believed in nothing: each node is checked against what `pack` writes, and whatever differs is a
`DamagedCheckpoint`.
No node names code.
A named tuple, a dataclass and a registered JAX pytree take their class from the same place of a live state, `like`.
"""

from __future__ import annotations

import dataclasses
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from populace._errors import DamagedCheckpoint, StateMismatch
from populace.checkpoints import _frameworks
from populace.checkpoints._arrays import logical_shape, stored_as, tensor_to_array
from populace.checkpoints._container import Chunk, Json, Tensor, read_container, read_json
from populace.checkpoints._files import SavedFiles, check_names
from populace.checkpoints._pack import FORMAT, MAX_DEPTH, path_below

_MALFORMED = (ValueError, TypeError, LookupError, OverflowError, RecursionError, struct.error)


def unpack(blob: Chunk, *, like: Mapping[str, object] | None = None, allow_pickle: bool = False) -> dict[str, object]:
    """Returns the state that was packed; its arrays are fresh and writable.

    JAX arrays lie on the default device and PyTorch tensors on the CPU; where the framework is not installed, they
    are numpy arrays. `Files` come back as `SavedFiles`, which keep the blob in memory.

    Args:
        blob: The bytes of a checkpoint.
        like: A live state of the same structure. Named tuples, dataclasses and registered JAX pytrees take their
            class and their static fields from the same place in it; the rest of it is not looked at. Their
            constructors and `__post_init__` are not called.
        allow_pickle: Whether pickled leaves are loaded, which executes what they say.

    Raises:
        DamagedCheckpoint: The bytes are not a checkpoint.
        StateMismatch: The checkpoint needs something that this process or `like` does not have, or pickle.
    """
    tree, _, tensors = _read_head(blob)
    reader = _Reader(tensors, allow_pickle)
    try:
        state = reader.node(tree, like, "", 0)
    except _MALFORMED as error:
        raise DamagedCheckpoint(f"the checkpoint's tree is malformed: {error}") from error
    if type(state) is not dict or reader.tensors:
        raise DamagedCheckpoint(f"the checkpoint's tree is no dict, or leaves out {list(reader.tensors)[:3]}")
    return state


def needs_template(blob: Chunk) -> bool:
    """Returns whether `unpack` needs `like`: the state holds named tuples, dataclasses or registered JAX pytrees.

    Raises:
        DamagedCheckpoint: The bytes are not a checkpoint.
        StateMismatch: The checkpoint was written by a newer version.
    """
    return _read_head(blob)[1]


def _read_head(blob: Chunk) -> tuple[Json, bool, dict[str, Tensor]]:
    text, tensors = read_container(blob)
    match read_json(text):
        case {"format": int(version), **_more} if version > FORMAT:
            raise StateMismatch(
                f"the checkpoint has format {version}, and this version of populace reads formats up to {FORMAT}: "
                "upgrade populace"
            )
        case {"format": 1, "label": dict(), "template": bool(template), "state": tree, **more} if not more:
            return tree, template, tensors
        case _:
            raise DamagedCheckpoint("the checkpoint's metadata is not what populace writes")


class _Reader:
    """One walk over a tree of nodes: takes its tensors, returns its values."""

    def __init__(self, tensors: dict[str, Tensor], allow_pickle: bool) -> None:
        self.tensors = tensors  # those that no node has taken yet
        self._allow_pickle = allow_pickle
        self._containers: Mapping[str, Callable[[list[Json], Any, str, int], object]] = {
            "dict": self._dict,
            "ordereddict": self._ordered,
            "list": self._list,
            "tuple": self._tuple,
            "namedtuple": self._namedtuple,
            "dataclass": self._dataclass,
            "pytree": self._pytree,
        }
        self._leaves: Mapping[str, Callable[..., object]] = {
            **_PLAIN,
            "set": self._set,
            "frozenset": self._frozenset,
            "data": self._data,
            "numpy": self._numpy,
            "scalar": self._scalar,
            "torch": self._torch,
            "jax": self._jax,
            "files": self._files,
            "pickle": self._pickle,
        }

    def node(self, node: Json, like: object, path: str, depth: int) -> object:
        """Returns the value of a node."""
        if depth > MAX_DEPTH:
            raise DamagedCheckpoint(f"the checkpoint's tree is deeper than {MAX_DEPTH} levels")
        if isinstance(node, dict):
            return {
                key: self.node(item, _at_key(like, key), path_below(path, key), depth + 1) for key, item in node.items()
            }
        if not isinstance(node, list):
            return node
        kind, *rest = node
        if not isinstance(kind, str):
            raise DamagedCheckpoint(f"{path}: a node's kind must be a string, but the checkpoint has {kind!r}")
        if kind in self._containers:
            return self._containers[kind](rest, like, path, depth)
        if kind in self._leaves:
            return self._leaves[kind](path, *rest)
        raise DamagedCheckpoint(f"{path}: there are no nodes of kind {kind[:80]!r} in a checkpoint")

    # -------------------------------------------------------------------------------------------------- containers

    def _pairs(
        self, rest: list[Json], below: Callable[[object, Any], object], like: object, path: str, depth: int
    ) -> Iterator[tuple[Any, object]]:
        for key_node, item in zip(rest[::2], rest[1::2], strict=True):
            key = _plain(path, key_node)
            yield key, self.node(item, below(like, key), path_below(path, key), depth + 1)

    def _dict(self, rest: list[Json], like: object, path: str, depth: int) -> dict[object, object]:
        return _unique(self._pairs(rest, _at_key, like, path, depth), len(rest) // 2)

    def _ordered(self, rest: list[Json], like: object, path: str, depth: int) -> OrderedDict[object, object]:
        versions_node, *rest = rest
        versions = self.node(versions_node, None, path_below(path, "_metadata"), depth + 1)
        value = OrderedDict(self._dict(rest, like, path, depth))
        if versions is not None:
            vars(value)["_metadata"] = versions
        return value

    def _items(self, rest: list[Json], like: object, path: str, depth: int) -> list[object]:
        known = like if isinstance(like, (list, tuple)) and len(like) == len(rest) else [None] * len(rest)
        return [self.node(item, known[index], f"{path}[{index}]", depth + 1) for index, item in enumerate(rest)]

    _list = _items

    def _tuple(self, rest: list[Json], like: object, path: str, depth: int) -> tuple[object, ...]:
        return tuple(self._items(rest, like, path, depth))

    def _namedtuple(self, rest: list[Json], like: object, path: str, depth: int) -> object:
        name, *rest = rest
        fields = tuple(rest[::2])
        cls = type(like)
        if not issubclass(cls, tuple) or getattr(cls, "_fields", None) != fields or cls.__qualname__ != name:
            raise _no_template(path, name, fields, like)
        return tuple.__new__(cls, [item for _, item in self._pairs(rest, _at_field, like, path, depth)])

    def _dataclass(self, rest: list[Json], like: object, path: str, depth: int) -> object:
        name, *rest = rest
        fields = tuple(rest[::2])
        cls: Any = type(like)
        known = tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else None
        if known != fields or cls.__qualname__ != name:
            raise _no_template(path, name, fields, like)
        value = object.__new__(cls)
        for field, item in self._pairs(rest, _at_field, like, path, depth):
            object.__setattr__(value, field, item)
        return value

    def _pytree(self, rest: list[Json], like: object, path: str, depth: int) -> object:
        name, *rest = rest
        known = _frameworks.split_pytree(like) if type(like).__qualname__ == name else None
        if known is None or len(known) != len(rest):
            raise _no_template(path, name, tuple(range(len(rest))), like)
        return _frameworks.join_pytree(like, self._items(rest, known, path, depth))

    # ------------------------------------------------------------------------------------------------------ leaves

    def _set(self, path: str, *items: Json) -> set[object]:
        value = {_plain(path, item) for item in items}
        if len(value) != len(items):
            raise DamagedCheckpoint(f"{path}: an item of a set occurs twice")
        return value

    def _frozenset(self, path: str, *items: Json) -> frozenset[object]:
        return frozenset(self._set(path, *items))

    def _take(self, name: Json) -> Tensor:
        if not isinstance(name, str) or name not in self.tensors:
            raise DamagedCheckpoint(f"the checkpoint has no tensor {str(name)[:80]!r}, or uses it twice")
        return self.tensors.pop(name)

    def _take_bytes(self, name: Json) -> Chunk:
        tensor = self._take(name)
        if tensor.dtype != "U8" or len(tensor.shape) != 1:
            raise DamagedCheckpoint(f"bytes are stored as U8 of one dimension, but tensor {name!r} is {tensor.dtype}")
        return tensor.data

    def _data(self, path: str, name: Json) -> bytes:
        return bytes(self._take_bytes(name))

    def _numpy(self, path: str, name: Json, dtype: Json) -> object:
        return tensor_to_array(self._take(name), _string(dtype))

    def _scalar(self, path: str, dtype: Json, digits: Json) -> object:
        stored, trailing = stored_as(_string(dtype))
        tensor = Tensor(dtype=stored, shape=trailing, data=bytes.fromhex(_string(digits)))
        return tensor_to_array(tensor, _string(dtype))[()]

    def _torch(self, path: str, name: Json, dtype: Json) -> object:
        tensor = self._take(name)
        restored = _frameworks.torch_from_bytes(tensor, _string(dtype), logical_shape(tensor, _string(dtype)))
        return tensor_to_array(tensor, _string(dtype)) if restored is None else restored

    def _jax(self, path: str, name: Json, dtype: Json, kind: Json) -> object:
        if not isinstance(kind, (str, bool)):
            raise DamagedCheckpoint(f"{path}: there are no JAX arrays of kind {kind!r}")
        return _frameworks.jax_from_array(tensor_to_array(self._take(name), _string(dtype)), kind, path)

    def _files(self, path: str, directories: Json, *rest: Json) -> SavedFiles:
        if not isinstance(directories, list):
            raise DamagedCheckpoint(f"{path}: the empty directories must be a list, but the checkpoint has none")
        contents = ((_string(name), self._take_bytes(item)) for name, item in zip(rest[::2], rest[1::2], strict=True))
        saved = SavedFiles(
            files=_unique(contents, len(rest) // 2), directories=tuple(_string(name) for name in directories)
        )
        check_names(saved)
        return saved

    def _pickle(self, path: str, name: Json) -> object:
        data = self._take_bytes(name)
        if not self._allow_pickle:
            raise StateMismatch(
                f"{path} was pickled, and loading a pickle executes what it says: "
                "if you trust whoever wrote the checkpoint, restore it with allow_pickle=True"
            )
        return _frameworks.unpickle_object(data, path)


# ------------------------------------------------------------------------------------------- values that can be keys


def _plain(path: str, node: Json) -> object:
    """Returns the value of a node that can be a key."""
    if not isinstance(node, (list, dict)):
        return node
    match node:
        case [str(kind), *rest] if kind in _PLAIN:
            return _PLAIN[kind](path, *rest)
        case [str("tuple"), *rest]:
            return tuple(_plain(path, item) for item in rest)
        case _:
            raise DamagedCheckpoint(f"{path}: {str(node)[:80]} can be no key and no item of a set")


def _bytes(path: str, digits: Json) -> bytes:
    return bytes.fromhex(_string(digits))


def _int(path: str, digits: Json) -> int:
    return int(_string(digits), 16)


def _float(path: str, digits: Json) -> float:
    value: float = struct.unpack("<d", bytes.fromhex(_string(digits)))[0]
    return value


def _complex(path: str, digits: Json) -> complex:
    return complex(*struct.unpack("<dd", bytes.fromhex(_string(digits))))


_PLAIN: Mapping[str, Callable[..., object]] = {"bytes": _bytes, "int": _int, "float": _float, "complex": _complex}


def _string(node: Json) -> str:
    if not isinstance(node, str):
        raise DamagedCheckpoint(f"a name in the checkpoint must be a string, but is {str(node)[:80]}")
    return node


def _unique(pairs: Iterator[tuple[Any, Any]], count: int) -> dict[Any, Any]:
    value = dict(pairs)
    if len(value) != count:
        raise DamagedCheckpoint("a key occurs twice in one dict of the checkpoint")
    return value


# ------------------------------------------------------------------------------------------------- places in `like`


def _at_key(like: object, key: Any) -> object:
    return like.get(key) if isinstance(like, Mapping) else None


def _at_field(like: object, field: Any) -> object:
    return getattr(like, field, None)


def _no_template(path: str, name: Json, fields: tuple[object, ...], like: object) -> StateMismatch:
    held = "nothing" if like is None else f"a {type(like).__qualname__}"
    shown = ", ".join(str(field) for field in fields)
    return StateMismatch(
        f"{path} was saved from a {str(name)[:200]}({shown[:200]}), whose class must be taken from a live object, "
        f"but `like` has {held} there: pass `like=` a state as your code builds it anew"
    )
