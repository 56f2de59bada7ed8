"""The checkpoint stores: each obeys the conformance suite, and the local one survives what disks do."""

from __future__ import annotations

import errno
import hashlib
import os
import socket

import numpy as np
import pytest

from populace._errors import DamagedCheckpoint, StoreError
from populace.checkpoints import LocalCheckpoints, MemoryCheckpoints, pack
from populace.testing import CheckpointStoreConformance

CONTENT = b"content"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class TestMemoryCheckpoints(CheckpointStoreConformance):
    def make_store(self, tmp_path):
        return MemoryCheckpoints()


class TestLocalCheckpoints(CheckpointStoreConformance):
    def make_store(self, tmp_path):
        return LocalCheckpoints(tmp_path / "checkpoints")


@pytest.fixture
def store(tmp_path):
    return LocalCheckpoints(tmp_path / "checkpoints")


def _file(store):
    return store.directory / "objects" / DIGEST


def _files(store):
    return [path for path in store.directory.rglob("*") if not path.is_dir()]


def _failing(monkeypatch, name, error, when=lambda *arguments: True):
    """Makes one function of the operating system fail; everything else is the real disk."""
    real = getattr(os, name)

    def call(*arguments, **options):
        if when(*arguments):
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("name", ["open", "write", "fsync", "rename", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_failed_put_leaves_nothing(store, monkeypatch, name, number):
    """The disk is full, or it is dying: half a checkpoint must neither be seen nor take room."""
    with monkeypatch.context() as patch:
        _failing(patch, name, OSError(number, os.strerror(number)))
        with pytest.raises(StoreError, match="could not be written to") as caught:
            store.put([CONTENT])
    assert isinstance(caught.value.__cause__, OSError)
    assert _files(store) == []
    assert store.put([CONTENT]) == DIGEST


def test_interrupted_put_leaves_nothing(store, monkeypatch):
    """The user presses Ctrl-C while a large checkpoint is written."""
    with monkeypatch.context() as patch:
        _failing(
            patch, "fsync", KeyboardInterrupt(), when=lambda descriptor: os.fstat(descriptor).st_size == len(CONTENT)
        )
        with pytest.raises(KeyboardInterrupt):
            store.put([CONTENT])
    assert _files(store) == []


def test_full_disk_says_how_much_is_needed(store, monkeypatch):
    """Whoever frees space wants to know how much."""
    _failing(monkeypatch, "write", OSError(errno.ENOSPC, "No space left on device"))
    message = f"disk full: a checkpoint of 12 MB could not be written to {store.directory}: free space and resume"
    with pytest.raises(StoreError) as caught:
        store.put([bytes(12_000_000)])
    assert str(caught.value) == message


def test_put_is_durable_in_the_right_order(store, monkeypatch):
    """A power cut must never leave a name without its bytes, nor a returned digest without its name."""
    log = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        log.append(os.path.relpath(path, store.directory))
        real_fsync(descriptor)

    def rename(source, target):
        log.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    store.put([CONTENT])
    temporary = next(name for name in log if name.startswith("tmp/"))
    assert log == ["..", ".", temporary, ".", "rename", "objects"]
    log.clear()
    store.put([CONTENT])
    assert [name for name in log if not name.startswith("tmp/")] == ["rename", "objects"]
    assert len(log) == 3


def test_large_writes_go_on_where_they_stopped(store, monkeypatch):
    """The kernel writes at most two gigabytes at once, and less when it is interrupted."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    assert store.get(store.put([CONTENT, CONTENT])) == CONTENT * 2


def test_changed_file_is_named(store):
    """A bit flipped on the disk, or a file was edited; never parsed, since the digest comes first."""
    store.put([CONTENT])
    for content in (b"", CONTENT[:-1], CONTENT + b"x", b"Content"):
        _file(store).write_bytes(content)
        with pytest.raises(DamagedCheckpoint, match=f"{DIGEST} has changed .*its {len(content)} bytes"):
            store.get(DIGEST)


def test_putting_again_repairs_a_changed_file(store):
    """The worker that still has the state in memory can mend what the disk broke."""
    store.put([CONTENT])
    _file(store).write_bytes(b"Content")
    store.put([CONTENT])
    assert store.get(DIGEST) == CONTENT


def test_links_and_directories_are_no_checkpoints(store, tmp_path):
    """A link in a shared directory could make a worker read any file of its user."""
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    _file(store).parent.mkdir(parents=True)
    _file(store).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedCheckpoint, match="not a regular file"):
        store.get(DIGEST)
    _file(store).unlink()
    _file(store).mkdir()
    with pytest.raises(DamagedCheckpoint, match="not a regular file"):
        store.get(DIGEST)


def test_unreadable_file_is_no_damage(store, monkeypatch):
    """A disk that fails to read may work again, so the checkpoint must not be given up."""
    store.put([CONTENT])
    _failing(monkeypatch, "open", OSError(errno.EIO, "Input/output error"))
    with pytest.raises(StoreError, match=r"could not be read .*Input/output error"):
        store.get(DIGEST)


def test_unremovable_file_is_named(store, monkeypatch):
    """The directory became read-only, and retention must say why the disk fills."""
    store.put([CONTENT])
    _failing(monkeypatch, "unlink", OSError(errno.EROFS, "Read-only file system"))
    with pytest.raises(StoreError, match=f"{DIGEST} could not be removed"):
        store.delete(DIGEST)


def test_directory_that_cannot_be_listed_is_named(store, monkeypatch):
    """A disk fails while a run ends: one line says so, and what lies there is not taken for nothing."""
    store.put([CONTENT])
    _failing(monkeypatch, "listdir", OSError(errno.EIO, "Input/output error"))
    _failing(monkeypatch, "scandir", OSError(errno.EIO, "Input/output error"))
    for look in (store.size_bytes, lambda: list(store.list()), lambda: store.sweep([])):
        with pytest.raises(StoreError, match=r"could not be listed \(Input/output error\)"):
            look()


def test_only_the_owner_may_read(store):
    """Weights may be secret, and shared machines are not."""
    store.put([CONTENT])
    assert _file(store).stat().st_mode & 0o777 == 0o600
    directories = [store.directory, *(path for path in store.directory.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in directories} == {0o700}


def test_sweep_removes_what_nothing_refers_to(store):
    """A resumed run frees what its crash left: unreferenced checkpoints and half-written files."""
    kept, lost = store.put([b"kept"]), store.put([b"lost"])
    (store.directory / "tmp" / "half").write_bytes(b"ha")
    assert store.sweep({kept}) == [lost]
    assert [path.name for path in _files(store)] == [kept]
    assert store.sweep({kept, "f" * 64}) == []


def test_size_is_that_of_all_checkpoints(store):
    """Retention and reports show what a run takes."""
    assert store.size_bytes() == 0
    store.put([b"x" * 1000])
    store.put([b"y" * 500])
    assert store.size_bytes() == 1500


def test_looking_at_a_store_writes_nothing(store):
    """A report on a finished run may be made from a read-only copy."""
    assert list(store.list()) == []
    assert not store.exists(DIGEST)
    assert store.size_bytes() == 0
    assert store.sweep([]) == []
    assert not store.directory.exists()


def test_other_files_are_left_alone(store):
    """Editors and file managers leave files of their own everywhere."""
    digest = store.put([CONTENT])
    stray = _file(store).parent / ".DS_Store"
    stray.touch()
    misplaced = store.directory / "objects" / "zz"
    misplaced.mkdir()
    assert list(store.list()) == [digest]
    assert store.sweep([]) == [digest]
    assert stray.exists()
    assert misplaced.exists()


def test_no_descriptor_stays_open(store, monkeypatch):
    """A run puts and gets thousands of times, and some of it fails."""
    with socket.socket() as probe:
        first = probe.fileno()
    blob = pack({"w": np.ones(100)}, label={})
    store.get(store.put(blob))
    for name in ("write", "fsync", "rename"):
        with monkeypatch.context() as patch:
            _failing(patch, name, OSError(errno.EIO, "Input/output error"))
            with pytest.raises(StoreError):
                store.put([CONTENT])
    with pytest.raises(DamagedCheckpoint):
        store.get("0" * 64)
    with socket.socket() as probe:
        assert probe.fileno() == first
