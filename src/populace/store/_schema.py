"""The tables of a run's log, for every SQL database."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    literal_column,
)

SCHEMA_VERSION = 2

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schema", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("command", String(16), nullable=False),
    Column("best_member", Integer),
    Column("best_generation", Integer),
    Column("best_better", Float),  # oriented: larger is better
    Column("num_segments", Integer, nullable=False),
    Column("swept", Integer, nullable=False),  # see Transaction.collect
)

member = Table(
    "member",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("worker", String(64)),
    Column("lease_until", Float),
    Column("boot", String(64)),
    Column("steps", Integer, nullable=False),
    Column("generation", Integer, nullable=False),  # of the running or next segment
    Column("running", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("joined", Integer, nullable=False),
)

segment = Table(
    "segment",
    metadata,
    Column("member", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("parent_member", Integer),
    Column("parent_generation", Integer),
    Column("donor_member", Integer),
    Column("donor_generation", Integer),
    Column("start_step", Integer, nullable=False),
    Column("end_step", Integer, nullable=False),
    Column("member_start", Integer, nullable=False),
    Column("hyperparameters", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("snapshot", Integer, nullable=False),
    Column("begun", Integer, nullable=False),
    Column("ended", Integer),
    Column("status", String(16), nullable=False),
    Column("score", Float),
    Column("reason", Text),
    Column("evaluations", Text, nullable=False),
    Column("checkpoint", String(64)),
    Column("checkpoint_bytes", Integer, nullable=False),
    Column("checkpoint_kept", Boolean, nullable=False),
    Column("asked", Boolean, nullable=False),
    Column("damaged", Integer),
    Column("parent_damaged", Boolean, nullable=False),
    Column("fallback_member", Integer),
    Column("fallback_generation", Integer),
    Column("worker", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("ended_at", Float),
    # Generation first: what has ended since a worker last looked lies on a few pages, not one for each member.
    PrimaryKeyConstraint("generation", "member"),
    sqlite_with_rowid=False,
)
Index("segment_ended", segment.c.ended)
# Partial: only the few segments that train, failed or still have bytes are ever looked up this way. SQLite uses such an
# index where a query repeats its condition word for word, so both sides take it from here.
IS_RUNNING = segment.c.ended.is_(None)
IS_FAILED = segment.c.status == literal_column("'failed'")
IS_KEPT = segment.c.checkpoint_kept == literal_column("1")
_PARENT = (segment.c.parent_member, segment.c.parent_generation)
Index("segment_running", *_PARENT, sqlite_where=IS_RUNNING)
Index("segment_failed", *_PARENT, sqlite_where=IS_FAILED)
# The planner knows that what equals or exceeds a value is not null.
Index("segment_damaged", segment.c.damaged, sqlite_where=segment.c.damaged.is_not(None))
Index(
    "segment_fallback",
    segment.c.fallback_member,
    segment.c.fallback_generation,
    sqlite_where=segment.c.fallback_member.is_not(None),
)
Index("segment_kept", segment.c.checkpoint, sqlite_where=IS_KEPT)

event = Table(
    "event",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("member", Integer),
    Column("generation", Integer),
    Column("epoch", Integer, nullable=False),
    Column("worker", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("detail", Text, nullable=False),
)
