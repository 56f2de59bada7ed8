"""Figures: what a stranger must be able to read off them, and that every run can be drawn."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("matplotlib")

from matplotlib.collections import LineCollection
from matplotlib.text import Text

from populace._errors import StoreError, UsageError
from populace.core import Evaluation, Finite, Mode, RandomSearch, Schedule
from populace.report import (
    figure_comparison,
    figure_lineage,
    figure_overview,
    figure_schedule,
    figure_scores,
    save_figure,
)
from populace.space import Choice, Complement, Constant, IntUniform, LogIntUniform, LogUniform, Ordinal, Space, Uniform

WIDE_SPACE = Space(
    {
        "lr": LogUniform(1e-3, 1.0),
        "momentum": Complement(0.5, 0.999),
        "dropout": Uniform(0, 0.6),
        "layers": IntUniform(1, 4),
        "batch": Ordinal([16, 32, 64]),
        "optimiser": Choice(["sgd", "adam", "a name that no axis has room for"]),
        "nesterov": Choice([True, False], when={"optimiser": "sgd"}),
        "width": LogIntUniform(8, 1024),
        "cost in $x$": Uniform(0, 1),
        "smoothing": Uniform(0, 0.3),
        "decay": LogUniform(1e-6, 1e-2),
        "clip": Uniform(-1, 1),
        "depth": Constant(3),
    }
)
KINDS = {
    "one member": {"population": 1, "generations": 2},
    "without exploits": {"population": 3, "generations": 2, "policy": RandomSearch()},
    "asynchronous": {"population": 3, "generations": 4, "lag": 1, "mode": Mode.MAX},
    "still training": {"population": 3, "generations": 2, "running": True},
    "begun a moment ago": {"population": 3, "generations": 0, "running": True},
    "all diverged": {"population": 3, "generations": 2, "diverges": lambda _: True},
    "constants only": {"population": 3, "generations": 2, "space": {"lr": 0.1, "name": "a"}},
    "one hyperparameter": {"population": 3, "generations": 2, "space": {"lr": LogUniform(1e-3, 1.0)}},
}


def texts(figure):
    """Returns all that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def drawings(run):
    """Returns the three figures of a run."""
    return {
        "scores": figure_scores(run.segments, mode=run.mode, metric="loss"),
        "schedule": figure_schedule(run.segments, run.schedule, run.space),
        "lineage": figure_lineage(run.segments, mode=run.mode, metric="loss"),
    }


def lines_of(axes, width):
    """Returns the lines of one width."""
    collections = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [segment for c in collections if width in c.get_linewidths() for segment in c.get_segments()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_run_can_be_drawn(simulate, kind):
    """A figure is asked for at any moment of any run, most of all when something went wrong."""
    for figure in drawings(simulate(**KINDS[kind])).values():
        figure.draw_without_rendering()


@pytest.mark.slow
def test_a_run_without_segments_can_be_drawn():
    """A dashboard draws a run before its first worker has begun."""
    figure_overview([], space=WIDE_SPACE, mode=Mode.MIN).draw_without_rendering()


@pytest.mark.slow
def test_every_figure_says_what_it_is_and_how_to_read_it(usual):
    """A figure travels without its text: into a slide, a chat, a paper."""
    for figure in drawings(usual).values():
        assert figure.get_suptitle()
        assert "How to read this: " in texts(figure)
        for axes in figure.axes:
            assert axes.get_ylabel()
        assert any("steps" in axes.get_xlabel() for axes in figure.axes)
        assert figure.legends


@pytest.mark.parametrize(("mode", "words"), [(Mode.MIN, "loss (lower is better"), (Mode.MAX, "loss (higher is better")])
def test_axis_of_the_score_says_which_way_is_better(simulate, mode, words):
    """A rising curve is good news or bad, and the reader does not know which metric is which."""
    run = simulate(3, 2, mode=mode)
    figure = figure_scores(run.segments, mode=mode, metric="loss")
    assert figure.axes[0].get_ylabel().startswith(words)


def test_winners_score_line_follows_its_ancestry(usual):
    """The history of the member that holds the winner is another model's past."""
    axes = figure_scores(usual.segments, mode=usual.mode).axes[0]
    by_id = {segment.id: segment for segment in usual.segments}
    path, walker = [], by_id[usual.best]
    while walker is not None:
        path[:0] = [(e.step, e.score) for e in walker.evaluations]
        walker = by_id.get(walker.parent)
    bold = next(line for line in axes.lines if line.get_linewidth() == 2.6)
    assert list(zip(*bold.get_data(), strict=True)) == path


def test_what_died_out_is_grey_and_what_lives_on_is_named(usual):
    """Whose weights are in the final population is the first thing a lineage is asked."""
    figure = figure_scores(usual.segments, mode=usual.mode)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "died out" in labels
    assert any(label.startswith("from initial member") for label in labels)
    assert lines_of(figure.axes[0], 0.9)


@pytest.mark.parametrize("mode", Mode)
def test_one_exploded_member_does_not_flatten_the_others(simulate, mode):
    """A loss of 1e12 on one member makes all other curves one line at the bottom."""
    run = simulate(6, 6, mode=mode)
    bad = mode.orient(-1e12)
    segments = [
        replace(s, outcome=Finite(value=bad), evaluations=(Evaluation(step=s.end_step, score=bad, metrics={}),))
        if s.id == (0, 5)
        else s
        for s in run.segments
    ]
    figure = figure_scores(segments, mode=mode)
    assert max(map(abs, figure.axes[0].get_ylim())) < 1e4
    assert "1 of 71 scores are so bad that they lie beyond the axis" in texts(figure).replace("\n", " ")


def test_nothing_is_said_to_be_cut_where_nothing_is(usual):
    """A caption that warns of nothing teaches readers to skip captions."""
    assert "beyond the axis" not in texts(figure_scores(usual.segments, mode=usual.mode)).replace("\n", " ")


def test_ends_without_a_score_are_marked(usual):
    """A line that just stops looks like a member that still trains."""
    for figure in (figure_scores(usual.segments, mode=usual.mode), figure_lineage(usual.segments, mode=usual.mode)):
        marks = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
        assert [len(line.get_xdata()) for line in marks] == [2]


@pytest.mark.slow
def test_schedule_has_a_panel_per_tuned_hyperparameter(simulate):
    """With twelve hyperparameters the one that explains the run must not be the one left out."""
    run = simulate(4, 3, space=WIDE_SPACE)
    figure = figure_schedule(run.segments, run.schedule, run.space)
    titles = [axes.get_title(loc="left").replace("\\", "") for axes in figure.axes if axes.get_visible()]
    assert titles == [name for name in WIDE_SPACE if name != "depth"]
    assert "Constant: depth = 3." in texts(figure).replace("\n", " ")


def test_panels_use_the_axis_of_their_dimension(simulate):
    """On an even axis, 1e-5 and 1e-3 are one point, and so are 0.99 and 0.999."""
    run = simulate(2, 1, space={name: WIDE_SPACE[name] for name in ("lr", "momentum", "dropout")})
    lr, momentum, dropout = figure_schedule(run.segments, run.schedule, run.space).axes
    assert (lr.get_yscale(), momentum.get_yscale(), dropout.get_yscale()) == ("log", "log", "linear")
    assert momentum.yaxis.get_major_formatter()(0.001, 0) == "0.999"


def test_listed_values_are_the_ticks(simulate):
    """A categorical shown as 0, 1, 2 sends the reader back to the code."""
    run = simulate(2, 1, space={"batch": Ordinal([16, 32, 64])})
    (axes,) = figure_schedule(run.segments, run.schedule, run.space).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["16", "32", "64"]


def test_bold_line_of_a_panel_is_the_schedule(usual):
    """This line is what a reader copies into the next training."""
    axes = figure_schedule(usual.segments, usual.schedule, usual.space).axes[0]
    (bold,) = [line for line in axes.lines if line.get_linewidth() == 2.6]
    drawn = list(zip(*bold.get_data(), strict=True))
    expected = [(step, p.hyperparameters["lr"]) for p in usual.schedule for step in (p.start_step, p.end_step)]
    assert drawn == expected


def test_a_hyperparameter_out_of_force_leaves_a_gap(simulate):
    """A value that is only remembered did not train anything."""
    space = Space({"optimiser": Choice(["sgd", "adam"]), "nesterov": Choice([True, False], when={"optimiser": "sgd"})})
    run = simulate(6, 3, space=space)
    axes = figure_schedule(run.segments, None, space).axes[1]
    drawn = sum(len(c.get_segments()) for c in axes.collections)
    in_force = sum("nesterov" in space.active(s.hyperparameters) for s in run.segments)
    assert 0 < in_force < len(run.segments)
    assert 0 < drawn <= in_force


def test_a_schedule_of_another_run_can_be_shown(usual):
    """An imported schedule is compared with what this population found."""
    foreign = Schedule.from_json(usual.schedule.to_json().replace('"member": ', '"member": 9'))
    figure = figure_schedule(usual.segments, foreign, usual.space)
    assert "the schedule" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_exploit_is_an_arrow_from_donor_to_member(usual):
    """An exploit left out makes a member's sudden rise a riddle."""
    axes = figure_lineage(usual.segments, mode=usual.mode).axes[0]
    by_id = {segment.id: segment for segment in usual.segments}
    expected = {(by_id[s.donor].member_end, s.donor.member, s.member) for s in usual.segments if s.donor is not None}
    arrows = [line for c in axes.collections for line in c.get_segments() if line[0][1] != line[-1][1]]
    assert {(start[0], start[1], end[1]) for start, end in arrows} == expected
    assert len(arrows) == sum(s.donor is not None for s in usual.segments)


@pytest.mark.slow
def test_a_large_run_is_drawn_at_once(simulate):
    """A hundred members and fifty generations must not need an artist each: that takes minutes."""
    run = simulate(100, 8, policy=RandomSearch())
    for figure in drawings(run).values():
        assert len(figure.findobj()) < 1500


def test_unknown_best_is_refused(usual):
    """A mistyped segment must not be drawn as if nothing stood out."""
    with pytest.raises(UsageError, match="there is no segment m99/0"):
        figure_scores(usual.segments, mode=usual.mode, best="m99/0")


def test_comparison_names_the_step_where_the_better_passes_the_other():
    """How much sooner it gets there is what a tuner is chosen for."""
    curves = {"PBT": [(10, 0.5), (20, 0.2), (30, 0.1)], "random search": [(10, 0.5), (30, 0.3)]}
    written = texts(figure_comparison(curves, mode=Mode.MIN, metric="loss")).replace("\n", " ")
    assert "PBT passes the final score of random search after 20 of 30 steps" in written


@pytest.mark.parametrize("other", [[(10, 0.5), (30, 0.1)], [(10, math.nan)], []])
def test_comparison_claims_nothing_where_nobody_wins(other):
    """A tie, or a rival that has found nothing yet, is no victory."""
    curves = {"PBT": [(10, 0.5), (30, 0.1)], "random search": other}
    assert "passes" not in texts(figure_comparison(curves, mode=Mode.MIN))


def test_comparison_of_nothing_is_refused():
    """An empty figure looks like a result."""
    with pytest.raises(UsageError, match="a comparison needs at least one curve with points"):
        figure_comparison({"PBT": []}, mode=Mode.MAX)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_suffix_chooses_the_format(tmp_path, suffix, start):
    """A PDF named .png is refused by whatever opens it."""
    figure = figure_comparison({"PBT": [(1, 0.5)]}, mode=Mode.MAX)
    written = save_figure(figure, tmp_path / f"figure{suffix}")
    assert written.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [written]


def test_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    """The format is decided by a name, so the name must be right before minutes of drawing."""
    figure = figure_comparison({"PBT": [(1, 0.5)]}, mode=Mode.MAX)
    with pytest.raises(UsageError, match=r"must end in one of .png, .svg, .pdf, but got '.*figure.gif'"):
        save_figure(figure, tmp_path / "figure.gif")


def test_unwritable_path_is_said_in_one_line(tmp_path):
    """A traceback out of a drawing library does not say that a folder is missing."""
    figure = figure_comparison({"PBT": [(1, 0.5)]}, mode=Mode.MAX)
    with pytest.raises(UsageError, match=r"(?s)cannot be written to .*No such file or directory.*choose a folder"):
        save_figure(figure, tmp_path / "missing" / "figure.png")


def test_an_interrupted_write_leaves_the_old_figure(tmp_path, monkeypatch):
    """A disk that fills up must not replace last night's figure by half of today's."""
    figure = figure_comparison({"PBT": [(1, 0.5)]}, mode=Mode.MAX)
    target = tmp_path / "figure.png"
    target.write_bytes(b"old")

    def fill_up(path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fill_up)
    with pytest.raises(StoreError, match="No space left on device"):
        save_figure(figure, target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_entering_the_room_loads_no_matplotlib():
    """Every command would wait for a drawing library that one of them needs."""
    code = "import sys, populace.report; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.slow
def test_missing_matplotlib_is_said_with_its_extra():
    """Whoever installed the bare package must learn the one command that helps."""
    code = "import sys; sys.modules['matplotlib'] = None; import populace.report as r; r.figure_scores"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'MissingExtra: figures need matplotlib: pip install "populace[plot]"' in answer.stderr
