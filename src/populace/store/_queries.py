"""Every query of the SQL log, each with its purpose. One text for all databases; values come in as parameters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Integer,
    Table,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from populace.core import Mode, Status
from populace.store._protocol import EventKind
from populace.store._rows import SEGMENT_COLUMNS, dumps
from populace.store._schema import IS_KEPT, event, member, run, segment

m, s = member.c, segment.c


def p(name: str) -> Any:
    """Returns a named parameter."""
    return bindparam(name)


def _insert(table: Table, leave_out: tuple[str, ...] = ()) -> Insert:
    """Returns an insert of whole rows."""
    return insert(table).values({c.name: p(c.name) for c in table.columns if c.name not in leave_out})


# --- who can be claimed -------------------------------------------------------------------------------------------

_unfinished: ColumnElement[bool] = and_(m.id < p("population"), m.steps < p("steps"), m.retired.is_(False))
_free = or_(m.worker.is_(None), m.lease_until < p("now"), m.boot != p("boot"))
_other = member.alias()
_barrier = (
    select(func.min(_other.c.generation))
    .where(_other.c.id < p("population"), _other.c.steps < p("steps"), _other.c.retired.is_(False))
    .scalar_subquery()
)
_eligible = or_(~p("synchronous"), m.generation == _barrier)
_claimable = and_(_unfinished, _free, _eligible)
_no_further = or_(m.generation < p("generation"), and_(m.generation == p("generation"), m.failures <= p("failures")))
_behind = or_(m.generation < p("generation"), and_(m.generation == p("generation"), m.failures < p("failures")))

CLAIMABLE = select(member).where(_claimable).order_by(m.generation, m.failures, m.id).limit(1)
"""The least advanced free member."""

PREFERRED = select(member).where(_claimable, m.id == p("prefer"), _no_further)
"""The preferred member, if it is free and no further advanced."""

ANY_UNFINISHED = select(exists().where(_unfinished))
"""Whether any member still has to train."""

OTHERS_WAIT = select(exists().where(_claimable, m.id != p("holder"), _behind))
"""Whether another member waits for a worker that is less advanced than the holder's."""

AT_BARRIER = select(exists().where(_unfinished, m.id == p("holder"), _eligible))
"""Whether a member may train on: it is unfinished, and nobody is a generation behind in synchronous mode."""

# --- members ------------------------------------------------------------------------------------------------------

MEMBER = select(member).where(m.id == p("member"))
"""One member."""

MEMBERS = select(member).order_by(m.id)
"""All members."""

UNFINISHED = select(member).where(_unfinished).order_by(m.id)
"""The members that still have steps to train."""

HELD_BY = select(member).where(m.worker == p("worker")).order_by(m.id)
"""The members that a worker holds."""

LAPSED = select(member).where(m.worker.is_not(None), or_(m.lease_until < p("now"), m.boot != p("boot"))).order_by(m.id)
"""The members whose lease has run out."""

EXTEND_ALL = update(member).where(m.worker.is_not(None), m.boot == p("boot")).values(lease_until=p("lease_until"))
"""Extends every lease of this boot."""

ADD_MEMBER = _insert(member)
"""Adds members."""

UPDATE_CLAIM = (
    update(member)
    .where(m.id == p("member"))
    .values(epoch=p("epoch"), worker=p("worker"), lease_until=p("lease_until"), boot=p("boot"))
)
"""Sets who holds a member."""

UPDATE_LIFE = (
    update(member)
    .where(m.id == p("member"))
    .values(
        steps=p("trained"),
        generation=p("generation"),
        running=p("running"),
        failures=p("failures"),
        retired=p("retired"),
    )
)
"""Sets how far a member has come."""

JOIN = update(member).where(or_(m.id >= p("population"), m.steps >= p("steps"))).values(joined=p("joined"))
"""Notes when members who had nothing to train under the limits before were let in."""

FREE_ALL = update(member).values(worker=null(), lease_until=null(), boot=null())
"""Frees every member."""

# --- segments -----------------------------------------------------------------------------------------------------

_whole = [s[name] for name in SEGMENT_COLUMNS]
SEGMENT = select(*_whole).where(s.member == p("member"), s.generation == p("generation"))
"""One segment."""

SEGMENTS = select(*_whole).order_by(s.begun)
"""All segments, as they began."""

ENDED_SINCE = select(*_whole).where(s.ended > p("after")).order_by(s.ended)
"""Segments ended since a sequence number."""

DAMAGED_SINCE = select(*_whole).where(s.damaged > p("after")).order_by(s.damaged, s.begun)
"""Segments whose checkpoints were found damaged since a sequence number."""

NEWEST = select(*_whole).where(tuple_(s.member, s.generation).in_(select(m.id, m.generation - 1)))
"""Each member's newest ended segment, in no order: as a join, SQLite would walk the whole log in the order of ends."""

_stand = select(s.member, s.generation, s.score, s.checkpoint_kept)
STANDS = _stand.where(tuple_(s.member, s.generation).in_(select(m.id, m.generation - 1)))
"""Where every member stands that has ended a segment."""

_is_newest = exists().where(m.id == s.member, m.generation == s.generation + 1)
STANDS_SINCE = union_all(
    _stand.where(s.ended > p("after"), _is_newest),
    _stand.where(s.damaged > p("after"), s.ended <= p("after"), _is_newest),
)
"""Where those stand whose newest ended segment, or its checkpoint, is another since a sequence number."""

TRAINS = (
    update(segment)
    .where(s.member == p("key_member"), s.generation == p("key_generation"))
    .values(worker=p("worker"), epoch=p("epoch"))
)
"""Notes who trains a segment that another worker began."""

BEGIN_SEGMENT = _insert(segment)
"""Writes a new segment."""

END_SEGMENT = (
    update(segment)
    .where(s.member == p("key_member"), s.generation == p("key_generation"))
    .values(
        {
            name: p(name)
            for name in (
                *("ended", "end_step", "status", "score", "reason", "evaluations", "checkpoint", "checkpoint_bytes"),
                *("checkpoint_kept", "ended_at", "parent_damaged", "fallback_member", "fallback_generation"),
            )
        }
    )
)
"""Writes how a segment ended."""

DAMAGE = (
    update(segment)
    .where(s.member == p("key_member"), s.generation == p("key_generation"))
    .values(damaged=func.coalesce(s.damaged, p("sequence")), checkpoint_kept=False)
)
"""Marks a checkpoint as damaged."""

KEEP = (
    update(segment)
    .where(s.member == p("key_member"), s.generation == p("key_generation"), IS_KEPT)
    .values(asked=p("asked"))
)
"""Marks a checkpoint as kept on request."""

KEPT = select(s.member, s.generation).where(IS_KEPT).order_by(s.begun)
"""The segments whose checkpoints are kept."""

REFERENCED = select(s.checkpoint).where(IS_KEPT)
"""Digests of the checkpoints that are kept."""

IS_REFERENCED = select(exists().where(s.checkpoint == p("checkpoint"), IS_KEPT))
"""Whether a kept checkpoint has a digest."""

NOTHING_TRAINED = select(
    ~exists().where(or_(s.status == Status.FINISHED.value, s.status == Status.DIVERGED.value))
    & ~exists().where(m.id < p("population"), m.failures == 0, m.generation == 0)
)
"""Whether every member has failed and none has ever ended a segment by training."""


def _collect() -> ReturningUpdate[Any]:
    child = segment.alias("child")
    is_parent = and_(child.c.parent_member == s.member, child.c.parent_generation == s.generation)
    pinned = exists().where(is_parent, text("child.ended IS NULL"))
    is_newest = exists().where(m.id == s.member, m.generation == s.generation + 1)
    newest_failed = exists().where(
        is_parent, text("child.status = 'failed'"), m.id == child.c.member, m.generation == child.c.generation + 1
    )
    fallen = segment.alias("fallen")
    is_fallback = exists().where(
        fallen.c.fallback_member == s.member,
        fallen.c.fallback_generation == s.generation,
        m.id == fallen.c.member,
        m.generation == fallen.c.generation + 1,
    )
    best = exists().where(run.c.best_member == s.member, run.c.best_generation == s.generation)
    return (
        update(segment)
        .where(s.member == p("key_member"), s.generation == p("key_generation"), s.generation < p("begun"), IS_KEPT)
        .where(s.asked.is_(False), ~pinned, ~is_newest, ~newest_failed, ~is_fallback, ~best)
        .values(checkpoint_kept=False)
        .returning(s.checkpoint)
    )


COLLECT = _collect()
"""Drops one checkpoint unless it is pinned, a member's base, the best, or kept on request; gives its digest."""

BEST_BEGUN = {
    mode: select(s.member, s.generation)
    .where(s.status == Status.FINISHED.value, s.generation <= p("begun"))
    .order_by(s.score.desc() if mode is Mode.MAX else s.score, s.generation, s.member)
    .limit(1)
    for mode in Mode
}
"""The best segment up to a generation, by mode; walks the whole log."""

BEGUN_BY_ALL = select(func.min(m.generation - 1 + cast(m.running, Integer))).where(_unfinished)
"""A generation that everybody who still trains has begun."""

# --- run and events -----------------------------------------------------------------------------------------------

RUN = select(run)
"""The run."""

CREATE_RUN = _insert(run)
"""Writes the run."""

OPEN_RUN = update(run).values(spec=p("spec"), status=p("status"), message="", command="")
"""Takes the run over under a specification."""

MARK_RUN = update(run).values(status=p("status"), message=p("message"))
"""Marks how the run stands."""

COMMAND_RUN = update(run).values(command=p("command"))
"""Writes what the run's workers are asked to do."""

NEW_BEST = update(run).values(best_member=p("member"), best_generation=p("generation"), best_better=p("better"))
"""Notes a segment that is better than all before."""

COUNT_SEGMENT = update(run).values(num_segments=run.c.num_segments + 1)
"""Counts an ended segment."""

COUNT_SEGMENTS = update(run).values(num_segments=run.c.num_segments + p("count"))
"""Counts ended segments."""

SWEPT = update(run).values(swept=p("swept"))
"""Notes up to which generation checkpoints have been swept."""

ADD_EVENT = _insert(event, leave_out=("sequence",))
"""Adds a line to the log."""


def _log_segments() -> Insert:
    """Returns what writes the begins and ends of segments that were written whole into the log."""
    told = s.member, s.generation, s.epoch, s.worker
    unsaved = case((s.checkpoint.is_(None), dumps({"unsaved": True})), else_=dumps({}))
    begun = select(s.begun, literal(EventKind.BEGUN.value), *told, s.begun_at, literal(dumps({})))
    begun = begun.where(s.generation >= p("generation"), s.begun > p("after"))  # the key begins with the former
    ended = select(s.ended, literal(EventKind.PUBLISHED.value), *told, s.ended_at, unsaved).where(s.ended > p("after"))
    names = ["sequence", "kind", "member", "generation", "epoch", "worker", "at", "detail"]
    return insert(event).from_select(names, union_all(begun, ended).order_by(text("1")))


LOG_SEGMENTS = _log_segments()
"""Adds lines to the log for segments that were written whole, in the order of their numbers."""

SEQUENCE = select(func.coalesce(func.max(event.c.sequence), 0))
"""The newest sequence number."""

EVENTS = select(event).where(event.c.sequence > p("after")).order_by(event.c.sequence).limit(p("limit"))
"""Lines of the log after a sequence number."""
