"""What only a file on a disk has to survive: other processes, other users, other versions, forks."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import re
import shutil
import sqlite3
import tempfile
import traceback
from pathlib import Path

import pytest
from sqlalchemy.sql.base import Executable

from populace._errors import DiskFull, RunBusy, RunExists, StaleClaim, StoreError, UnknownRun
from populace.core import Finite, SegmentId
from populace.store import Claim, RunLock, RunStatus, SqliteStore, _queries
from populace.store._clock import HostClock
from populace.store._database import compiled
from populace.store._filesystem import refuse_network
from populace.store._lock import FileQueue, _drop
from populace.testing._store_calls import begin, claim_of, ending_of, publish, spec_of, train

FILE = "store.sqlite"
# Whoever has loaded a package with threads before is warned of forks; these children do nothing with it.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork")


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path)
    store.create(spec_of())
    yield store
    store.close()


def _in_fork(act, user=None):
    """Returns what went wrong in a forked child, "" if nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        message = b""
        try:
            if user is not None:
                os.setgroups([])
                os.setuid(user)
            act()
        except BaseException:
            message = traceback.format_exc().encode()
        os.write(writing, message[-4000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    return message


# --- files --------------------------------------------------------------------------------------------------------


def test_leases_end_with_the_boot_in_which_they_were_written():
    """After a restart of the host nobody is alive to renew them, and the clock that they run on begins anew."""
    kernel = Path("/proc/sys/kernel/random/boot_id")
    assert HostClock().boot() == (kernel.read_text().strip() if kernel.exists() else "unknown")


def test_creation_that_was_killed_can_be_repeated(tmp_path):
    """The host went down while the run was created, and the same command is given again."""
    sqlite3.connect(tmp_path / FILE).execute("PRAGMA journal_mode=WAL").connection.close()
    store = SqliteStore(tmp_path)
    with pytest.raises(UnknownRun, match="populace ls"):
        store.state()
    store.create(spec_of())
    with pytest.raises(RunExists, match="resume it"):
        SqliteStore(tmp_path).create(spec_of())
    store.close()


def test_creation_that_was_killed_in_its_first_write_can_be_repeated(tmp_path):
    """SQLite's own journal is left, which a reader may not roll back: the same command must go through all the same."""
    driver = sqlite3.connect(tmp_path / "elsewhere", isolation_level=None)
    driver.executescript("PRAGMA cache_size=1; BEGIN; CREATE TABLE x (y); INSERT INTO x VALUES (zeroblob(99999))")
    for end in ("", "-journal"):
        shutil.copy(tmp_path / f"elsewhere{end}", tmp_path / f"{FILE}{end}")
    driver.close()
    store = SqliteStore(tmp_path)
    with pytest.raises(UnknownRun, match="populace ls"):
        store.state()
    store.create(spec_of())
    assert store.state().status is RunStatus.UNFINISHED
    store.close()


def test_damaged_file_is_named_with_a_remedy(tmp_path):
    """A file that is no database came back from a backup."""
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreError, match="restore the run's folder from a copy"):
        store.state()
    with pytest.raises(StoreError, match="restore the run's folder from a copy"):
        store.command("stop")
    store.close()


@pytest.mark.parametrize(
    ("step", "told"), [(-1, r"older populace .* begin a new run"), (1, r"newer populace .* upgrade populace")]
)
def test_other_schema_is_refused(store, tmp_path, step, told):
    """A run from before the last upgrade, or a colleague's newer populace: neither is read wrongly nor written into."""
    with sqlite3.connect(tmp_path / FILE) as driver:
        driver.execute("UPDATE run SET schema = schema + ?", (step,))
    driver.close()
    other = SqliteStore(tmp_path)
    for act in (other.state, other.read, other.events, lambda: other.claim("ann"), lambda: other.open(spec_of())):
        with pytest.raises(StoreError, match=told):
            act()
    other.close()


@pytest.mark.parametrize("harm", ["DELETE FROM run", "UPDATE run SET spec = '{'", "UPDATE run SET spec = '{}'"])
def test_log_without_a_runs_settings_is_damaged(store, tmp_path, harm):
    """A disk lost a page of the file, and SQLite finds nothing wrong with the others."""
    with sqlite3.connect(tmp_path / FILE) as driver:
        driver.execute(harm)
    driver.close()
    other = SqliteStore(tmp_path)
    with pytest.raises(StoreError, match=r"holds no run.*the file is damaged: restore the run's folder from a copy"):
        other.read()
    other.close()


def test_missing_folder_is_named(tmp_path):
    """The disk that held the runs is not mounted."""
    with pytest.raises(StoreError, match=r"cannot be written \(No such file or directory\)"):
        SqliteStore(tmp_path / "missing").create(spec_of())


@pytest.fixture
def public_store():
    """A store where other users can read it, and only this one can write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    store = SqliteStore(folder)
    store.create(spec_of())
    train(store, 3)
    yield store, folder
    store.close()
    shutil.rmtree(folder)


NOBODY = 65534 if os.geteuid() == 0 else None


def _shut(folder):
    if NOBODY is None:
        folder.chmod(0o555)
        (folder / FILE).chmod(0o444)


def test_read_only_folder_is_readable(public_store):
    """A finished run on a shared disk, looked at by somebody who may not write there."""
    store, folder = public_store
    expected = store.segments()
    store.close()
    _shut(folder)

    def look():
        other = SqliteStore(folder)
        assert other.segments() == expected
        with pytest.raises(StoreError, match="choose another directory"):
            other.command("stop")

    message = _in_fork(look, NOBODY)
    folder.chmod(0o755)
    assert message == ""


@pytest.mark.skipif(NOBODY is None, reason="only the superuser can look as another user")
def test_another_users_running_run_is_seen_as_it_is(public_store):
    """What is published last is in the write-ahead log only, which a reader must not ignore."""
    _, folder = public_store
    writing = sqlite3.connect(folder / FILE)  # not closed by the fork, like another process
    writing.execute("UPDATE run SET message = 'the newest'")
    writing.commit()

    def look():
        assert SqliteStore(folder).state().message == "the newest"

    assert _in_fork(look, NOBODY) == ""
    writing.close()


def test_reader_who_may_not_write_sees_what_was_published_between_two_looks(store, tmp_path, monkeypatch):
    """A colleague follows a run on a shared disk, whose worker opens and closes its file meanwhile."""
    store.close()
    other = SqliteStore(tmp_path)
    for num_segments in range(3):
        with monkeypatch.context() as shut:
            shut.setattr(os, "access", lambda *_: False)
            assert other.state().num_segments == num_segments
        train(store, 1)
        store.close()
    other.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_without_room_for_the_lock_is_full(store, monkeypatch, number):
    """A worker starts on a disk that is full to the last file: it waits for space, as in every other write."""
    store.close()

    def refuse(*_):
        raise OSError(number, "refused")

    with monkeypatch.context() as full:
        full.setattr(os, "open", refuse)
        with pytest.raises(DiskFull, match=r"failed \(refused\): free space, then resume the run"):
            store.claim("ann")
    assert claim_of(store).epoch == 1


MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local\040disk xfs rw 0 0
//server/daten /mnt/Gemüse cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/tmp/runs", None),
        ("/home/me/runs", "nfs4"),
        ("/homes/me", None),
        ("/home/local disk/runs", None),
        ("/mnt/Gemüse", "cifs"),
    ],
)
def test_network_file_systems_are_refused(tmp_path, folder, kind):
    """Locks that lie lose a run; a student's home directory is often on such a file system."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.lstrip(), "utf-8")
    if kind is None:
        refuse_network(Path(folder), mounts)
    else:
        with pytest.raises(StoreError, match=rf"{folder} is on a network file system \({kind}\).* choose a local"):
            refuse_network(Path(folder), mounts)
    refuse_network(Path(folder), tmp_path / "no such file")


# --- processes ----------------------------------------------------------------------------------------------------


def test_changed_limits_are_seen_by_instances_that_were_open(store, tmp_path):
    """A run is resumed with more steps while a worker's store is open still."""
    train(store, 8)
    other = SqliteStore(tmp_path)
    other.open(spec_of(steps=5))
    other.close()
    train(store, 2)
    assert store.state().steps == (5, 5)


def test_store_can_be_used_on_both_sides_of_a_fork(store):
    """A data loader forks in the midst of training, and its child may even stop the run."""
    claim = claim_of(store)

    def use():
        assert claim_of(store, "child").member == 1
        train_child = store.claim("child")
        assert not isinstance(train_child, Claim)

    assert _in_fork(use) == ""
    publish(store, claim)
    assert [e.kind.value for e in store.events()] == ["created", "begun", "published"]
    assert store.state().steps == (1, 0)


def test_no_connection_lives_through_a_fork(store, tmp_path):
    """SQLite's locks stay with the parent while the child believes to hold them, and the file is damaged."""
    train(store, 1)
    store.state()

    def look():
        files = [os.readlink(f"/dev/fd/{fd}") for fd in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{fd}")]
        assert not [file for file in files if file.startswith(str(tmp_path))]

    assert _in_fork(look) == ""


def test_second_process_may_not_train_the_run(tmp_path):
    """The same script is started in two terminals."""
    message = rf"only one process may train a run, but '{re.escape(tmp_path.name)}' .* process {os.getpid()}: wait"

    def train_too():
        with pytest.raises(RunBusy, match=message), RunLock(tmp_path):
            pass

    with RunLock(tmp_path):
        train_too()
        assert _in_fork(train_too) == ""
    with RunLock(tmp_path):
        pass


def test_run_is_free_once_its_process_is_gone_though_a_child_lives(tmp_path):
    """A data loader's processes outlive the training by seconds, and the run is resumed at once."""
    lock = RunLock(tmp_path)
    lock.__enter__()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    lock.__exit__(None, None, None)
    with RunLock(tmp_path):
        pass
    os.close(writing)
    os.waitpid(child, 0)
    os.close(reading)


def test_forked_child_leaves_the_run_and_its_own_files_alone(tmp_path):
    """A data loader leaves the `with` block that it was forked in, while its parent trains on."""
    lock = RunLock(tmp_path)
    lock.__enter__()
    held = os.dup(lock._fd)  # the parent's
    _drop()  # what a fork calls in the child
    own = os.open(tmp_path / "own", os.O_RDWR | os.O_CREAT)
    assert own == lock._fd, "the system gives the lowest number that is free"
    lock.__exit__(None, None, None)
    os.write(own, b"still open")
    with pytest.raises(RunBusy), RunLock(tmp_path):
        pass
    os.close(own)
    os.close(held)
    with RunLock(tmp_path):
        pass


def test_run_that_cannot_be_marked_is_named(tmp_path):
    """The folder was deleted while the run was being set up."""
    with pytest.raises(StoreError, match="cannot be written"), RunLock(tmp_path / "missing"):
        pass


def _without_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def test_run_that_cannot_be_locked_is_named(tmp_path, monkeypatch):
    """Some file systems have no locks: one line names the file, and no traceback."""
    monkeypatch.setattr(fcntl, "flock", _without_locks)
    with pytest.raises(StoreError, match=r"cannot be written or locked \(No locks available\)"), RunLock(tmp_path):
        pass


def test_store_that_cannot_be_locked_to_close_is_named(store, monkeypatch):
    """The file system fails at a run's very end: one line, and no traceback after hours of training."""
    store.command("")
    with monkeypatch.context() as broken:
        broken.setattr(fcntl, "flock", _without_locks)
        with pytest.raises(StoreError, match="No locks available"):
            store.close()


def test_queue_that_cannot_be_unlocked_keeps_nobody_out(tmp_path, monkeypatch):
    """Whoever waits for it, in this process or another, would wait for ever."""
    queue, another = FileQueue(tmp_path / "lock"), os.open(tmp_path / "lock", os.O_RDWR)
    with monkeypatch.context() as broken, queue:
        broken.setattr(fcntl, "flock", _without_locks)
    fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(another)
    with queue:
        pass
    queue.close()


def _hammer(folder, name, together, answers):
    """Trains as fast as the store allows, until every member has had its steps."""
    store, claims = SqliteStore(folder), []
    together.wait()
    claim = None
    while True:
        claim = claim or store.claim(name)
        if isinstance(claim, Claim):
            claims.append((claim.member, claim.epoch))
            claim = publish(store, claim, float(claim.epoch)).claim
        elif claim.finished:
            break
        else:
            claim = None
    store.close()
    answers.put(set(claims))


@pytest.mark.slow
def test_eight_processes_share_a_store(tmp_path):
    """Every worker of a host writes into one file, and none ever meets a locked database."""
    store = SqliteStore(tmp_path)
    store.create(spec_of(population=16, steps=10))
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    together = context.Barrier(8)
    workers = [context.Process(target=_hammer, args=(tmp_path, f"w{i}", together, answers)) for i in range(8)]
    for worker in workers:
        worker.start()
    results = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    claims = [claim for mine in results for claim in mine]
    assert len(claims) == len(set(claims)), "no claim was given twice"
    assert store.state().steps == (10,) * 16
    assert store.state().num_segments == 16 * 10
    assert {s.epoch for s in store.segments()} <= {epoch for _, epoch in claims}
    assert [e.sequence for e in store.events(limit=10**6)] == list(range(1, store.snapshot().sequence + 1))
    store.close()


# --- cost ---------------------------------------------------------------------------------------------------------

STATEMENTS = {name: value for name, value in vars(_queries).items() if name.isupper() and isinstance(value, Executable)}
WHOLE_LOG = {"SEGMENTS", "NOTHING_TRAINED"}  # all of it is asked for; the first that trained settles it


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WHOLE_LOG))
def test_no_statement_reads_the_whole_log(store, tmp_path, name):
    """A run of a million segments must publish as fast as a new one."""
    text, constants = compiled(STATEMENTS[name])
    parameters = {**dict.fromkeys(re.findall(r":(\w+)", text), 0), **constants}
    driver = sqlite3.connect(tmp_path / FILE)
    plan = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
    driver.close()
    whole = re.compile(r"SCAN (segment|child|event)\b(?! USING INDEX segment_(kept|running|failed))")
    assert [line for line in plan if whole.search(line)] == []


def test_claims_of_a_released_member_are_stale(store):
    """A worker that released its member in a panic must not publish afterwards."""
    claim = claim_of(store)
    segment = begin(store, claim)
    store.release(claim)
    with pytest.raises(StaleClaim):
        store.publish(claim, ending_of(segment, Finite(value=1.0)))
    assert store.segment(SegmentId(0, 0)).outcome is None
