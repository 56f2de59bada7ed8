"""Where a log may live, and the words it is written in."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from populace._errors import StoreError
from populace.core import Mode, Status
from populace.store import HostClock, Idle, MemoryStore, RunStatus, SqliteStore, _clock
from populace.store._filesystem import file_system, has_room, refuse_network
from populace.testing import FakeClock
from populace.testing._store_calls import claim_of, spec_of

NETWORK = [
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
]


@pytest.mark.parametrize("kind", NETWORK)
def test_every_network_file_system_is_refused_wherever_it_is_mounted(tmp_path: Path, kind: str) -> None:
    """Some hosts have their very root on the network, some only a folder of it."""
    mounts = tmp_path / "mounts"
    for point in ("/", "/home", "/home/ann", "/home/a\\040b"):
        mounts.write_text(f"disk / ext4 rw 0 0\nserver:/x {point} {kind} rw 0 0\n")
        folder = Path("/home/a b/runs" if "040" in point else "/home/ann/runs")
        with pytest.raises(StoreError, match=rf"is on a network file system \({kind}\), whose locks lose data: choose"):
            refuse_network(folder, mounts)
    refuse_network(Path("/home/annabel"), mounts)
    mounts.write_text(f"server:/x /home/ann {kind} rw 0 0\ndisk / ext4 rw 0 0\n")
    refuse_network(Path("/home/annabel/runs"), mounts)


def test_later_mount_on_one_place_hides_the_earlier(tmp_path: Path) -> None:
    """A local disk mounted over a network folder is local."""
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/x /data nfs rw 0 0\ndisk /data ext4 rw 0 0\n")
    refuse_network(Path("/data"), mounts)
    mounts.write_text("disk /data ext4 rw 0 0\nserver:/x /data nfs rw 0 0\n")
    with pytest.raises(StoreError, match="nfs"):
        refuse_network(Path("/data"), mounts)


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="the host does not tell what is mounted")
def test_file_system_of_a_folder_is_told(tmp_path: Path) -> None:
    """`populace doctor` shows it to whoever asks why a run is slow or refused."""
    assert file_system(Path("/proc")) == "proc"
    assert file_system(tmp_path)


@pytest.mark.parametrize(("number", "room"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EACCES, True)])
def test_room_is_lacking_only_where_the_system_says_so(tmp_path, monkeypatch, number: int, room: bool) -> None:
    """A folder that cannot be written for another reason will not come right by waiting for space."""

    def refuse(**_: object) -> None:
        raise OSError(number, "refused")

    assert has_room(tmp_path)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert has_room(tmp_path) is room


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="the host names its boots elsewhere")
def test_boot_of_the_host_has_its_name() -> None:
    """Leases from before a power cut are dated on another clock, and only the name tells."""
    assert HostClock().boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_boots_without_a_name_are_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MacOS tells none: every process, of this version or the next, must say the same, or all leases would be free."""
    monkeypatch.setattr(_clock, "Path", lambda _: tmp_path / "boot_id")
    assert _clock._boot_id.__wrapped__() == "unknown"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_lease_lasts_a_minute_unless_told_otherwise(tmp_path: Path, kind: str) -> None:
    """A worker renews four times in a lease: a shorter one would keep the store busy, a longer one members waiting."""
    clock = FakeClock()
    store = MemoryStore(clock=clock) if kind == "memory" else SqliteStore(tmp_path, clock=clock)
    store.create(spec_of(population=1))
    claim_of(store)
    clock.advance(60.0)
    assert isinstance(store.claim("bob"), Idle)
    clock.advance(0.5)
    claim_of(store, "bob")
    store.close()


def test_words_in_a_log_are_those_of_every_version() -> None:
    """A log is read by versions that were not written yet when it was."""
    assert [mode.value for mode in Mode] == ["max", "min"]
    assert [status.value for status in Status] == ["running", "finished", "diverged", "failed"]
    assert [status.value for status in RunStatus] == ["unfinished", "finished", "failed"]
