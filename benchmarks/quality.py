"""Branch coverage and mutation score of the code that the promises rest on: `./do bench quality --sample 400`.

First every test runs once under branch coverage. Then mutants are drawn, each a file with one small mistake (see
`_mutants`), and the tests that reach the mistaken line run on it, quickest first, until one fails (see `_verdicts` and
`_swapped`). All of this happens in a copy of the tree. A mutant that no test notices survives; those that mean the same
as the original are listed with their reasons in `equivalent.toml` and leave the count.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks._verdicts import Verdict

_ROOT = Path(__file__).parent.parent
_PROMISES = (
    *("core/_*.py", "core/exploit/_*.py", "core/explore/_*.py", "core/baselines/_*.py"),
    *("store/_*.py", "checkpoints/_*.py"),
    *(f"worker/_{name}.py" for name in ("heartbeat", "patience", "patient")),  # leases
    *(f"worker/_{name}.py" for name in ("ancestors", "drafts", "life", "stay", "view", "worker")),
)
_TESTS = ("core", "checkpoints", "store", "worker", "comparison")  # what only whole runs would notice counts as missed
_DEMANDED_SCORE = 0.9


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
        # coverage and mutmut are an extra that this benchmark alone needs
        from benchmarks._covered import cover
        from benchmarks._verdicts import draw, judge

        folders = [f"tests/{name}" for name in options.tests]
        covered = cover(root, paths, folders)
        print(covered.report, flush=True)
        total, drawn = draw(root, paths, options.sample, options.seed)
        print(f"\n{total} mutants in {len(paths)} files; {min(options.sample, total)} drawn with seed {options.seed}")
        verdicts = []
        for verdict in judge(root, drawn, covered, folders):
            verdicts.append(verdict)
            if verdict.fate == "survived":
                print(f"survived: line {verdict.line} of {verdict.name}", flush=True)
    return 0 if _report(paths, verdicts, total) and covered.is_complete else 1


def _copy(root: Path) -> Path:
    root.chmod(0o755)  # some tests look at runs as another user
    for name in ("src", "tests", "benchmarks", "examples"):
        shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(_ROOT / "pyproject.toml", root)
    # By content and not by time: two mutants of one second and size must not pass for each other.
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(root / "src", quiet=2, invalidation_mode=mode)
    return root


def _report(paths: Sequence[str], verdicts: Sequence[Verdict], total: int) -> bool:
    """Prints the scores by file and by room; returns whether that of all is as demanded."""
    print(f"\n{'file':<44}{'killed':>8}{'survived':>10}{'equivalent':>12}{'score':>8}   95 %")
    rooms = sorted({path.split("/")[2] for path in paths})
    for path in [*paths, *(f"src/populace/{room}/" for room in rooms), ""]:
        fates = _fates(verdict for verdict in verdicts if verdict.path.startswith(path))
        print(
            f"{path.removeprefix('src/populace/') or 'all':<44}{fates['killed']:>8}{fates['survived']:>10}"
            f"{fates['equivalent']:>12}{_score(fates)}"
        )
    fates = _fates(verdicts)
    score = fates["killed"] / max(1, fates["killed"] + fates["survived"])
    print(
        f"mutation score {score:.1%} of {len(verdicts)} mutants of {total}, demanded {_DEMANDED_SCORE:.0%}: "
        f"{'met' if score >= _DEMANDED_SCORE else 'MISSED'}"
    )
    return score >= _DEMANDED_SCORE


def _fates(verdicts: Iterable[Verdict]) -> Counter[str]:
    return Counter(verdict.fate for verdict in verdicts)


def _score(fates: Counter[str]) -> str:
    """Returns the share that was killed, with Wilson's interval of what it may be among all mutants."""
    judged = fates["killed"] + fates["survived"]
    if not judged:
        return f"{'-':>8}"
    z, share = 1.96, fates["killed"] / judged
    middle = (share + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z / (1 + z * z / judged) * sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    return f"{share:>8.0%}   {middle - half:.0%} to {middle + half:.0%}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
