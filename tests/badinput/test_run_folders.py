"""Every command on a run folder that is none, or is damaged: one line, no traceback, nothing made worse."""

from __future__ import annotations

import os
import re

import pytest

from populace import Result
from populace._errors import PopulaceError

ABSENT = ["folder", "file"]  # there is no run in it, so the command is to be put right
NOT_CREATED = ["empty", "other"]  # a creation that was cut short looks like this
DAMAGED = [
    *(
        "random",
        "text",
        "header",
        "torn",
        "zeros",
        "newer",
        "older",
        "rowless",
        "memberless",
        "segmentless",
        "columnless",
    ),
    *("no_spec", "no_json", "listed", "hollow", "no_space", "no_mode", "no_policy"),
]
COMMANDS = {
    "show": ["show"],
    "best": ["best"],
    "schedule": ["schedule"],
    "lineage": ["lineage", "--all"],
    "replay": ["replay"],
    "plot": ["plot", "--out", "never.png"],
    "verify": ["verify"],
    "resume": ["resume", "--inline", "--steps", "9"],
}
NAMED = {"no_policy": "policy"}  # where the message names no folder
NEEDS_POLICY = ["replay", "verify", "resume"]
CALLS = {
    f"{command} {name}": ([words[0], f"damaged/{name}", *words[1:]], NAMED.get(name, name), 1 if name in DAMAGED else 2)
    for name in (*ABSENT, *NOT_CREATED, *DAMAGED)
    for command, words in COMMANDS.items()
}
# What a command does not look at, it need not complain of.
for untouched in (
    "lineage memberless",
    *(f"{command} no_policy" for command in COMMANDS if command not in NEEDS_POLICY),
):
    del CALLS[untouched]


@pytest.mark.parametrize(("words", "name", "code"), CALLS.values(), ids=CALLS.keys())
def test_damaged_run_gets_one_line_and_is_left_alone(refused, words, name, code):
    """Whoever finds a broken folder after a crash needs to know what is broken, and to keep what is left."""
    refused(words, names=name, code=code)


@pytest.mark.parametrize(("name", "words"), [("unsaved", "missing|No such"), ("blocked", "checkpoints")])
def test_lost_checkpoints_are_told(refused, name, words):
    """Somebody frees space by hand and takes the wrong folder; the log is whole and says nothing of it."""
    told = refused(["verify", f"damaged/{name}"], names="", code=1)
    assert re.search(words, told)


@pytest.mark.parametrize("name", [*ABSENT, *NOT_CREATED, *DAMAGED])
def test_damaged_run_cannot_be_loaded(here, name):
    """A notebook catches one class of errors."""
    before = here.picture()
    with pytest.raises(PopulaceError, match=NAMED.get(name, name)):
        Result.load(name, "damaged")
    assert here.picture() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("command", COMMANDS)
def test_run_without_rights_is_told(refused, place, command):
    """A colleague's run on a shared disk is often closed to others."""
    folder = place.folder / "damaged" / "closed"
    folder.mkdir()
    (folder / "store.sqlite").write_bytes(b"")
    (folder / "store.sqlite").chmod(0)
    try:
        refused([COMMANDS[command][0], "damaged/closed", *COMMANDS[command][1:]], names="closed", code=1)
    finally:
        (folder / "store.sqlite").unlink()
        folder.rmdir()
