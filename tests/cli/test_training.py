"""Commands that train: settings, exit codes, interrupts."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

import populace
from populace._errors import PopulaceError, RunBusy, RunExists, RunFailed, RunInterrupted, SpaceError, UnknownRun
from populace.cli._app import exit_code


def test_unknown_option_names_the_nearest(invoke):
    """Most unknown options are typing mistakes."""
    result = invoke("run", "a.py:f", "--polulation", "3")
    assert result.exit_code == 2
    assert "--population" in re.sub(r"\x1b\[[0-9;]*m", "", result.stderr)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((kind, 2) for kind in (SpaceError, UnknownRun, RunExists)),
        *((kind, 1) for kind in (PopulaceError, RunBusy, RunFailed)),
        (RunInterrupted, 3),
    ],
)
def test_exit_code_tells_who_can_help(error, code):
    """A scheduler starts a run again after 3, and only after 3."""
    assert exit_code(error()) == code


def test_failing_code_fails_the_command(invoke, place, tmp_path):
    """A bug that hits every member must reach whoever started the run, as an exit code and as a traceback."""
    result = invoke("run", f"{place.code}:breaks", "-c", place.settings, "-d", tmp_path)
    assert result.exit_code == 1
    assert "RuntimeError: no data here" in result.stderr
    shown = invoke("show", "-d", tmp_path)
    assert re.search(r"status +failed: every member failed", shown.stdout)
    assert "RuntimeError: no data here\n" in shown.stdout


def test_options_win_over_the_file(invoke, place, tmp_path):
    """One setting is tried without touching the file."""
    words = ["run", f"{place.code}:Climb", "-c", place.settings, "-d", tmp_path, "--name", "x", "--steps", 2]
    more = ["--space", "lr=0.5", "--policy", "RandomSearch", "--callback", f"{place.code}:Watcher", "--synchronous"]
    result = invoke(*words, *more)
    assert result.exit_code == 0, result.output
    assert "watched x" in result.stdout
    shown = json.loads(invoke("show", "x", "-d", tmp_path, "--json").stdout)
    settings = shown["settings"]
    assert (settings["steps"], settings["population"], settings["synchronous"]) == (2, 4, True)
    assert settings["policy"]["exploit"]["kind"] == "NoExploit"
    assert {member["newest"]["hyperparameters"]["lr"] for member in shown["members"]} == {0.5}


def test_resume_honours_new_limits(invoke, place, tmp_path):
    """A run that looks good is given more steps."""
    shutil.copytree(place.runs / "done", tmp_path / "done")
    result = invoke("resume", "done", "-d", tmp_path, "--steps", 8, "--inline")
    assert result.exit_code == 0, result.output
    assert json.loads(invoke("show", "done", "-d", tmp_path, "--json").stdout)["member_steps"] == 4 * 8


def test_replay_is_bit_equal(invoke, place):
    """A schedule that does not give its model again is a story, not a result."""
    result = invoke("replay", "done", "-d", place.runs)
    assert result.exit_code == 0, result.output
    assert "bit-equal" in result.stdout


def test_replay_of_changed_code_fails(invoke, place, tmp_path):
    """Whoever edits the code after the run must learn that it no longer gives that model."""
    changed = tmp_path / "climb.py"
    changed.write_text(place.code.read_text().replace('+ hp["lr"]', '+ 2 * hp["lr"]'))
    result = invoke("replay", "done", "-d", place.runs, "--code", f"{changed}:Climb")
    assert result.exit_code == 1
    assert "the code has changed" in result.stderr


@pytest.mark.slow
def test_interrupted_run_resumes_to_its_exact_budget(place, tmp_path):
    """Ctrl-C in a terminal reaches the whole process group; nothing may be lost or trained twice."""
    command = [sys.executable, "-c", "from populace.cli import main; main()"]
    words = ["run", f"{place.code}:speak", "--population", "3", "--steps", "150", "--interval", "1", "--workers", "2"]
    environment = {**os.environ, "POPULACE_PROGRESS": "plain"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path, "env": environment}
    process = subprocess.Popen([*command, *words, "--space", "lr=[0.1, 1.0]"], start_new_session=True, **pipes)
    assert process.stdout.readline() == "step\n"
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "press Ctrl-C again" in said
    resume = shlex.split(re.search(r"Resume with: populace (.+)", said)[1])
    again = subprocess.run([*command, *resume], check=False, **pipes)
    assert again.returncode == 0, again.stderr
    (run,) = populace.run.list_runs(tmp_path / "runs")
    result = populace.Result(run)
    assert result.state.steps == (150, 150, 150)
    assert populace.run.verify(run) == []
