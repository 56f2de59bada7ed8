"""The report: what a stranger must be able to read off it, whatever came out."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from matplotlib.text import Text

from populace.comparison import Comparison, Outcome
from populace.comparison._table import to_markdown
from populace.comparison._terms import Terms
from populace.core import Mode
from populace.space import LogUniform, Space

TERMS = Terms(
    space=Space({"lr": LogUniform(1e-3, 1.0)}),
    population=4,
    steps=10,
    interval=2,
    metric="log_loss",
    mode=Mode.MIN,
    evaluate_every=None,
    synchronous=True,
    max_failures=3,
    allow_pickle=False,
    entry=None,
    code=None,
)
PLAIN = [0.20, 0.22, 0.21, 0.23, 0.25, 0.205, 0.24, 0.26]
WORSE = [0.31, 0.35, 0.30, 0.36, 0.38, 0.33, 0.32, 0.40]
NEAR = [0.21, 0.21, 0.23, 0.22, 0.26, 0.20, 0.245, 0.252]


def made(tmp_path, scores, *, tested=True, num_seeds=8):
    """Returns a comparison in which algorithms ended with these scores, seed by seed; None: found nothing."""
    outcomes = [
        Outcome(
            algorithm=name,
            seed=seed,
            run=f"{name}-s{seed}",
            member_steps=40,
            score=None if score is None else score - 0.01,
            test=score if tested else None,
            curve=() if score is None else ((8.0, 0.9), (24.0, score + 0.1), (40.0, score - 0.01)),
            failure="no member has reported a finite score\nlook" if score is None else None,
        )
        for name, held in scores.items()
        for seed, score in enumerate(held[:num_seeds])
    ]
    return Comparison(
        folder=tmp_path,
        terms=TERMS,
        algorithms=dict.fromkeys(scores, "what it does"),
        seeds=range(num_seeds),
        outcomes=outcomes,
        tested=tested,
    )


class Balanced(HTMLParser):
    """Checks that every element that needs an end has one."""

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "html"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "html":
            assert self.open.pop() == tag


def test_verdict_is_the_headline():
    """Whoever reads one line must not be misled by it."""
    assert made(None, {"PBT": PLAIN, "random": WORSE}).headline == "PBT is better than random"
    assert made(None, {"PBT": WORSE, "random": PLAIN, "TPE": PLAIN}).headline == "PBT is worse than random and TPE"
    mixed = made(None, {"PBT": PLAIN, "random": WORSE, "TPE": NEAR})
    assert mixed.headline == "PBT is better than random; not told apart from TPE"
    few = made(None, {"PBT": PLAIN, "random": WORSE}, num_seeds=5)
    assert few.headline == "Too few seeds to tell PBT from its rivals"
    assert made(None, {"PBT": PLAIN}).headline == "PBT has no rival"


def test_too_many_rivals_for_the_seeds_are_said_to_be(tmp_path):
    """A comparison that cannot show anything must not look like one that shows no difference."""
    rivals = {f"rival {i}": WORSE for i in range(7)}
    found = made(tmp_path, {"PBT": PLAIN, **rivals})
    assert found.headline == "Too few seeds to tell PBT from its rivals"
    assert "With 7 rivals and 8 seeds no difference can count" in to_markdown(found, False)
    assert "no difference can count" not in to_markdown(made(tmp_path, {"PBT": PLAIN, "random": WORSE}), False)


def test_a_difference_within_noise_is_called_so():
    """A median that looks better is what everybody quotes."""
    (sentence,) = made(None, {"PBT": PLAIN, "TPE": NEAR}).verdicts
    assert sentence.startswith("PBT and TPE: the difference is within noise (better on")
    assert sentence.endswith("These seeds do not show which is better.")


def test_signs_follow_the_users_score():
    """A loss that is lower by 0.1 is a difference of -0.1, and a win."""
    found = made(None, {"PBT": PLAIN, "random": WORSE})
    (sentence,) = found.verdicts
    assert "better on 8 of 8 seeds; median difference with 95 % interval -0.1" in sentence
    assert found.rows[1].rival.median > 0
    assert (found.rows[0].worst, found.rows[0].best) == (0.26, 0.20)


def test_rivals_are_in_order_of_merit_and_share_of_budget_is_told(tmp_path):
    """The strongest rival must not hide at the bottom."""
    found = made(tmp_path, {"PBT": PLAIN, "random": WORSE, "TPE": NEAR})
    assert [row.algorithm for row in found.rows] == ["PBT", "TPE", "random"]
    heads, rows = found.table()
    assert heads[-1] == "PBT as good after"
    assert rows[2][-1] == "60% of the budget (8 of 8 seeds)"


@pytest.mark.slow
def test_without_a_test_the_report_says_that_it_flatters(tmp_path):
    """The best of many noisy scores is quoted as a result again and again."""
    found = made(tmp_path, {"PBT": PLAIN, "random": WORSE}, tested=False)
    found.save()
    for name in ("comparison.md", "comparison.html"):
        text = (tmp_path / name).read_text("utf-8")
        assert "No test was given" in text
        assert "too good" in text
    assert "validation" in found.table()[0][1]


@pytest.mark.slow
def test_page_is_one_file_and_shows_names_as_they_are(tmp_path):
    """It is mailed to people who have nothing else, and names may hold anything."""
    nasty = "<b>a|b & $x$</b>"
    found = made(tmp_path, {nasty: PLAIN, "random": [*WORSE[:7], None]})
    files = found.save()
    assert sorted(path.name for path in files) == [f"comparison.{suffix}" for suffix in ("html", "json", "md", "png")]
    page = (tmp_path / "comparison.html").read_text("utf-8")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.links) == 1
    assert parser.links[0].startswith("data:image/png;base64,")
    assert "<b>a|b" not in page
    assert "Runs that found nothing" in page
    rows = [line for line in (tmp_path / "comparison.md").read_text("utf-8").splitlines() if line.startswith("|")]
    # Bars inside a name do not make cells.
    assert len({line.replace("\\|", "").count("|") for line in rows[:4]}) == 1
    assert json.loads((tmp_path / "comparison.json").read_text("utf-8"))["rows"][1]["num_failed"] == 1


@pytest.mark.slow
def test_figure_says_what_it_shows(tmp_path):
    """A picture travels without its page."""
    found = made(tmp_path, {"PBT": PLAIN, "random search": WORSE, "TPE": [*NEAR[:6], None, None]})
    figure = found.figure()
    figure.draw_without_rendering()
    texts = "\n".join(text.get_text() for text in figure.findobj(Text))
    for wanted in (found.headline, "member-steps spent", "test: log_loss (lower is better", "random search", "2 found"):
        assert wanted in texts
    assert "measured once on data that selected nothing" in texts.replace("\n", " ")


@pytest.mark.slow
def test_nothing_found_by_anybody_is_still_reported(tmp_path):
    """Then the reasons are what is needed, not an error about a figure."""
    found = made(tmp_path, {"PBT": [None] * 8, "random": [None] * 8})
    files = found.save()
    assert not any(path.suffix == ".png" for path in files)
    assert "no member has reported a finite score" in (tmp_path / "comparison.md").read_text("utf-8")
