"""Who may import what, beyond what the import contracts can say."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

PURE_ROOMS = {"space", "core"}
FORBIDDEN_IN_PURE_ROOMS = {
    *("time", "datetime", "os", "pathlib", "shutil", "tempfile", "sqlite3", "socket", "subprocess", "signal"),
    *("logging", "threading", "multiprocessing", "concurrent", "asyncio", "queue"),
    *("random", "secrets", "uuid", "pickle"),
}
# One file each, and only when it is asked for what needs the package.
EXCEPTIONS = {
    "src/populace/space/_key.py": {"jax"},
    "src/populace/core/exploit/_ttest.py": {"scipy"},
    "src/populace/core/baselines/_optuna.py": {"optuna"},
}
EXPLICIT_RANDOMNESS = {"Generator", "SeedSequence", "PCG64", "BitGenerator", "default_rng"}
HEAVY = ["sqlalchemy", "scipy", "matplotlib", "torch", "jax", "ray", "rich", "typer", "pydantic", "sklearn", "optuna"]
ROOT_NAMES = {
    *("tune", "resume", "replay", "Trainable", "Shrinkable", "Member", "Result", "Schedule"),
    *("advise", "Advice", "compare", "Comparison", "SequentialSearch", "SuccessiveHalving"),
    *("Fixed", "WinningSchedule", "FinalHyperparameters"),
    *("PBT", "MFPBT", "Oversampled", "Restart", "FirePBT", "RandomSearch", "Guard"),
    *("Truncation", "TTest", "BinaryTournament", "NoExploit", "Backtrack", "MultiFrequency", "Halves"),
    *("Perturb", "Resample", "Mixture", "NoExplore", "Strides", "PB2", "TrustRegion", "Pairwise"),
    *("Uniform", "LogUniform", "IntUniform", "LogIntUniform", "Choice", "Ordinal", "Constant", "Complement"),
    *("Key", "Space", "Inline", "Processes", "Vectorised", "Callback", "PopulaceError"),
}


def _imported_modules(nodes):
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield node, module
                yield from ((node, f"{module}.{alias.name}") for alias in names)


def test_pure_rooms_import_numpy_at_most(library):
    """A decision that reads a clock, a file or global randomness cannot be derived again from the log."""
    wrong = []
    for source in library:
        if source.room not in PURE_ROOMS:
            continue
        for node, module in _imported_modules(source.nodes):
            top = module.split(".")[0]
            known = {"populace", "numpy", *EXCEPTIONS.get(source.path, ())}
            foreign = top not in known and top not in sys.stdlib_module_names
            if foreign or top in FORBIDDEN_IN_PURE_ROOMS:
                wrong.append(f"{source.at(node)}: {module}")
    assert wrong == []


def test_pure_rooms_open_no_files(library):
    """A search space read from wherever the process happens to stand differs between two machines of one run."""
    wrong = [
        source.at(node)
        for source in library
        if source.room in PURE_ROOMS
        for node in source.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "io.open", "input"}
    ]
    assert wrong == []


def test_randomness_comes_from_keys(library):
    """The global generator makes a result depend on what ran before it."""
    wrong = []
    for source in library:
        for node in source.nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr="default_rng" | "SeedSequence"), args=[], keywords=[]):
                    wrong.append(f"{source.at(node)}: a generator without a seed")
                case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="random"), attr=name):
                    if name not in EXPLICIT_RANDOMNESS:
                        wrong.append(f"{source.at(node)}: np.random.{name}")
    assert wrong == []


def test_rooms_are_entered_by_the_door(library):
    """Whoever imports another room's private module makes every change inside that room a change for all."""
    wrong = []
    for source in library:
        for node, module in _imported_modules(source.nodes):
            parts = module.split(".")
            private = next((i for i, part in enumerate(parts) if part.startswith("_") and part != "__future__"), None)
            if parts[0] != "populace" or private is None:
                continue
            if source.package[:private] != tuple(parts[:private]):
                wrong.append(f"{source.at(node)}: {module}")
    assert wrong == []


def test_importing_populace_loads_nothing_heavy():
    """A command line that needs two seconds to print its help is not used."""
    code = f"import sys, populace; print(*sorted(sys.modules.keys() & set({HEAVY!r})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_root_exports_exactly_the_promised_names():
    """Every name at the root is one more thing to learn and to keep."""
    import populace

    assert set(populace.__all__) == ROOT_NAMES
    assert set(dir(populace)) >= ROOT_NAMES


@pytest.mark.parametrize("name", sorted(ROOT_NAMES))
def test_root_name_can_be_had(name):
    """Names that load when first asked for break silently when what is behind them moves."""
    import populace

    assert getattr(populace, name) is not None
