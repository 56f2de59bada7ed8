"""Commands that read a run's log: ls, show, best."""

from __future__ import annotations

import re
import time

from populace._errors import PopulaceError, UnknownRun, UsageError
from populace.checkpoints import LocalCheckpoints
from populace.cli._output import (
    ago,
    assigned,
    moment,
    segment_json,
    text,
    write,
    write_json,
    write_pairs,
    write_table,
)
from populace.cli._runs import LATEST, OpenRun, folder_of, open_folder, open_run
from populace.core import Segment, SegmentId
from populace.executors import CHECKPOINTS
from populace.run import change_in_words, exploit_in_words, fallback_in_words
from populace.run import list_runs as runs_in
from populace.store import EventKind

_FAILURES = (EventKind.FAILURE, EventKind.LOST, EventKind.GIVEN_UP, EventKind.DAMAGED, EventKind.RETIRED)
_NUM_EVENTS, _NUM_FAILURES, _NUM_SEGMENTS = 1000, 5, 40
_PART = re.compile(r"m?[0-9]+(/[0-9]+)?")


def list_runs(directory: str, *, as_json: bool) -> None:
    """Lists the runs of a directory; one that cannot be read says so and hides no other."""
    listed = []
    for folder in runs_in(directory):
        try:
            with open_folder(folder) as run:
                listed.append(_summary(run))
        except PopulaceError as error:
            listed.append({"name": folder.name, "folder": str(folder), "status": "unreadable", "message": str(error)})
    if as_json:
        write_json(listed)
    elif not listed:
        write(f"no runs in {directory}: start one with `populace run`, or try `populace demo`")
    else:
        now = time.time()
        columns = ["run", "status", "members", "member-steps", "best", "last news"]
        write_table(columns, [_listed(row, now) for row in listed])


def show(what: str, directory: str, *, as_json: bool) -> None:
    """Shows a run, a member or a segment."""
    name, part = _target(what, directory)
    with open_run(name, directory) as run:
        if part is None:
            _show_run(run, as_json=as_json)
        elif "/" in part:
            _show_segment(run, SegmentId.parse(part), as_json=as_json)
        else:
            _show_member(run, int(part.removeprefix("m")), as_json=as_json)


def best(name: str, directory: str, *, as_json: bool) -> None:
    """Shows the best model."""
    with open_run(name, directory) as run:
        segment = run.best()
        path = LocalCheckpoints(run.folder / CHECKPOINTS).directory
        if as_json:
            write_json({"run": run.name, "folder": str(run.folder), **segment_json(segment, run.active(segment))})
            return
        write_pairs(
            {
                "run": run.name,
                "score": segment.score,
                "segment": f"{segment.id}, trained {segment.end_step} steps",
                **{f"metric {name}": value for name, value in segment.metrics.items()},
                **{f"hyperparameter {name}": text(value) for name, value in run.active(segment).items()},
                "checkpoint": f"{segment.checkpoint} ({segment.checkpoint_bytes} bytes)",
                "in": path,
                "load it with": f"populace.Result.load({str(run.folder)!r}).restore()",
            }
        )


def _target(what: str, directory: str) -> tuple[str, str | None]:
    """Returns the run and the part of it that a text names: RUN, RUN/3, RUN/m03/12, m03/12, or 3 of the newest run."""
    pieces = what.rstrip("/").split("/")
    for length in (0, 1, 2):
        part = "/".join(pieces[len(pieces) - length :])
        name = "/".join(pieces[: len(pieces) - length]) or (LATEST if length else what)
        if length and not _PART.fullmatch(part):
            continue
        try:
            folder_of(name, directory)
        except UnknownRun:
            continue
        return name, part or None
    return what, None


def _summary(run: OpenRun) -> dict[str, object]:
    state = run.state()
    newest = run.last_events(1)
    return {
        "name": run.name,
        "folder": str(run.folder),
        "status": state.status.value,
        "message": state.message,
        "population": len(state.steps),
        "steps": run.settings["steps"],
        "member_steps": sum(state.steps),
        "num_segments": state.num_segments,
        "retired": list(state.retired),
        "best_score": None if state.best is None else state.best.score,
        "best_segment": None if state.best is None else str(state.best.id),
        "last_news_at": newest[-1].at if newest else None,
    }


def _listed(row: dict[str, object], now: float) -> list[object]:
    if "member_steps" not in row:
        return [row["name"], f"unreadable: {row['message']}", None, None, None, None]
    population, steps, at = row["population"], row["steps"], row["last_news_at"]
    assert isinstance(population, int)
    assert isinstance(steps, int)
    progress = f"{row['member_steps']}/{population * steps}"
    return [
        row["name"],
        row["status"],
        population,
        progress,
        row["best_score"],
        ago(at if isinstance(at, float) else None, now),
    ]


def _show_run(run: OpenRun, *, as_json: bool) -> None:
    state, summary = run.state(), _summary(run)
    newest = {segment.member: segment for segment in run.store.snapshot().ended}
    events = run.last_events(_NUM_EVENTS)
    failures = [event for event in events if event.kind in _FAILURES]
    if as_json:
        members = [_member_json(run, member, steps, newest.get(member)) for member, steps in enumerate(state.steps)]
        told = [{"sequence": e.sequence, "at": e.at, "text": change_in_words(e)} for e in failures]
        write_json({**summary, "settings": run.settings, "members": members, "last_failures": told})
        return
    at = summary["last_news_at"]
    settings = run.settings
    write_pairs(
        {
            "run": run.name,
            "folder": run.folder,
            "status": f"{state.status.value}{': ' + state.message if state.message else ''}",
            "progress": f"{sum(state.steps)} of {len(state.steps) * int(str(settings['steps']))} member-steps",
            "best": "no score yet" if state.best is None else f"{text(state.best.score)} ({state.best.id})",
            "settings": f"interval {settings['interval']}, seed {settings['seed']}, mode {settings['mode']}",
            "code": settings["entry"],
            "last news": ago(at if isinstance(at, float) else None, time.time()),
        }
    )
    write()
    _write_segments(run, "member", [newest[member] for member in sorted(newest)])
    if failures:
        write()
        write("last failures", style="bold")
        for event in failures[-_NUM_FAILURES:]:
            write(f"  {change_in_words(event)}")


def _show_member(run: OpenRun, member: int, *, as_json: bool) -> None:
    newest = next((segment for segment in run.store.snapshot().ended if segment.member == member), None)
    population = len(run.state().steps)
    if member >= population:
        raise UsageError(
            f"run {run.name!r} has members 0 to {population - 1}, but got member {member}: choose one of them"
        )
    last = -1 if newest is None else newest.generation
    following = run.store.segment(SegmentId(member, last + 1))
    last += following is not None
    first = 0 if as_json else max(0, last + 1 - _NUM_SEGMENTS)
    life = [run.segment(SegmentId(member, generation)) for generation in range(first, last + 1)]
    if as_json:
        write_json([segment_json(segment, run.active(segment)) for segment in life])
        return
    write(f"member {member} of {run.name}", style="bold")
    if first:
        write(f"the first {first} segments are left out; --json has all")
    _write_segments(run, "segment", life)


def _show_segment(run: OpenRun, id: SegmentId, *, as_json: bool) -> None:
    segment = run.segment(id)
    evaluations = [{"step": e.step, "score": e.score, "metrics": dict(e.metrics)} for e in segment.evaluations]
    if as_json:
        write_json({**segment_json(segment, run.active(segment)), "evaluations": evaluations})
        return
    write_pairs(
        {
            "segment": f"{id} of {run.name}",
            "status": segment.status.value,
            "reason": getattr(segment.outcome, "reason", None),
            "weight steps": f"{segment.start_step} to {segment.end_step}",
            "parent": "init" if segment.parent is None else segment.parent,
            "exploit": None if segment.donor is None else exploit_in_words(segment),
            "fallback": fallback_in_words(segment),
            "score": segment.score,
            **{f"metric {name}": value for name, value in segment.metrics.items()},
            **{f"hyperparameter {name}": text(value) for name, value in run.active(segment).items()},
            **{f"why {name}": text(value) for name, value in segment.why.items()},
            "checkpoint": f"{segment.checkpoint}{_fate(segment)}" if segment.checkpoint else None,
            "worker": segment.worker,
            "begun": moment(segment.begun_at),
            "ended": moment(segment.ended_at),
        }
    )
    if len(evaluations) > 1:
        write()
        write_table(["step", "score"], [[e.step, e.score] for e in segment.evaluations])


def _fate(segment: Segment) -> str:
    if segment.damaged is not None:
        return f" (found damaged at event {segment.damaged})"
    return "" if segment.checkpoint_kept else " (no longer kept)"


def _member_json(run: OpenRun, member: int, steps: int, newest: Segment | None) -> dict[str, object]:
    segment = None if newest is None else segment_json(newest, run.active(newest))
    return {"member": member, "steps": steps, "newest": segment}


def _write_segments(run: OpenRun, what: str, segments: list[Segment]) -> None:
    rows = [
        [
            f"m{s.member:02d}" if what == "member" else str(s.id),
            s.status.value,
            s.end_step,
            s.score,
            "" if s.donor is None else str(s.donor),
            assigned(run.active(s)),
        ]
        for s in segments
    ]
    write_table([what, "status", "step", "score", "copied", "hyperparameters"], rows)
