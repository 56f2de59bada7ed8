"""Giving memory back is a favour of the C library, not a need."""

import ctypes

import pytest

from populace.vectorised import _memory


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_library_that_keeps_its_memory_is_left_alone(monkeypatch, error):
    """Other systems' libraries have no such call, and a run there must not end for it."""

    def refuse(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    _memory._trim.cache_clear()
    try:
        _memory.give_back(2**30)
    finally:
        _memory._trim.cache_clear()


def test_library_is_asked_once():
    """It is looked up at the first checkpoint, not at every state."""
    _memory.give_back(2**30)
    asked = _memory._trim()
    _memory.give_back(2**30)
    assert _memory._trim() is asked


def test_little_is_kept(monkeypatch):
    """Asking takes as long as copying what would be given back, and every page is soon needed again."""
    monkeypatch.setattr(_memory, "_trim", lambda: pytest.fail("the library was asked"))
    _memory.give_back(2**20)
