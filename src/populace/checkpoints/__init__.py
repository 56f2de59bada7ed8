"""Checkpoints: the state of a member as one immutable object, and the places where such objects lie."""

from populace.checkpoints._container import Chunk
from populace.checkpoints._files import Files, SavedFiles
from populace.checkpoints._frameworks import JaxValues
from populace.checkpoints._local import LocalCheckpoints
from populace.checkpoints._memory import MemoryCheckpoints
from populace.checkpoints._pack import pack
from populace.checkpoints._store import CheckpointStore, Digest
from populace.checkpoints._unpack import needs_template, unpack

__all__ = [
    "CheckpointStore",
    "Chunk",
    "Digest",
    "Files",
    "JaxValues",
    "LocalCheckpoints",
    "MemoryCheckpoints",
    "SavedFiles",
    "needs_template",
    "pack",
    "unpack",
]
