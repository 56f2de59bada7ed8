"""Mutants: the code of the promises with one small mistake each, as mutmut makes them.

mutmut plants its mistakes inside functions, behind a switch, and leaves decorated functions alone. Properties and
field defaults carry promises too, so each mutant is a whole file here and mutmut's operators reach every function.
Left out are what no test should depend on: the wording of messages, what is said to the type checker, and docstrings.
"""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor, OuterFunctionProvider
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import get_ignored_lines

_FOR_THE_TYPE_CHECKER = {"cast", "TypeVar", "ParamSpec"}
_TYPE_ALIAS = m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias"))) | m.Assign(
    value=m.Subscript(value=m.Attribute(attr=m.Name("NDArray")) | m.Name("Callable"))
)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One file with one mistake."""

    path: str
    """The file, relative to the root of the checkout."""
    place: str
    """The function around the mistake, or "module"."""
    lines: range
    """The lines of the expression that was changed, from 1."""
    text: str
    """The file with the mistake."""
    diff: str
    """The lines that differ, before and after, stripped and joined."""

    @property
    def name(self) -> str:
        """What it is called in lists and in the file of equivalent mutants."""
        return f"{self.path.removeprefix('src/populace/')} {self.place}: {self.diff}"


class _Everywhere(MutationVisitor):
    """mutmut's visitor, without the exceptions that its switches need."""

    METADATA_DEPENDENCIES = (PositionProvider, OuterFunctionProvider, ParentNodeProvider)

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return _is_overload(node)
        if isinstance(node, cst.Call) and m.matches(node.func, m.Name()) and node.func.value in _FOR_THE_TYPE_CHECKER:
            return True
        return m.matches(node, _TYPE_ALIAS) or super()._skip_node_and_children(node)

    def _should_mutate_node(self, node: cst.CSTNode) -> bool:
        return super()._should_mutate_node(node) and not self._is_wording(node)

    def _is_wording(self, node: cst.CSTNode) -> bool:
        parent = self.get_metadata(ParentNodeProvider, node, None)
        if isinstance(node, cst.SimpleString):
            return " " in node.value or isinstance(parent, cst.Expr | cst.ConcatenatedString | cst.FormattedString)
        return isinstance(node, cst.ConcatenatedString)


class Mistakes:
    """Every mistake that can be made in a file, in the order of the file; a mutant is made when it is asked for.

    Args:
        root: The root of the checkout.
        path: The file, relative to it.
    """

    def __init__(self, root: Path, path: str) -> None:
        self._path = path
        self._code = (root / path).read_text()
        module = MetadataWrapper(cst.parse_module(self._code))
        visitor = _Everywhere(mutation_operators, get_ignored_lines(path, self._code, module))
        self._tree = module.visit(visitor)
        self._positions = module.resolve(PositionProvider)
        self._places = _places(self._code)
        self._changes = visitor.mutations

    def __len__(self) -> int:
        return len(self._changes)

    def mutant(self, index: int) -> Mutant | None:
        """Returns one of the mutants; None where the changed file does not parse or means the same to the parser."""
        change = self._changes[index]
        text = self._tree.deep_replace(change.original_node, change.mutated_node).code
        if not _differs(self._code, text):
            return None
        position = self._positions[change.original_node]
        return Mutant(
            path=self._path,
            place=self._places.get(position.start.line, "module"),
            lines=range(position.start.line, position.end.line + 1),
            text=text,
            diff=_diff(self._code, text),
        )


def _is_overload(node: cst.FunctionDef) -> bool:
    return any(m.matches(d.decorator, m.Name("overload") | m.Name("abstractmethod")) for d in node.decorators)


def _differs(one: str, other: str) -> bool:
    """Whether two files mean different things; what does not even parse is no mutant."""
    try:
        return ast.dump(ast.parse(one)) != ast.dump(ast.parse(other))
    except SyntaxError:
        return False


def _places(code: str) -> dict[int, str]:
    """Returns by line the qualified name of the innermost function or class around it."""
    places: dict[int, str] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}{node.name}"
                places.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), name))
                visit(node.body, name + ".")

    visit(ast.parse(code).body, "")
    return places


def _diff(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    old = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    new = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return f"{old}  =>  {new}"
