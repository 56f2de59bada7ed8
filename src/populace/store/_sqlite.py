"""The log in one SQLite file: for all processes of one host.

Write-ahead log, synced before a publish returns (what was acknowledged survives a power cut), every write transaction
a `BEGIN IMMEDIATE` inside a file-lock queue: writers wait in line and never meet "database is locked". Readers use a
read-only connection and block nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

from populace._errors import DonorGone, RunExists, StoreError
from populace.core import RunSpec, Segment, SegmentId, Why
from populace.store import _queries as q
from populace.store._clock import Clock, HostClock
from populace.store._database import Connection, Database, Row
from populace.store._filesystem import refuse_network
from populace.store._generations import publish_generations
from populace.store._protocol import (
    Changes,
    Claim,
    Draft,
    Ending,
    Event,
    EventKind,
    FailureVerdict,
    FellBack,
    Idle,
    Published,
    RunState,
    RunStatus,
    Standings,
)
from populace.store._rows import (
    dumps,
    evaluations_to_text,
    event_from_row,
    segment_from_row,
    segments_from_rows,
    stand_from_row,
)
from populace.store._rules import storable
from populace.store._schema import SCHEMA_VERSION, metadata
from populace.store._transaction import Limits, Transaction, best_of

FILE = "store.sqlite"
LEASE_S = 60.0


@final
class SqliteStore:
    """A `Store` in `directory/store.sqlite`.

    Args:
        directory: The run's folder.
        clock: Source of time.
        lease_s: Seconds that a claim lasts without being renewed.
    """

    def __init__(self, directory: Path, *, clock: Clock | None = None, lease_s: float = LEASE_S) -> None:
        self._database = Database(directory / FILE)
        self._clock = clock or HostClock()
        self._lease_s = lease_s
        self._spec = ""
        self._limits: Limits | None = None
        self._understood = False

    def create(self, spec: RunSpec) -> None:
        folder = self._database.path.parent
        refuse_network(folder)
        with self._database.write(create=True) as connection:
            # A creation that was killed may have left a file without tables.
            if connection.has(metadata):
                raise RunExists(
                    f"a run is created once, but {folder.name!r} exists already: resume it, or choose another name"
                )
            connection.create(metadata)
            text, status = dumps(spec.to_json()), RunStatus.UNFINISHED.value
            best = {"best_member": None, "best_generation": None, "best_better": None}
            connection.write(
                q.CREATE_RUN,
                id=1,
                schema=SCHEMA_VERSION,
                spec=text,
                status=status,
                message="",
                command="",
                num_segments=0,
                swept=0,
                **best,
            )
            for id in range(spec.population):
                connection.write(q.ADD_MEMBER, **_new_member(id))
            self._transaction(connection).log(EventKind.CREATED)

    def read(self) -> Mapping[str, object]:
        with self._read() as connection:
            text = connection.one(q.RUN)["spec"]
        try:
            spec: Mapping[str, object] = json.loads(text)
            RunSpec.check_json(spec)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"the store {self._database.path} holds no run's settings ({type(error).__name__}: {error}): the file "
                "is damaged: restore the run's folder from a copy"
            ) from error
        return spec

    def open(self, spec: RunSpec) -> None:
        refuse_network(self._database.path.parent)
        after = spec.to_json()
        with self._write() as tx:
            before = json.loads(tx.run["spec"])
            members = len(tx.sql.all(q.MEMBERS))
            for id in range(members, spec.population):
                tx.sql.write(q.ADD_MEMBER, **_new_member(id))
            tx.sql.write(q.FREE_ALL)
            tx.sql.write(q.OPEN_RUN, spec=dumps(after), status=RunStatus.UNFINISHED.value)
            changed = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
            sequence = tx.log(EventKind.OPENED, changed=changed)
            tx.sql.write(q.JOIN, joined=sequence, population=before["population"], steps=before["steps"])

    def end(self, status: RunStatus, message: str = "") -> None:
        with self._write() as tx:
            tx.sql.write(q.MARK_RUN, status=status.value, message=storable(message))
            tx.log(EventKind.ENDED, status=status.value, message=storable(message))

    def command(self, word: str) -> None:
        with self._write() as tx:
            tx.sql.write(q.COMMAND_RUN, command=word)
            tx.log(EventKind.COMMAND, command=word)

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        # Leases die with the host, so they need not survive it.
        with self._write(durable=False) as tx:
            wanted, stopping = tx.wanted, tx.stopping
            if not stopping:
                tx.lapse()
            row = None if stopping else tx.sql.first(q.CLAIMABLE, **wanted)
            if row is None:
                unfinished = tx.sql.value(q.ANY_UNFINISHED, **wanted)
                return Idle(finished=not unfinished, stopping=stopping)
            if prefer is not None and row["id"] != prefer:
                advance = {"generation": row["generation"], "failures": row["failures"]}
                row = tx.sql.first(q.PREFERRED, **wanted, prefer=prefer, **advance) or row
            return self._claimed(tx, row, worker)

    def renew(self, claim: Claim) -> None:
        with self._write(durable=False) as tx:
            tx.fence(claim)
            tx.hold(claim.member, claim.epoch, claim.worker)

    def begin(self, claim: Claim, draft: Draft) -> Segment:
        with self._write(durable=False) as tx:
            row = tx.fence(claim)
            assert not row["running"], "a member trains one segment at a time"
            if draft.parent is not None:
                parent = tx.segment(draft.parent)
                tried = parent is not None and parent["damaged"] is not None and tx.is_base(row, draft.parent)
                if parent is None or not (parent["checkpoint_kept"] or tried):
                    raise DonorGone(
                        f"the checkpoint of segment {draft.parent} was collected since the snapshot: decide again"
                    )
            return tx.begin(row, claim, draft)

    def publish(self, claim: Claim, ending: Ending) -> Published:
        with self._write() as tx:
            before = tx.segment(SegmentId(claim.member, ending.generation))
            if before is not None and (before["epoch"], before["checkpoint"]) == (claim.epoch, ending.checkpoint):
                return tx.repeat(claim, segment_from_row(before))
            row = tx.fence(claim)
            assert before is not None, "a segment is begun before it is published"
            assert before["ended"] is None, "a segment is ended once"
            segment = tx.end(
                EventKind.PUBLISHED,
                row,
                before,
                ending.outcome,
                claim,
                evaluations=evaluations_to_text(ending.evaluations),
                checkpoint=ending.checkpoint,
                checkpoint_bytes=ending.checkpoint_bytes,
                checkpoint_kept=True,
            )
            return tx.hand_over(claim, segment, tx.forget(segment))

    def claim_all(self, worker: str) -> list[Claim]:
        with self._write(durable=False) as tx:
            if tx.stopping:
                return []
            limits = {"population": tx.limits.population, "steps": tx.limits.steps}
            return [self._claimed(tx, row, worker) for row in tx.sql.all(q.UNFINISHED, **limits)]

    def publish_all(self, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]]) -> tuple[str, ...]:
        with self._write() as tx:
            last = generations[-1][0]
            held = tx.segment(SegmentId(last.member, last.generation))
            epoch = next(claim.epoch for claim in claims if claim.member == last.member)
            if held is not None and (held["epoch"], held["checkpoint"]) == (epoch, last.checkpoint):
                return ()
            return publish_generations(tx, claims, generations, self._clock.wall())

    def fail(self, claim: Claim, reason: str) -> FailureVerdict:
        with self._write() as tx:
            row = tx.fence(claim)
            ended = tx.count_failure(row, EventKind.FAILURE, reason, claim)
            tx.free(row)
            hopeless = tx.sql.value(q.NOTHING_TRAINED, population=tx.limits.population)
            return FailureVerdict(
                failures=row["failures"] + 1,
                ended=ended,
                hopeless=bool(hopeless),
                collected=tx.collect() if ended else (),
            )

    def fall_back(self, claim: Claim, reason: str) -> FellBack:
        with self._write() as tx:
            row = tx.fence(claim)
            fell = tx.fall_back(row, claim, reason)
            tx.free(row)
            return fell

    def retire(self, claim: Claim, why: Why) -> None:
        with self._write() as tx:
            row = tx.fence(claim)
            tx.live(row, retired=True)
            tx.free(row)
            tx.log(EventKind.RETIRED, row, claim, **why)

    def release(self, claim: Claim) -> None:
        with self._write(durable=False) as tx:
            row = tx.member(claim.member)
            if (row["epoch"], row["worker"]) == (claim.epoch, claim.worker):
                tx.free(row)

    def expire(self, worker: str) -> None:
        with self._write() as tx:
            for row in tx.sql.all(q.HELD_BY, worker=worker):
                tx.count_failure(row, EventKind.LOST, f"worker {worker} died")
                tx.free(row)

    def recover(self) -> None:
        with self._write(durable=False) as tx:
            tx.extend_all()

    def snapshot(self, after: int = 0) -> Changes:
        with self._read() as connection:
            sequence = connection.value(q.SEQUENCE)
            if after:
                rows = connection.all(q.ENDED_SINCE, after=after)
            else:
                rows = sorted(connection.all(q.NEWEST), key=lambda row: row["ended"])
            damaged = connection.all(q.DAMAGED_SINCE, after=after) if after else []
            return Changes(
                sequence=sequence,
                ended=tuple(segments_from_rows(rows)),
                damaged=tuple(segments_from_rows(damaged)),
            )

    def standings(self, after: int = 0) -> Standings:
        with self._read() as connection:
            sequence = connection.value(q.SEQUENCE)
            rows = connection.all(q.STANDS_SINCE, after=after) if after else connection.all(q.STANDS)
            return Standings(sequence=sequence, stands=tuple(map(stand_from_row, rows)))

    def segment(self, id: SegmentId) -> Segment | None:
        with self._read() as connection:
            row = connection.first(q.SEGMENT, **id._asdict())
            return None if row is None else segment_from_row(row)

    def segments(self) -> list[Segment]:
        with self._read() as connection:
            return segments_from_rows(connection.all(q.SEGMENTS))

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        with self._read() as connection:
            return [event_from_row(row) for row in connection.all(q.EVENTS, after=after, limit=limit)]

    def state(self) -> RunState:
        with self._read() as connection:
            run = connection.one(q.RUN)
            population = json.loads(run["spec"])["population"]
            members = [r for r in connection.all(q.MEMBERS) if r["id"] < population]
            best = best_of(run)
            row = None if best is None else connection.one(q.SEGMENT, **best._asdict())
            return RunState(
                status=RunStatus(run["status"]),
                message=run["message"],
                best=None if row is None else segment_from_row(row),
                steps=tuple(r["steps"] for r in members),
                retired=tuple(r["id"] for r in members if r["retired"]),
                num_segments=run["num_segments"],
            )

    def keep(self, id: SegmentId, keep: bool = True) -> None:
        with self._write() as tx:
            if not keep:
                tx.sweep_next()
            if not tx.sql.write(q.KEEP, key_member=id.member, key_generation=id.generation, asked=keep).rowcount:
                raise StoreError(f"only a stored checkpoint can be kept, but that of segment {id} is stored no more")

    def collect(self) -> tuple[str, ...]:
        with self._write() as tx:
            tx.sweep_next()
            return tx.collect()

    def referenced(self) -> set[str]:
        with self._read() as connection:
            digests = {row["checkpoint"] for row in connection.all(q.REFERENCED)}
        self._database.settle()  # a power cut must not bring back into the log what the caller deletes
        return digests

    def close(self) -> None:
        self._database.close()

    def _claimed(self, tx: Transaction, row: Row, worker: str) -> Claim:
        """Writes a lease on a member and returns it."""
        epoch = row["epoch"] + 1
        tx.hold(row["id"], epoch, worker)
        newest = tx.segment(SegmentId(row["id"], row["generation"] - 1)) if row["generation"] else None
        running = tx.take_up(row, epoch, worker) if row["running"] else None
        return Claim(
            member=row["id"],
            epoch=epoch,
            worker=worker,
            steps=row["steps"],
            newest=None if newest is None else segment_from_row(newest),
            running=None if running is None else segment_from_row(running),
            joined=row["joined"],
        )

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._database.read() as connection:
            if not self._understood:
                run = connection.first(q.RUN)
                if run is None:
                    raise StoreError(
                        f"the store {self._database.path} holds no run: the file is damaged: restore the run's folder "
                        "from a copy"
                    )
                _understand(run)
                self._understood = True
            yield connection

    @contextmanager
    def _write(self, *, durable: bool = True) -> Iterator[Transaction]:
        with self._database.write(durable=durable) as connection:
            yield self._transaction(connection)

    def _transaction(self, connection: Connection) -> Transaction:
        run = connection.one(q.RUN)
        if self._limits is None or run["spec"] != self._spec:  # another process may have opened it with changed limits
            _understand(run)
            self._spec, self._limits = run["spec"], Limits.of(json.loads(run["spec"]), self._lease_s)
        return Transaction(connection, self._limits, self._clock, run)


def _understand(run: Row) -> None:
    """Refuses a log of another version."""
    if run["schema"] < SCHEMA_VERSION:
        raise StoreError(
            f"this run was written by an older populace (store version {run['schema']}, here {SCHEMA_VERSION}): "
            "go on with that version, or begin a new run under another name"
        )
    if run["schema"] > SCHEMA_VERSION:
        raise StoreError(
            f"this run was written by a newer populace (store version {run['schema']}, here {SCHEMA_VERSION}): "
            "upgrade populace"
        )


def _new_member(id: int) -> dict[str, object]:
    nobody = {"worker": None, "lease_until": None, "boot": None}
    untrained = {"steps": 0, "generation": 0, "running": False, "failures": 0, "retired": False, "joined": 0}
    return {"id": id, "epoch": 0, **nobody, **untrained}
