"""Every command called wrongly: one line, exit code 2, nothing created."""

from __future__ import annotations

import pytest
import typer.main

from populace.cli import app

COMMANDS = typer.main.get_command(app).commands
RUN = ["run", "climb.py:Climb", "-c", "run.toml", "--inline"]
WORKERS = ["--workers", "--threads"]
USUAL = {
    **{"run": RUN, "resume": ["resume", "done"], "gc": ["gc", "done"], "demo": ["demo", "quadratic"]},
    "compare": ["compare", "climb.py:Climb", "-c", "compare.toml"],
    "advise": ["advise", "climb.py:Climb", "-c", "run.toml", "--inline"],
}
NO_NUMBERS = ["x", "", "1.5", "1e3", "nan", "0x10", "4,5"]
OUT_OF_RANGE = {
    "--population": [0, -1, 10**7, 10**30],
    "--steps": [0, -1, 10**13, 10**30],
    "--interval": [0, -1, 10**30],
    "--evaluate-every": [0, -1, 5, 10**30],
    "--max-failures": [-1, 10**30],
    "--seed": [-1, 2**200],
    "--workers": [0, -1, 10**5],
    "--threads": [0, -1, 10**5],
}
RUN_NAMES = {
    **{name: name for name in ("nobody", "a/b", "../up", "Done", "done\n", " ", "-", "ünï", "\x1b[31m", "done/..")},
    **{
        "a file": "run.toml",
        "a folder": "folder",
        "an absolute path": "/no/such/run",
        "NUL": "a\0b",
        "long": "x" * 5000,
    },
    **{"empty": "", "under a file": "run.toml/x", "a long path": "x/" * 3000},
}
NEW_NAMES = ["", " ", ".", "..", "a/b", "../up", "-x", "_x", "ünï", "a b", "a\0b", "a\n", "x" * 65, "\x1b[31m", "a:b"]
CODES = {
    **{code: code for code in ("", ":", "x", "climb.py", "climb.py:", ":f", "nowhere.py:f", "folder:f", "folder.py:f")},
    **{code: code for code in ("notes.txt:f", "run.toml:f", "climb.py:Clim", "climb.py: Climb", "climb.py:Climb.init")},
    **{code: code for code in ("climb.py:NOTHING", "raises.py:f", "lines.py:f", "syntax.py:f", "imports.py:f")},
    **{code: code for code in ("leaves.py:f", "leaves_with_words.py:f", "quits.py:f", "empty.py:f", "asserts.py:f")},
    **{
        code: code
        for code in ("nul.py:f", "latin.py:f", "climb.py:Needy", "climb.py:Refuses", "climb.py/x:f", "a\0b.py:f")
    },
    **{"a long name": "x" * 5000 + ".py:f", "a long path": "x/" * 3000 + "y.py:f"},
}
NO_TRAINABLES = ["climb.py:NUMBER", "climb.py:Plain", "climb.py:no_argument", "climb.py:NeedyWatcher"]
NO_CALLBACKS = ["climb.py:NUMBER", "climb.py:Plain", "climb.py:Climb", "climb.py:NeedyWatcher"]
SPACES = [
    *("lr", "", "=", "=[0, 1]", "lr=", "lr=[", "lr=x", "lr={}", "lr=[]", "lr=[1, 1]", "lr=[1.0, 0.1]", "lr=[nan, 1.0]"),
    *("lr=[0.0, inf]", "lr=nan", "lr={kind='Loguniform'}", "lr={kind='LogUniform', low=0, high=1}", "lr=1979-05-27"),
    *("lr={kind='Uniform', low=1}", "lr={kind='Uniform', low='a', high='b'}", "lr={low=0, high=1}", "lr=[[0, 1]]"),
    *("lr={kind='Choice', values=3}", "lr={kind='Uniform', low=0, high=1, factors=[2, 3]}", "lr=1\nextra=2"),
    *("lr={kind='Uniform', low=0, high=1, when={nobody=1}}", "lr={kind='Uniform', low=0, high=1, step=3}"),
]
POLICIES = [
    *("", "PTB", "Truncation", "pbt", "{", "{}", "3", "[1]", "{kind='PTB'}", "{kind=3}", "{kind='PBT', burnin=3}"),
    *("{kind='PBT', burn_in=-1}", "{kind='PBT', burn_in=1.5}", "{kind='PBT', copy='all'}", "{kind='PBT', exploit=3}"),
    *(
        "{kind='PBT', exploit={kind='Truncation', fraction=0}}",
        "{kind='PBT', explore={kind='Perturb', factors=[2, 3]}}",
    ),
    *("{kind='PBT', exploit={kind='TTest', alpha=2}}", "{kind='PBT', explore={kind='Resample', probability=7}}"),
    *("{kind='PBT', exploit={kind='Truncation', fraction='x'}}", "{kind='PBT', explore={kind='Truncation'}}"),
    *("{kind='PBT', initial=3}", "{kind='PBT', initial=[{nobody=1}]}", "{kind='RandomSearch', burn_in=3}"),
    *(
        "{kind='PBT', guard=3}",
        "{kind='PBT', guard={kind='Guard', min_std=-1}}",
        "{kind='PBT', guard={kind='Guard', min_std='x'}}",
    ),
]
PARTS = [
    *("99", "m99", "m00/99", "m99/0", "m00/x", "-1", "m00/-1", "m00/1/2", "x", "m00//1", "9" * 30, "m00/" + "9" * 30),
]
SEGMENTS = ["", "x", "m00", "m00/99", "m99/0", "m00/-1", "m00/1/2", "m00/" + "9" * 30, "9" * 30 + "/0", "m00/\u0661"]
FIGURES = [
    "x.gif",
    "x",
    ".png",
    "no/such/folder/x.png",
    "folder",
    "folder.png",
    "run.toml/x.png",
    "",
    "a\0b.png",
    "x" * 300 + ".png",
]
CONFIGS = ["nowhere.toml", "folder", "", "run.toml/x", "a\0b", "x" * 5000, "climb.py"]
CONTRADICTIONS = {
    **{option: [*RUN, *option.split()] for option in ("--workers 2", "--threads 2", "--devices 0")},
    "resume --inline --workers": ["resume", "done", "--inline", "--workers", "2"],
    "schedule --csv --json": ["schedule", "done", "--csv", "--json"],
    "--space twice": [*RUN, "--space", "lr=[0.1, 0.2]", "--space", "lr=[0.1, 0.3]"],
}
DIRECTORIES = ["run.toml", "run.toml/x", "a\0b", "x" * 5000, "/proc/none"]


def _words(name):
    return USUAL.get(name, [name])


def _options():
    """Returns (command, its usual words, an option of it) for every option that takes a value."""
    return [
        (name, _words(name), option.opts[0])
        for name, command in COMMANDS.items()
        for option in command.params
        if option.param_type_name == "option" and not option.is_flag
    ]


def _start(value):
    """Returns how a value begins where a message shows it."""
    return repr(value)[1:20].rstrip("'")


def _calls():
    """Yields every bad call: its name, its words, and what the message must name."""
    yield "unknown command", ["trian"], "trian"
    for name in COMMANDS:
        yield f"{name} --polulation", [*_words(name), "--polulation", "3"], "--polulation"
        yield f"{name} -z", [*_words(name), "-z"], "-z"
        yield f"{name} with a word too many", [*_words(name), "done", "extra", "more"], "extra"
    for name in ("run", "resume", "gc"):
        yield f"{name} of nothing", [name], "Missing argument"
    for name, words, option in _options():
        yield f"{name} {option} without value", [*words, option], option
        for value in NO_NUMBERS if option in OUT_OF_RANGE else []:
            yield f"{name} {option} {value!r}", [*words, option, value], option
        for value in OUT_OF_RANGE.get(option, []):
            usual = [word for word in words if option not in WORKERS or word != "--inline"]
            yield f"{name} {option} {value!r}", [*usual, option, value], str(value)[:20]
    for name, command in COMMANDS.items():
        if not any(parameter.name == "run" for parameter in command.params):
            continue
        for label, run in RUN_NAMES.items():
            yield f"{name} of run {label!r}", [name, "--", run], _start(run)
    for label, run in RUN_NAMES.items():
        yield f"show of run {label!r}", ["show", "--", run], _start(run)
    for value in NEW_NAMES:
        yield f"run --name {value!r}", [*RUN, "--name", value], repr(value)
    for label, code in CODES.items():
        yield f"run {label!r}", ["run", "-c", "run.toml", "--", code], _start(code.rpartition(":")[0])
        yield f"run --callback {label!r}", [*RUN, "--callback", code], _start(code.rpartition(":")[0])
        yield f"replay --code {label!r}", ["replay", "done", "--code", code], _start(code.rpartition(":")[0])
        yield (
            f"resume --code {label!r}",
            ["resume", "done", "--steps", "9", "--inline", "--code", code],
            _start(code.rpartition(":")[0]),
        )
    for code in NO_TRAINABLES:
        yield f"run {code}", ["run", code, "-c", "run.toml"], ""
        yield f"replay --code {code}", ["replay", "done", "--code", code], ""
        yield f"resume --code {code}", ["resume", "done", "--steps", "9", "--inline", "--code", code], ""
    for code in NO_CALLBACKS:
        yield f"run --callback {code}", [*RUN, "--callback", code], code.partition(":")[2]
    for value in SPACES:
        yield f"run --space {value!r}", [*RUN, "--space", value], ""
    for value in POLICIES:
        yield f"run --policy {value!r}", [*RUN, "--policy", value], ""
    for value in ["best", "MAX", "", "0"]:
        yield f"run --mode {value!r}", [*RUN, "--mode", value], "mode"
    yield "run --metric ''", [*RUN, "--metric", ""], "metric"
    for value in CONFIGS:
        yield (
            f"run --config {value[:20]!r}",
            ["run", "climb.py:Climb", "-c", value],
            _start(value) if "\0" not in value else "null byte",
        )
    for value in DIRECTORIES:
        yield f"run --directory {value[:20]!r}", [*RUN, "-d", value], _start(value)
        yield f"demo --directory {value[:20]!r}", ["demo", "quadratic", "-d", value], _start(value)
    for part in PARTS:
        yield f"show done/{part}", ["show", f"done/{part}"], ""
    for value in SEGMENTS:
        yield f"schedule --segment {value!r}", ["schedule", "done", "--segment", value], value[:10]
    for value in FIGURES:
        yield f"plot --out {value[:20]!r}", ["plot", "done", "--out", value], ""
    for value in ["", "pie", "OVERVIEW "]:
        yield f"plot --kind {value!r}", ["plot", "done", "--kind", value], "--kind"
    for value in ["", "nobody", "Digits", "digits ", "../digits"]:
        yield f"demo {value!r}", ["demo", value], repr(value)
    for name in ("show", "best", "schedule", "lineage", "replay", "plot", "verify"):
        for directory in ("folder", *DIRECTORIES):
            yield f"{name} -d {directory[:20]!r}", [name, "-d", directory], _start(directory)
    for label, words in CONTRADICTIONS.items():
        yield label, words, ""


CALLS = {name: (words, names) for name, words, names in _calls()}


@pytest.mark.parametrize(("words", "names"), CALLS.values(), ids=[ascii(name)[:80] for name in CALLS])
def test_bad_call_gets_one_line_and_creates_nothing(refused, words, names):
    """A mistake must cost a line of reading, and never a folder to clean up."""
    refused(words, names=names)
