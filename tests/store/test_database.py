"""Laws of the file below a log: how it is opened and synced, what its errors mean, and who may lock it."""

from __future__ import annotations

import errno
import fcntl
import importlib
import itertools
import mmap
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.sql.base import Executable

from populace._errors import DiskFull, RunBusy, StoreError, UnknownRun
from populace.store import RunLock, SqliteStore, _warm
from populace.store import _database as module
from populace.store import _queries as q
from populace.store._database import _LOOK, Database, compiled
from populace.store._lock import FileQueue
from populace.testing._store_calls import spec_of, train

FILE = "store.sqlite"
# https://sqlite.org/walformat.html: the shared memory begins with its header, twice, and bytes 120 on are locks.
_SECOND_HEADER, _WRITER_BYTE = 48, 120


def test_process_that_was_warmed_compiles_no_statement_of_the_log():
    """Some of them only run when something has broken, and then others wait."""
    compiled.cache_clear()
    importlib.reload(_warm)
    made = compiled.cache_info()
    statements = [each for each in vars(q).values() if isinstance(each, Executable)]
    assert made.currsize == len(set(statements)) > 40
    for statement in statements:
        compiled(statement)
    assert compiled.cache_info().misses == made.misses


@pytest.fixture
def database(tmp_path: Path):
    store = SqliteStore(tmp_path)
    store.create(spec_of())
    store.close()
    database = Database(tmp_path / FILE)
    yield database
    database.close()


def _setting(connection, name: str) -> object:
    return connection._driver.execute(f"PRAGMA {name}").fetchone()[0]


def test_transaction_that_sqlite_has_rolled_back_tells_its_own_error(database: Database) -> None:
    """SQLite gives a transaction up by itself where the disk is full: "no transaction is active" would hide why."""

    def be_rolled_back() -> None:
        with database.write() as connection:
            connection.write(q.COMMAND_RUN, command="stop")
            connection._driver.execute("INSERT OR ROLLBACK INTO member SELECT * FROM member")

    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        be_rolled_back()
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, file by file: the command that a reader found at that moment."""
    found: list[str] = []

    def sync(descriptor: int) -> None:
        real(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        assert path.name == f"{FILE}-wal"
        reader = Database(path.with_name(FILE))
        with reader.read() as connection:
            found.append(connection.one(q.RUN)["command"])
        reader.close()

    real = module._sync
    monkeypatch.setattr(module, "_sync", sync)
    return found


@pytest.mark.parametrize("acts", [*itertools.product(["durable", "ordered", "close"], repeat=3)])
def test_writes_are_synced_as_they_were_asked_for(acts: tuple[str, ...], database: Database, synced: list[str]) -> None:
    """What was acknowledged survives a power cut, whatever was written before it and how; syncing twice is slow."""
    for number, act in enumerate(acts):
        if act == "close":
            database.close()
            continue
        with database.write(durable=act == "durable") as connection:
            assert (_setting(connection, "synchronous"), _setting(connection, "journal_mode")) == (1, "wal")
            assert _setting(connection, "busy_timeout") == 60_000
            connection.write(q.COMMAND_RUN, command=str(number))
    assert synced == [str(number) for number, act in enumerate(acts) if act == "durable"]


def test_write_survives_a_power_cut_unless_told_otherwise(database: Database, synced: list[str]) -> None:
    """Whoever adds a write to the store and thinks of nothing must not lose what a worker was told is kept."""
    with database.write() as connection:
        connection.write(q.COMMAND_RUN, command="stop")
    assert synced == ["stop"]


def test_what_is_referenced_is_on_the_disk_before_anybody_hears_of_it(database: Database, synced: list[str]) -> None:
    """Whoever deletes the other checkpoints would miss them, if a power cut brought an older log back."""
    store = SqliteStore(database.path.parent)
    with database.write(durable=False) as connection:
        connection.write(q.COMMAND_RUN, command="stop")
    assert store.referenced() == set()
    assert synced == ["stop"]
    store.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_log_that_cannot_be_opened_is_told_in_one_line(
    number: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails at any call must not show the user a traceback."""

    def refuse(path: object, *arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.os, "open", refuse)
    with pytest.raises(StoreError, match=r"cannot be synced to its disk \("):
        database.settle()


def test_log_that_cannot_be_closed_was_synced_all_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems tell of errors late; nothing was written through this descriptor."""
    with database.write():
        pass
    synced: list[int] = []
    real = os.close

    def refuse(descriptor: int) -> None:
        real(descriptor)
        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))

    monkeypatch.setattr(module, "_sync", synced.append)
    monkeypatch.setattr(module.os, "close", refuse)
    database.settle()
    assert len(synced) == 1


def test_log_that_was_deleted_under_a_writer_is_told(database: Database) -> None:
    """What it wrote is in no file any more, and must not be acknowledged."""
    with database.write():
        pass
    database.path.with_name(f"{FILE}-wal").unlink()
    with pytest.raises(StoreError, match="cannot be synced to its disk"), database.write() as connection:
        connection.write(q.COMMAND_RUN, command="stop")


def test_log_that_was_written_back_needs_no_sync(database: Database, synced: list[str]) -> None:
    """The last process to close the file leaves no log behind."""
    database.close()
    database.settle()
    assert synced == []


def test_write_that_raises_is_not_synced(database: Database, synced: list[str]) -> None:
    """There is nothing to wait for."""
    with pytest.raises(ValueError, match="undone"), database.write():
        raise ValueError("undone")
    assert synced == []


def test_others_write_while_one_waits_for_the_disk(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many workers all but one would wait for a disk that writes for one at a time."""
    other = Database(database.path)

    def sync(descriptor: int) -> None:
        with other.write(durable=False) as connection:
            connection.write(q.COMMAND_RUN, command="stop")

    monkeypatch.setattr(module, "_sync", sync)
    with database.write():
        pass
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == "stop"
    other.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_write_that_cannot_be_synced_is_told_and_not_repeated(
    number: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed: to write it again, as after a full disk, would write it twice."""

    def sync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_sync", sync)
    message = f"cannot be synced to its disk \\({os.strerror(number)}\\): see to the disk, then resume"
    with pytest.raises(StoreError, match=message) as caught, database.write() as connection:
        connection.write(q.COMMAND_RUN, command="stop")
    assert not isinstance(caught.value, DiskFull)
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == "stop"


def test_threads_share_a_database(database: Database) -> None:
    """A heartbeat, a display and a worker are threads of one process, and any of them may be the one that forks."""
    read: list[object] = []

    def use(command: str) -> None:
        with database.write() as connection:
            connection.write(q.COMMAND_RUN, command=command)
        with database.read() as connection:
            read.append(connection.one(q.RUN)["command"])

    use("one")
    for command in ("two", "three"):
        thread = threading.Thread(target=use, args=(command,))
        thread.start()
        thread.join()
    use("four")
    assert read == ["one", "two", "three", "four"]


def test_readers_cannot_write(database: Database) -> None:
    """A dashboard that reads a run can do no harm to it."""
    with pytest.raises(StoreError, match="the run's folder must be writable"), database.read() as connection:
        connection.write(q.COMMAND_RUN, command="stop")
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""


def test_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    """A worker is interrupted between two statements of one publish."""

    def be_interrupted() -> None:
        with database.write() as connection:
            connection.write(q.COMMAND_RUN, command="stop")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""


@pytest.mark.parametrize("name", ["a?b", "a#b", "50%", "%41", "a b", "Läufe", "?mode=ro"])
def test_run_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    """Users name their folders as they like, and SQLite reads marks in a name as its own."""
    folder = tmp_path / name
    folder.mkdir()
    store = SqliteStore(folder)
    store.create(spec_of())
    train(store, 1)
    assert store.state().num_segments == 1
    store.close()
    assert {path.name for path in folder.iterdir()} == {FILE, "store.lock"}
    assert {path.name for path in tmp_path.iterdir()} == {name}


def _error(code: int, text: str = "failed") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


FULL, LATER = sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE


@pytest.mark.parametrize("has_room", [False, True])
@pytest.mark.parametrize(
    ("code", "when_no_room", "ever"),
    [
        (FULL, True, True),
        (LATER, True, True),
        (sqlite3.SQLITE_IOERR_WRITE, True, False),
        (sqlite3.SQLITE_IOERR, True, False),
        (sqlite3.SQLITE_CANTOPEN, True, False),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, True, False),
        (sqlite3.SQLITE_CORRUPT, False, False),
        (sqlite3.SQLITE_READONLY, False, False),
    ],
)
def test_full_disk_is_told_from_a_broken_one(
    database: Database, monkeypatch: pytest.MonkeyPatch, code: int, when_no_room: bool, ever: bool, has_room: bool
) -> None:
    """A run waits for space and goes on; it would wait for ever for a disk that is broken."""

    def refuse(**_: object) -> None:
        raise OSError(errno.EDQUOT, "no room")

    if not has_room:
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(StoreError, match=r"failed \(failed\): ") as caught, database.write():
        raise _error(code)
    is_full = ever if has_room else when_no_room
    assert isinstance(caught.value, DiskFull) is is_full
    assert ("free space, then resume the run" in str(caught.value)) is is_full


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("attempt to write a readonly database", "the run's folder must be writable"),
        ("unable to open database file", "the run's folder must exist and be writable"),
        ("file is not a database", "restore the run's folder from a copy"),
        ("database disk image is malformed", "restore the run's folder from a copy"),
        ("no such column: epoch", "restore the run's folder from a copy"),
        ("something else", "`populace doctor` checks it"),
    ],
)
def test_every_error_of_the_file_says_what_to_do(database: Database, text: str, remedy: str) -> None:
    """Nobody should have to know SQLite's words."""
    with pytest.raises(StoreError, match=rf"store.sqlite failed \({text}\): .*{remedy}"), database.read():
        raise sqlite3.OperationalError(text)


def test_creation_that_was_killed_counts_as_no_run(database: Database) -> None:
    """Only before the write-ahead log is there a rollback journal: the same command creates the run."""
    message = f"there is no run {database.path.parent.name!r} in .*`populace ls`"
    for error in (_error(sqlite3.SQLITE_READONLY_ROLLBACK), sqlite3.OperationalError("no such table: run")):
        with pytest.raises(UnknownRun, match=message), database.read():
            raise error


class HeldUp:
    """A connection that finds another process amid a commit when it looks at the file."""

    def __init__(self, driver: sqlite3.Connection, errors: list[sqlite3.Error], looked: Callable[[], None]) -> None:
        self._driver, self._errors, self._looked = driver, errors, looked

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    def execute(self, text: str, *parameters: object) -> sqlite3.Cursor:
        if text == _LOOK:
            self._looked()
            if self._errors:
                raise self._errors.pop(0)
        return self._driver.execute(text, *parameters)


def _hold_up(database: Database, *errors: sqlite3.Error, looked: Callable[[], None] = lambda: None) -> None:
    with database.read():
        pass
    database._reading = HeldUp(database._reading, list(errors), looked)


PROTOCOL = _error(sqlite3.SQLITE_PROTOCOL, "locking protocol")


@pytest.mark.parametrize("error", [PROTOCOL, _error(sqlite3.SQLITE_BUSY_RECOVERY, "database is locked")])
def test_reader_waits_in_line_for_who_stopped_amid_a_commit(database: Database, error: sqlite3.Error) -> None:
    """A worker is frozen for minutes in a commit; when it goes on, so does everybody else."""
    lock = os.open(database.path.with_suffix(".lock"), os.O_RDWR)
    is_first: list[bool] = []

    def look() -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_first.append(True)
        else:
            fcntl.flock(lock, fcntl.LOCK_UN)
            is_first.append(False)

    _hold_up(database, error, looked=look)
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""
    assert is_first == [False, True]
    look()
    assert is_first[2] is False, "a reader leaves the queue at once"
    os.close(lock)


def test_error_without_a_number_is_told_as_it_is(database: Database) -> None:
    """Python's own mistakes have none: they must not end as a mistake in ours."""
    _hold_up(database, sqlite3.OperationalError("something else"))
    with pytest.raises(StoreError, match=r"something else"), database.read():
        pass


def test_reader_who_may_not_wait_in_line_looks_again_for_a_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague who may only look follows a run whose worker is frozen."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "refused")

    seconds = itertools.count(step=10)
    monkeypatch.setattr("populace.store._database.time.monotonic", lambda: next(seconds))
    monkeypatch.setattr("populace.store._database.FileQueue", refuse)
    looks = itertools.count()
    _hold_up(database, *[PROTOCOL] * 6, looked=lambda: next(looks))
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""
    assert next(looks) == 7
    _hold_up(database, *[PROTOCOL] * 8)
    message = r"failed \(locking protocol\): another process holds the file .*: let it go on, or end it"
    with pytest.raises(StoreError, match=message), database.read():
        pass


def test_reader_that_waits_in_line_can_be_interrupted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody must wait with Ctrl-C for a process that is frozen."""

    def interrupt(_: FileQueue) -> None:
        raise KeyboardInterrupt

    _hold_up(database, PROTOCOL)
    with monkeypatch.context() as waiting:
        waiting.setattr(FileQueue, "__enter__", interrupt)
        with pytest.raises(KeyboardInterrupt), database.read():
            pass
    with database.read() as connection:
        assert connection.one(q.RUN)["command"] == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork")
def test_commit_that_is_frozen_for_longer_than_sqlite_waits_fails_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's shared memory is half written and its writer holds the locks: what a stopped process leaves."""
    driver = sqlite3.connect(database.path)  # unlike ours it lives through the fork, and the shared memory with it
    driver.execute("PRAGMA user_version").fetchone()
    (frozen, freeze), (thawed, thaw) = os.pipe(), os.pipe()
    enter = FileQueue.__enter__
    with open(database.path.with_name(f"{FILE}-shm"), "r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        child = os.fork()  # a lock of the log's shared memory belongs to a process
        if child == 0:
            lock = os.open(database.path.with_suffix(".lock"), os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_EX, 1, _WRITER_BYTE)
            shared[_SECOND_HEADER] ^= 1
            os.write(freeze, b"!")
            os.read(thawed, 1)
            shared[_SECOND_HEADER] ^= 1
            os._exit(0)
        os.read(frozen, 1)

        def wait(queue: FileQueue) -> None:
            os.write(thaw, b"!")
            enter(queue)

        monkeypatch.setattr(FileQueue, "__enter__", wait)
        with database.read() as connection:
            assert connection.one(q.RUN)["command"] == ""
        os.waitpid(child, 0)
    driver.close()
    for end in (frozen, freeze, thawed, thaw):
        os.close(end)


def test_locks_are_their_owners_alone(tmp_path: Path) -> None:
    """Whoever may open a lock may hold it, and the run with it."""
    store = SqliteStore(tmp_path)
    store.create(spec_of())
    with RunLock(tmp_path):
        modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "store.lock", tmp_path / "run.lock")]
    assert modes == [0o600, 0o600]
    store.close()


def test_mark_of_a_run_names_its_process_and_nothing_else(tmp_path: Path) -> None:
    """The process before had a longer number, or has died before it could write one."""
    (tmp_path / "run.lock").write_text("1" * 40)
    with RunLock(tmp_path):
        assert (tmp_path / "run.lock").read_text() == str(os.getpid())
        with pytest.raises(RunBusy, match=rf"is being trained by process {os.getpid()}: wait"), RunLock(tmp_path):
            pass
    (tmp_path / "run.lock").write_text("")
    held = os.open(tmp_path / "run.lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(RunBusy, match="is being trained by another process: wait"), RunLock(tmp_path):
        pass
    os.close(held)
