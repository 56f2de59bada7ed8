"""Commands that read: what they show, and that programs can read it too."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.checkpoints import LocalCheckpoints
from populace.cli._output import clean, strict
from populace.core import Schedule
from populace.store import RunLock

READING = [
    ["ls"],
    ["show"],
    ["show", "done/2"],
    ["show", "done/m02/1"],
    ["best"],
    ["schedule"],
    ["lineage"],
    ["lineage", "--all"],
    ["verify"],
    ["doctor"],
]


@pytest.fixture
def copied(place, tmp_path):
    """A copy of the finished run, to be damaged."""
    shutil.copytree(place.runs / "done", tmp_path / "runs" / "done")
    return tmp_path / "runs"


def _refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_json_is_strict(invoke, place, words):
    """Half the world's parsers stop at a NaN."""
    result = invoke(*words, "--json", "-d", place.runs)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout, parse_constant=_refuse_constant)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_pipes_get_plain_text(invoke, place, words):
    """A colour code in a file breaks the script that reads it."""
    result = invoke(*words, "-d", place.runs)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("word", ["done", "latest"])
def test_run_is_found_by_name_by_path_and_as_the_newest(invoke, place, word):
    """The same run under three names must be the same run."""
    by_word = invoke("best", word, "--json", "-d", place.runs).stdout
    assert (
        by_word
        == invoke("best", place.runs / "done", "--json").stdout
        == invoke("best", "--json", "-d", place.runs).stdout
    )


@pytest.mark.parametrize("what", ["m02/1", "done/m02/1", "done/2/1"])
def test_segment_is_found_by_its_name(invoke, place, what):
    """A segment's name is printed everywhere, so it must work when pasted."""
    shown = json.loads(invoke("show", what, "--json", "-d", place.runs).stdout)
    assert shown["id"] == "m02/1"
    assert shown["why"]


def test_member_is_found_inside_a_path(invoke, place):
    """Shells complete paths, not names."""
    life = json.loads(invoke("show", f"{place.runs}/done/m02", "--json").stdout)
    assert [segment["id"] for segment in life] == ["m02/0", "m02/1", "m02/2"]


def test_schedule_can_be_read_back(invoke, place):
    """A schedule is exported to be used in the next training."""
    as_json = Schedule.from_json(invoke("schedule", "--json", "-d", place.runs).stdout)
    as_csv = Schedule.from_csv(invoke("schedule", "--csv", "-d", place.runs).stdout)
    assert as_json.pieces == as_csv.pieces
    best = json.loads(invoke("best", "--json", "-d", place.runs).stdout)
    assert as_json.num_steps == best["end_step"]
    assert as_json(as_json.num_steps) == best["hyperparameters"]


def test_broken_law_is_named_and_fails(invoke, copied):
    """A script that archives runs relies on the exit code."""
    store = LocalCheckpoints(copied / "done" / "checkpoints")
    store.delete(next(store.list()))
    result = invoke("verify", "done", "-d", copied)
    assert result.exit_code == 1
    assert result.stderr.startswith("populace: run done breaks a law: checkpoint: segment m")
    listed = invoke("verify", "done", "-d", copied, "--json")
    assert listed.exit_code == 1
    assert json.loads(listed.stdout)["violations"][0]["law"] == "checkpoint"


def test_unreadable_run_hides_no_other(invoke, copied):
    """One broken folder among a hundred must not end the listing."""
    (copied / "broken").mkdir()
    (copied / "broken" / "store.sqlite").write_bytes(b"not a database")
    result = invoke("ls", "--json", "-d", copied)
    assert result.exit_code == 0, result.output
    assert {row["name"]: row["status"] for row in json.loads(result.stdout)} == {
        "done": "finished",
        "broken": "unreadable",
    }


def test_gc_shows_first_and_deletes_when_told(invoke, copied):
    """Deleting is the one thing that cannot be undone."""
    checkpoints = LocalCheckpoints(copied / "done" / "checkpoints")
    needed = set(checkpoints.list())
    orphan = checkpoints.put([b"nobody refers to me"])
    shown = invoke("gc", "done", "-d", copied)
    assert shown.exit_code == 0
    assert orphan in shown.stdout
    assert checkpoints.exists(orphan)
    assert invoke("gc", "done", "--yes", "-d", copied).exit_code == 0
    assert set(checkpoints.list()) == needed
    assert invoke("verify", "done", "-d", copied).exit_code == 0


def test_gc_refuses_while_a_run_is_trained(invoke, copied):
    """A worker's newest checkpoint is named in the log only after it was written."""
    with RunLock(copied / "done"):
        result = invoke("gc", "done", "--yes", "-d", copied)
    assert result.exit_code == 1
    assert "is being trained" in result.stderr


def test_doctor_leaves_nothing_behind(invoke, tmp_path):
    """Looking at a folder that does not exist must not make it."""
    result = invoke("doctor", "-d", tmp_path / "none" / "yet", "--json")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_no_name_commands_the_terminal(name):
    """A hyperparameter may be called anything, even an escape sequence that renames the window."""
    assert all(letter.isprintable() or not letter.isascii() for letter in clean(name))
    assert "\x1b" not in clean(name)
    assert len(clean(name)) == len(name)


@given(
    st.dictionaries(
        st.text(max_size=3), st.lists(st.floats() | st.text(max_size=3) | st.none(), max_size=4), max_size=4
    )
)
def test_every_value_becomes_strict_json(value):
    """A member that diverged reports infinities."""
    json.loads(json.dumps(strict(value), allow_nan=False), parse_constant=_refuse_constant)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["overview", "scores", "schedule", "lineage"])
def test_figures_are_drawn(invoke, place, tmp_path, kind):
    """Every kind that the help names must exist."""
    pytest.importorskip("matplotlib")
    out = tmp_path / f"{kind}.svg"
    result = invoke("plot", "--kind", kind, "--out", out, "-d", place.runs)
    assert result.exit_code == 0, result.output
    assert "<svg" in out.read_text("utf-8")
