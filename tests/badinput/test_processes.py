"""The installed command itself: exit codes, both streams, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MAIN = "import sys; from populace.cli import main; sys.argv[0] = 'populace'; main()"
SETTINGS = ["-c", "run.toml", "--inline"]
CALLS = {
    " ".join(words): (words, code)
    for code, calls in {
        2: [
            *(
                ["trian"],
                ["run"],
                ["run", "--polulation", "3"],
                ["run", "climb.py:Climb"],
                ["run", "climb.py", *SETTINGS],
            ),
            *(
                ["run", f"{code}.py:f", *SETTINGS]
                for code in ("raises", "syntax", "imports", "leaves", "quits", "latin")
            ),
            *(["run", "climb.py:Climb", *SETTINGS, "--steps", steps] for steps in ("0", "x", "1" + "0" * 30)),
            *(["run", "climb.py:Climb", *SETTINGS, "--name", "a/b"], ["run", "climb.py:Climb", "-c", "nowhere.toml"]),
            *(
                [verb, "nobody"]
                for verb in ("resume", "show", "best", "schedule", "lineage", "replay", "plot", "verify", "gc")
            ),
            *(
                ["demo", "nobody"],
                ["plot", "done", "--out", "no/folder/x.png"],
                ["schedule", "done", "--csv", "--json"],
            ),
        ],
        1: [["show", "damaged/random"], ["verify", "damaged/torn"], ["resume", "damaged/zeros", "--inline"]],
    }.items()
    for words in calls
}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), CALLS.values(), ids=CALLS.keys())
def test_process_ends_with_the_promised_code_and_one_line(here, words, code):
    """A scheduler sees nothing but the exit code, and its log nothing but standard error."""
    before = here.picture()
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", MAIN, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here.folder, env=environment, check=False)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("populace: ") != done.stderr.startswith("Usage: ")
    assert done.stderr.count("\n") == 1 or done.stderr.startswith("Usage: ")
    assert here.picture() == before
