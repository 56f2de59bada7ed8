"""Every argument of the Python calls that breaks a rule: an error of one line, before anything is created."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from populace import (
    PB2,
    PBT,
    Backtrack,
    Callback,
    Choice,
    Complement,
    Constant,
    FirePBT,
    Guard,
    Inline,
    IntUniform,
    LogIntUniform,
    LogUniform,
    Mixture,
    Ordinal,
    Oversampled,
    Pairwise,
    Perturb,
    PopulaceError,
    Processes,
    RandomSearch,
    Resample,
    Restart,
    Truncation,
    TrustRegion,
    TTest,
    Uniform,
)
from populace.testing import Bowl, bowl_loop, tune_toy

NO_INTEGERS = [None, "2", 2.0, math.nan, math.inf, True, [2], {}, object(), np.float64(2)]
NO_FLAGS = [None, 1, 0, "yes", "", [True], object()]
NO_OBJECTS = [0, 1, "", "PBT", [], {}, object(), PBT, math.nan]
ARGUMENTS = {
    "population": [*NO_INTEGERS, 0, -1, 10**9, 10**40],
    "steps": [*NO_INTEGERS, 0, -1, 10**40],
    "interval": [*NO_INTEGERS, 0, -1, 10**40],
    "max_failures": [*NO_INTEGERS, -1, 10**40],
    "evaluate_every": [*NO_INTEGERS[1:], 0, -1, 3, 10**40],
    "seed": [*NO_INTEGERS[1:], -1, 2**128],
    "mode": [None, "", "MAX", "maximum", 1, True, ["max"], object()],
    "metric": ["", 1, True, b"loss", ["loss"], object()],
    "name": ["", " ", ".", "..", "a/b", "a\0b", "a\n", "ü", "x" * 65, 1, True, b"toy", ["toy"], object()],
    "directory": ["", None, 1, True, 1.5, ["runs"], object(), "a\0b", "x" * 5000],
    "synchronous": NO_FLAGS,
    "allow_pickle": NO_FLAGS,
    "policy": [*NO_OBJECTS, Truncation(), "RandomSearch", {"kind": "PBT"}],
    "executor": [*NO_OBJECTS, Inline, Processes, "Inline", 4],
    "callbacks": [None, 1, "x", print, Callback(), [print], [Callback], ["x"], [None], {Callback()}, object()],
    "trainable": [None, 1, "x", Bowl, [], object(), {}, lambda: None, lambda a, b: None, lambda *, member: None],
    "space": [
        *(None, 1, "lr", [], {}, [("lr", (0, 1))], {1, 2}, object(), {"": (0, 1)}, {1: (0, 1)}, {None: (0, 1)}),
        *({"lr": value} for value in ((), (1,), (1, 1), (2, 1), (0, 1, 2), (math.nan, 1), (0, math.inf), ("a", "b"))),
        *({"lr": value} for value in ([], [1, 1], [math.nan], [[1]], [object()], math.nan, math.inf, object(), print)),
        *(
            {"lr": value}
            for value in (Uniform, range(3), {1, 2}, {"low": 0}, b"x", 1j, np.arange(3), {"kind": "Uniform"})
        ),
        *({"lr": (0, 1), "x": Uniform(0, 1, when=when)} for when in ({"rl": 1}, {"lr": 7}, {"x": 0.5})),
    ],
}
PARTS = {
    Uniform: [
        (1, 0),
        (1, 1),
        (0, math.nan),
        (0, math.inf),
        ("a", "b"),
        (None, 1),
        (True, 2),
        (-1e308, 1e308),
        ([0], 1),
    ],
    LogUniform: [(0, 1), (-1, 1), (1, 1), (2, 1), (math.nan, 1), (1e-320, 1)],
    Complement: [(0.9, 1), (0.9, 2), (0.9, 0.1), (0, math.nan)],
    IntUniform: [(0.5, 2), (2, 1), (1, 1), (True, 3), (0, 2**41), ("1", 2)],
    LogIntUniform: [(0, 9), (-1, 9), (1.0, 9), (9, 1)],
    Choice: [([],), (3,), ("abc",), ([1, 1],), ([math.nan],), ([object()],), ({1, 2},), (None,)],
    Ordinal: [([],), ([1],), ([1, 1.0],), ("ab",), (3,)],
    Constant: [(math.nan,), ([],), (object(),), (print,)],
    Truncation: [(value,) for value in (0, -0.1, 0.6, math.nan, math.inf, "0.2", None, True, [], object())],
    Resample: [(value,) for value in (0, -0.1, 1.1, math.nan, "0.2", None, True, [])],
    Mixture: [(value,) for value in (-0.1, 1.1, math.nan, "0.2", None, [])],
    Perturb: [
        (value,) for value in (1, "ab", (), (1,), (1, 1), (2, 3), (0, 2), (-1, 2), (math.nan, 2), ("a", "b"), 0.8)
    ],
}
NAMED_PARTS = {
    PBT: {
        "exploit": [0, "Truncation", Truncation, Perturb()],
        "explore": [0, "Perturb", Truncation(), lambda: None],
        "copy": ["all", 3, True, []],
        "compare": ["oldest", 3],
        "burn_in": [-1, 1.5, "1", True, math.nan],
        "guard": [0, "Guard", Guard, True],
        "initial": [3, "lr", [3], ["lr"], {"lr": 0.1}, [None]],
    },
    TTest: {"alpha": [0, 1, -1, math.nan, "0.05", None, True], "window": [1, -1, 2.5, "10", None, True]},
    PB2: {
        "rows": [1, 0, 2.5, "500", None, True, 10**6],
        "choices": ["all", None, [], 3],
        "variance_bonus": [1, None, "yes"],
        "region": [0.4, "TrustRegion", TrustRegion],
    },
    TrustRegion: {
        "length": [0.1, 1.1, math.nan, "0.4", None, True],
        "shortest": [0, -1, 0.4, math.nan, None],
        "longest": [0.3, 2, math.nan, None],
        "factor": [1, 0.5, math.nan, math.inf, "1.5", None],
        "successes": [0, 1.5, None, True],
        "failures": [0, 1.5, None, True],
        "rounds": [0, 1.5, None, 10**9],
    },
    Pairwise: {
        "inertia": [-1, math.nan, math.inf, "1", None],
        "pull": [0, -1, math.nan, math.inf, "1", None],
        "resample": [-0.1, 1, math.nan, "0.2", None],
        "rounds": [0, 1.5, None, 10**9],
    },
    Backtrack: {"exploit": [0.2, "Truncation", Truncation, Backtrack(), Perturb(), None]},
    Oversampled: {"keep": [0, -1, 1.5, "8", None, True], "policy": [0, "PBT", PBT, Truncation(), None]},
    Restart: {
        "policy": [0, "PBT", PBT, Truncation(), None, Restart(), Oversampled(keep=2), PBT(exploit=Backtrack())],
        "growth": [0, -1, 1.5, "2", None, True],
        "patience": [0, -1, 1.5, "3", None, True],
        "window": [1, 0, 1.5, "15", None, True],
        "keep": [-0.1, 1.1, math.nan, "0.2", None, True],
        "renew": [-0.1, 1.1, math.inf, "0.1", None, True],
        "anew": [-0.1, 1.1, math.nan, "half", None, True],
        "redrawn": [-0.1, 1.1, math.nan, "half", None, True],
        "explore": [0, "Perturb", Truncation(), None, lambda: None, PB2()],
    },
    FirePBT: {
        "evaluations": [6, 0, 7.5, "30", None, True],
        "tail": [0, 0.6, math.nan, "0.25", None, True],
        "explore": [0, "Perturb", Truncation(), None, lambda: None, PB2()],
        "initial": [3, "lr", [3], ["lr"], {"lr": 0.1}, [None]],
    },
    Guard: {"min_std": [-1, math.nan, "1", None], "min_percent": [-1, math.nan, "1"], "trim": [1, -0.1, math.nan, "0"]},
    Processes: {
        "workers": [0, -1, 1.5, "2", True, 10**6, math.nan],
        "threads": [0, -1, 1.5, "2", True, 10**6],
        "devices": [0, "0,1", [1.5], [[0]], [None], {0}, True],
        "preload": [None, "torch", [1], 3, {"torch"}],
        "lease_s": [0, -1, math.nan, math.inf, "1", None, True],
    },
    Uniform: {
        "factors": [3, "ab", (), (1,), (1, 1), (2, 3), (0, 2), (math.nan, 2)],
        "when": [3, "lr", [], {"": 1}, {1: 1}, {"lr": []}],
    },
}
NEEDED = {Oversampled: {"keep": 2}}
STARTS = [
    PBT(initial=[{"rl": 0.1}]),
    PBT(initial=[{"lr": 7.0}]),
    PBT(initial=[{"lr": "x"}]),
    RandomSearch(initial=[{"lr": 0.01}] * 9),
]


def _calls():
    """Yields every bad call with its name and the word that the message must hold."""
    for argument, values in ARGUMENTS.items():
        for value in values:
            yield f"{argument}={value!r}", argument, value
    for policy in STARTS:
        yield f"policy={policy.initial!r}", "policy", policy


CALLS = {name: (argument, value) for name, argument, value in _calls()}
MADE = {
    **{f"{kind.__name__}{values!r}": (kind, values, {}) for kind, cases in PARTS.items() for values in cases},
    **{
        f"{kind.__name__}({name}={value!r})": (
            kind,
            (0, 1) if kind is Uniform else (),
            {**NEEDED.get(kind, {}), name: value},
        )
        for kind, cases in NAMED_PARTS.items()
        for name, values in cases.items()
        for value in values
    },
}


def _ids(cases):
    """Names cases without addresses in memory: workers that test in parallel must find the same names."""
    return [f"{number}-{re.sub(r' at 0x[0-9a-f]+', '', ascii(name))[:60]}" for number, name in enumerate(cases)]


def _told(error):
    assert isinstance(error, PopulaceError)
    assert isinstance(error, ValueError)
    told = str(error)
    assert "\n" not in told
    assert len(told) > 20
    return told


@pytest.mark.parametrize(("argument", "value"), CALLS.values(), ids=_ids(CALLS))
def test_bad_argument_is_refused_before_anything_is_created(tmp_path, monkeypatch, argument, value):
    """A typo found after an hour, or half a run left behind, is worse than a refusal."""
    monkeypatch.chdir(tmp_path)
    arguments = {"directory": "runs", argument: value}
    trainable = arguments.pop("trainable", bowl_loop)
    directory = arguments.pop("directory")
    with pytest.raises(PopulaceError) as caught:
        tune_toy(trainable, directory, **arguments)
    _told(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "values", "named"), MADE.values(), ids=_ids(MADE))
def test_part_of_a_run_is_never_made_wrong(kind, values, named):
    """A bad dimension or policy must be refused where it is written, not where a worker meets it."""
    with pytest.raises(PopulaceError) as caught:
        kind(*values, **named)
    _told(caught.value)
