"""The worker: one member's life, and the user's loop that drives it."""

from populace.worker._heartbeat import Heartbeat
from populace.worker._life import Life, Stretch
from populace.worker._loops import STATE_NAME, Loop, loop_of
from populace.worker._member import Member
from populace.worker._patience import Patience, Record
from populace.worker._patient import PatientCheckpoints, PatientStore
from populace.worker._tracked import restore_into
from populace.worker._trainable import Trainable
from populace.worker._worker import Worker

__all__ = [
    "STATE_NAME",
    "Heartbeat",
    "Life",
    "Loop",
    "Member",
    "Patience",
    "PatientCheckpoints",
    "PatientStore",
    "Record",
    "Stretch",
    "Trainable",
    "Worker",
    "loop_of",
    "restore_into",
]
