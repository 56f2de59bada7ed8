"""Branch coverage and mutation score of the code that the promises rest on: `./do bench quality --sample 400`.

First every test runs once under branch coverage. Then mutants are drawn, each a file with one small mistake (see
`_mutants`), and the tests that reach the mistaken line run on it, quickest first, until one fails. All of this happens
in a copy of the tree. A mutant that no test notices survives; those that mean the same as the original are listed with
their reasons in `equivalent.toml` and leave the count.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import random
import shutil
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._tested import Chosen, in_child, run_tests

if TYPE_CHECKING:
    from benchmarks._covered import Covered
    from benchmarks._mutants import Mutant

_ROOT = Path(__file__).parent.parent
_PROMISES = (
    *("core/_*.py", "core/exploit/_*.py", "core/explore/_*.py", "store/_*.py", "checkpoints/_*.py"),
    *(f"worker/_{name}.py" for name in ("heartbeat", "view", "stay", "worker")),
)
_TESTS = ("core", "checkpoints", "store", "worker", "run", "executors", "simulation", "badinput")
_DEMANDED_SCORE = 0.9


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a mutant."""

    path: str
    """The file that holds the mistake."""
    name: str
    """The mutant's name."""
    fate: str
    """"killed", "survived" or "equivalent"."""


def main(arguments: list[str]) -> int:
    """Measures and prints; returns 0 where coverage is complete and the score is as demanded."""
    parser = argparse.ArgumentParser(prog="./do bench quality", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="mutants, in proportion to the files (default 400)")
    parser.add_argument("--seed", type=int, default=0, help="which mutants are drawn (default 0)")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--tests", nargs="+", default=_TESTS, help="folders of tests (default: all that matter)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        root = _copy(Path(directory))
        paths = sorted(
            str(path.relative_to(root))
            for pattern in _PROMISES
            for path in (root / "src/populace").glob(pattern)
            if path.name != "__init__.py" and options.only in str(path)
        )
        from benchmarks._covered import cover  # coverage and mutmut are an extra that this benchmark alone needs

        covered = cover(root, paths, [f"tests/{name}" for name in options.tests])
        print(covered.report, flush=True)
        verdicts = list(_judge(root, paths, covered, options.sample, options.seed))
    return 0 if _report(paths, verdicts) and covered.is_complete else 1


def _copy(root: Path) -> Path:
    root.chmod(0o755)  # some tests look at runs as another user
    for name in ("src", "tests", "benchmarks"):
        shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(_ROOT / "pyproject.toml", root)
    # By content and not by time: two mutants of one second and size must not pass for each other.
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(root / "src", quiet=2, invalidation_mode=mode)
    return root


def _judge(root: Path, paths: Sequence[str], covered: Covered, sample: int, seed: int) -> Iterator[Verdict]:
    """Draws mutants in proportion to the files and judges each by the tests that reach it."""
    from benchmarks._mutants import Mistakes

    equivalent = _equivalent()
    every = {path: Mistakes(root, path) for path in paths}
    total = sum(map(len, every.values()))
    print(f"\n{total} mutants in {len(paths)} files; {min(sample, total)} drawn with seed {seed}", flush=True)
    generator = random.Random(seed)
    for path, mistakes in every.items():
        share = min(1.0, sample / total) * len(mistakes)
        drawn = generator.sample(range(len(mistakes)), len(mistakes))
        made = filter(None, map(mistakes.mutant, drawn))
        for place, mutant in enumerate(islice(made, max(1, round(share)))):
            if mutant.name in equivalent:
                yield Verdict(path=path, name=mutant.name, fate="equivalent")
                continue
            tests = covered.reach(path, mutant.lines)
            if place == 0 and not _passes(root, tests, covered.durations):
                raise SystemExit(f"benchmarks: the tests of {path} fail without a mistake: run ./do test")
            survives = _survives(root, mutant, tests, covered.durations)
            if survives:
                print(f"survived: line {mutant.lines.start} of {mutant.name}", flush=True)
            yield Verdict(path=path, name=mutant.name, fate="survived" if survives else "killed")


def _survives(root: Path, mutant: Mutant, tests: Sequence[str], durations: Mapping[str, float]) -> bool:
    """Whether all tests pass; a mutant that hangs, dies or takes all memory is killed."""
    original = (root / mutant.path).read_text()
    (root / mutant.path).write_text(mutant.text)
    passed = _passes(root, tests, durations)
    (root / mutant.path).write_text(original)
    return passed


def _passes(root: Path, tests: Sequence[str], durations: Mapping[str, float]) -> bool:
    """Whether all pass; the first folder's go first, since to collect the others takes longer than most verdicts."""
    first = [test for test in tests if test.split("/")[1] == tests[0].split("/")[1]]
    others = [test for test in tests if test not in first]
    return all(_all_pass(root, some, durations) for some in (first, others) if some)


def _all_pass(root: Path, tests: Sequence[str], durations: Mapping[str, float]) -> bool:
    files = list(dict.fromkeys(test.split("::")[0] for test in tests))
    limits_s = {test: 5 * durations[test] + 10 for test in tests}
    total_s = 5 * sum(durations[test] for test in tests) + 30
    return in_child(lambda: run_tests(root, files, Chosen(tests, limits_s=limits_s), "-x") == 0, total_s) is True


def _equivalent() -> Mapping[str, str]:
    """Returns the reasons of the mutants that mean the same as the original, by name."""
    with (Path(__file__).parent / "equivalent.toml").open("rb") as file:
        return {mutant["name"]: rule["reason"] for rule in tomllib.load(file)["rule"] for mutant in rule["mutants"]}


def _report(paths: Sequence[str], verdicts: Sequence[Verdict]) -> bool:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for verdict in verdicts:
        counts[verdict.path][verdict.fate] += 1
    print(f"\n{'file':<44}{'killed':>8}{'survived':>10}{'equivalent':>12}{'score':>8}")
    for path in [*paths, ""]:
        fates = counts[path] if path else _sum(counts.values())
        judged = fates["killed"] + fates["survived"]
        score = f"{fates['killed'] / judged:.0%}" if judged else "-"
        print(
            f"{path.removeprefix('src/populace/') or 'all':<44}{fates['killed']:>8}{fates['survived']:>10}"
            f"{fates['equivalent']:>12}{score:>8}"
        )
    all_fates = _sum(counts.values())
    score = all_fates["killed"] / max(1, all_fates["killed"] + all_fates["survived"])
    print(
        f"mutation score {score:.1%}, demanded {_DEMANDED_SCORE:.0%}: {'met' if score >= _DEMANDED_SCORE else 'MISSED'}"
    )
    return score >= _DEMANDED_SCORE


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for fates in counts:
        for fate, number in fates.items():
            total[fate] += number
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
