"""Lines of results and the tables made of them."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("scipy")

from benchmarks.algorithms import BEGIN, END, write_page
from benchmarks.suite._contestants import policy_named
from benchmarks.suite._outcome import Outcome
from benchmarks.suite._results import Results, Setting
from benchmarks.suite._table import page_of, paired

from populace.core import PBT

SETTING = Setting(task="nqm", interval=3, population=10, timing="sync", algorithm="random", digest="a")


def _outcome(seed, test=1.0):
    return Outcome(seed=seed, valid=test, test=test, member_steps=10, best_at=0.5, curve=(-math.inf, test))


def _line(algorithm, seed, test, interval=3, timing="sync"):
    named = {"task": "nqm", "interval": interval, "population": 10, "timing": timing}
    return {**named, "algorithm": algorithm, "seed": seed, "test": test}


def test_what_is_known_is_not_measured_again(tmp_path):
    """A table of hours must survive an interruption."""
    results = Results(tmp_path)
    results.append(SETTING, [_outcome(0), _outcome(2)], seconds=1.0)
    assert Results(tmp_path).missing(SETTING, [0, 1, 2, 3]) == [1, 3]


def test_lines_of_other_settings_do_not_count(tmp_path):
    """A policy that has changed must not be reported with the old one's scores."""
    results = Results(tmp_path)
    results.append(SETTING, [_outcome(0)], seconds=1.0)
    changed = Setting(task="nqm", interval=3, population=10, timing="sync", algorithm="random", digest="b")
    assert results.missing(changed, [0]) == [0]
    results.append(changed, [_outcome(0, 2.0)], seconds=1.0)
    assert [line["test"] for line in results.read([0])] == [2.0]


def test_a_line_that_was_cut_off_is_measured_again(tmp_path):
    """Whoever is killed while writing leaves half a line behind."""
    results = Results(tmp_path)
    results.append(SETTING, [_outcome(0), _outcome(1)], seconds=1.0)
    path = tmp_path / "nqm.jsonl"
    path.write_text(path.read_text()[:-40])
    assert results.missing(SETTING, [0, 1]) == [1]


def test_a_run_without_a_finite_score_ranks_last(tmp_path):
    """Divergence is a result."""
    results = Results(tmp_path)
    results.append(SETTING, [_outcome(0, -math.inf)], seconds=1.0)
    (line,) = results.read([0])
    assert line["test"] == -math.inf
    assert paired({0: 1.0, 1: 2.0}, {0: -math.inf, 1: 1.0}).wins == 2


def test_sixteen_of_sixteen_is_no_luck_and_eight_of_sixteen_is():
    """The exact test of 16 wins has p = 2 / 2^16."""
    base = dict.fromkeys(range(16), 0.0)
    sure = paired({seed: 1.0 + seed for seed in range(16)}, base)
    assert (sure.wins, sure.verdict) == (16, 1)
    assert sure.p == pytest.approx(2 / 2**16)
    even = paired({seed: (seed + 1) * (-1) ** seed for seed in range(16)}, base)
    assert even.verdict == 0
    same = paired(base, base)
    assert (same.wins, same.p, same.verdict) == (0, 1.0, 0)


def test_table_counts_rows_won_and_lost():
    """The claim is a count of rows; losses must be named."""
    lines = [_line("random", seed, 0.0, interval) for seed in range(16) for interval in (1, 3)]
    lines += [_line("default", seed, 1.0 + seed, 1) for seed in range(16)]
    lines += [_line("default", seed, -1.0 - seed, 3) for seed in range(16)]
    lines += [_line("tpe", seed, 0.5, 1) for seed in range(16)]
    text = page_of(lines, ["nqm"])
    assert (
        "default: significantly better than random search on 1 of 2 rows, significantly worse on 1 (nqm 3 %)." in text
    )
    assert "| nqm | 1 % | 16 | 0.000 [0.000] | 8.50 (16/16, **) | 0.500 (16/16, **) |" in text
    assert "| nqm | 1 % | 16/16, ** |" in text


def test_tasks_beside_the_table_are_counted_by_themselves():
    """Thirty of thirty-six must not become thirty of forty-eight, nor the other way round."""
    lines = [_line("random", seed, 0.0) for seed in range(16)] + [_line("default", s, 1.0 + s) for s in range(16)]
    lines += [{**line, "task": "mixed"} for line in lines]
    text = page_of(lines, ["nqm", "mixed"], ["nqm"])
    assert "default: significantly better than random search on 1 of 1 rows" in text
    assert "default (the other tasks): significantly better than random search on 1 of 1 rows" in text


def test_on_pure_noise_the_spread_is_shown():
    """There a score says nothing at all."""
    lines = [{**_line("default", seed, 0.0), "task": "noise", "spread": 0.4 + 0.1 * seed} for seed in range(4)]
    assert "| 10 | sync | default | 3 % | 0.55 | 0.40 | 3/4 |" in page_of(lines, ["nqm"])


def test_who_depends_on_no_timing_stands_in_every_section():
    """Random search in lockstep and without is the same search."""
    lines = [_line("random", seed, 0.0) for seed in range(16)]
    lines += [_line("default", seed, 1.0 + seed, timing="async") for seed in range(16)]
    text = page_of(lines, ["nqm"])
    assert "## 10 members, asynchronous" in text
    assert "8.50 (16/16, **)" in text


def test_page_keeps_what_stands_around_the_tables(tmp_path):
    """Prose is written by hand."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, "new")
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "new" in text
    assert "old" not in text


def test_policies_are_found_by_name():
    """Candidates for a default are measured before they are anything's default."""
    assert policy_named("default") == PBT()
    assert policy_named("populace.core:PBT") == PBT()
    assert policy_named("plain") != PBT()
    with pytest.raises(SystemExit, match="is no policy"):
        policy_named("populace:__version__")
