"""Demos tell what they measured, whoever won."""

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from populace import Inline, PopulaceError
from populace.demos import DEMOS, run_demo


def test_unknown_demo_is_refused_with_the_names_there_are():
    """A typo must not start half a minute of training."""
    with pytest.raises(PopulaceError, match="digits, quadratic, breakout"):
        run_demo("digit")


@pytest.mark.slow
def test_quadratic_demo_tells_scores_schedule_figures_and_commands(tmp_path):
    """Everything a reader needs to look further is on the screen, and every file named there exists."""
    pytest.importorskip("matplotlib")
    place = tmp_path / "a folder's name"
    place.mkdir()
    out = io.StringIO()
    run_demo("quadratic", directory=place, console=Console(file=out, width=200))
    text = out.getvalue()
    for expected in ("random search", "best constant", "oracle schedule", "from step", "populace verify"):
        assert expected in text
    figures = [line.strip() for line in text.splitlines() if line.strip().endswith(".png")]
    assert len(figures) == 2
    assert all((place / name.rsplit("/", 1)[1]).exists() for name in figures)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  populace ")]
    assert len(commands) == 4
    assert all(Path(run).is_dir() for _, _, run in commands), "a command can be pasted, wherever the run lies"


@pytest.mark.slow
def test_breakout_demo_tells_fresh_episodes_and_who_won(tmp_path, monkeypatch):
    """A small part of the demo: the story must stand on episodes that no training has seen, whoever won."""
    pytest.importorskip("jax")
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("POPULACE_PROGRESS", "off")
    from populace.demos import _breakout

    monkeypatch.setattr(_breakout, "POPULATION", 4)
    monkeypatch.setattr(_breakout, "INTERVAL", 8)
    once = Inline()  # compiles once, not in every worker of both runs
    out = io.StringIO()
    _breakout.run_breakout(
        directory=tmp_path, seed=1, stem="b", console=Console(file=out, width=200), steps=24, executor=once
    )
    text = out.getvalue()
    for expected in ("random search", "fresh mean", "on this seed", "from step", "populace verify"):
        assert expected in text
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_every_demo_names_what_it_needs():
    """A missing package must give the command that installs it, not a traceback."""
    assert set(DEMOS) == {"digits", "quadratic", "breakout"}
