"""How a run is shown while it trains."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Diverged, Finite, Mode, RunSpec, Segment, SegmentId
from populace.run._board import Board
from populace.run._display import Silence
from populace.run._displays import choose_display
from populace.run._live import LiveScreen
from populace.run._plain import PlainLines
from populace.run._screen import ASCII, UNICODE, draw, printable, spark
from populace.run._words import change_in_words
from populace.space import LogUniform, Space
from populace.store import Event, EventKind


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def spec_of(population=4, steps=10, mode=Mode.MAX, names=("lr",)):
    space = Space.of({name: LogUniform(1e-6, 1e6) for name in names})
    return RunSpec(name="r", space=space, policy=PBT(), seed=0, population=population, steps=steps, mode=mode)


def segment_of(member, generation, score=None, *, donor=None, lr=0.1, ended=True, names=("lr",)):
    own = SegmentId(member, generation - 1) if generation else None
    outcome = Diverged(reason="the score is nan") if score is None else Finite(value=score)
    return Segment(
        member=member,
        generation=generation,
        parent=donor or own,
        donor=donor,
        start_step=generation,
        end_step=generation + 1,
        member_start=generation,
        hyperparameters=dict.fromkeys(names, lr),
        why={"score": 0.1, "donor_score": 0.2} if donor else {},
        snapshot=0,
        begun=generation * 1000 + 2 * member + 1,
        ended=generation * 1000 + 2 * member + 2 if ended else None,
        outcome=outcome if ended else None,
    )


@pytest.fixture
def terminal(monkeypatch):
    for name in ("POPULACE_PROGRESS", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_terminal_gets_a_live_screen(terminal):
    """Whoever waits in front of a run wants to see it move."""
    assert isinstance(choose_display(terminal), LiveScreen)


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_what_cannot_redraw_gets_plain_lines(terminal, monkeypatch, name, value):
    """A log of cursor movements cannot be read."""
    monkeypatch.setenv(name, value)
    assert isinstance(choose_display(terminal), PlainLines)


def test_pipe_gets_plain_lines(terminal):
    """A file has no cursor."""
    assert isinstance(choose_display(io.StringIO()), PlainLines)


@pytest.mark.parametrize(("value", "kind"), [("off", Silence), ("plain", PlainLines), ("live", LiveScreen)])
def test_variable_decides(terminal, monkeypatch, value, kind):
    """Somebody's terminal is always other than we thought."""
    monkeypatch.setenv("POPULACE_PROGRESS", value)
    monkeypatch.setenv("CI", "true")
    assert isinstance(choose_display(terminal), kind)


def test_unknown_display_is_refused(terminal, monkeypatch):
    """A misspelled wish that is ignored is asked for again and again."""
    monkeypatch.setenv("POPULACE_PROGRESS", "lively")
    with pytest.raises(UsageError, match="must be off, plain or live, but got 'lively'"):
        choose_display(terminal)


SCORES = st.none() | st.floats(-1e6, 1e6)


@settings(max_examples=25)
@given(
    scores=st.lists(st.lists(SCORES, min_size=1, max_size=3), min_size=1, max_size=12),
    mode=st.sampled_from(Mode),
    width=st.integers(20, 200),
    height=st.integers(4, 60),
    num_names=st.integers(1, 12),
    notes=st.lists(st.text(max_size=100), max_size=4),
    signs=st.sampled_from([UNICODE, ASCII]),
)
def test_screen_fits_the_terminal_and_shows_the_best(scores, mode, width, height, num_names, notes, signs):
    """A line too long or too many leaves a trail of half screens behind."""
    names = [f"h{i}" for i in range(num_names)]
    board = Board(spec_of(population=len(scores), mode=mode, names=names))
    for member, own in enumerate(scores):
        for generation, score in enumerate(own):
            board.ended(segment_of(member, generation, score, names=names))
    lines = draw(board, elapsed_s=3723.0, notes=notes, width=width, height=height, signs=signs)
    assert len(lines) <= height
    assert all(line.cell_len < width for line in lines)
    if signs is ASCII:
        assert all(line.plain.isascii() for line in lines)
    finite = [mode.orient(score) for own in scores for score in own if score is not None]
    assert (board.best is None) == (not finite)
    if board.best is not None:
        assert mode.orient(board.best.score) == max(finite)
    assert board.done == sum(map(len, scores))
    assert board.total == len(scores) * 10


@given(st.integers(1, 100), st.integers(1, 30))
def test_best_member_is_always_among_those_shown(population, most):
    """A table that leaves out the winner is no table of a contest."""
    board = Board(spec_of(population=population), [segment_of(m, 0, float(m % 17)) for m in range(population)])
    rows, num_hidden = board.shown(most)
    assert len(rows) + num_hidden == population
    assert len(rows) == min(most, population)
    assert len({row.member for row in rows}) == len(rows)
    assert max(row.score for row in rows) == max(row.score for row in board.rows)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.integers(1, 20))
def test_spark_line_spans_lowest_to_highest(scores, width):
    """Scores near the largest float must not overflow a picture of them."""
    line = spark(scores, width, UNICODE.levels)
    newest = scores[-width:]
    assert len(line) == len(newest)
    if newest and min(newest) / 2 < max(newest) / 2:
        assert line[newest.index(min(newest))] == UNICODE.levels[0]
        assert line[newest.index(max(newest))] == UNICODE.levels[-1]


@given(st.text())
def test_note_commands_no_terminal(text):
    """The reason of a failure is whatever some library wrote."""
    assert "\x1b" not in printable(text)
    assert "\n" not in printable(text)


def test_clone_shows_its_donors_record_and_what_changed():
    """The schedule follows the weights, and so must what is shown of it."""
    board = Board(spec_of(), [segment_of(0, 0, 0.5, lr=0.1), segment_of(1, 0, 0.9, lr=0.2)])
    board.begun(segment_of(0, 1, donor=SegmentId(1, 0), lr=0.3, ended=False))
    row = board.rows[0]
    assert (row.state, row.score, row.scores, row.donor) == ("training", 0.9, (0.9,), 1)
    assert row.changed == {"lr": 1}
    assert list(board.exploits) == ["m00 <- m01 at step 1 (score 0.2 against 0.1)"]
    screen = "\n".join(line.plain for line in draw(board, elapsed_s=0, notes=[], width=80, height=24, signs=UNICODE))
    assert re.search(r"m00 +training +1 +0.9 .* ← m01 +↑0.3", screen)
    assert "m00 ← m01 at step 1" in screen


def test_best_of_before_stays_the_best_when_a_run_goes_on():
    """The members' newest segments need not hold the best one."""
    best = segment_of(2, 0, 7.0)
    board = Board(spec_of(), [segment_of(2, 1, 1.0)], best)
    assert board.best is best


def test_failure_is_seen_in_the_row():
    """A member that fails again and again must catch the eye."""
    board = Board(spec_of(), [segment_of(0, 0, 0.5)])
    event = {"sequence": 9, "member": 0, "generation": 1, "epoch": 1, "worker": "w", "at": 0.0, "detail": {}}
    board.failure(Event(kind=EventKind.FAILURE, **event))
    assert board.rows[0].state == "failed"
    board.failure(Event(kind=EventKind.RETIRED, **event))
    assert board.rows[0].state == "given up"
    assert board.num_failures == 1


def test_live_screen_draws_four_times_a_second_at_most():
    """Watching must not cost the machine that trains."""
    now = 0.0
    terminal = Terminal()
    screen = LiveScreen(terminal, now=lambda: now)
    screen.start(spec_of(), [], None)
    written = []
    for tick in range(1, 101):
        now = tick / 100
        screen.ended(segment_of(0, tick, 1.0))
        before = terminal.tell()
        screen.refresh()
        written.append(terminal.tell() > before)
    assert sum(written) == 4
    screen.stop()


def test_interrupt_is_seen_at_once():
    """A first Ctrl-C without an answer is followed by a second."""
    terminal = Terminal()
    screen = LiveScreen(terminal, now=lambda: 0.0)
    screen.start(spec_of(), [], None)
    screen.note("stopping: members finish their interval")
    assert "stopping: members finish" in terminal.getvalue()
    screen.stop()


def test_cursor_waits_on_a_line_of_its_own():
    """A terminal echoes ^C; at the end of a full line it would wrap and shift every later drawing by one."""
    terminal = Terminal()
    screen = LiveScreen(terminal, now=lambda: 0.0)
    screen.start(spec_of(), [segment_of(0, 0, 0.5)], None)
    assert terminal.getvalue().endswith("\n")
    screen.stop()


def test_plain_lines_tell_what_is_new_and_no_more():
    """A log that repeats itself every two seconds hides what happens in it."""
    now = 0.0
    stream = io.StringIO()
    lines = PlainLines(stream, now=lambda: now)
    lines.start(spec_of(), [segment_of(1, 0, 0.2)], None)
    lines.ended(segment_of(0, 0, 0.5))
    lines.ended(segment_of(1, 1))
    for tick in range(1, 100):
        now = float(tick)
        lines.refresh()
    lines.stop()
    assert stream.getvalue().splitlines() == [
        "populace: run r: 4 members x 10 steps, interval 1, seed 0, going on after 1 member-steps",
        "populace: m01 diverged at step 2: the score is nan",
        "populace: 3/40 member-steps, best 0.5 (m00/0, step 1), 0 exploits",
    ]


def test_each_kind_of_failure_says_what_follows():
    """A user who reads "given up" wants to know why, and what becomes of the member."""
    details = {
        EventKind.FAILURE: {"reason": "Traceback ...\nValueError: nan in the batch"},
        EventKind.LOST: {"reason": "worker w1.0 died"},
        EventKind.GIVEN_UP: {},
        EventKind.RETIRED: {"rule": "replace", "status": "failed", "num_donors": 0},
    }
    event = Event(sequence=1, kind=EventKind.LOST, member=3, generation=5, epoch=1, worker="w1.0", at=0.0, detail={})
    told = {kind: change_in_words(replace(event, kind=kind, detail=detail)) for kind, detail in details.items()}
    assert told == {
        EventKind.FAILURE: "member 3, generation 5: failure: ValueError: nan in the batch",
        EventKind.LOST: "member 3, generation 5: lost: worker w1.0 died",
        EventKind.GIVEN_UP: "member 3, generation 5: given up: it failed more often than max_failures allows, "
        "so the member copies another",
        EventKind.RETIRED: "member 3, generation 5: retired: it failed, and there is nobody to copy",
    }
    retired = replace(event, kind=EventKind.RETIRED, detail={"rule": "beyond help", "failed": 10})
    assert change_in_words(retired).endswith("retired: it failed again after 10 copies of others")
