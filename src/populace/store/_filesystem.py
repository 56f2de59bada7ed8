"""Where a SQLite file may live: on a disk of this host that has room. Locks of network file systems lose runs."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

from populace._errors import StoreError

_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
}
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk or a quota takes no more."""
_ROOM_BYTES = 65_536  # the log's shared memory grows by half as much, and hardly a transaction by more


def refuse_network(directory: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Refuses a directory on a network file system.

    Raises:
        StoreError: It is on one; the message names what to do.
    """
    kind = _kind(directory.resolve(), mounts)
    if kind in _NETWORK:
        raise StoreError(
            f"a run's store must lie on a local disk, but {directory} is on a network file system ({kind}), whose "
            "locks lose data: choose a local `directory` such as /tmp/runs and copy the run's folder when it is done"
        )


def file_system(directory: Path) -> str | None:
    """Returns the type of the file system that holds a directory; None where the host does not tell."""
    return _kind(directory.resolve(), Path("/proc/self/mounts"))


def has_room(directory: Path) -> bool:
    """Returns whether a directory takes a small file. Only trying tells: free space says nothing of quotas."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_ROOM_BYTES))
    except OSError as error:
        return error.errno not in FULL
    return True


def _kind(path: Path, mounts: Path) -> str | None:
    """Returns the type of the file system that holds a path; None where the host does not tell."""
    try:
        lines = os.fsdecode(mounts.read_bytes()).splitlines()
    except OSError:
        return None
    found, best = None, -1
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)  # blanks are written as \040
        covers = point == "/" or str(path) == point or str(path).startswith(point.rstrip("/") + os.sep)
        if covers and len(point) >= best:
            found, best = kind, len(point)
    return found
