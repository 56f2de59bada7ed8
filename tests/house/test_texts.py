"""What may not stand in any file that goes public."""

from __future__ import annotations

import re

_UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
_MACHINE_PATH = re.compile(r"(?<![\w.~-])/(work|root)/")
_TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore")
_TYPE_IGNORE_WITH_REASON = re.compile(r"#\s*type:\s*ignore\[[\w, -]+\]\s+#\s*\S")
_NOT_OURS = {"LICENSE"}
_THIS_FILE = "tests/house/test_texts.py"


def _lines_matching(texts, pattern):
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts.items()
        if path not in _NOT_OURS and path != _THIS_FILE
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_unfinished_is_left_in_a_file(texts):
    """A note to oneself in the code is a task that nobody is looking at."""
    assert _lines_matching(texts, _UNFINISHED) == []


def test_no_file_names_a_path_of_one_machine(texts):
    """A path that exists on one machine only is a command that fails on every other."""
    assert _lines_matching(texts, _MACHINE_PATH) == []


def test_every_type_ignore_has_a_code_and_a_reason(library):
    """A bare ignore hides the next mistake on its line as well."""
    wrong = [
        f"{source.path}:{number}: {line.strip()}"
        for source in library
        for number, line in enumerate(source.text.splitlines(), 1)
        if _TYPE_IGNORE.search(line) and not _TYPE_IGNORE_WITH_REASON.search(line)
    ]
    assert wrong == []
