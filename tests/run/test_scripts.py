"""Scripts without a guard, notebooks, modules beside a script: the user's code reaches the workers by value."""

import os
import subprocess
import sys

import pytest

HEAD = """
import functools
import numpy as np
import populace
SPACE = {"lr": populace.LogUniform(1e-3, 1e-1)}
SETTINGS = dict(population=4, steps=4, interval=2, seed=0, executor=populace.Processes(workers=2))
print("the script runs")
"""
TAIL = """
print("score", result.best.score > 0.19)
"""
BODIES = {
    "function": """
def train(member):
    w = np.full(4, 0.9)
    member.track(w=w)
    for _ in member:
        w *= 1 - member["lr"]
        member.report(float(1 - np.mean(w ** 2)))
result = populace.tune(train, SPACE, **SETTINGS)
""",
    "class": """
class Base(populace.Trainable):
    def init(self, key, hp):
        return np.full(4, 0.9)
    def evaluate(self, key, state):
        return float(1 - np.mean(state ** 2))
    def step(self, key, state, hp):
        raise NotImplementedError
class Mine(Base):
    def __init__(self, scale):
        self.scale = scale
    def step(self, key, state, hp):
        return state * (1 - self.scale * hp["lr"])
result = populace.tune(Mine(1.0), SPACE, **SETTINGS)
assert isinstance(result.best.restore(), np.ndarray)
""",
    "closure with cached data": """
@functools.cache
def data():
    return np.full(4, 0.9)
def make(offset):
    def train(member):
        w = data() + offset
        member.track(w=w)
        for _ in member:
            w *= 1 - member["lr"]
            member.report(float(1 - np.mean(w ** 2)))
    return train
result = populace.tune(make(0.0), SPACE, **SETTINGS)
""",
    "module beside the script": """
import helper
result = populace.tune(helper.train, SPACE, **SETTINGS)
""",
}


def run_python(folder, *arguments, **options):
    environment = {**os.environ, "POPULACE_PROGRESS": "off"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", BODIES)
def test_script_without_a_guard_runs_once(tmp_path, kind):
    """Workers that import the script again would start runs within runs."""
    (tmp_path / "helper.py").write_text("import numpy as np\n" + BODIES["function"].rsplit("result", 1)[0])
    (tmp_path / "script.py").write_text(HEAD + BODIES[kind] + TAIL)
    done = run_python(tmp_path, "script.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the script runs\nscore True\n"


@pytest.mark.slow
def test_notebook_cells_run(tmp_path):
    """A notebook has a main module without a file; functions and classes are defined cell by cell."""
    cells = "\n".join(HEAD.splitlines()) + BODIES["class"] + TAIL
    done = run_python(tmp_path, "-", input=cells)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("score True\n")


@pytest.mark.slow
def test_resume_finds_the_function_in_a_script_that_calls_tune_itself(tmp_path):
    """`populace resume RUN` loads the script for its function; the script's own `tune` must not run again."""
    (tmp_path / "script.py").write_text(HEAD + BODIES["function"].replace("**SETTINGS", 'name="r", **SETTINGS') + TAIL)
    assert run_python(tmp_path, "script.py").returncode == 0
    done = run_python(tmp_path, "-c", "import populace; print(populace.resume('r', steps=6).state.steps)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("(6, 6, 6, 6)\n")
