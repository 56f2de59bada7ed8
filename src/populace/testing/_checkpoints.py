"""The laws of every checkpoint store, as tests that an implementation inherits."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from populace._errors import DamagedCheckpoint, StoreError
from populace.checkpoints import CheckpointStore, Chunk, pack, unpack

_CONTENT = b"the bytes of a checkpoint"
_DIGEST = hashlib.sha256(_CONTENT).hexdigest()
_NO_DIGESTS = ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61, "0" * 63 + "\n", "0" * 63 + "\0"]


class CheckpointStoreConformance(ABC):
    """The conformance suite of checkpoint stores: name a subclass `Test...` and define `make_store`."""

    @abstractmethod
    def make_store(self, tmp_path: Path) -> CheckpointStore:
        """Returns a new, empty store; it may keep its files under `tmp_path`."""

    def test_what_was_put_is_what_is_got(self, tmp_path: Path) -> None:
        """A member restored on another host trains on from these bytes."""
        store = self.make_store(tmp_path)
        digest = store.put([_CONTENT[:5], memoryview(_CONTENT)[5:]])
        assert digest == _DIGEST
        assert store.get(digest) == _CONTENT

    def test_packed_state_survives_the_store(self, tmp_path: Path) -> None:
        """The chunks of `pack` are given to a store as they are."""
        store = self.make_store(tmp_path)
        digest = store.put(pack({"step": 3, "nothing": b""}, label={"member": 0}))
        assert unpack(store.get(digest)) == {"step": 3, "nothing": b""}

    def test_any_iterable_of_chunks_is_taken(self, tmp_path: Path) -> None:
        """Chunks may be made one after the other; none at all is an empty object."""

        def chunks() -> Iterator[Chunk]:
            yield _CONTENT[:5]
            yield b""
            yield memoryview(_CONTENT[5:9]).cast("I")
            yield memoryview(_CONTENT)[9:]

        store = self.make_store(tmp_path)
        assert store.put(chunks()) == _DIGEST
        assert store.get(store.put([])) == b""

    def test_putting_again_changes_nothing(self, tmp_path: Path) -> None:
        """A worker that lost its connection after a `put` does the same `put` again."""
        store = self.make_store(tmp_path)
        assert store.put([_CONTENT]) == store.put([_CONTENT])
        assert list(store.list()) == [_DIGEST]
        assert store.get(_DIGEST) == _CONTENT

    def test_missing_checkpoint_is_named(self, tmp_path: Path) -> None:
        """Someone deleted files by hand, and the run must say which."""
        store = self.make_store(tmp_path)
        with pytest.raises(DamagedCheckpoint, match=f"{_DIGEST} is missing"):
            store.get(_DIGEST)

    def test_deleted_checkpoint_is_gone_and_others_stay(self, tmp_path: Path) -> None:
        """Retention removes old checkpoints while their neighbours are still needed."""
        store = self.make_store(tmp_path)
        other = store.put([b"other"])
        store.put([_CONTENT])
        store.delete(_DIGEST)
        assert not store.exists(_DIGEST)
        assert store.exists(other)
        assert list(store.list()) == [other]

    def test_deleting_a_missing_checkpoint_is_fine(self, tmp_path: Path) -> None:
        """A worker that was killed during retention is followed by one that deletes the same again."""
        store = self.make_store(tmp_path)
        store.delete(_DIGEST)
        assert not store.exists(_DIGEST)

    def test_list_is_complete_and_ordered(self, tmp_path: Path) -> None:
        """What is not listed is never collected, and the disk fills."""
        store = self.make_store(tmp_path)
        assert list(store.list()) == []
        digests = {store.put([bytes([number])]) for number in range(20)}
        assert list(store.list()) == sorted(digests)

    @pytest.mark.parametrize("digest", _NO_DIGESTS)
    def test_what_is_no_digest_is_refused(self, tmp_path: Path, digest: str) -> None:
        """A damaged reference must not become a path to somewhere else."""
        store = self.make_store(tmp_path)
        for use in (store.get, store.exists, store.delete):
            with pytest.raises(DamagedCheckpoint, match="64 lowercase hexadecimal digits"):
                use(digest)

    def test_failing_source_of_chunks_leaves_nothing(self, tmp_path: Path) -> None:
        """The user's save function may fail half way through, or be interrupted."""

        def chunks() -> Iterator[Chunk]:
            yield _CONTENT
            raise KeyboardInterrupt

        store = self.make_store(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            store.put(chunks())
        assert list(store.list()) == []

    def test_concurrent_puts_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        """Two workers may publish at the same moment, a zombie even the same bytes."""
        store = self.make_store(tmp_path)
        contents = [bytes([number % 4]) * 1000 for number in range(8)]
        failures: list[Exception] = []

        def work(content: bytes) -> None:
            try:
                assert store.get(store.put([content])) == content
            except (AssertionError, StoreError, DamagedCheckpoint) as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(list(store.list())) == 4
