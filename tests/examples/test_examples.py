"""The examples and the README's program run as they stand, in an empty folder, without a guard."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_script(script: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "POPULACE_PROGRESS": "off"}
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_readme_program_runs_in_an_empty_folder(tmp_path):
    """It is the first thing that a stranger pastes."""
    readme = (ROOT / "README.md").read_text()
    program = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "import numpy" in block)
    script = tmp_path / "first.py"
    script.write_text(program)
    score, first, last = re.fullmatch(r"(\S+) \{'lr': (\S+)\} \{'lr': (\S+)\}\n", run_script(script, tmp_path)).groups()
    assert float(score) < 0.05
    assert all(1e-3 <= float(rate) <= 1.0 for rate in (first, last))


@pytest.mark.slow
def test_quickstart_tells_the_best_and_its_schedule(tmp_path):
    """What an asynchronous run finds differs from run to run; that it finds something good does not."""
    out = run_script(ROOT / "examples/quickstart.py", tmp_path)
    assert float(re.search(r"best loss (\S+) by member \d", out).group(1)) < 0.05
    assert next(re.finditer(r"from step +(\d+): lr = 0\.\d+", out)).group(1) == "0"


@pytest.mark.slow
def test_trainable_example_replays_bit_for_bit(tmp_path):
    """A schedule that cannot be repeated is only a picture."""
    assert "replayed bit for bit: True" in run_script(ROOT / "examples/trainable.py", tmp_path)


@pytest.mark.slow
def test_triangle_wave_is_followed_by_pbt_alone(tmp_path):
    """A moving optimum is what PBT is for; no constant can follow it."""
    out = run_script(ROOT / "examples/triangle_wave.py", tmp_path)
    pbt, random = map(float, re.search(r"PBT (\S+), random search (\S+),", out).groups())
    assert pbt > 80
    assert random < 25


@pytest.mark.slow
def test_quadratic_beats_the_best_constant_and_not_the_oracle_by_far(tmp_path):
    """The expected loss of every schedule is known here, so a result outside these lines would be a bug."""
    out = run_script(ROOT / "examples/quadratic.py", tmp_path)
    value = {
        name.strip(): float(number) for name, number in re.findall(r"^(.*?) -log10 loss (\S+)$", out, re.MULTILINE)
    }
    assert value["best constant (expected)"] < value["PBT"]
    assert value["PBT"] < value["oracle schedule (expected)"] + 0.2


@pytest.mark.slow
def test_figure_2_has_all_four_panels(tmp_path):
    """The paper's own toy: only with exploit does either member see the whole goal."""
    pytest.importorskip("matplotlib")
    out = run_script(ROOT / "examples/figure2.py", tmp_path)
    value = {name.strip(): float(q) for name, q in re.findall(r"^(.*?) best Q (\S+)$", out, re.MULTILINE)}
    assert value["grid search"] == pytest.approx(0.3897, abs=1e-4)
    assert value["exploit only"] == pytest.approx(1.1715, abs=1e-3)
    assert value["PBT"] > 1.17
    assert value["explore only"] > 1.0
    assert (tmp_path / "figure2.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits_example_learns(tmp_path):
    """Twelve of sixty steps: enough to see that real images are learnt from wrong labels."""
    pytest.importorskip("sklearn")
    out = run_script(ROOT / "examples/digits.py", tmp_path, "12")
    held_out = float(re.search(r"held out   \{'log_loss': (\S+),", out).group(1))
    assert held_out < 1.8


@pytest.mark.slow
def test_ppo_example_trains_and_measures_on_fresh_episodes(tmp_path, compiled_once):
    """A tenth of its steps, too few to learn in: its parts fit together, in workers that load them by value."""
    pytest.importorskip("jax")
    out = run_script(ROOT / "examples/ppo.py", tmp_path, "pendulum", "48")
    assert float(re.search(r"fresh episodes: mean return (\S+)", out).group(1)) > -1700
    assert next(re.finditer(r"from step +(\d+): {'learning_rate'", out)).group(1) == "0"


@pytest.mark.slow
def test_torch_example_tunes_a_real_network(tmp_path):
    """A cached data function in a script without a guard must reach the workers."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    out = run_script(ROOT / "examples/torch_loop.py", tmp_path, "4")
    accuracy = float(re.search(r"accuracy (\S+)%", out).group(1))
    assert accuracy > 80
