"""Files as part of a state: for users whose own functions save to and load from a directory.

`Files(directory)` in a state means "the files under this directory".
They become part of the checkpoint, which stays one immutable object; what comes back is a `SavedFiles`, which
writes them under any empty directory.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from populace._errors import DamagedCheckpoint, UnsavableState
from populace.checkpoints._container import Chunk

_NAME = re.compile(r"[^\0\ud800-\udc7f\udd00-\udfff]*")  # what a path of the file system can be decoded to
_MAP_FROM_BYTES = 65_536  # below this a read is cheaper than a mapping, and the number of mappings is limited


@dataclass(frozen=True)
class Files:
    """The files under a directory, as a leaf of a state.

    Regular files and directories are kept, with their relative paths; permissions, owners and times are not.
    The files must not change until the checkpoint has been written: large ones are mapped into memory, not read.

    Attributes:
        directory: Where the files are.
    """

    directory: str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class SavedFiles:
    """The files of a restored checkpoint, still in memory.

    Attributes:
        files: Contents by relative path, with `/` between its parts.
        directories: Relative paths of the directories that hold nothing.
    """

    files: Mapping[str, Chunk]
    directories: tuple[str, ...] = ()

    def extract(self, directory: str | os.PathLike[str]) -> None:
        """Writes the files under a directory, which is made if it is missing and must be empty.

        The files are not synced to disk: the checkpoint is where they are durable.

        Raises:
            FileExistsError: The directory is not empty.
            OSError: The files cannot be written.
        """
        root = Path(directory)
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            # In an empty directory no link can lead a path out of it.
            raise FileExistsError(
                f"files are extracted into an empty directory only, but {root} is not: give another one"
            )
        for name in self.directories:
            root.joinpath(name).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = root.joinpath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)


def read_files(directory: str | os.PathLike[str], path: str) -> SavedFiles:
    """Returns the files under a directory, in the order of their names; no link is followed.

    Args:
        directory: Where the files are.
        path: Where in the state the directory is named, for messages.

    Raises:
        UnsavableState: The directory holds something other than files and directories, or cannot be read.
    """
    files: dict[str, Chunk] = {}
    empty: list[str] = []
    try:
        for name, content in _walk(Path(directory), ""):
            if content is None:
                empty.append(name)
            else:
                files[name] = content
    except OSError as error:
        raise UnsavableState(
            f"{path} is Files({os.fspath(directory)!r}), which cannot be read ({error}): "
            "regular files and directories can be written to a checkpoint; links, sockets and pipes cannot"
        ) from error
    return SavedFiles(files=files, directories=tuple(empty))


def check_names(saved: SavedFiles) -> None:
    """Checks that files from a checkpoint stay inside the directory that they are extracted into.

    Raises:
        DamagedCheckpoint: A path is absolute, goes up, or uses another's file as a directory.
    """
    for name in (*saved.files, *saved.directories):
        path = PurePosixPath(name)
        inside = name == str(path) and name != "." and not path.is_absolute() and ".." not in path.parts
        if not inside or not _NAME.fullmatch(name):
            raise DamagedCheckpoint(f"the checkpoint holds a file that would lie outside its directory: {name[:200]!r}")
        if any(str(parent) in saved.files for parent in path.parents):
            raise DamagedCheckpoint(f"the checkpoint holds a file inside a file: {name[:200]!r}")
    if not saved.files.keys().isdisjoint(saved.directories):
        raise DamagedCheckpoint("the checkpoint holds a file and a directory of one name")


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, Chunk | None]]:
    entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(directory / entry.name, name + "/")
        else:
            yield name, _read_file(entry.path)
    if prefix and not entries:
        yield prefix.removesuffix("/"), None


def _read_file(path: str) -> Chunk:
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        if status.st_size >= _MAP_FROM_BYTES:
            return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
