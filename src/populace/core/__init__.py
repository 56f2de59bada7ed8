"""The pure core: values, decisions, lineage, retention. No I/O, no clock, no global randomness."""

from populace.core._codec import policy_from_json, policy_to_json, source_digest
from populace.core._decision import Continue, Decision, Exploit, Retire, Start, Wait
from populace.core._guard import Guard
from populace.core._lineage import Lineage
from populace.core._looks import Looks
from populace.core._oversampled import RULE as OVERSAMPLED
from populace.core._oversampled import Oversampled
from populace.core._pbt import MFPBT, PBT, Compare, Copy, RandomSearch
from populace.core._policy import Policy, decide, decision_key, parent_of, start
from populace.core._population import Population, lockstep_id
from populace.core._retention import base_of, kept, last_good
from populace.core._schedule import Piece, Schedule
from populace.core._score import Diverged, Failed, Finite, Mode, Outcome, Status, outcome_of, status_of
from populace.core._segment import Evaluation, Segment, SegmentId, Why
from populace.core._spec import RunSpec
from populace.core._stands import Latest, Stand
from populace.core._together import Ahead, Answers, Draws, Level, Together
from populace.core._verify import Chapter, Violation, chapters, verify_log
from populace.core._whole import check_metric, check_whole

__all__ = [
    "MFPBT",
    "OVERSAMPLED",
    "PBT",
    "Ahead",
    "Answers",
    "Chapter",
    "Compare",
    "Continue",
    "Copy",
    "Decision",
    "Diverged",
    "Draws",
    "Evaluation",
    "Exploit",
    "Failed",
    "Finite",
    "Guard",
    "Latest",
    "Level",
    "Lineage",
    "Looks",
    "Mode",
    "Outcome",
    "Oversampled",
    "Piece",
    "Policy",
    "Population",
    "RandomSearch",
    "Retire",
    "RunSpec",
    "Schedule",
    "Segment",
    "SegmentId",
    "Stand",
    "Start",
    "Status",
    "Together",
    "Violation",
    "Wait",
    "Why",
    "base_of",
    "chapters",
    "check_metric",
    "check_whole",
    "decide",
    "decision_key",
    "kept",
    "last_good",
    "lockstep_id",
    "outcome_of",
    "parent_of",
    "policy_from_json",
    "policy_to_json",
    "source_digest",
    "start",
    "status_of",
    "verify_log",
]
