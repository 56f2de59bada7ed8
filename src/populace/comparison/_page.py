"""A comparison as one HTML file that needs nothing else: it can be mailed."""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING

from populace.comparison._table import NOTES, cells, heads
from populace.comparison._words import direction, headline, limits, number, setting, source, verdicts

if TYPE_CHECKING:
    from populace.comparison._comparison import Comparison

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
img { width: 100%; height: auto; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; } tr.judged { background: #eef5fb; }
.quiet { color: #555; font-size: .9rem; } .alarm { border-left: 4px solid #a50f15; padding-left: .8rem; }
"""


def to_html(found: Comparison, figure: bytes | None) -> str:
    """Returns the report as one HTML file.

    Args:
        found: The comparison.
        figure: The figure as PNG; None leaves it out.
    """
    warning = "" if found.tested else ' class="alarm"'
    picture = (
        "" if figure is None else f'<p><img alt="" src="data:image/png;base64,{base64.b64encode(figure).decode()}"></p>'
    )
    rows = "".join(
        f"<tr{' class=judged' if row.rival is None else ''}>{_cells('td', cells(found, row))}</tr>"
        for row in found.rows
    )
    scores = {name: found.scores(name) for name in found.algorithms}
    seeds = "".join(
        f"<tr>{_cells('td', [str(seed), *(number(held[index]) for held in scores.values())])}</tr>"
        for index, seed in enumerate(found.seeds)
    )
    failed = [outcome for name in found.algorithms for outcome in found.of(name) if outcome.failure is not None]
    failures = "".join(
        f"<li>{escape(o.algorithm)}, seed {o.seed}: {escape((o.failure or '').splitlines()[0])}</li>" for o in failed
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(headline(found))}</title>
<style>{_STYLE}</style>
<h1>{escape(headline(found))}</h1>
<p>{escape(setting(found))}</p>
<p{warning}>{_rich(source(found))}</p>
{"".join(f'<p class="alarm">{escape(reason)}</p>' for reason in filter(None, [limits(found)]))}
<ul>{"".join(f"<li>{_rich(sentence)}</li>" for sentence in verdicts(found))}</ul>
{picture}
<h2>Table</h2>
<div class="wide"><table><tr>{_cells("th", heads(found))}</tr>{rows}</table></div>
<ul class="quiet"><li>{direction(found.terms.mode)}.</li>{"".join(f"<li>{escape(note)}</li>" for note in NOTES)}</ul>
<h2>The algorithms</h2>
<ul>{"".join(f"<li><b>{escape(n)}</b>: {escape(summary)}</li>" for n, summary in found.summaries.items())}</ul>
<h2>Seed by seed</h2>
<div class="wide"><table><tr>{_cells("th", ["seed", *scores])}</tr>{seeds}</table></div>
{f"<h2>Runs that found nothing, which count as the worst</h2><ul>{failures}</ul>" if failed else ""}
<p class="quiet">populace compare, {escape(found.name)}. Every run lies in the folder of this file and can be looked at:
<code>populace show RUN</code>, <code>populace plot RUN</code>, <code>populace verify RUN</code>.</p>
</html>
"""


def _cells(tag: str, texts: list[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _rich(text: str) -> str:
    """Returns a sentence as HTML: what stands between pairs of asterisks is bold, between backticks is code."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)
