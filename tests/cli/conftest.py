"""A finished run that all tests of the command line read, and a runner."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from populace.cli import app

CODE = """
import os, sys
import populace

class Climb(populace.Trainable):
    def init(self, key, hp):
        return {"x": 0.0}

    def step(self, key, state, hp):
        return {"x": state["x"] + hp["lr"]}

    def evaluate(self, key, state):
        return {"height": state["x"]}

class Watcher(populace.Callback):
    def on_end(self, result):
        print("watched", result.name)

def speak(member):
    holder = {"x": 0}
    member.track(state=holder)
    for step in member:
        os.write(1, b"step\\n")  # at once: two workers write it
        holder["x"] += 1
        member.report(float(holder["x"]))

def breaks(member):
    raise RuntimeError("no data here")
"""
SETTINGS = """
population = 4
steps = 6
interval = 2
metric = "height"
seed = 3

[space]
lr = [0.1, 1.0]
batch = [16, 32, 64]

[executor]
kind = "Inline"
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with code, settings and a finished run called `done`."""

    folder: Path
    code: Path
    settings: Path
    runs: Path


@pytest.fixture(scope="session")
def invoke():
    """Runs a command in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def place(tmp_path_factory, invoke):
    """The folder, made once; tests that change a run copy it."""
    folder = tmp_path_factory.mktemp("cli")
    code, settings = folder / "climb.py", folder / "run.toml"
    code.write_text(textwrap.dedent(CODE))
    settings.write_text(SETTINGS)
    made = Place(folder=folder, code=code, settings=settings, runs=folder / "runs")
    result = invoke("run", f"{code}:Climb", "-c", settings, "-d", made.runs, "--name", "done")
    assert result.exit_code == 0, result.output
    return made


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setenv("POPULACE_PROGRESS", "off")
