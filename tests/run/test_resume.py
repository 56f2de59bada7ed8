"""Laws of names: a run of the same name goes on, with other limits if asked, and with nothing else changed unseen."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from populace import PBT, Inline, PopulaceError, Space, Trainable, resume, tune
from populace.core import RunSpec
from populace.run import Result, verify
from populace.run._tune import _resume_hint
from populace.testing import BOWL_SPACE, Bowl, NoisyBowl, bowl_loop, tune_toy


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run; tests copy it."""
    folder = tmp_path_factory.mktemp("finished")
    tune_toy(Bowl(), folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A folder of its own with a finished run."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("population", [2, 6])
def test_members_can_be_added_and_left_out(folder, population):
    """More machines came, or fewer are left."""
    result = resume("toy", Bowl(), directory=folder, population=population, steps=8, executor=Inline())
    assert result.finished
    assert result.state.steps == (8,) * population
    assert verify(result.directory) == []


def test_fewer_steps_are_already_done(folder):
    """A limit below what was trained changes nothing that was trained."""
    result = resume("toy", Bowl(), directory=folder, steps=4, executor=Inline())
    assert result.finished
    assert result.state.steps == (6,) * 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"interval": 3}, r"interval: 2 became 3"),
        ({"mode": "min"}, r"mode: 'max' became 'min'"),
        ({"trainable": NoisyBowl(), "metric": "score"}, r"code: "),
    ],
)
def test_other_settings_are_refused_with_what_differs(folder, changes, told):
    """Two experiments in one log are none."""
    before = Result.load("toy", str(folder)).to_records()
    trainable = changes.get("trainable", Bowl())
    changes = {name: value for name, value in changes.items() if name != "trainable"}
    with pytest.raises(PopulaceError, match=rf"'toy' exists, (.|\n)*{told}(.|\n)*another name for a new run"):
        tune_toy(trainable, folder, **{"steps": 8, **changes})
    assert Result.load("toy", str(folder)).to_records() == before


def test_other_code_goes_on_by_force(folder):
    """A fixed bug in the training code is why one resumes."""
    with pytest.raises(PopulaceError, match=r"code: "):
        resume("toy", bowl_loop, directory=folder, steps=8, executor=Inline())

    class Fixed(Trainable):
        def init(self, key, hp):
            return Bowl().init(key, hp)

        def step(self, key, state, hp):
            return Bowl().step(key, state, hp)

        def evaluate(self, key, state):
            return Bowl().evaluate(key, state)

    result = resume("toy", Fixed(), directory=folder, steps=8, executor=Inline(), force=True)
    assert result.finished
    assert result.state.steps == (8,) * 4


def test_no_seed_goes_on_with_the_runs_own(folder):
    """Without a seed one is drawn; running the script again must not draw another one."""
    result = tune_toy(Bowl(), folder, seed=None, steps=8)
    assert result.spec.seed == 0
    assert result.finished


def test_an_unknown_run_names_the_known_ones(folder):
    """A misspelt name is answered with the right ones."""
    with pytest.raises(PopulaceError, match=r"there is no run 'tyo' in .*: it holds 'toy'"):
        resume("tyo", Bowl(), directory=folder)


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "-x", "x" * 65, "a b", "ü"])
def test_names_that_are_no_folder_names_are_refused(tmp_path, name):
    """A name becomes a folder and an argument of commands, on every system."""
    with pytest.raises(PopulaceError, match="a run's name has 1 to 64 letters"):
        tune_toy(Bowl(), tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_one_clear_line(tmp_path):
    """A file called `runs` lies in the way."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(PopulaceError, match=r"cannot be made \(Not a directory\): choose another directory"):
        tune_toy(Bowl(), tmp_path / "runs")


UNPRIVILEGED = """
import os, sys
import populace
from populace.store import SqliteStore
from populace.testing import Bowl, tune_toy
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
for name in ("new", "toy"):
    try:
        tune_toy(Bowl(), "runs", name=name, steps=8)
    except populace.PopulaceError as error:
        print(error)
print(populace.Result.load("toy").best.score)
"""


@pytest.mark.slow
def test_a_read_only_folder_is_one_clear_line_and_can_be_read(finished):
    """The results of a colleague are looked at; training there is refused."""
    with tempfile.TemporaryDirectory() as shared:  # where other users may come
        runs = Path(shared) / "runs"
        shutil.copytree(finished, runs)
        Path(shared).chmod(0o755)
        for path in (*runs.rglob("*"), runs):
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run([sys.executable, "-c", UNPRIVILEGED, shared], capture_output=True, text=True, check=False)
        for path in (*runs.rglob("*"), runs):
            path.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    assert "cannot be made (Permission denied): choose another directory" in lines[0]
    assert "is not writable: change its permissions or choose another directory" in lines[1]
    assert 0 < float(lines[2]) < 1


def test_resume_hint_can_be_pasted(tmp_path):
    """The command is copied from the screen into a shell; a space in a folder's name must not break it."""
    spec = RunSpec(
        name="toy", space=Space.of(BOWL_SPACE), policy=PBT(), seed=0, population=1, steps=1, entry="train.py:train"
    )
    hint = _resume_hint(tmp_path / "my runs" / "toy", spec)
    assert shlex.split(hint) == ["populace", "resume", str(tmp_path / "my runs" / "toy")]


def test_a_relative_folder_may_be_left_during_training(tmp_path, monkeypatch):
    """User code that changes the working folder must not make the log disappear."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def leave(member, step):
        os.chdir(tmp_path / "elsewhere")

    result = tune(
        lambda member: bowl_loop(member, leave),
        BOWL_SPACE,
        population=2,
        steps=2,
        seed=0,
        name="toy",
        directory="runs",
        executor=Inline(),
    )
    assert result.finished
    assert result.best.restore()["state"]["w"].shape == (4,)
    assert (tmp_path / "runs" / "toy").is_dir()
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Stumbling(Trainable):
    """Walks as far as its learning rate says; member 0's first interval fails."""

    def init(self, key, hp):
        return {"x": 0.0}

    def step(self, key, state, hp):
        if key.path[:2] == (0, 0):
            raise RuntimeError("a bad start")
        return {"x": state["x"] + hp["lr"]}

    def evaluate(self, key, state):
        return state["x"]


@pytest.mark.parametrize("seed", range(4))
def test_members_that_come_back_meet_the_others_where_they_are(tmp_path, seed):
    """A run is given more steps: who was behind for a failure went on alone, and its old checkpoints are gone."""
    settings = {"population": 3, "interval": 2, "seed": seed, "synchronous": True, "max_failures": 1, "name": "toy"}
    for steps in (4, 12):
        tune(Stumbling(), BOWL_SPACE, steps=steps, executor=Inline(), directory=tmp_path, **settings)
    assert verify(tmp_path / "toy") == []
