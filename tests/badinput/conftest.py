"""A folder with everything that bad input can name, and the law that all bad input obeys."""

from __future__ import annotations

import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from populace.cli import app
from populace.testing import Bowl, tune_toy

# SQLite's own: a reader of a log needs them, and cannot know whether it is the last.
LEFT_BY_READERS = (".sqlite-shm", ".sqlite-wal")
CODE = """
import populace

class Climb(populace.Trainable):
    def init(self, key, hp):
        return {"x": 0.0}

    def step(self, key, state, hp):
        return {"x": state["x"] + hp["lr"]}

    def evaluate(self, key, state):
        return state["x"]

class Needy(Climb):
    def __init__(self, size):
        self.size = size

class Refuses(Climb):
    def __init__(self):
        raise RuntimeError("no data")

class NeedyWatcher(populace.Callback):
    def __init__(self, size):
        self.size = size

class Plain:
    pass

def no_argument():
    pass

NUMBER = 3
NOTHING = None
"""
BROKEN_CODE = {
    "raises": "raise RuntimeError('no data here')",
    "lines": "raise RuntimeError('one\\ntwo')",
    "syntax": "def f(:",
    "imports": "import no_such_module",
    "leaves": "import sys; sys.exit(0)",
    "leaves_with_words": "import sys; sys.exit('usage: give me a file')",
    "quits": "raise SystemExit(3)",
    "empty": "",
    "asserts": "assert False",
}
SETTINGS = "population = 2\nsteps = 2\nseed = 0\n[space]\nlr = [0.1, 1.0]\n"
COMPARISON = """
population = 2
steps = 2
seeds = 2
space = {lr = [0.1, 1.0]}
algorithms = {PBT = "PBT", random = "RandomSearch"}
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder to stand in: `climb.py`, broken code beside it, `run.toml`, and runs, whole and damaged."""

    folder: Path
    """The folder itself."""

    def picture(self) -> dict[str, object]:
        """Returns what would show that somebody wrote in it: every path, with the size and time of files."""
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
            for path in self.folder.rglob("*")
            if "__pycache__" not in path.parts and path.suffix not in LEFT_BY_READERS
        }


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    """The folder; no case changes it, that is the law."""
    folder = tmp_path_factory.mktemp("badinput")
    (folder / "climb.py").write_text(CODE)
    for name, text in BROKEN_CODE.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "nul.py").write_bytes(b"x = 1\0")
    (folder / "latin.py").write_bytes(b"x = '\xe9'")
    (folder / "notes.txt").write_text("def f(member): pass")
    (folder / "run.toml").write_text(SETTINGS)
    (folder / "compare.toml").write_text(COMPARISON)
    (folder / "folder").mkdir()
    (folder / "folder.py").mkdir()
    (folder / "folder.png").mkdir()
    tune_toy(Bowl(), folder / "runs", name="done")
    damage(folder / "runs" / "done", folder / "damaged")
    return Place(folder=folder)


@pytest.fixture
def here(place, monkeypatch) -> Place:
    """The folder, with the process standing in it."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("POPULACE_PROGRESS", "off")
    return place


@pytest.fixture
def refused(here):
    """Runs a command in this process and holds its end against the law; returns what was told."""

    def refuse(words, *, names, code=2):
        before = here.picture()
        result = CliRunner().invoke(app, [str(word) for word in words])
        told = told_in(result.stderr)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        assert names in told
        assert here.picture() == before
        return told

    return refuse


def told_in(stderr: str) -> str:
    """Returns the one line that a command told: ours, or the text in the box of the option parser."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stderr)
    assert "Traceback" not in plain
    if "╭─ Error" in plain:
        box = [line[1:-1].strip() for line in plain.splitlines() if line.startswith("│")]
        assert 1 <= len(box) <= 4, plain
        return " ".join(box)
    assert re.fullmatch(r"populace: [^\n]+\n", plain), plain
    return plain.removeprefix("populace: ").strip()


def damage(run: Path, to: Path) -> None:
    """Writes copies of a run, each damaged in one way, under the name of the damage."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(run, to / name))

    def sql(name: str, *statements: str) -> None:
        with sqlite3.connect(copy(name) / "store.sqlite") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    whole = (run / "store.sqlite").read_bytes()
    for name, content in {
        "empty": b"",
        "random": bytes(range(256)) * 64,
        "text": b"hello\n" * 1000,
        "header": whole[:100],
        "torn": whole[:5000],
        "zeros": whole[:4096] + bytes(len(whole) - 4096),
    }.items():
        (copy(name) / "store.sqlite").write_bytes(content)
    (copy("folder") / "store.sqlite").unlink()
    (to / "folder" / "store.sqlite").mkdir()
    (to / "file").write_text("not a folder")
    other = copy("other") / "store.sqlite"
    other.unlink()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER)")
    connection.close()
    shutil.rmtree(copy("unsaved") / "checkpoints")
    shutil.rmtree(copy("blocked") / "checkpoints")
    (to / "blocked" / "checkpoints").write_text("not a folder")
    sql("newer", "UPDATE run SET schema = 99")
    sql("older", "UPDATE run SET schema = 0")
    sql("rowless", "DELETE FROM run")
    sql("no_spec", "UPDATE run SET spec = ''")
    sql("no_json", "UPDATE run SET spec = '{'")
    sql("listed", "UPDATE run SET spec = '[]'")
    sql("hollow", "UPDATE run SET spec = '{}'")
    sql("no_space", """UPDATE run SET spec = json_set(spec, '$.space', 3)""")
    sql("no_policy", """UPDATE run SET spec = json_set(spec, '$.policy', 3)""")
    sql("no_mode", """UPDATE run SET spec = json_set(spec, '$.mode', 'best')""")
    sql("memberless", "DROP TABLE member")
    sql("segmentless", "DROP TABLE segment")
    sql("columnless", "ALTER TABLE segment DROP COLUMN why")
