"""Mutants in place: the code of living functions becomes that of another text, or the swap is refused."""

from __future__ import annotations

import gc
from collections import defaultdict
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from benchmarks._swapped import swap

_TEXT = """
LIMIT = 1 + 1

def keep(function):
    return function

def plain(value):
    return value + 1

@keep
def adds(more=0):
    def inner(value):
        return value + more
    return inner

class Box:
    side = 2

    @property
    def area(self):
        return self.side * self.side
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """A module made of the text, with one closure alive."""
    path = tmp_path / "swapped_module.py"
    path.write_text(_TEXT)
    module = ModuleType("swapped_module")
    module.__file__ = str(path)
    exec(compile(_TEXT, str(path), "exec"), vars(module))
    vars(module)["living"] = module.adds(more=10)
    return module


def _swap(module: ModuleType, text: str) -> bool:
    found = defaultdict(list)
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename == module.__file__:
            found[thing.__code__.co_qualname, thing.__code__.co_firstlineno].append(thing)
    return swap(str(module.__file__), text, found)


@pytest.mark.parametrize(
    ("old", "new", "call", "before", "after"),
    [
        ("value + 1", "value - 1", "module.plain(1)", 2, 0),
        ("value + more", "value - more", "module.living(1)", 11, -9),
        ("value + more", "value - more", "module.adds(more=10)(1)", 11, -9),
        ("self.side * self.side", "self.side / self.side", "module.Box().area", 4, 1),
        ("return value + 1", "value += 5\n    return value + 1", "module.Box().area, module.plain(1)", (4, 2), (4, 7)),
    ],
)
def test_what_lives_does_what_the_other_text_says(module, old, new, call, before, after) -> None:
    """A mutant that was not really in place would be called a survivor, or one mutant would be judged for another."""
    assert eval(call) == before
    assert _swap(module, _TEXT.replace(old, new))
    assert eval(call) == after


@pytest.mark.parametrize(
    ("old", "new"),
    [("1 + 1", "1 + 2"), ("more=0", "more=1"), ("side = 2", "side = 3"), ("@keep", ""), ("value + more", "value")],
)
def test_what_was_done_at_import_is_not_called_swapped(module, old, new) -> None:
    """Defaults, fields, decorators and tables were made long before; such a mutant must be imported."""
    assert not _swap(module, _TEXT.replace(old, new, 1))


def test_the_same_text_changes_nothing(module) -> None:
    """Tests are believed only where they pass without a mistake, which is asked in the same way."""
    assert _swap(module, _TEXT)
    assert module.plain(1) == 2
