"""Laws of `Files`: a directory goes into a checkpoint and comes out, and never reaches beyond itself."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import DamagedCheckpoint, UnsavableState
from populace.checkpoints import Files, SavedFiles, pack, unpack


def _blob(state):
    return b"".join(pack(state, label={"member": 0}))


def _tree(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None for path in directory.rglob("*")
    }


@pytest.fixture
def saved(tmp_path):
    """A directory as a user's save function leaves it: nested, with an empty file and an empty directory."""
    directory = tmp_path / "saved"
    (directory / "logs" / "none").mkdir(parents=True)
    (directory / "model.bin").write_bytes(os.urandom(100_000))
    (directory / "logs" / "log.txt").write_text("line")
    (directory / "empty").touch()
    (directory / os.fsdecode(b"not \xff utf-8")).write_bytes(b"x")
    return directory


def test_files_come_back_as_they_were(saved, tmp_path):
    """The user's load function must find what the save function left, on another host too."""
    restored = unpack(_blob({"mine": Files(saved), "step": 3}))
    target = tmp_path / "restored" / "here"
    restored["mine"].extract(target)
    assert restored["step"] == 3
    assert _tree(target) == _tree(saved)


def test_equal_files_give_equal_bytes(saved, tmp_path):
    """The order in which a file system lists a directory is its own affair."""
    first = _blob({"mine": Files(saved)})
    unpack(first)["mine"].extract(tmp_path / "copy")
    assert _blob({"mine": Files(tmp_path / "copy")}) == first


def test_restored_files_can_be_saved_again(saved):
    """A member that is restored and handed over before its first step is saved as it came."""
    first = _blob({"mine": Files(saved)})
    assert _blob(unpack(first)) == first


def test_links_and_pipes_are_refused(saved):
    """A link would take a file from elsewhere into the checkpoint, and a pipe would wait for ever."""
    (saved / "link").symlink_to("/etc/hostname")
    with pytest.raises(UnsavableState, match=r"mine.* cannot be read.*links, sockets and pipes cannot"):
        pack({"mine": Files(saved)}, label={})
    (saved / "link").unlink()
    os.mkfifo(saved / "pipe")
    with pytest.raises(UnsavableState, match=r"mine.* is not a regular file"):
        pack({"mine": Files(saved)}, label={})


def test_linked_directory_is_not_followed(saved, tmp_path):
    """A link to a directory of data would copy the data set into every checkpoint."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "data.bin").write_bytes(b"x")
    (saved / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsavableState, match=r"mine"):
        pack({"mine": Files(saved)}, label={})


def test_missing_directory_is_named(tmp_path):
    """The user's save function wrote somewhere else."""
    with pytest.raises(UnsavableState, match=r"mine\.here is Files\(.*No such file"):
        pack({"mine": {"here": Files(tmp_path / "none")}}, label={})


def test_extracting_over_other_files_is_refused(saved):
    """Old and new files would mix to a state that never was."""
    files = unpack(_blob({"mine": Files(saved)}))["mine"]
    with pytest.raises(FileExistsError, match="empty directory only"):
        files.extract(saved)


@pytest.mark.parametrize(
    "names",
    [
        *(["../up"], ["/etc/passwd"], ["a/../../up"], ["."], [".."], [""], ["a//b"], ["./a"], ["a/"], ["a\0b"]),
        *(["a", "a/b"], ["a/b/c", "a/b"], ["\ud800"]),
    ],
)
def test_paths_that_leave_the_directory_are_refused(names):
    """A checkpoint from elsewhere must not write over the user's own files."""
    state = {"mine": SavedFiles(files=dict.fromkeys(names, b"x"))}
    with pytest.raises(DamagedCheckpoint, match=r"outside its directory|inside a file"):
        unpack(_blob(state))


@given(st.lists(st.text(st.sampled_from("ab./\0\\"), max_size=6), max_size=3, unique=True))
def test_what_is_extracted_lies_below_the_directory(tmp_path_factory, names):
    """Whatever names a checkpoint holds, either it is refused or all files are inside."""
    base = tmp_path_factory.mktemp("base")
    blob = _blob({"mine": SavedFiles(files=dict.fromkeys(names, b"x"))})
    try:
        unpack(blob)["mine"].extract(base / "target")
    except DamagedCheckpoint:
        return
    found = [path for path in base.rglob("*") if path.is_file()]
    assert len(found) == len(names)
    assert all(path.resolve().is_relative_to(base / "target") for path in found)


def test_no_descriptor_stays_open(saved):
    """A run saves thousands of times."""
    with socket.socket() as probe:
        first = probe.fileno()
    for _ in range(3):
        pack({"mine": Files(saved), "array": np.ones(2)}, label={})
    with socket.socket() as probe:
        assert probe.fileno() == first
