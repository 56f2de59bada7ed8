"""The tests' own rules."""

from __future__ import annotations

import ast

import pytest


@pytest.fixture(scope="module")
def functions(tests):
    """Every test function with the file it is in."""
    return [
        (source, node)
        for source in tests
        for node in source.nodes
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_every_test_says_when_it_matters(functions):
    """Whoever breaks a test must learn from it what would have gone wrong for a user."""
    silent = [f"{source.at(node)}: {node.name}" for source, node in functions if not ast.get_docstring(node)]
    assert silent == []


def test_no_test_sleeps(tests):
    """A test that waits for a time is slow on a fast machine and fails on a slow one."""
    sleeping = [
        source.at(node)
        for source in tests
        for node in source.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert sleeping == []
