"""The live screen's text: a board as lines of a given width.

Lines are put together by hand, cell by cell: a rich Table measures every cell anew at each refresh, which costs ten
times as much as all the rest.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import final

from rich.text import Text

from populace.run._board import Board, Row
from populace.space import Value

_MOST_ROWS = 20
_MOST_NOTES = 3
_STATE_STYLES = {"training": "cyan", "done": "green", "diverged": "red", "failed": "red", "given up": "red"}
_NARROWEST_VALUE, _WIDEST_VALUE = 9, 14


@final
@dataclass(frozen=True, kw_only=True)
class Signs:
    """The characters of a screen; a terminal without Unicode gets others."""

    encoding: str
    """What the terminal can show; other characters become question marks."""
    levels: str
    """Of spark lines, from low to high."""
    up: str
    """A larger value."""
    down: str
    """A smaller one."""
    other: str
    """Another choice."""
    donor: str
    """Between a clone and its donor."""
    full: str
    """Of the bar: done."""
    empty: str
    """Of the bar: to do."""


UNICODE = Signs(encoding="utf-8", levels="▁▂▃▄▅▆▇█", up="↑", down="↓", other="→", donor="← ", full="━", empty="╌")
ASCII = Signs(encoding="ascii", levels="_.,-=+*#", up="^", down="v", other=">", donor="<- ", full="=", empty=".")


def draw(board: Board, *, elapsed_s: float, notes: Sequence[str], width: int, height: int, signs: Signs) -> list[Text]:
    """Returns the screen, a text per line, none longer than `width` and never more than `height` of them."""
    lines = _header(board, elapsed_s, width, signs)
    last_exploits = [f"  {text}" for text in board.exploits]
    told = [line for note in list(notes)[-_MOST_NOTES:] for line in wrap(printable(note), max(20, width - 1))[:2]]
    room = height - len(lines) - len(told) - 2  # the table's head, and the line of those not shown
    exploits_shown = last_exploits[-max(0, min(len(last_exploits), room - 5)) :] if room > 5 else []
    rows, num_hidden = board.shown(max(1, min(_MOST_ROWS, room - len(exploits_shown) - bool(exploits_shown))))
    lines += _table(board, rows, width, signs)
    if num_hidden:
        lines.append(Text(f"  {num_hidden} more members are not shown", style="dim"))
    if exploits_shown:
        lines.append(Text("last exploits", style="bold"))
        lines += [Text(text.replace("<-", signs.donor.strip())) for text in exploits_shown]
    lines += [Text(line, style="yellow") for line in told]
    for line in lines:
        line.plain = line.plain.encode(signs.encoding, "replace").decode(signs.encoding)
        line.truncate(max(1, width - 1), overflow="crop")  # some terminals wrap a line that fills them
    return lines[:height]


def printable(text: str) -> str:
    """Returns a text without characters that command a terminal."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def spark(scores: Sequence[float], width: int, levels: str) -> str:
    """Returns the newest scores as a line of small bars, from the lowest to the highest of those shown."""
    newest = list(scores)[-width:]
    if not newest:
        return ""
    low, high = min(newest), max(newest)
    if not low < high:
        return levels[len(levels) // 2] * len(newest)
    # Halves, because the difference of two large numbers may overflow.
    spread = high / 2 - low / 2
    return "".join(levels[min(len(levels) - 1, int((score / 2 - low / 2) / spread * len(levels)))] for score in newest)


def show_value(value: Value) -> str:
    """Returns a hyperparameter in few characters."""
    if isinstance(value, bool) or not isinstance(value, float):
        return printable(str(value))
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    """Returns a duration as hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _header(board: Board, elapsed_s: float, width: int, signs: Signs) -> list[Text]:
    share = board.done / board.total if board.total else 1.0
    progress = f"{board.done}/{board.total} member-steps  {int(share * 100):3d} %  "
    first = Text.assemble((board.spec.name, "bold"), f"  {clock(elapsed_s)}  ", progress)
    room = min(40, width - 1 - len(first.plain))
    if room >= 5:
        full = int(share * room)
        first.append(signs.full * full, style="green").append(signs.empty * (room - full), style="dim")
    best = "no score yet"
    if board.best is not None:
        best = f"best {board.best.score:.6g} (m{board.best.member:02d} at step {board.best.end_step})"
    second = Text.assemble((best, "bold"), f"   {_counted(board.num_exploits, 'exploit')}")
    if board.num_failures:
        second.append(f"   {_counted(board.num_failures, 'failure')}", style="red")
    return [first, second]


def _table(board: Board, rows: Sequence[Row], width: int, signs: Signs) -> list[Text]:
    sparks = 16 if width >= 120 else 12 if width >= 100 else 6
    names = list(board.spec.space)
    fixed = f"{'member':<7}{'state':<10}{'step':>6}{'score':>10}  {'':<{sparks}} {'from':<6}"
    room = width - 1 - len(fixed)
    number = min(len(names), max(0, room // _NARROWEST_VALUE))
    cell = min(_WIDEST_VALUE, room // number) if number else 0
    head = Text(fixed, style="bold")
    for name in names[:number]:
        head.append(f" {_cut(printable(name), cell - 1):>{cell - 1}}")
    if number < len(names):
        head.append(f" +{len(names) - number}")
    best = None if board.best is None else board.best.member
    return [head, *(_row(row, names[:number], cell, sparks, signs, is_best=row.member == best) for row in rows)]


def _row(row: Row, names: Sequence[str], cell: int, sparks: int, signs: Signs, *, is_best: bool) -> Text:
    line = Text()
    line.append(f"m{row.member:02d}{'*' if is_best else '':<1}".ljust(7), style="bold" if is_best else "")
    line.append(f"{row.state:<10}", style=_STATE_STYLES.get(row.state, ""))
    line.append(f"{row.step:>6}{'-' if row.score is None else f'{row.score:.4g}':>10}  ")
    line.append(f"{spark(row.scores, sparks, signs.levels):>{sparks}} ", style="blue")
    line.append(f"{'' if row.donor is None else f'{signs.donor}m{row.donor:02d}':<6}", style="magenta")
    for name in names:
        if name not in row.hyperparameters:
            line.append(" " * (cell - 1) + "-", style="dim")
            continue
        sign = {1: signs.up, -1: signs.down, 0: signs.other}[row.changed[name]] if name in row.changed else ""
        text = _cut(show_value(row.hyperparameters[name]), cell - 1 - len(sign))
        line.append(f"{sign + text:>{cell}}", style="bold" if sign else "")
    return line


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "~"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
