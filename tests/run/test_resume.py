"""Laws of names: a run of the same name goes on, with other limits if asked, and with nothing else changed unseen."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from populace import PBT, Inline, LogUniform, PopulaceError, Resample, Space, Trainable, resume, tune
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


class Counting(Trainable):
    """Counts the steps it takes in this process; as source code the same for all tests."""

    num_steps = 0

    def init(self, key, hp):
        return {"w": 0.9}

    def step(self, key, state, hp):
        Counting.num_steps += 1
        return {"w": state["w"] * (1 - hp["lr"])}

    def evaluate(self, key, state):
        return 1 - state["w"]


def test_a_finished_run_is_returned_at_once(tmp_path):
    """Running a script a second time must show the result, not train it again."""
    first = tune_toy(Counting(), tmp_path)
    Counting.num_steps = 0
    again = tune_toy(Counting(), tmp_path)
    assert Counting.num_steps == 0
    assert again.to_records() == first.to_records()


def test_more_steps_go_on_from_what_there_is(folder):
    """A promising run is prolonged; what was trained stays as it is."""
    before = Result.load("toy", str(folder)).to_records()
    result = tune_toy(Bowl(), folder, steps=10)
    assert result.finished
    assert result.state.steps == (10,) * 4
    after = {(r["member"], r["generation"]): r for r in result.to_records()}
    assert all(after[r["member"], r["generation"]]["score"] == r["score"] for r in before)
    assert verify(result.directory) == []


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
        ({"space": {"lr": LogUniform(1e-3, 2e-1)}}, r"space: "),
        ({"policy": PBT(explore=Resample())}, r"policy: "),
        ({"interval": 3}, r"interval: 2 became 3"),
        ({"seed": 1}, r"seed: 0 became 1"),
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
    with pytest.raises(PopulaceError, match=r"there is no run 'tyo' in .*: the runs there are toy"):
        resume("tyo", Bowl(), directory=folder)


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "-x", "x" * 65, "a b", "ü"])
def test_names_that_are_no_folder_names_are_refused(tmp_path, name):
    """A name becomes a folder and an argument of commands, on every system."""
    with pytest.raises(PopulaceError, match="a run's name has 1 to 64 letters"):
        tune_toy(Bowl(), tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"population": 0}, r"`population >= 1` must hold"),
        ({"interval": 0}, r"`interval >= 1` must hold"),
        ({"steps": 0}, r"`steps >= 1` must hold"),
        ({"steps": 2.5}, r"steps"),
        ({"space": {}}, r"space"),
        ({"space": {"lr": (3, 1)}}, r"low"),
        ({"mode": "best"}, r"`mode` must be 'max' or 'min', but got 'best'"),
        ({"policy": "pbt"}, r"`policy` must be a policy such as PBT\(\)"),
        ({"seed": "x"}, r"`seed` must be a whole number or None"),
        ({"executor": 4}, r"`executor` must be an executor such as Processes\(workers=4\)"),
        ({"callbacks": [print]}, r"`callbacks` must hold populace\.Callback objects"),
        ({"evaluate_every": 5}, r"`evaluate_every <= interval` must hold"),
    ],
)
def test_bad_arguments_are_one_clear_line_and_create_nothing(tmp_path, changes, told):
    """The first mistakes of a new user; none may leave a half-made run of that name behind."""
    with pytest.raises(PopulaceError, match=told) as caught:
        tune_toy(Bowl(), tmp_path / "runs", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_file_in_place_of_the_folder_is_one_clear_line(tmp_path):
    """A file called `runs` lies in the way."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(PopulaceError, match=r"cannot be made \(Not a directory\): choose another directory"):
        tune_toy(Bowl(), tmp_path / "runs")


UNPRIVILEGED = """
import os, sys
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
import populace
from populace.testing import Bowl, tune_toy
for name in ("new", "toy"):
    try:
        tune_toy(Bowl(), "runs", name=name, steps=8)
    except populace.PopulaceError as error:
        print(type(error).__name__, error)
print(populace.Result.load("toy").best.score)
"""


@pytest.mark.slow
def test_a_read_only_folder_is_one_clear_line_and_can_be_read(folder):
    """The results of a colleague are looked at; training there is refused."""
    runs = folder / "runs"
    runs.mkdir()
    (folder / "toy").rename(runs / "toy")
    for path in (*runs.rglob("*"), runs, folder):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if os.geteuid() != 0:
        for path in (runs / "toy", runs):
            path.chmod(0o555)
    # The folders above belong to this user alone; whoever runs as somebody else is handed the folder as its own.
    code = f"import os; os.chdir({str(folder)!r})\n{UNPRIVILEGED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
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
