"""The worker: one member's life, and the user's loop that drives it."""

from populace.worker._ancestors import with_ancestors, with_records, with_segments
from populace.worker._drafts import first_draft, hopeless, next_draft
from populace.worker._heartbeat import Heartbeat
from populace.worker._life import Life, Stretch
from populace.worker._loops import STATE_NAME, Loop, loop_of
from populace.worker._member import Member, score_name
from populace.worker._patience import Patience, Record
from populace.worker._patient import PatientCheckpoints, PatientStore
from populace.worker._tracked import restore_into
from populace.worker._trainable import NOT_SHRINKABLE, Driven, Shrinkable, Trainable
from populace.worker._worker import Worker

__all__ = [
    "NOT_SHRINKABLE",
    "STATE_NAME",
    "Driven",
    "Heartbeat",
    "Life",
    "Loop",
    "Member",
    "Patience",
    "PatientCheckpoints",
    "PatientStore",
    "Record",
    "Shrinkable",
    "Stretch",
    "Trainable",
    "Worker",
    "first_draft",
    "hopeless",
    "loop_of",
    "next_draft",
    "restore_into",
    "score_name",
    "with_ancestors",
    "with_records",
    "with_segments",
]
