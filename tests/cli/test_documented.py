"""That the command line is whole: documented, and as able as `tune`."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import populace
from populace.cli import app
from populace.run import RunSettings

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands
ISSUED = {
    *("compare", "advise"),
    *("run", "resume", "ls", "show", "best", "schedule", "lineage", "replay", "plot", "verify", "gc", "doctor", "demo"),
}
HEAVY = ["numpy", "sqlalchemy", "pydantic", "scipy", "matplotlib", "torch", "jax"]


def _options(command):
    return {
        name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts) if "-" in name
    }


def test_promised_commands_exist():
    """A command that a page or a message names and that is not there leaves its reader stranded."""
    assert set(COMMANDS) == ISSUED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_are_documented(name):
    """Users find an option in the docs or not at all."""
    assert f"`populace {name}" in PAGE
    assert [
        option for option in _options(COMMANDS[name]) if f"`{option}" not in PAGE and f" {option}`" not in PAGE
    ] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_explain_themselves(name):
    """An option without a word of help is guessed at."""
    command = COMMANDS[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


def test_every_option_of_tune_can_be_written_in_a_file():
    """Whoever moves from a script to settings must not lose what they had."""
    arguments = set(inspect.signature(populace.tune).parameters) - {"trainable"}
    assert set(RunSettings.model_fields) == arguments


def test_every_option_of_tune_can_be_given_on_the_command_line():
    """A sweep over one setting from a shell needs no second file."""
    spelled = {"callbacks": {"--callback"}, "executor": {"--workers", "--inline", "--devices", "--threads"}}
    options = _options(COMMANDS["run"])
    wanted = [spelled.get(name, {f"--{name.replace('_', '-')}"}) for name in RunSettings.model_fields]
    assert [names - options for names in wanted if names - options] == []


@pytest.mark.slow
def test_help_loads_nothing_heavy():
    """Help that takes two seconds is not asked for twice."""
    code = (
        "import sys, typer.testing; from populace.cli import app; "
        "typer.testing.CliRunner().invoke(app, ['--help']); "
        f"print(*sorted(sys.modules.keys() & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
