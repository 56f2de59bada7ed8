"""Mutations of checkpoints: what disks, copies and people who mean harm make of bytes."""

from __future__ import annotations

import io
import json
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

_HEAD = 8  # bytes that give the header's length
_MOST_FLIPS = 8


@final
@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A checkpoint that is no longer what was saved."""

    kind: str
    """What was done, a key of `MUTATIONS`."""
    content: bytes
    """The bytes."""


@final
class _Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self._path,)


Mutation = Callable[[bytes, Sequence[bytes], Path, random.Random], bytes]


def mutant_of(
    content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random, kinds: Sequence[str]
) -> Mutant:
    """Returns a mutant of a checkpoint; it differs from the original.

    Args:
        content: The checkpoint.
        others: Other members' checkpoints.
        canary: The file that code in the mutant would create if anybody executed it.
        rng: Source of chance.
        kinds: Keys of `MUTATIONS` to choose from.
    """
    while True:
        kind = rng.choice(kinds)
        changed = MUTATIONS[kind](content, others, canary, rng)
        if changed != content:
            return Mutant(kind=kind, content=changed)


def _flip_bits(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, _MOST_FLIPS)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _append(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    return content + (rng.randbytes(rng.randint(1, 64)) if rng.random() < 0.5 else content)


def _swap_blocks(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    size = rng.choice((1, 4, 16, 64))
    first, second = sorted(rng.sample(range(0, len(content) - size, size), 2))
    changed = bytearray(content)
    changed[first : first + size], changed[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )
    return bytes(changed)


def _zero_run(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    first = rng.randrange(len(content))
    length = min(len(content) - first, rng.randint(1, 512))
    return content[:first] + bytes(length) + content[first + length :]


def _other_member(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    return rng.choice(others)


def _wrong_length(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    length = rng.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(content), rng.randrange(2 * len(content))))
    return length.to_bytes(_HEAD, "little") + content[_HEAD:]


def _hostile_header(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    """Edits the header as text, and makes its length fit again."""
    length = int.from_bytes(content[:_HEAD], "little")
    header, data = content[_HEAD : _HEAD + length], content[_HEAD + length :]
    at, removed = rng.randrange(length), rng.randrange(12)
    spell = rng.choice((b"[", b"]" * 3, b"{" * 300, b"9" * 50, b'"', b"NaN", b"null", b'["pickle",', b"-1", b"1e999"))
    changed = header[:at] + spell + header[at + removed :]
    return len(changed).to_bytes(_HEAD, "little") + changed + data


def _bare_pickle(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    return pickle.dumps(_Canary(canary), protocol=rng.randrange(pickle.HIGHEST_PROTOCOL + 1))


def _packed_pickle(content: bytes, others: Sequence[bytes], canary: Path, rng: random.Random) -> bytes:
    """A checkpoint by every rule of the container, with a leaf that executes what it says."""
    stream = io.BytesIO()
    pickle.dump(_Canary(canary), stream)
    data = stream.getvalue()
    kind = rng.choice(("pickle", "data", "files", "torch", "jax", "object"))
    tree = json.dumps({"format": 1, "label": {}, "template": False, "state": {"x": [kind, "x"]}})
    entry = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": {"populace": tree}, "x": entry}).encode()
    return len(header).to_bytes(_HEAD, "little") + header + data


MUTATIONS: Mapping[str, Mutation] = {
    "bits flipped": _flip_bits,
    "cut short": _cut,
    "appended": _append,
    "blocks swapped": _swap_blocks,
    "run of zeros": _zero_run,
    "another member's": _other_member,
    "wrong length": _wrong_length,
    "hostile header": _hostile_header,
    "bare pickle": _bare_pickle,
    "pickle in a checkpoint": _packed_pickle,
}
"""Every mutation by what it does."""
