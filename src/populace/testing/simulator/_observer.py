"""The outside observer: it writes down what every process was told, and says which of these things cannot both be true.

It shares no rules with what it watches: barrier, fencing, leases, budget and lost work are judged from its own notes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import final

from populace.core import Failed, Finite, RunSpec, Segment, SegmentId, Violation
from populace.store import Claim, Draft, Ending, FailureVerdict, Published
from populace.testing.simulator._disk import Disk
from populace.testing.simulator._notes import Attempt, MemberNotes, Process, level
from populace.testing.simulator._plan import BOUNDS
from populace.testing.simulator._toy import Toy, Truth


@final
class Observer:
    """What has been acknowledged, and what follows from it.

    Args:
        spec: The run.
        toy: What its members train.
        disk: Where checkpoints lie.
        lease_s: Seconds that a claim lasts.
        row: Looks a segment up in the log.

    Attributes:
        counts: How often each thing has happened.
        violations: What was broken, in the order in which it was seen.
        spec: The run as it was opened last.
        disk: Where checkpoints lie.
        members: What is known of each member.
        processes: What is known of each process.
        best: The best segment so far; of equal ones, that of the earliest place.
        published: Segments by id as they were published or given up.
        damaged: Segments whose checkpoints somebody has found damaged.
        fallbacks: By segment that was given up for that, what its member goes on from.
        pinned: Segments whose checkpoints the user has asked to keep.
        stopping: Whether the run was asked to stop.
        hopeless: Whether a failure counted as the one that shows that nobody can train.
        nothing_finite: Whether somebody was told that no score is finite.
        num_lost: Claims that were lost by a lease that ran out or a death that was seen.
    """

    def __init__(
        self, spec: RunSpec, toy: Toy, disk: Disk, lease_s: float, row: Callable[[SegmentId], Segment | None]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.published: dict[SegmentId, Segment] = {}
        self.damaged: set[SegmentId] = set()
        self.fallbacks: dict[SegmentId, SegmentId | None] = {}
        self.pinned: set[SegmentId] = set()
        self.num_lost = 0
        self.hopeless = self.nothing_finite = False
        self.processes: dict[str, Process] = {}
        self.spec = spec
        self.most_steps = spec.steps
        self._truth = Truth(toy, spec)
        self.disk = disk
        self._lease_s = lease_s
        self._row = row
        self.members: dict[int, MemberNotes] = {}
        self.best: Segment | None = None
        self.stopping = False

    def violate(self, law: str, subject: object, text: str) -> None:
        """Notes that something is broken."""
        self.violations.append(Violation(law=law, subject=str(subject), text=text))

    def process(self, name: str) -> Process:
        """Returns the notes on a process."""
        return self.processes.setdefault(name, Process())

    def hit(self, name: str, what: str) -> None:
        """Notes a fault that hit a process: it may lose what it trains."""
        self.process(name).hit = what

    def opened(self, spec: RunSpec) -> None:
        """Notes that a session began: all claims are free."""
        self.spec = spec
        self.most_steps = max(self.most_steps, spec.steps)
        self.stopping = False
        for member in self.members.values():
            member.holder = None

    def memo(self) -> Callable[[], None]:
        """Returns what takes all notes on members back to this moment: a crash of the host has undone the rest."""
        members = {id: replace(known, begun=dict(known.begun)) for id, known in self.members.items()}
        published, num_lost = dict(self.published), self.num_lost

        def back() -> None:
            self.members, self.published, self.num_lost = members, published, num_lost

        return back

    def lapsed(self, now: float) -> None:
        """Notes that leases have run out, as anybody's claim finds."""
        for member in self.members.values():
            if member.holder is not None and member.lease_until < now:
                self.counts["lease ran out"] += 1
                self._lost(member)

    def claimed(self, claim: Claim, now: float) -> None:
        """Notes a claim; judges fencing, leases and what the claim tells."""
        member = self.member(claim.member)
        if claim.epoch != member.epoch + 1:
            self.violate("fencing", f"member {claim.member}", f"epoch {claim.epoch} follows {member.epoch}")
        if member.holder is not None:
            text = f"taken from {member.holder.worker} {member.lease_until - now:.2f} s before its lease ran out"
            self.violate("lease", f"member {claim.member}", text)
        if self.stopping or member.retired or member.trained >= self.spec.steps:
            text = f"claimed though stopping={self.stopping}, retired={member.retired}, trained={member.trained}"
            self.violate("claim", f"member {claim.member}", text)
        known, told = member.newest, claim.newest
        if (known and known.id) != (told and told.id) or claim.steps != member.trained:
            text = f"its newest is {told} after {claim.steps} steps, not {known} after {member.trained}"
            self.violate("acknowledged", f"member {claim.member}", text)
        if claim.running is not None:
            self.counts["segment taken up again"] += 1
            self.judge_decision(claim.running, "the segment that goes on")
        member.epoch, member.holder = claim.epoch, claim
        self.extended(claim, now)
        process = self.process(claim.worker)
        self._close(claim.worker, process)
        process.hit = ""

    def extended(self, claim: Claim, now: float) -> None:
        """Notes a renewal."""
        self._fence(claim, "renew")
        self.member(claim.member).lease_until = now + self._lease_s

    def begun(self, claim: Claim, draft: Draft, segment: Segment) -> None:
        """Notes a begin; judges fencing, the barrier and that the decision is written as taken."""
        self._fence(claim, "begin")
        member = self.member(claim.member)
        asked = (draft.parent, draft.donor, dict(draft.hyperparameters), draft.start_step)
        if asked != (segment.parent, segment.donor, dict(segment.hyperparameters), segment.start_step):
            self.violate("begin", f"segment {segment.id}", f"written as {segment}, but asked for {draft}")
        if not all(low <= segment.hyperparameters[name] <= high for name, (low, high) in BOUNDS.items()):  # type: ignore[operator]  # numbers
            self.violate("bounds", f"segment {segment.id}", f"has {dict(segment.hyperparameters)}, outside {BOUNDS}")
        self._check_source(segment, member.newest)
        if segment.generation in member.begun:
            self.violate("decision", f"segment {segment.id}", "was decided twice")
        if self.spec.synchronous:
            for id in range(self.spec.population):
                other = self.member(id)
                at = -1 if other.newest is None else other.newest.generation
                if not other.retired and other.trained < self.spec.steps and at < segment.generation - 1:
                    self.violate("barrier", f"segment {segment.id}", f"began before member {id} had ended {at + 1}")
        member.begun[segment.generation] = member.running = segment
        if segment.donor is not None:
            self.counts["exploit"] += 1

    def stepped(self, name: str, id: SegmentId) -> None:
        """Notes a step; judges that work is lost only to faults."""
        process = self.process(name)
        if process.attempt is None or process.attempt.segment != id:
            self._close(name, process)
            process.attempt = Attempt(segment=id)
        process.attempt.steps += 1
        if process.attempt.steps > self.spec.interval:
            self.violate("interval", f"segment {id}", f"{process.attempt.steps} steps were trained at a stretch")

    def generation(self, member: int) -> int:
        """Returns the generation that a member trains, or would train next."""
        newest = self.member(member).newest
        return 0 if newest is None else newest.generation + 1

    def publishing(self, claim: Claim, ending: Ending, answer: Published, now: float) -> None:
        """Notes a publish; judges fencing and that state, score and row belong together."""
        segment, member = answer.segment, self.member(claim.member)
        before = self.published.get(segment.id)
        if before is not None:
            if before != segment and before.ended != segment.ended:
                self.violate("published twice", f"segment {segment.id}", f"ended at {before.ended}, {segment.ended}")
        else:
            self._fence(claim, "publish")
            self._ended(member, segment)
            self._check_state(segment, ending)
            place, best = (-segment.generation, -segment.member), self.best
            than = (-math.inf, 0, 0) if best is None else (level(best, self.spec.mode), -best.generation, -best.member)
            if (level(segment, self.spec.mode), *place) > than:
                self.best = segment
        process = self.process(claim.worker)
        process.attempt = None
        if now <= member.lease_until:  # else the next claim by anybody takes the member, and the fault is not over yet
            process.hit = ""
        if answer.claim is None:
            if member.holder is not None and member.holder.epoch == claim.epoch:
                member.holder = None
        elif member.trained >= self.spec.steps or (self.stopping and before is None):
            text = f"goes on after {member.trained} of {self.spec.steps} steps, stopping={self.stopping}"
            self.violate("claim", f"member {claim.member}", text)
        self.counts["published"] += 1

    def failed(self, claim: Claim, verdict: FailureVerdict, ended: Segment | None) -> None:
        """Notes a failure, and the segment where it was given up."""
        self._fence(claim, "fail")
        member = self.member(claim.member)
        member.failures += 1
        member.holder = None
        if verdict.failures != member.failures:
            text = f"{verdict.failures} failures in a row are counted, but {member.failures} were"
            self.violate("failures", f"member {claim.member}", text)
        if verdict.hopeless:
            self.hopeless = True
            untried = [
                id for id in range(self.spec.population) if not (self.member(id).failures or self.member(id).newest)
            ]
            if untried or any(not isinstance(s.outcome, Failed) for s in self.published.values()):
                self.violate("failure", "run", f"counts as hopeless, but members {untried} have not failed")
        if ended is not None:
            self.gave_up(ended)

    def fell_back(self, claim: Claim, segment: Segment) -> None:
        """Notes a segment that was given up because its parent is damaged: at once, and with nobody to blame."""
        self._fence(claim, "fall back")
        self.counts["damaged checkpoint"] += 1
        self.counts["fell back"] += segment.fallback is not None
        member = self.member(claim.member)
        member.holder = None
        self.fallbacks[segment.id] = segment.fallback
        self._ended(member, segment)

    def _check_source(self, segment: Segment, newest: Segment | None) -> None:
        """Judges what a segment starts from: nothing that is known as damaged, and what its member fell back to."""
        subject = f"segment {segment.id}"
        if segment.donor in self.damaged and segment.donor == segment.parent:
            self.violate("damage", subject, f"copies {segment.donor}, which is known as damaged")
        if newest is None or newest.id not in self.fallbacks:
            return
        good = self.fallbacks[newest.id]
        if good is None:
            self.counts["replaced after damage" if segment.donor else "began anew after damage"] += 1
        elif segment.parent != good or dict(segment.hyperparameters) != dict(self.published[good].hyperparameters):
            self.violate("damage", subject, f"starts from {segment.parent}, not wholly from {good}, its last good one")
        if good is None and segment.parent != segment.donor:
            self.violate("damage", subject, f"starts from {segment.parent}, though nothing good was left")

    def gave_up(self, segment: Segment) -> None:
        """Notes a segment that was given up, by whoever counted the last failure."""
        if segment.id in self.published:
            return
        self.counts["given up"] += 1
        member = self.member(segment.member)
        if member.failures <= self.spec.max_failures and segment.member < self.spec.population:
            text = f"given up after {member.failures} failures, of which {self.spec.max_failures} are allowed"
            self.violate("failures", f"segment {segment.id}", text)
        self._ended(member, segment)

    def retired(self, claim: Claim) -> None:
        """Notes that a member was given up for good."""
        self._fence(claim, "retire")
        self.counts["retired"] += 1
        member = self.member(claim.member)
        member.retired, member.holder = True, None

    def released(self, claim: Claim) -> None:
        """Notes a release."""
        member = self.member(claim.member)
        if member.holder is not None and member.holder.epoch == claim.epoch:
            member.holder = None

    def expired(self, name: str) -> None:
        """Notes that a dead process's members were freed, at the cost of one failure each."""
        for member in self.members.values():
            if member.holder is not None and member.holder.worker == name:
                self._lost(member)

    def ended(self, name: str) -> None:
        """Notes that a process ended."""
        self._close(name, self.process(name))

    def member(self, id: int) -> MemberNotes:
        """Returns the notes on a member."""
        return self.members.setdefault(id, MemberNotes())

    def _lost(self, member: MemberNotes) -> None:
        """Counts the failure that a lost claim costs; nobody was told whether the segment was given up for it."""
        self.num_lost += 1
        member.failures += 1
        member.holder = None
        if member.running is None:
            return
        row = self._row(member.running.id)
        if row is not None and row.ended is not None:
            self.gave_up(row)
        elif member.failures > self.spec.max_failures:
            text = f"not given up after {member.failures} failures, of which {self.spec.max_failures} are allowed"
            self.violate("failures", f"segment {member.running.id}", text)

    def _ended(self, member: MemberNotes, segment: Segment) -> None:
        self.judge_decision(segment, "the ended segment")
        self.published[segment.id] = segment
        if isinstance(segment.outcome, Failed) and segment.end_step != segment.start_step:
            self.violate("budget", f"segment {segment.id}", "failed, but keeps its steps")
        if segment.member_start != member.trained:
            text = f"starts after {segment.member_start} member steps instead of {member.trained}"
            self.violate("budget", f"segment {segment.id}", text)
        member.trained += segment.end_step - segment.start_step
        member.newest, member.running, member.failures = segment, None, 0

    def _check_state(self, segment: Segment, ending: Ending) -> None:
        """Judges that the published bytes are what ancestry and hyperparameters make, and the score too."""
        subject = f"segment {segment.id}"
        digest = segment.checkpoint
        content = None if digest is None else self.disk.written.get(digest)
        if content is None or (digest not in self.disk.durable and digest not in self.disk.spoilt):
            self.violate("durable", subject, "published before its checkpoint was durable")
            return
        if segment.checkpoint_bytes != len(content) and digest not in self.disk.spoilt:
            self.violate("durable", subject, f"says {segment.checkpoint_bytes} bytes of {len(content)}")
        chain = self._truth.chain(segment)
        if chain is None:
            self.violate("lineage", subject, f"its parent {segment.parent} was never published")
            return
        if chain.encode() not in content:
            self.violate("state", subject, f"its weights do not follow from {segment.parent} and its hyperparameters")
            return
        score = self._truth.score(segment)
        finite = score is not None and math.isfinite(score)
        if finite != isinstance(segment.outcome, Finite) or (finite and segment.score != score):
            self.violate("score", subject, f"is {segment.outcome}, but {score} was reported last")

    def judge_decision(self, segment: Segment, what: str) -> None:
        """Judges that a segment is as it was begun: whoever carries it out, the decision stays."""
        begun = self.member(segment.member).begun.get(segment.generation)
        if begun is None:
            self.violate("acknowledged", f"segment {segment.id}", f"{what} was never begun")
            return
        for name in ("parent", "donor", "hyperparameters", "why", "snapshot", "begun", "start_step", "member_start"):
            if getattr(begun, name) != getattr(segment, name):
                text = f"{what} has {name}={getattr(segment, name)}, but it began with {getattr(begun, name)}"
                self.violate("decision", f"segment {segment.id}", text)

    def _fence(self, claim: Claim, what: str) -> None:
        member = self.member(claim.member)
        if member.holder is None or (claim.epoch, claim.worker) != (member.holder.epoch, member.holder.worker):
            text = f"{what} by {claim.worker} under epoch {claim.epoch}, but the member is at epoch {member.epoch}"
            self.violate(
                "fencing", f"member {claim.member}", f"{text}, held by {member.holder and member.holder.worker}"
            )

    def _close(self, name: str, process: Process) -> None:
        attempt = process.attempt
        if attempt is None:
            return
        process.attempt = None
        self.counts["work lost"] += 1
        if not process.hit:
            text = f"worker {name} lost {attempt.steps} steps, though no fault had hit it"
            self.violate("lost work", f"segment {attempt.segment}", text)
