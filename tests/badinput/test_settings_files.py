"""Every settings file that says something wrong: one line that names the place, exit code 2, nothing created."""

from __future__ import annotations

import pytest

USUAL = {"population": "2", "steps": "2", "seed": "0", "space": "{lr = [0.1, 1.0]}", "executor": '{kind = "Inline"}'}
INTEGERS = ["population", "steps", "interval", "seed", "evaluate_every", "max_failures"]
TEXTS = ["metric", "mode", "name", "directory"]
SWITCHES = ["synchronous", "allow_pickle"]
VALUES = {
    "integer": [
        "1.5",
        "nan",
        "inf",
        "-inf",
        "true",
        '"2"',
        '""',
        "[]",
        "[2]",
        "{}",
        "1979-05-27",
        "-1",
        "1" + "0" * 40,
    ],
    "text": ["1", "1.5", "nan", "true", "[]", '["a"]', "{}", "1979-05-27"],
    "switch": ["0", "1", "1.5", '"true"', '""', "[]", "{}"],
}
NOT_TOML = {
    **{text: text for text in ("population", "population =", "= 2", "population = 2 steps = 2", "[space", "[[space]")},
    **{text: text for text in ("[space]]", "population = 02", "population = 2,", "name = 'a", 'name = "\\q"', "}{")},
    **{text: text for text in ("population: 2", "{'population': 2}", "population = 2\npopulation = 3", "a.b.c")},
    **{text: text for text in ("[space]\n[space]", "[space]\nlr = 1\nlr = 2", "x = [1,,2]", "population = None")},
    **{"huge integer": "population = " + "9" * 5000, "deep": "x = " + "[" * 5000, "a\0b": "name = 'a\0b'"},
}
BYTES = {
    "latin": b"name = '\xe9'",
    "utf-16": "population = 2".encode("utf-16"),
    "binary": bytes(range(256)),
    "zeros": b"\0" * 99,
}
UNKNOWN = [
    "populaton = 2",
    "Population = 2",
    "lr = 0.1",
    "[pbt]\nx = 1",
    "trainable = 'f'",
    '"" = 1',
    '"\\u001b[31m" = 1',
]
SPACES = [
    *(
        "3",
        "true",
        '"lr"',
        "[]",
        "[1, 2]",
        "{}",
        "{lr = {}}",
        "{lr = []}",
        "{lr = [[]]}",
        "{lr = {kind = 3}}",
        '{"" = 1}',
    ),
    *("{lr = [1, 1]}", "{lr = [2, 1]}", "{lr = [nan, 1]}", "{lr = [0, inf]}", "{lr = nan}", "{lr = [1, 1, 2]}"),
    *(
        "{lr = 1979-05-27}",
        "{lr = {low = 1, high = 2}}",
        '{lr = {kind = "uniform", low = 0, high = 1}}',
        "{lr = [nan]}",
    ),
    *("{lr = [1e308, -1e308]}", "{lr = [-1e308, 1e308]}", "{lr = [1, 99999999999999999999999]}", "{lr = [{}]}"),
]
DIMENSIONS = {
    "Uniform": [
        "",
        "low = 0",
        "low = 1, high = 0",
        "low = 0, high = nan",
        "low = 0, high = inf",
        "low = '0', high = 1",
    ],
    "LogUniform": ["low = 0, high = 1", "low = -1, high = 1", "low = 1, high = 1", "low = 1e-320, high = 1"],
    "Complement": ["low = 0.9, high = 1.0", "low = 0.9, high = 2", "low = 0.9, high = 0.1"],
    "IntUniform": ["low = 0.5, high = 2", "low = 2, high = 1", "low = true, high = 2", "low = 0, high = 9999999999999"],
    "LogIntUniform": ["low = 0, high = 9", "low = 1.0, high = 9", "low = 9, high = 1"],
    "Choice": [
        "",
        "values = []",
        "values = 3",
        "values = 'abc'",
        "values = [1, 1]",
        "values = [nan]",
        "values = [[1]]",
    ],
    "Ordinal": ["values = []", "values = [1]", "values = [1, 1.0]", "values = {a = 1}"],
    "Constant": ["", "value = nan", "value = []", "value = {}"],
}
WRONG_WHEN = ["3", '"lr"', "{}x", "{nobody = 1}", "{lr = 99.0}", "{x = 0.5}", "{lr = []}", '{"" = 1}', "{lr = [{}]}"]
WRONG_FACTORS = ["3", "[]", "[1]", "[1, 1]", "[0.8, 1.2, 1.5]", "[2, 3]", "[0, 2]", "[-1, 2]", "[nan, 2]", '["a", "b"]']
POLICIES = {
    "policy": [
        "3",
        "[]",
        '["PBT"]',
        '""',
        '"pbt"',
        "true",
        "{}",
        "{burn_in = 1}",
        '{kind = "Guard"}',
        '{kind = ["PBT"]}',
    ],
    "PBT": [
        'copy = "all"',
        "copy = 3",
        'compare = "oldest"',
        "burn_in = -1",
        "burn_in = 0.5",
        "initial = 3",
        "initial = [3]",
    ],
    "exploit": [
        "3",
        '"Perturb"',
        "{}",
        '{kind = "Perturb"}',
        '{kind = "Truncation", k = 3}',
        '{kind = "NoExploit", x = 1}',
    ],
    "Truncation": ["0", "0.6", "-0.1", "nan", '"x"', "true", "[]", "{}"],
    "explore": ["3", '"perturb"', "{}", '{kind = "TTest"}', '{kind = "Resample", p = 3}', '{kind = "function"}'],
    "Resample": ["0", "1.1", "-1", "nan", '"x"', "true", "[]"],
    "guard": ["3", "{}", '{kind = "PBT"}', '{kind = "Guard", min_std = -1}', '{kind = "Guard", trim = 1}'],
}
EXECUTORS = [
    *("3", '"Inline"', "[]", '{kind = "Ray"}', "{kind = 3}", '{kind = "inline"}', "{worker = 2}", "{workers = 0}"),
    *("{workers = -1}", "{workers = 1.5}", '{workers = "2"}', "{workers = true}", "{workers = 99999}", "{threads = 0}"),
    *(
        "{devices = 0}",
        "{devices = [1.5]}",
        '{devices = "0,1"}',
        "{devices = [[0]]}",
        '{preload = "torch"}',
        "{preload = [1]}",
    ),
    *("{lease_s = 0}", "{lease_s = -1}", "{lease_s = nan}", "{lease_s = inf}", '{lease_s = "1"}', "{lease_s = true}"),
    *('{kind = "Inline", workers = 2}', '{kind = "Inline", lease_s = 1}'),
]
CALLBACKS = [
    "3",
    '"climb.py:Climb"',
    "[3]",
    '["climb.py"]',
    '["nowhere.py:f"]',
    '["climb.py:Climb"]',
    '["raises.py:f"]',
    "[[]]",
]


def _files():
    """Yields every bad file: its name, its text, and what the message must name."""
    yield "empty", "", "population"
    yield "only a comment", "# nothing", "population"
    yield "no byte but the mark", "\ufeff", "population"
    for missing in ("population", "steps", "space"):
        yield f"no {missing}", _text(**{missing: None}), missing
    for name, text in NOT_TOML.items():
        yield f"not TOML: {name}", text, "not TOML"
    for name, text in BYTES.items():
        yield f"bytes: {name}", text, "not TOML" if name == "zeros" else "not UTF-8"
    for line in UNKNOWN:
        yield f"unknown: {line}", line + "\n" + _text() if "[" not in line[:1] else _text() + line, ""
    for names, kind in ((INTEGERS, "integer"), (TEXTS, "text"), (SWITCHES, "switch")):
        for name in names:
            for value in VALUES[kind]:
                if (name, value) != ("max_failures", "0"):
                    yield f"{name} = {value}", _text(**{name: value}), name
    for name, value in {
        "metric": '""',
        "mode": '"Max"',
        "name": '"a/b"',
        "directory": '""',
        "evaluate_every": "0",
    }.items():
        yield f"{name} = {value}", _text(**{name: value}), name
    yield from _spaces()
    yield from _policies()
    for value in EXECUTORS:
        yield f"executor = {value}", _text(executor=value), ""
    for value in CALLBACKS:
        yield f"callbacks = {value}", _text(callbacks=value), ""


def _spaces():
    for value in SPACES:
        yield f"space = {value}", _text(space=value), ""
    for kind, values in DIMENSIONS.items():
        for value in values:
            table = f'{{kind = "{kind}"{", " * bool(value)}{value}}}'
            yield f"lr = {table}", _text(space=f"{{lr = {table}}}"), "lr"
    for key, values in (("when", WRONG_WHEN), ("factors", WRONG_FACTORS)):
        for value in values:
            table = f'{{kind = "Uniform", low = 0, high = 1, {key} = {value}}}'
            yield f"x {key} = {value}", _text(space=f"{{lr = [0.1, 1.0], x = {table}}}"), ""


def _policies():
    for key, values in POLICIES.items():
        for value in values:
            policy = {
                "policy": value,
                "PBT": f'{{kind = "PBT", {value}}}',
                "Truncation": f'{{kind = "PBT", exploit = {{kind = "Truncation", fraction = {value}}}}}',
                "Resample": f'{{kind = "PBT", explore = {{kind = "Resample", probability = {value}}}}}',
            }.get(key, f'{{kind = "PBT", {key} = {value}}}')
            yield f"{key}: {value}", _text(policy=policy), ""


def _text(**changes):
    return "".join(f"{name} = {value}\n" for name, value in {**USUAL, **changes}.items() if value is not None)


FILES = {name: (text, names) for name, text, names in _files()}


@pytest.mark.parametrize(("text", "names"), FILES.values(), ids=[ascii(name)[:80] for name in FILES])
def test_bad_settings_get_one_line_and_create_nothing(refused, tmp_path, text, names):
    """A key that is silently ignored, or a file that dies in a parser, costs a night of training."""
    file = tmp_path / "bad.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(["run", "climb.py:Climb", "-c", file], names=names)
