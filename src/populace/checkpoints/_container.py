"""The container of a checkpoint: a safetensors file, written and read strictly.

A safetensors file is eight bytes that give the length of a header, the header (JSON: for each named tensor its
dtype, shape and place), and then the tensors' bytes one after the other.
There is nothing in it that could be executed, and any tool that knows the format can open it.
We write it ourselves because the library joins all bytes into one string, which copies every array; we read it
ourselves for the same reason, and to refuse whatever we would not have written.
Source of the format: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from populace._errors import DamagedCheckpoint, UnsavableState

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Chunk: TypeAlias = "bytes | memoryview"

# Bytes of one item, for every dtype of the format that we write.
ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2"), 1),
}
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library, so that it can open what we write
MAX_DIMENSIONS = 64  # numpy's limit
_METADATA = "__metadata__"
_TEXT = "populace"
_ENTRY = frozenset({"dtype", "shape", "data_offsets"})  # what the header says of a tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """The bytes of one array, and how to read them.

    Attributes:
        dtype: A dtype of the safetensors format, a key of `ITEM_BYTES`.
        shape: The length of each dimension.
        data: The items in C order, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    data: Chunk


def write_container(tensors: Mapping[str, Tensor], text: str) -> list[Chunk]:
    """Returns the chunks of a file that holds `text` and the tensors; no tensor is copied.

    Args:
        tensors: Tensors by name; wide items are placed first, so that each starts at a multiple of its item size.
        text: What the metadata holds under the key "populace".

    Raises:
        UnsavableState: The header would be longer than the format allows.
    """
    ordered = sorted(tensors.items(), key=lambda item: -ITEM_BYTES[item[1].dtype])
    header: dict[str, Json] = {_METADATA: {_TEXT: text}}
    end = 0
    for name, tensor in ordered:
        start, end = end, end + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [start, end]}
    encoded = write_json(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > MAX_HEADER_BYTES:
        raise UnsavableState(
            f"a checkpoint's header must have at most {MAX_HEADER_BYTES} bytes, but this state's has {len(encoded)}: "
            "hold many small values in one array"
        )
    head = len(encoded).to_bytes(8, "little") + encoded
    return [head, *(tensor.data for _, tensor in ordered if len(tensor.data))]


def read_container(blob: Chunk) -> tuple[str, dict[str, Tensor]]:
    """Returns the text and the tensors of a file; the tensors' data are views of `blob`.

    Raises:
        DamagedCheckpoint: The bytes are not a file that `write_container` writes.
    """
    view = memoryview(blob).cast("B").toreadonly()
    length = int.from_bytes(view[:8], "little")
    if len(view) < 8 or length > min(MAX_HEADER_BYTES, len(view) - 8):
        raise DamagedCheckpoint(f"a checkpoint of {len(view)} bytes cannot have a header of {length} bytes")
    header = read_json(view[8 : 8 + length])
    entries = dict(header) if isinstance(header, dict) else {}
    metadata = entries.pop(_METADATA, None)
    text = metadata.get(_TEXT) if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(text, str):
        raise DamagedCheckpoint("the checkpoint's header holds no text of populace's")
    data = view[8 + length :]
    places: list[tuple[int, int]] = []
    tensors = {name: _read_tensor(name, entry, data, places) for name, entry in entries.items()}
    # Bytes that belong to no tensor or to two of them could hide a second file in the first.
    reached = 0
    for start, end in sorted(places):
        if start != reached:
            raise DamagedCheckpoint(f"the checkpoint's tensors overlap or leave a gap at byte {reached}")
        reached = end
    if reached != len(data):
        raise DamagedCheckpoint(f"the checkpoint's tensors end at byte {reached}, but its data at byte {len(data)}")
    return text, tensors


def _read_tensor(name: str, entry: Json, data: memoryview, places: list[tuple[int, int]]) -> Tensor:
    if isinstance(entry, dict) and entry.keys() == _ENTRY:
        dtype, shape, place = entry["dtype"], _counts(entry["shape"]), _counts(entry["data_offsets"])
        if isinstance(dtype, str) and dtype in ITEM_BYTES and shape is not None and place is not None:
            fits = len(shape) <= MAX_DIMENSIONS and len(place) == 2 and place[0] <= place[1] <= len(data)
            if fits and math.prod(shape) * ITEM_BYTES[dtype] == place[1] - place[0]:
                places.append((place[0], place[1]))
                return Tensor(dtype=dtype, shape=shape, data=data[place[0] : place[1]])
    raise DamagedCheckpoint(f"the checkpoint's header describes tensor {name[:80]!r} wrongly: {str(entry)[:200]}")


def _counts(value: Json) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    counts = tuple(item for item in value if type(item) is int and 0 <= item < 2**63)
    return counts if len(counts) == len(value) else None


def write_json(value: Json) -> str:
    """Returns a value as one line of ASCII JSON."""
    return _ENCODER.encode(value)


def read_json(text: str | memoryview) -> Json:
    """Returns the value of a JSON text that names no key twice and no number that JSON does not have.

    Raises:
        DamagedCheckpoint: The text is not such JSON.
    """
    try:
        value: Json = _DECODER.decode(text if isinstance(text, str) else str(text, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"the checkpoint's header is not valid JSON: {error}") from error
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is no number of JSON")


# check_circular: the writer of the tree has refused cycles already.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
