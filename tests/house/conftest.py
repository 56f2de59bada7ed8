"""The project's own files, read and parsed once for all house tests."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One Python file of the project.

    Attributes:
        path: Relative to the project's root, with forward slashes.
        text: What it holds.
        tree: The parsed text.
        nodes: All nodes of the tree.
    """

    path: str
    text: str
    tree: ast.Module
    nodes: list[ast.AST]

    @property
    def package(self) -> tuple[str, ...]:
        """The import path of the package the file lies in: ("populace", "core")."""
        return tuple(self.path.split("/")[1:-1])

    @property
    def room(self) -> str:
        """The room the file lies in, "" for the root's own files."""
        return self.package[1] if len(self.package) > 1 else ""

    def at(self, node: ast.AST) -> str:
        """Says where a node is, for a message one can click on."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def _read(path: Path) -> Source:
    text = path.read_text("utf-8")
    tree = ast.parse(text, path.as_posix())
    return Source(path=path.relative_to(ROOT).as_posix(), text=text, tree=tree, nodes=list(ast.walk(tree)))


def _python_files(folder: str) -> list[Source]:
    return [_read(path) for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.fixture(scope="session")
def library() -> list[Source]:
    """The package's own modules."""
    return _python_files("src")


@pytest.fixture(scope="session")
def tests() -> list[Source]:
    """The tests' modules."""
    return _python_files("tests")


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """Every text of the project that goes public, by path."""
    folders = ["src", "tests", "docs", "examples", "benchmarks", ".ci"]
    paths = [path for path in ROOT.iterdir() if path.is_file()]
    paths += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    endings = {
        ".py",
        ".md",
        ".toml",
        ".txt",
        ".ini",
        ".cfg",
        ".json",
        ".html",
        ".css",
        ".js",
        ".svg",
        ".yml",
        ".ipynb",
        "",
    }
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8", errors="replace")
        for path in paths
        if path.suffix in endings and "_build" not in path.parts
    }
