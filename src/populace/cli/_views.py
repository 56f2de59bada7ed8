"""Commands that walk a run's forest: schedule and lineage."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from populace._errors import UsageError
from populace.cli._output import assigned, segment_json, text, write, write_json, write_table
from populace.cli._runs import OpenRun, open_run
from populace.core import Lineage, Schedule, Segment, SegmentId
from populace.run import exploit_in_words, fallback_in_words

_DEEPEST = 20


def schedule(name: str, directory: str, segment: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Shows the winner's schedule, or that of a segment."""
    if as_csv and as_json:
        raise UsageError("a schedule is written in one form, but got both --csv and --json: leave one out")
    with open_run(name, directory) as run:
        last = run.best() if segment is None else run.segment(SegmentId.parse(segment))
        seed = run.settings["seed"]
        assert isinstance(seed, int)
        found = Schedule.of(run.ancestry(last), run.space, seed)
    if as_json:
        sys.stdout.write(found.to_json() + "\n")
    elif as_csv:
        sys.stdout.write(found.to_csv())
    else:
        write(f"schedule of {last.id} in {run.name}: {found.num_steps} steps, score {text(last.score)}", style="bold")
        rows = [
            [f"{p.start_step}-{p.end_step}", f"m{p.member:02d}", *(p.hyperparameters.get(n) for n in found.names)]
            for p in found
        ]
        write_table(["steps", "member", *found.names], rows)


def lineage(name: str, directory: str, *, everything: bool, as_json: bool) -> None:
    """Shows the winner's ancestry, or the whole forest, stretch by stretch."""
    with open_run(name, directory) as run:
        segments = run.store.segments() if everything else run.ancestry(run.best())
        if as_json:
            write_json([segment_json(segment, run.active(segment)) for segment in segments])
        elif everything:
            forest = Lineage(segments)
            roots = sorted((s for s in forest if s.parent is None), key=lambda s: s.member)
            for line in _forest(run, forest, roots):
                write(line)
        else:
            _write_ancestry(run, segments)


def _write_ancestry(run: OpenRun, path: Sequence[Segment]) -> None:
    """Writes one stretch per member that held the weights, the exploits between them in words."""
    write(f"ancestry of {path[-1].id} in {run.name}, from its first step to its last", style="bold")
    for _, held in groupby(path, key=lambda s: s.member):
        stretch = list(held)
        if stretch[0].donor is not None:
            write(f"  {exploit_in_words(stretch[0])}", style="magenta")
        for segment in stretch:
            if (told := fallback_in_words(segment)) is not None:
                write(f"  {told}", style="yellow")
        write(_stretch(run, stretch))
    exploits = sum(s.donor is not None for s in path)
    members = len({s.member for s in path})
    write(f"{path[-1].end_step} steps through {members} members and {exploits} exploits")


def _forest(run: OpenRun, forest: Lineage, roots: Sequence[Segment]) -> Iterator[str]:
    """Yields a line per stretch of one member's segments that nobody branched from, children indented."""
    stack = [(root, 0, "") for root in reversed(roots)]
    while stack:
        first, depth, corner = stack.pop()
        stretch = [first]
        children = forest.children(first.id)
        while len(children) == 1 and children[0].donor is None and children[0].member == first.member:
            stretch.append(children[0])
            children = forest.children(stretch[-1].id)
        deeper = f"({depth}) " if depth > _DEEPEST else ""
        yield f"{'  ' * (min(depth, _DEEPEST) - 1)}{corner}{deeper}{_stretch(run, stretch)}"
        ordered = sorted(children, key=lambda s: s.begun)
        stack += [(child, depth + 1, _branch(is_last=child is ordered[-1])) for child in reversed(ordered)]


def _stretch(run: OpenRun, stretch: Sequence[Segment]) -> str:
    first, last = stretch[0], stretch[-1]
    ids = str(first.id) if first is last else f"{first.id} to {last.id}"
    ended = last.status.value if last.score is None else f"score {text(last.score)}"
    return f"{ids}  steps {first.start_step}-{last.end_step}, {ended}, {assigned(run.active(last))}"


def _branch(*, is_last: bool) -> str:
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "` " if is_last else "+ "
    return "└ " if is_last else "├ "
