"""What a worker process of a comparison does: it trains one entry and says how that ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from enum import Enum
from multiprocessing.connection import Connection

import cloudpickle

from populace._errors import PopulaceError, RunInterrupted
from populace.comparison._entries import Entry, Field
from populace.executors import die_with_parent

_MAX_TEXT = 10_000


class Ended(Enum):
    """How an entry's process ended; one that says nothing has died."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"


def work(payload: bytes, entry: Entry, variables: Mapping[str, str], report: Connection) -> None:
    """Trains an entry.

    Args:
        payload: The `Field`, pickled by value.
        entry: Which one.
        variables: The environment variables; the fork server has those of the time when it was started.
        report: Where it says how it ended: an `Ended` and a text.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches all; whoever started this decides
    os.environ.clear()
    os.environ.update(variables)
    report.send(_work(payload, entry))
    report.close()


def _work(payload: bytes, entry: Entry) -> tuple[Ended, str]:
    try:
        field: Field = cloudpickle.loads(payload)
        field.train(entry)
    except RunInterrupted as error:
        return Ended.INTERRUPTED, str(error)
    except PopulaceError as error:
        return Ended.REFUSED, str(error)[-_MAX_TEXT:]
    except Exception as error:
        return Ended.REFUSED, f"{type(error).__name__}: {error}"[-_MAX_TEXT:]
    return Ended.DONE, ""
