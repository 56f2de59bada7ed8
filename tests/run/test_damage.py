"""Checkpoints that are damaged on the disk while a run trains: it goes on, and its log says what was lost."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from populace import Inline, PopulaceError, RandomSearch, resume
from populace._errors import DamagedCheckpoint
from populace.core import Segment, SegmentId, chapters, verify_log
from populace.executors import CHECKPOINTS
from populace.run import Result, change_in_words, fallback_in_words, verify
from populace.store import Event, EventKind, SqliteStore
from populace.testing import bowl_loop, tune_toy
from populace.worker import Member

pytestmark = pytest.mark.slow

STEPS = 12
Harm = Callable[[Path, list[Segment]], None]


def _flip(folder: Path, lost: list[Segment]) -> None:
    for file in _files(folder, lost):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def _cut(folder: Path, lost: list[Segment]) -> None:
    for file in _files(folder, lost):
        file.write_bytes(file.read_bytes()[:-3])


def _remove(folder: Path, lost: list[Segment]) -> None:
    for file in _files(folder, lost):
        file.unlink()


def _replace(folder: Path, lost: list[Segment]) -> None:
    other = next(
        f for f in (folder / CHECKPOINTS / "objects").iterdir() if f.is_file() and f not in _files(folder, lost)
    )
    for file in _files(folder, lost):
        file.write_bytes(other.read_bytes())


def _files(folder: Path, lost: list[Segment]) -> list[Path]:
    return [folder / CHECKPOINTS / "objects" / str(segment.checkpoint) for segment in lost]


def _train(tmp_path: Path, harm: Harm, *, all_lost: bool = False, loop=bowl_loop, **settings) -> Result:
    """Trains a run; while member 0 trains, harm is done to member 3's newest checkpoint, or to all there are."""

    def meddle(member: Member, step: int) -> None:
        if member.id == 0 and member.key.path[1] == 3 and not done:
            done.append(True)
            store = SqliteStore(tmp_path / "toy")
            newest = [s for s in store.snapshot().ended if s.member == 3]
            harm(tmp_path / "toy", [s for s in store.segments() if s.checkpoint_kept] if all_lost else newest)
            store.close()

    done: list[bool] = []
    result = tune_toy(lambda member: loop(member, meddle), tmp_path, steps=STEPS, **settings)
    assert done
    assert result.finished
    assert result.state.steps == (STEPS,) * 4
    return result


def _damaged(result: Result) -> Event:
    """Returns the one event that tells of a damage."""
    (event,) = (e for e in _events(result) if e.kind is EventKind.DAMAGED)
    return event


def _events(result: Result) -> list[Event]:
    store = SqliteStore(result.directory)
    try:
        return store.events()
    finally:
        store.close()


@pytest.mark.parametrize("harm", [_flip, _cut, _remove, _replace])
def test_damage_costs_a_segment_and_no_retry(tmp_path, harm, caplog):
    """A file on a tired disk changes between two intervals: its member goes on, and the log names file and remedy."""
    with caplog.at_level(logging.WARNING):
        result = _train(tmp_path, harm, policy=RandomSearch())
    assert not [e for e in _events(result) if e.kind in (EventKind.FAILURE, EventKind.GIVEN_UP)]
    event = _damaged(result)
    lost = next(s for s in result.segments if str(s.id) == event.detail["parent"])
    assert (lost.member, event.member, lost.checkpoint) == (3, 3, event.detail["checkpoint"])
    assert lost.damaged == event.sequence
    assert f"cannot load segment {lost.id}" in caplog.text
    assert verify(result.directory) == []


def _peaked(member: Member, meddle: Callable[[Member, int], object]) -> None:
    """A loop whose first interval is the best that member 3 ever has."""
    state = {"steps": 0}
    member.track(state=state)
    for step in member:
        meddle(member, step)
        state["steps"] += 1
        assert state["steps"] == step + 1
        member.report(100.0 if member.id == 3 and step < 2 else step)


def test_member_goes_back_to_its_last_good_ancestor(tmp_path):
    """The best so far is still stored, so that not all of a life is lost with its newest file."""
    result = _train(tmp_path, _remove, loop=_peaked, policy=RandomSearch())
    event = _damaged(result)
    segments = {s.id: s for s in result.segments}
    lost = SegmentId.parse(str(event.detail["parent"]))
    told = f"m03: its checkpoint of generation {lost.generation} is damaged; goes on from generation 0"
    assert change_in_words(event) == told
    failed, following = (segments[SegmentId(3, lost.generation + later)] for later in (1, 2))
    assert (failed.fallback, failed.end_step) == (SegmentId(3, 0), failed.start_step)
    assert (following.parent, following.start_step) == (SegmentId(3, 0), 2)
    assert dict(following.hyperparameters) == dict(segments[SegmentId(3, 0)].hyperparameters)
    assert fallback_in_words(following) == f"m03 goes back to m03/0 at step 2, since {lost} is damaged"
    assert verify(result.directory) == []


def test_run_goes_on_from_nothing_when_all_is_lost(tmp_path):
    """Somebody has emptied the folder: training begins anew, and `verify` says that the best cannot be restored."""
    result = _train(tmp_path, _remove, all_lost=True, loop=_peaked, policy=RandomSearch())
    anew = [s for s in result.segments if s.parent is None and s.generation]
    assert {s.member for s in anew} == {1, 2, 3}
    assert {s.start_step for s in anew} == {0}
    assert all(str(s.why["lost"]) in fallback_in_words(s) for s in anew)
    assert result.best.segment.id == SegmentId(3, 0)
    assert [(v.law, v.subject) for v in verify(result.directory)] == [("checkpoint", "segment m03/0")]
    with pytest.raises(DamagedCheckpoint, match="restore the file from a backup"):
        result.best.restore()


def _forge(result: Result) -> None:
    """Gives member 3 a newest checkpoint that its digest vouches for, but that cannot be read."""
    newest = max((s for s in result.segments if s.member == 3), key=lambda s: s.generation)
    (file,) = _files(result.directory, [newest])
    content = file.read_bytes().replace(b"numpy", b"spell")
    assert content != file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    file.with_name(digest).write_bytes(content)
    with sqlite3.connect(result.directory / "store.sqlite") as driver:
        driver.execute("UPDATE segment SET checkpoint = ? WHERE checkpoint = ?", (digest, newest.checkpoint))
    driver.close()


def _careless(member: Member) -> None:
    """A loop that goes on whatever `track` says."""
    state = {"w": np.zeros(2)}
    with suppress(PopulaceError):
        member.track(state=state)
    for _ in member:
        state["w"] = state["w"] + 1
        member.report(float(state["w"][0]))


@pytest.mark.parametrize("loop", [bowl_loop, _careless])
def test_checkpoint_that_cannot_be_read_is_damaged_too(tmp_path, loop):
    """Its digest is right, but no state comes out of it; a loop that hides it must not train on other weights."""
    _forge(tune_toy(loop, tmp_path, policy=RandomSearch()))
    result = resume("toy", loop, directory=tmp_path, steps=STEPS, executor=Inline())
    assert result.finished
    assert _damaged(result).member == 3
    if loop is _careless:
        assert all(s.score == s.end_step for s in result.segments if s.score is not None)
    assert verify(result.directory) == []


def test_verification_finds_a_wrong_fallback(tmp_path):
    """A log that was tampered with, or written by a bug, must not pass for a run that kept its promises."""
    result = _train(tmp_path, _remove, loop=_peaked, policy=RandomSearch())
    rows = {s.id: s for s in result.segments}
    failed = next(s for s in result.segments if s.parent_damaged)
    assert failed.parent is not None
    lost = rows[failed.parent]
    story = chapters(result.spec.to_json(), [], None)

    def laws(*changed: Segment) -> set[str]:
        segments = list({**rows, **{s.id: s for s in changed}}.values())
        return {violation.law for violation in verify_log(result.spec, segments, story, finished=True)}

    assert laws() == set()
    assert "damage" in laws(replace(failed, fallback=lost.id))
    assert "damage" in laws(replace(failed, fallback=None))
    assert "damage" in laws(replace(failed, fallback=SegmentId(2, 0)))
    assert "damage" in laws(replace(lost, damaged=None))
    assert "decision" in laws(replace(failed, parent_damaged=False, fallback=None))
    copied = replace(rows[SegmentId(0, 5)], parent=lost.id, donor=lost.id)
    assert "damage" in laws(copied)
