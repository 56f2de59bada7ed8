"""Every text that is no schedule: one error of ours with one line, in JSON and in CSV."""

from __future__ import annotations

import json

import pytest

from populace import Schedule, replay
from populace._errors import UsageError
from populace.testing import Bowl

PIECE = {"start_step": 0, "end_step": 2, "member": 0, "generation": 0, "hyperparameters": {"lr": 0.1}}
WRONG_PIECES = {
    "start_step": [1, -1, "0", 0.0, None, True, [], 10**30],
    "end_step": [0, -2, "2", 2.5, None, [], True],
    "member": [-1, "0", 0.5, None, [], True],
    "generation": [-1, "0", 0.5, None, [], True],
    "hyperparameters": [None, [], "lr", 3, {"lr": []}, {"lr": {}}, {"lr": [1]}, {"": 1}],
}
WHOLE = [
    *("", " ", "{", "[]", "3", "null", '"x"', "{}", '{"pieces": 3}', '{"pieces": null}', '{"pieces": {}}', "\0", "NaN"),
    *(
        '{"pieces": [3]}',
        '{"pieces": [null]}',
        '{"pieces": [[]]}',
        '{"pieces": [{}]}',
        '{"pieces": "ab"}',
        "[" * 100_000,
    ),
    *("start_step,end_step", "<html>", "lr: 0.1", "\ufeff{}", "{'pieces': []}"),
]
HEAD = "start_step,end_step,member,generation,lr"
TABLES = [
    *(
        "",
        "\n\n",
        "x",
        "a,b,c,d",
        "{}",
        "start_step",
        "start_step,end_step,member",
        "end_step,start_step,member,generation",
    ),
    *("start_step;end_step;member;generation;lr\n0;2;0;0;0.1", f"\ufeff\ufeff{HEAD}\n0,2,0,0,0.1", "\0"),
    *(
        f"{HEAD}\n{row}"
        for row in ("0", "0,2,0,0", "0,2,0,0,0.1,0.2", "a,2,0,0,0.1", "0,b,0,0,0.1", "0,2,0,0,x", "0.0,2,0,0,1")
    ),
    *(
        f"{HEAD}\n{row}"
        for row in ("0,0,0,0,0.1", "1,2,0,0,0.1", "0,-2,0,0,0.1", ",,,,", "0,2,,0,0.1", "nan,2,0,0,0.1")
    ),
    *(
        f"{HEAD}\n{row}"
        for row in ("0,2,-1,0,0.1", "0,2,0,-1,0.1", "0,2,0,0,NaN", "0,2,0,0,Infinity", "0,2,0,0,[1]", '0,2,0,0,{"a":1}')
    ),
    f"{HEAD}\n0,2,0,0,0.1\n3,4,0,0,0.1",
    f"{HEAD}\n0,2,0,0,0.1\n0,2,0,0,0.1",
    f"{HEAD},lr\n0,2,0,0,0.1,0.2",
]


def _pieces():
    for name, values in WRONG_PIECES.items():
        yield f"no {name}", [{key: value for key, value in PIECE.items() if key != name}]
        for value in values:
            yield f"{name}={value!r}", [{**PIECE, name: value}]
    yield "gap", [PIECE, {**PIECE, "start_step": 3, "end_step": 4}]
    yield "overlap", [PIECE, PIECE]
    for value in ("NaN", "Infinity", "-Infinity"):
        yield value, [{**PIECE, "hyperparameters": {"lr": float(value)}}]


JSON = {
    **{ascii(text)[:30]: text for text in WHOLE},
    **{name: json.dumps({"pieces": pieces}) for name, pieces in _pieces()},
    **{f"seed={seed!r}": json.dumps({"pieces": [PIECE], "seed": seed}) for seed in ("0", -1, 0.5, [], True, 2**128)},
    **{f"metric={metric!r}": json.dumps({"pieces": [PIECE], "metric": metric}) for metric in (3, [], True, "")},
}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON.keys())
def test_bad_json_is_no_schedule(text):
    """A schedule edited by hand is trained for hours; a slip must show at once."""
    with pytest.raises(UsageError) as caught:
        Schedule.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", TABLES, ids=[ascii(text)[:60] for text in TABLES])
def test_bad_csv_is_no_schedule(text):
    """A spreadsheet turns numbers into dates and commas into semicolons."""
    with pytest.raises(UsageError) as caught:
        Schedule.from_csv(text)
    assert "\n" not in str(caught.value)


REPLAYS = {
    "schedule": [None, 3, "done", {"lr": 0.1}, [PIECE], Schedule(()), Schedule],
    "trainable": [None, 3, Bowl, lambda: None],
    "seed": ["0", -1, 0.5, True, 2**128],
    "metric": ["", 3, True],
    "evaluate_every": [0, -1, 1.5, "1", True],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in REPLAYS.items() for value in values],
    ids=[f"{number}-{name}" for name, values in REPLAYS.items() for number in range(len(values))],
)
def test_bad_replay_is_refused_before_training(name, value):
    """A replay of a long schedule that fails at its first evaluation has cost the night already."""
    schedule = Schedule.from_json(json.dumps({"pieces": [PIECE]}))
    with pytest.raises(UsageError) as caught:
        replay(**{"schedule": schedule, "trainable": Bowl(), name: value})
    assert "\n" not in str(caught.value)
