"""What a store promises. The store is the one thing that workers share, and its rows are the truth of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, final

from populace.core import Evaluation, Outcome, RunSpec, Segment, SegmentId, Stand, Why
from populace.space import Hyperparameters


@final
@dataclass(frozen=True, kw_only=True)
class Claim:
    """A worker's lease on a member. `epoch` is its fencing number: +1 at every claim of the member."""

    member: int
    """The member claimed."""
    epoch: int
    """The fencing number that every write under this claim carries."""
    worker: str
    """The holder."""
    steps: int
    """Steps the member has trained."""
    newest: Segment | None
    """Its newest ended segment."""
    running: Segment | None
    """A segment begun under an earlier claim and never ended: the same decision is carried out again."""
    joined: int = 0
    """Sequence number at which the member came to a run that was under way, or back to it as its limits were raised."""


@final
@dataclass(frozen=True, kw_only=True)
class Idle:
    """No member can be claimed now."""

    finished: bool
    """Whether none will be: every member has trained its steps or is retired."""
    stopping: bool
    """Whether the run was asked to stop."""


@final
@dataclass(frozen=True, kw_only=True)
class Draft:
    """A segment about to begin."""

    parent: SegmentId | None
    """The segment whose checkpoint it starts from."""
    donor: SegmentId | None
    """The segment exploited, if any."""
    start_step: int
    """Weight steps before it."""
    num_steps: int
    """Steps it will train."""
    hyperparameters: Hyperparameters
    """What it trains with."""
    why: Why
    """The numbers behind the decision."""
    snapshot: int
    """Sequence number of the snapshot the decision was taken from."""


@final
@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a segment ended."""

    generation: int
    """Which of the member's segments."""
    outcome: Outcome
    """Its score, or why it has none."""
    evaluations: Sequence[Evaluation]
    """All that was measured."""
    checkpoint: str | None
    """Digest of its checkpoint, which is durable already; None only for `publish_all`: the weights were not saved."""
    checkpoint_bytes: int
    """Its size."""


@final
@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a publish."""

    segment: Segment
    """The segment as it stands in the log."""
    claim: Claim | None
    """The claim to go on with; None where it was released: the member is done, or others wait for a worker."""
    collected: tuple[str, ...]
    """Digests of checkpoints that nothing refers to any more; their bytes are the caller's to delete."""
    stopping: bool
    """Whether the run was asked to stop."""


@final
@dataclass(frozen=True, kw_only=True)
class FailureVerdict:
    """What became of a failure."""

    failures: int
    """Failures of the member in a row."""
    ended: bool
    """Whether its segment was given up, so that the member is decided upon anew."""
    hopeless: bool
    """Whether every member has failed before any has published: a bug of the program, not of a member."""
    collected: tuple[str, ...]
    """Digests of checkpoints that nothing refers to any more; their bytes are the caller's to delete."""


@final
@dataclass(frozen=True, kw_only=True)
class FellBack:
    """What became of a member that could not load its parent."""

    segment: Segment
    """The segment that was given up; its `fallback` is what the member goes on from."""
    collected: tuple[str, ...]
    """Digests of checkpoints that nothing refers to any more, the damaged one first; their bytes are the caller's."""


@final
@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has happened since a sequence number."""

    sequence: int
    """The newest sequence number."""
    ended: tuple[Segment, ...]
    """Segments ended since, in the order of their ends (from 0: only the newest ended one of each member)."""
    damaged: tuple[Segment, ...]
    """Segments whose checkpoints were found damaged since, in that order (from 0: none, since the others tell it)."""


@final
@dataclass(frozen=True, kw_only=True)
class Standings:
    """Where the members stand whose standing has changed since a sequence number."""

    sequence: int
    """The newest sequence number."""
    stands: tuple[Stand, ...]
    """Of those members, in no order: each one's newest ended segment."""


class EventKind(Enum):
    """What happened."""

    CREATED = "created"
    OPENED = "opened"
    BEGUN = "begun"
    PUBLISHED = "published"
    FAILURE = "failure"
    GIVEN_UP = "given up"
    DAMAGED = "damaged"
    LOST = "lost"
    RETIRED = "retired"
    COMMAND = "command"
    ENDED = "ended"


@final
@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the log."""

    sequence: int
    """Its place in the log, from 1 without gaps."""
    kind: EventKind
    """What happened."""
    member: int | None
    """To which member."""
    generation: int | None
    """In which generation."""
    epoch: int
    """Under which claim."""
    worker: str
    """By which worker."""
    at: float
    """Wall time, for display only."""
    detail: Mapping[str, object]
    """What else there is to say."""


class RunStatus(Enum):
    """The state of a run."""

    UNFINISHED = "unfinished"
    FINISHED = "finished"
    FAILED = "failed"


@final
@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run at a glance; costs the same for a million segments as for one."""

    status: RunStatus
    """Whether it is finished, has failed, or can go on."""
    message: str
    """Why it failed."""
    best: Segment | None
    """The best segment so far."""
    steps: tuple[int, ...]
    """Steps trained by each member."""
    retired: tuple[int, ...]
    """Members that were given up."""
    num_segments: int
    """Segments that have ended."""


class Store(Protocol):
    """The log of one run.

    Guarantees:
        * Every method is one transaction: all of it happens or nothing. What was returned survives the death of
          any process; what `publish` has returned survives that of the host.
        * The row is the commit point: a checkpoint counts once `publish` has named it.
        * Every write under a claim carries its epoch. If the member was claimed again since, `StaleClaim` is raised and
          nothing is written. Repeating a `publish` that went through changes nothing and returns the same segment, and
          the claim if it is still held; what the first one collected is told once.
        * Sequence numbers grow by one per event, without gaps. A decision names the number of the snapshot it saw.
        * Leases run on the host's monotonic clock: a wrong wall clock changes nothing. A lease that has run out costs
          its member one failure, at the next claim by anybody.
        * What raises `DiskFull` has written nothing, and may be called again.
        * `begin` pins the parent's checkpoint until the segment ends. In synchronous mode the checkpoints of a
          generation stay until every member that trains on has begun the next, since all decide on it, and so does the
        best segment up to then where the policy may copy it (`Looks.best`). What `core.kept`
          names is never collected; what it does not name is collected at the next `publish`, `fall_back`, or `fail`
          that gives up.
        * A checkpoint that was found damaged is no longer kept, and nobody begins from it any more but the member whose
          base it is: a worker may hold its weights in memory.
        * Values that were read never change.

    An instance belongs to one thread; open another one for another thread. It may be carried into a forked process.
    """

    def create(self, spec: RunSpec) -> None:
        """Creates the run. Raises `RunExists`."""

    def read(self) -> Mapping[str, object]:
        """Returns the specification as JSON values. Raises `UnknownRun`."""

    def open(self, spec: RunSpec) -> None:
        """Takes over a run that no worker trains: honours changed limits, frees all claims, clears commands."""

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        """Returns a lease on the least advanced free member; `prefer` wins among equals."""

    def renew(self, claim: Claim) -> None:
        """Extends the lease. Raises `StaleClaim`."""

    def begin(self, claim: Claim, draft: Draft) -> Segment:
        """Writes a new segment. Raises `StaleClaim`, or `DonorGone` if the parent's checkpoint is gone or damaged."""

    def publish(self, claim: Claim, ending: Ending) -> Published:
        """Ends the running segment; keeps the claim unless the member is done or others wait. Raises `StaleClaim`."""

    def claim_all(self, worker: str) -> list[Claim]:
        """Returns leases on every member that still has steps to train, by member, whoever held them before.

        For a process that alone trains the run; leases are its own to renew only where others could claim.
        """

    def publish_all(self, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]]) -> tuple[str, ...]:
        """Writes whole generations, oldest first, of claimed members whose segments are not running, and keeps claims.

        The decisions of a generation were taken from the population at the end of the one before. Numbers in the log,
        who trained and when are the log's to write, whatever the segments say. Of each member's segments, the last must
        have a checkpoint, and so must the best of all. Returns digests as `collect` does. Repeating a call that went
        through changes nothing. Raises `StaleClaim`.
        """

    def fail(self, claim: Claim, reason: str) -> FailureVerdict:
        """Counts a failure of the running segment and releases the member. Raises `StaleClaim`."""

    def fall_back(self, claim: Claim, reason: str) -> FellBack:
        """Gives the running segment up, since its parent's checkpoint is damaged, and releases the member.

        The bytes are what they are, so this costs no retry. Notes that the checkpoint is damaged, and what the member
        goes on from: its last good ancestor whose checkpoint is kept. Raises `StaleClaim`.
        """

    def retire(self, claim: Claim, why: Why) -> None:
        """Gives the member up for good. Raises `StaleClaim`."""

    def release(self, claim: Claim) -> None:
        """Frees the member, without counting anything. A stale claim is released already."""

    def expire(self, worker: str) -> None:
        """Frees the members of a worker known to be dead; each counts one failure."""

    def recover(self) -> None:
        """Extends every lease that is held: after an outage in which nobody could renew, nobody is dead for it."""

    def end(self, status: RunStatus, message: str = "") -> None:
        """Marks the run."""

    def command(self, word: str) -> None:
        """Asks the run's workers to `stop` at their next ready point, or takes that back with an empty word."""

    def snapshot(self, after: int = 0) -> Changes:
        """Returns what has ended since a sequence number."""

    def standings(self, after: int = 0) -> Standings:
        """Returns who stands elsewhere than at a sequence number, or can be copied no more (from 0: everybody)."""

    def segment(self, id: SegmentId) -> Segment | None:
        """Returns one segment."""

    def segments(self) -> list[Segment]:
        """Returns all segments in the order of their begins."""

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        """Returns events after a sequence number, oldest first."""

    def state(self) -> RunState:
        """Returns the run at a glance."""

    def keep(self, id: SegmentId, keep: bool = True) -> None:
        """Keeps a segment's checkpoint until told otherwise. Raises `StoreError` if it is gone."""

    def collect(self) -> tuple[str, ...]:
        """Drops every checkpoint that nothing needs; returns their digests, whose bytes are the caller's to delete."""

    def referenced(self) -> set[str]:
        """Returns the digests of all checkpoints that are kept, once that is on the disk: others may be deleted."""

    def close(self) -> None:
        """Frees what the instance holds."""
