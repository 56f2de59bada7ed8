"""From a live state to the chunks of a checkpoint.

The state is walked once.
Arrays become tensors of the container, named after the path at which they were found; everything else becomes a
node of one JSON tree in its metadata:

- null, true, false, strings, integers of 64 bits and finite floats stand for themselves;
- an object is a dict whose keys are all strings;
- an array is any other kind of node: first the kind, then what the kind needs, e.g. `["tuple", 1, 2]`,
  `["numpy", "model.weight", "float32"]`.

So there is no value that could be mistaken for a node of another kind, and nothing names code to be imported.
"""

from __future__ import annotations

import dataclasses
import math
import re
import struct
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from populace._errors import UnsavableState
from populace.checkpoints import _frameworks
from populace.checkpoints._arrays import array_to_tensor, stored_as
from populace.checkpoints._container import Chunk, Json, Tensor, write_container, write_json
from populace.checkpoints._files import Files, SavedFiles, read_files

FORMAT = 1
MAX_DEPTH = 100  # a level takes some four of Python's thousand frames
_WORD = re.compile(r"[\w.\-]+")


def pack(state: Mapping[str, object], *, label: Mapping[str, object], allow_pickle: bool = False) -> list[Chunk]:
    """Returns the chunks of a checkpoint, to be written one after the other.

    Arrays are not copied unless they are not contiguous, so the state must not change until the chunks are written.
    Equal states (dicts in equal order) with equal labels give equal bytes, except for pickled leaves.

    What a checkpoint holds: dicts, lists, tuples, sets, None, booleans, numbers, strings, bytes, numpy arrays and
    scalars, PyTorch tensors (a `Parameter` comes back as a plain tensor on the CPU, without gradient), JAX arrays
    and random keys, `Files`; and named tuples, dataclasses and registered JAX pytrees, whose classes and static
    fields are taken from a live object when they are restored. Two places that hold one object come back as two.

    Args:
        state: What is saved, by name.
        label: A small JSON object that says whose state this is, e.g. `{"member": 3, "generation": 7}`.
            Checkpoints are named by their content, and a label makes the checkpoints of two segments differ even
            where their states are equal. So no two segments ever share one, and deleting the one of a segment that
            is no longer needed can never take away another's.
        allow_pickle: Whether a leaf of any other kind is pickled. Whoever can write such a checkpoint can execute
            code where it is restored.

    Raises:
        UnsavableState: A part of the state cannot be written; the message names it.
        ValueError: The label is not a JSON object.

    >>> state = {"step": 3, "weights": np.zeros(2)}
    >>> from populace.checkpoints import unpack
    >>> unpacked = unpack(b"".join(pack(state, label={"member": 0})))
    >>> unpacked["step"], unpacked["weights"]
    (3, array([0., 0.]))
    """
    writer = _Writer(allow_pickle)
    tree = writer.mapping(state, "", 0)
    text = f'{{"format":{FORMAT},"label":{_label_text(label)},"template":{write_json(writer.template)},'
    # The writer is in a circle with its own methods, which the collector may find much later: it must not hold arrays.
    tensors, writer.tensors = writer.tensors, {}
    return write_container(tensors, f'{text}"state":{write_json(tree)}}}')


def _label_text(label: Mapping[str, object]) -> str:
    try:
        return write_json({key: label[key] for key in sorted(label)})  # type: ignore[misc]  # checked by writing it
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"a checkpoint's label must be a JSON object, but got {label!r}: {error}; use strings and integers"
        ) from error


class _Writer:
    """One walk over a state: collects its tensors, returns its nodes."""

    def __init__(self, allow_pickle: bool) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.template = False  # whether some node needs a live object of its class to be restored
        self._allow_pickle = allow_pickle
        self._open: set[int] = set()  # the containers around the present node
        self._containers: Mapping[type, Callable[[Any, str, int], Json]] = {
            dict: self.mapping,
            OrderedDict: self._ordered,
            list: self._list,
            tuple: self._tuple,
        }
        self._leaves: Mapping[type, Callable[[Any, str], Json]] = {
            **dict.fromkeys((type(None), bool, str, int, float, complex), self._plain),
            set: self._set,
            frozenset: self._set,
            bytes: self._bytes,
            np.ndarray: self._array,
            np.memmap: self._array,
            Files: self._files,
            SavedFiles: self._files,
        }

    def node(self, value: object, path: str, depth: int) -> Json:
        """Returns the node of any value."""
        leaf = self._leaves.get(type(value))
        if leaf is not None:
            return self._leaf(leaf, value, path)
        container = self._containers.get(type(value))
        if container is not None:
            return self._enter(container, value, path, depth)
        if isinstance(value, np.generic):
            return self._leaf(self._scalar, value, path)
        if _frameworks.is_torch_tensor(value):
            return self._leaf(self._torch, value, path)
        if _frameworks.is_jax_array(value):
            return self._jax(value, path)
        return self._enter(self._object, value, path, depth)

    def mapping(self, value: Mapping[Any, object], path: str, depth: int) -> Json:
        """Returns the node of a dict."""
        if all(type(key) is str for key in value):
            return {str(key): self.node(item, path_below(path, key), depth + 1) for key, item in value.items()}
        return ["dict", *self._pairs(value.items(), path, depth)]

    def _leaf(self, write: Callable[[Any, str], Json], value: object, path: str) -> Json:
        try:
            return write(value, path)
        except UnsavableState:
            # A pickle of `Files` would hold the directory's name and none of its files.
            if not self._allow_pickle or isinstance(value, (Files, SavedFiles)):
                raise
            return self._pickle(value, path)

    def _enter(self, write: Callable[[Any, str, int], Json], value: object, path: str, depth: int) -> Json:
        if id(value) in self._open:
            raise UnsavableState(
                f"{path} contains itself, which cannot be written to a checkpoint: break the cycle, "
                "and rebuild it when the state is restored"
            )
        if depth >= MAX_DEPTH:
            raise UnsavableState(
                f"{path[:200]}... lies deeper than {MAX_DEPTH} levels, which cannot be written to a checkpoint: "
                "hold the items of a chain in a list"
            )
        self._open.add(id(value))
        written = write(value, path, depth)
        self._open.discard(id(value))
        return written

    # -------------------------------------------------------------------------------------------------- containers

    def _pairs(self, items: Iterable[tuple[object, object]], path: str, depth: int) -> Iterator[Json]:
        for key, item in items:
            yield self._plain(key, path, "a key of ")
            yield self.node(item, path_below(path, key), depth + 1)

    def _ordered(self, value: OrderedDict[object, object], path: str, depth: int) -> Json:
        # PyTorch keeps the versions of a state_dict's modules in this attribute, and `load_state_dict` reads them.
        versions = self.node(vars(value).get("_metadata"), path_below(path, "_metadata"), depth + 1)
        return ["ordereddict", versions, *self._pairs(value.items(), path, depth)]

    def _list(self, value: list[object], path: str, depth: int) -> Json:
        return ["list", *(self.node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))]

    def _tuple(self, value: tuple[object, ...], path: str, depth: int) -> Json:
        return ["tuple", *(self.node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))]

    def _object(self, value: object, path: str, depth: int) -> Json:
        name = type(value).__qualname__
        if isinstance(value, tuple) and getattr(value, "_fields", None) is not None:
            self.template = True
            return ["namedtuple", name, *self._pairs(zip(value._fields, value, strict=True), path, depth)]  # type: ignore[attr-defined]  # by `_fields`
        children = None if isinstance(value, (dict, list, tuple)) else _frameworks.split_pytree(value)
        if children is not None:
            self.template = True
            nodes = (self.node(child, f"{path}[{index}]", depth + 1) for index, child in enumerate(children))
            return ["pytree", name, *nodes]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            self.template = True
            fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
            return ["dataclass", name, *self._pairs(fields, path, depth)]
        if self._allow_pickle:
            return self._pickle(value, path)
        raise _unsavable(path, value)

    # ------------------------------------------------------------------------------------------------------ leaves

    def _plain(self, value: object, path: str, whose: str = "") -> Json:
        """Returns the node of a value that can be a key: it holds no array and takes no room of its own."""
        match value:
            case None | bool() | str() if type(value) in (type(None), bool, str):
                return value
            case int() if type(value) is int:
                return value if -(2**63) <= value < 2**63 else ["int", hex(value)]
            case float() if type(value) is float:
                return value if math.isfinite(value) else ["float", struct.pack("<d", value).hex()]
            case complex() if type(value) is complex:
                return ["complex", struct.pack("<dd", value.real, value.imag).hex()]
            case bytes() if type(value) is bytes:
                return ["bytes", value.hex()]
            case tuple() if type(value) is tuple:
                return ["tuple", *(self._plain(item, path, whose) for item in value)]
            case _:
                raise UnsavableState(
                    f"{whose}{path or 'the state'} is a {type(value).__name__}, which cannot be written to a "
                    "checkpoint: use None, booleans, numbers, strings, bytes and tuples of them"
                )

    def _set(self, value: set[object] | frozenset[object], path: str) -> Json:
        # Sorted, because the order of a set of strings changes from process to process.
        return [
            type(value).__name__,
            *sorted((self._plain(item, path, "an item of ") for item in value), key=write_json),
        ]

    def _bytes(self, value: bytes, path: str) -> Json:
        return ["data", self._add_bytes(path, value)]

    def _array(self, value: np.ndarray[Any, Any], path: str) -> Json:
        dtype, tensor = array_to_tensor(value, path)
        return ["numpy", self._add(path, tensor), dtype]

    def _scalar(self, value: np.generic, path: str) -> Json:
        dtype, tensor = array_to_tensor(np.asarray(value), path)
        return ["scalar", dtype, bytes(tensor.data).hex()]

    def _torch(self, value: object, path: str) -> Json:
        dtype, shape, data = _frameworks.torch_to_bytes(value, path)
        stored, trailing = _stored_torch(dtype, path)
        return ["torch", self._add(path, Tensor(dtype=stored, shape=shape + trailing, data=data)), dtype]

    def _jax(self, value: object, path: str) -> Json:
        array, kind = _frameworks.jax_to_array(value, path)
        dtype, tensor = array_to_tensor(array, path)
        return ["jax", self._add(path, tensor), dtype, kind]

    def _files(self, value: Files | SavedFiles, path: str) -> Json:
        saved = read_files(value.directory, path) if isinstance(value, Files) else value
        node: list[Json] = ["files", list(saved.directories)]
        for name, content in saved.files.items():
            node += [name, self._add_bytes(f"{path}/{name}", content)]
        return node

    def _pickle(self, value: object, path: str) -> Json:
        return ["pickle", self._add_bytes(path, _frameworks.pickle_object(value, path))]

    def _add_bytes(self, path: str, data: Chunk) -> str:
        return self._add(path, Tensor(dtype="U8", shape=(len(data),), data=data))

    def _add(self, path: str, tensor: Tensor) -> str:
        # Paths are for the eye of whoever opens the file: different keys may read alike ("a.b"; "a", "b").
        first = name = path.encode("utf-8", "backslashreplace").decode()
        count = 1
        while name in self.tensors or name == "__metadata__":
            count += 1
            name = f"{first}#{count}"
        self.tensors[name] = tensor
        return name


def path_below(path: str, key: object) -> str:
    """Returns the path of what lies under a key, as one would write it: `model.layers[3].hook`."""
    if type(key) is str and _WORD.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"


def _stored_torch(dtype: str, path: str) -> tuple[str, tuple[int, ...]]:
    try:
        return stored_as(dtype)
    except KeyError as error:
        raise UnsavableState(
            f"{path} is a PyTorch tensor of dtype {dtype}, which cannot be written to a checkpoint: "
            "save it as another dtype"
        ) from error


def _unsavable(path: str, value: object) -> UnsavableState:
    kind = type(value).__name__
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        kind, remedy = "function", "leave it out of the state, since your code defines it"
    elif isinstance(value, np.random.Generator):
        remedy = "save its `bit_generator.state` instead"
    elif callable(getattr(value, "state_dict", None)):
        remedy = "save its `state_dict()` instead"
    elif callable(getattr(value, "get_state", None)):
        remedy = "save its `get_state()` instead"
    else:
        remedy = "save the numbers, strings and arrays that make it up in a dict instead"
    return UnsavableState(
        f"{path} is a {kind}, which cannot be written to a checkpoint: {remedy}, "
        "or create the run with allow_pickle=True"
    )
