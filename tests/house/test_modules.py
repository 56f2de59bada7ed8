"""The shape of modules and packages."""

from __future__ import annotations

import ast

import pytest

LONGEST_MODULE_LINES = 400
LONGEST_TEST_LINES = 600
ROOMS_THAT_PRINT = {"cli", "demos"}
FORBIDDEN_CALLS = {"hasattr", "breakpoint", "eval", "exec"}
SYNONYMS = {
    "trial": "member or segment",
    "agent": "member",
    "individual": "member",
    "pool": "population, or the executor's workers",
    "mutate": "explore or perturb",
    "mutation": "explore or perturb",
    "hparams": "hyperparameters",
    "hyperparams": "hyperparameters",
    "fitness": "score",
}


def _defined_names(nodes):
    for node in nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                yield node, name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield node, name


def _words(name):
    """Returns the words of a name in snake_case or CamelCase, in lower case, as they are and without a final s."""
    split = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return {form for word in split.split("_") for form in (word, word.removesuffix("s"))}


def _exported(tree):
    """Returns the names in a module's `__all__`, or None where it has none."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=value) if value is not None:
                return list(ast.literal_eval(value))
    return None


def _public_names(body):
    """Returns the public names that a module binds, other than what it imports from elsewhere for its own use."""
    for node in body:
        match node:
            case ast.If(body=names_for_type_checkers):
                yield from _public_names(names_for_type_checkers)
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "populace":
                yield from (alias.asname or alias.name for alias in names)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_no_module_outgrows_a_readers_minute(library, tests):
    """A file that needs scrolling through has stopped being one idea."""
    limits = [(LONGEST_MODULE_LINES, library), (LONGEST_TEST_LINES, tests)]
    too_long = [
        f"{source.path}: {lines} lines, at most {limit}"
        for limit, sources in limits
        for source in sources
        if (lines := source.text.count("\n")) > limit
    ]
    assert too_long == []


def test_packages_are_the_only_doors(library):
    """Users who import a private module break at the next release, so every module but the door says it is private."""
    public = [source.path for source in library if not source.path.rsplit("/", 1)[1].startswith("_")]
    assert public == []


def test_door_exports_exactly_what_it_binds(library):
    """A name missing from `__all__` is missing from `import *`, from the docs and from the promise of stability."""
    wrong = []
    for source in library:
        if not source.path.endswith("/__init__.py") or source.path == "src/populace/__init__.py":
            continue
        exported = _exported(source.tree)
        bound = {name for name in _public_names(source.tree.body) if not name.startswith("_")}
        if exported is None:
            wrong.append(f"{source.path}: no `__all__`")
        elif len(exported) != len(set(exported)) or set(exported) != bound:
            wrong.append(f"{source.path}: differs in {sorted(set(exported) ^ bound)}")
    assert wrong == []


def test_public_names_use_the_glossarys_words(library):
    """Two words for one thing make a reader look for two things."""
    wrong = [
        f"{source.at(node)}: {name}: say {SYNONYMS[word]}"
        for source in library
        for node, name in _defined_names(source.nodes)
        if not name.startswith("_")
        for word in _words(name) & SYNONYMS.keys()
    ]
    assert wrong == []


def test_library_neither_prints_nor_asks_what_an_object_has(library):
    """Output belongs to whoever calls the library, and `hasattr` hides a contract that nobody wrote down."""
    wrong = []
    for source in library:
        forbidden = FORBIDDEN_CALLS if source.room in ROOMS_THAT_PRINT else FORBIDDEN_CALLS | {"print"}
        for node in source.nodes:
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in forbidden:
                    wrong.append(f"{source.at(node)}: {name}(")
    assert wrong == []


def test_no_error_is_swallowed(library):
    """An error that is caught wide and dropped comes back as a wrong result."""
    wrong = []
    for source in library:
        for node in source.nodes:
            if not isinstance(node, ast.ExceptHandler):
                continue
            wide = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
            if wide and all(isinstance(line, ast.Pass | ast.Continue) or _is_constant(line) for line in node.body):
                wrong.append(source.at(node))
    assert wrong == []


def _is_constant(line):
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


@pytest.mark.parametrize(
    ("name", "words"),
    [("TrialLog", {"trial", "log"}), ("num_agents", {"num", "agent"}), ("fitness", {"fitness"})],
)
def test_words_of_a_name_are_found(name, words):
    """The glossary's test is worth nothing if a synonym can hide inside a longer name."""
    assert words <= _words(name)
