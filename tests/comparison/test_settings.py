"""Settings of a comparison from a file, and the two commands."""

from __future__ import annotations

import inspect
import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import populace
from populace import FinalHyperparameters, Fixed, RandomSearch, SequentialSearch, SuccessiveHalving, WinningSchedule
from populace._errors import UsageError
from populace.cli import app
from populace.comparison import CompareSettings, PilotSettings, read_comparison, read_pilot
from populace.demos import DIGITS_SPACE
from populace.space import Space

EXAMPLE = Path(__file__).parents[2] / "examples" / "compare.toml"
CODE = """
import populace

class Climb(populace.Trainable):
    def init(self, key, hp):
        return {"x": 0.0}

    def step(self, key, state, hp):
        return {"x": state["x"] + hp["lr"]}

    def evaluate(self, key, state):
        return state["x"]

def held_out(state):
    return state["x"] - 0.5
"""
CLIMB = ["task.py:Climb", "-c", "compare.toml"]
SETTINGS = """
population = 4
steps = 4
interval = 2
seeds = 6
workers = 1
name = "climb"

[space]
lr = [0.01, 0.1]

[algorithms.PBT]
kind = "PBT"

[algorithms."random search"]
kind = "RandomSearch"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with code and settings, the current one."""
    (tmp_path / "task.py").write_text(CODE)
    (tmp_path / "compare.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPULACE_PROGRESS", "off")
    return tmp_path


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def read(tmp_path, text):
    file = tmp_path / "compare.toml"
    file.write_text(text)
    return read_comparison(file, {})


def test_every_argument_of_compare_can_be_written_in_a_file():
    """Whoever moves from a script to settings must not lose what they had."""
    assert set(CompareSettings.model_fields) == set(inspect.signature(populace.compare).parameters) - {"trainable"}
    given_on_the_command_line = {"members", "interval", "intervals", "until", "executor"}
    arguments = set(inspect.signature(populace.advise).parameters) - {"trainable"}
    assert set(PilotSettings.model_fields) == arguments - given_on_the_command_line


def test_example_is_the_demos_task_and_names_the_judged_one_first():
    """It is what the docs' figure was made with."""
    arguments = read_comparison(EXAMPLE, {})
    assert arguments["space"] == Space.of(DIGITS_SPACE)
    assert list(arguments["algorithms"]) == ["PBT", "random search", "TPE", "ASHA"]
    assert arguments["algorithms"]["ASHA"] == SuccessiveHalving()
    assert tomllib.loads(EXAMPLE.read_text("utf-8"))["seeds"] >= 8


def test_every_baseline_can_be_written(tmp_path):
    """A baseline that only Python knows is left out of comparisons from files."""
    text = """
        population = 4
        steps = 4
        space = {lr = [0.1, 1.0]}
        [algorithms]
        random = "RandomSearch"
        tpe = {kind = "SequentialSearch", sampler = "tpe", pruner = "median", startup = 3}
        asha = {kind = "SuccessiveHalving", factor = 4}
        fixed = {kind = "Fixed", hyperparameters = {lr = 0.5}, exploit = true}
        replay = {kind = "WinningSchedule", of = "random"}
        final = {kind = "FinalHyperparameters", of = "random"}
    """
    assert read(tmp_path, text)["algorithms"] == {
        "random": RandomSearch(),
        "tpe": SequentialSearch(sampler="tpe", pruner="median", startup=3),
        "asha": SuccessiveHalving(factor=4),
        "fixed": Fixed({"lr": 0.5}, exploit=True),
        "replay": WinningSchedule("random"),
        "final": FinalHyperparameters("random"),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seedz = 8", "there is no setting 'seedz': did you mean 'seeds'?"),
        ("seeds = 'all'", "seeds must be a whole number"),
        ("population = 4.5", "population must be a whole number, but got 4.5"),
        ("algorithms = {a = 'PBTT'}", "algorithms.a: `kind` must be"),
        ("algorithms = {a = {sampler = 'tpe'}}", "algorithms.a: a table says its `kind`"),
        ("algorithms = {a = {kind = 'SequentialSearch', sampler = 'x'}}", "algorithms.a: `sampler` must be one of"),
        ("algorithms = {a = {kind = 'SuccessiveHalving', eta = 3}}", "algorithms.a: SuccessiveHalving takes factor"),
        ("algorithms = {a = {kind = 'Fixed'}}", "algorithms.a: Fixed needs hyperparameters, but got []"),
        ("algorithms = {a = 3}", "algorithms.a: it must be the name of a kind or a table"),
    ],
)
def test_mistakes_in_a_file_are_named_where_they_are(tmp_path, line, message):
    """A file is written by hand."""
    name = line.partition(" ")[0]
    usual = {"population": "population = 4", "steps": "steps = 4", "space": "space = {lr = [0.1, 1.0]}"}
    lines = [text for key, text in usual.items() if key != name]
    with pytest.raises(UsageError) as raised:
        read(tmp_path, "\n".join([*lines, line]))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["population", "steps", "space"])
def test_what_is_missing_is_named(tmp_path, missing):
    """With the way to give it."""
    usual = {"population": "population = 4", "steps": "steps = 4", "space": "space = {lr = [0.1, 1.0]}"}
    text = "\n".join(line for name, line in usual.items() if name != missing)
    with pytest.raises(UsageError, match=missing):
        read(tmp_path, text)


@pytest.mark.slow
def test_command_compares_and_tells(place):
    """One command from a file to a report."""
    pytest.importorskip("scipy")
    result = invoke("compare", "task.py:Climb", "-c", "compare.toml", "--test", "task.py:held_out")
    assert result.exit_code == 0, result.output
    headline = result.stdout.splitlines()[0]
    assert headline.startswith("PBT is ")
    assert "runs/climb/comparison.html" in result.stdout
    again = invoke("compare", "task.py:Climb", "-c", "compare.toml", "--test", "task.py:held_out", "--json")
    data = json.loads(again.stdout)
    assert data["tested"] is True
    assert all(o["test"] == pytest.approx(o["score"] - 0.5) for o in data["outcomes"])
    assert invoke("ls", "-d", "runs/climb").stdout.count("finished") == 12


@pytest.mark.slow
def test_options_win_over_the_file(place):
    """One thing is tried without touching the file."""
    pytest.importorskip("scipy")
    words = ["compare", *CLIMB, "--seeds", 1, "--name", "other", "--space", "lr=[0.1, 0.2]"]
    more = ["--algorithm", "PBT=RandomSearch", "--algorithm", 'fixed={kind="Fixed", hyperparameters={lr=0.15}}']
    result = invoke(*words, *more, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["algorithms"] == ["PBT", "random search", "fixed"]
    assert Space.from_json(data["terms"]["space"]) == Space.of({"lr": (0.1, 0.2)})
    scores = {(o["algorithm"], o["seed"]): o["score"] for o in data["outcomes"]}
    assert scores["PBT", 0] == scores["random search", 0]


@pytest.mark.slow
def test_command_advises(place):
    """From the settings of a comparison, without a line more."""
    result = invoke("advise", "task.py:Climb", "-c", "compare.toml", "--steps", 40, "--inline")
    assert result.exit_code == 0, result.output
    assert "noise of a score" in result.stdout
    assert "recommended: interval" in result.stdout
    data = json.loads(
        invoke("advise", "task.py:Climb", "-c", "compare.toml", "--steps", 40, "--inline", "--json").stdout
    )
    assert data["steps"] == 40


def test_pilot_reads_settings_of_runs_too(tmp_path):
    """People have a run.toml before they have anything else."""
    file = tmp_path / "run.toml"
    file.write_text('population = 4\nsteps = 40\nname = "long"\n[space]\nlr = [0.1, 1.0]\n[policy]\nkind = "PBT"\n')
    assert read_pilot(file, {"seed": 3}) == {"steps": 40, "seed": 3, "space": Space.of({"lr": (0.1, 1.0)})}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "task.py:Climb"], "a comparison needs `population`"),
        (["compare", "task.py:Climb", "-c", "none.toml"], "cannot be read"),
        (["compare", *CLIMB, "--algorithm", "PBT"], "--algorithm takes NAME=KIND"),
        (["compare", *CLIMB, "--algorithm", "a=PBT", "--algorithm", "a=PBT"], "twice"),
        (["compare", *CLIMB, "--algorithm", "a={kind=PBT}"], "is not TOML"),
        (
            ["compare", "task.py:Climb", "-c", "compare.toml", "--steps", "5"],
            "`steps` must be a multiple of `interval`",
        ),
        (["compare", *CLIMB, "--test", "task.py:nothing"], "has no 'nothing'"),
        (["compare", *CLIMB, "--seeds", "0"], "`seeds` must be how many"),
        (["advise", "task.py:Climb"], "a pilot needs `steps`"),
        (["advise", *CLIMB, "--members", "2"], "`members >= 4` must hold"),
        (["advise", *CLIMB, "--until", "3"], "`0 < until <= 1` must hold"),
        (["advise", *CLIMB, "--mode", "up"], "mode must"),
    ],
)
def test_bad_commands_end_with_one_line_and_create_nothing(place, words, message):
    """Exit code 2: something in the command is to be put right."""
    before = sorted(place.iterdir())
    result = invoke(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [path for path in sorted(place.iterdir()) if path.name != "__pycache__"] == before
