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
        _memory.give_back()
    finally:
        _memory._trim.cache_clear()


def test_library_is_asked_once():
    """It is looked up at the first checkpoint, not at every state."""
    _memory.give_back()
    asked = _memory._trim()
    _memory.give_back()
    assert _memory._trim() is asked
