"""Branch coverage of chosen files, and which tests reach which of their lines."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage

from benchmarks._tested import Chosen, in_child, load_heavy, run_tests

_LIMIT_S = 3600.0
_SLOWEST_TEST_S = 20.0  # a slower one would judge no mutant in the time there is
_TESTS_S = 60.0  # what the tests of one mutant may take together


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What one run of the tests reached."""

    report: str
    """Statements, branches and what is missing, by file."""
    share: float
    """Share of statements and branches that were reached, in percent."""
    failed: Collection[str]
    """Tests that failed: they judge no mutant."""
    tests: Mapping[str, Mapping[int, Collection[str]]]
    """By file and line, the tests that reach it; line 0 stands for the file."""
    at_import: Mapping[str, Collection[int]]
    """By file, the lines that ran outside every test: at import, or while tests were collected."""
    durations: Mapping[str, float]
    """Seconds by test."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing was missed."""
        return self.share == 100.0 and not self.failed

    def reach(self, path: str, lines: range) -> list[str]:
        """Returns the tests of these lines: first those of the file's room, quickest first.

        Lines that run at import are everybody's who enters the file; where nobody does, the whole room's.
        """
        by_line = self.tests[path]
        room = path.split("/")[2]
        found = {test for line in lines for test in by_line.get(line, ())} or set(by_line.get(0, ()))
        found = found or {test for test in self.durations if test.startswith(f"tests/{room}/")}
        chosen, total_s = [], 0.0
        for test in sorted(
            found.difference(self.failed), key=lambda t: (room not in t.split("::")[0], self.durations[t])
        ):
            if self.durations[test] <= _SLOWEST_TEST_S and total_s + self.durations[test] <= _TESTS_S:
                chosen.append(test)
                total_s += self.durations[test]
        return chosen


def cover(root: Path, paths: Sequence[str], tests: Sequence[str]) -> Covered:
    """Runs tests of the tree at `root` under branch coverage."""
    load_heavy()

    def work() -> object:
        measure = coverage.Coverage(
            data_file=str(root / ".coverage"),
            branch=True,
            include=[str(root / path) for path in paths],
            config_file=str(root / "pyproject.toml"),
        )
        plugin = Chosen((), before_each=measure.switch_context)
        measure.start()
        code = run_tests(root, tests, plugin)
        measure.stop()
        for path in paths:
            measure.get_data().touch_file(str(root / path))  # what no test imports is missing, and not left out
        measure.save()
        out = io.StringIO()
        share = measure.report(file=out, show_missing=True, skip_empty=True)
        return {
            "code": code,
            "share": share,
            "report": out.getvalue(),
            "durations": plugin.durations,
            "failed": plugin.failed,
        }

    log = root / "tests.log"
    answer = in_child(work, _LIMIT_S, log)
    if not isinstance(answer, dict) or answer["code"] > 1:  # else all passed, or some failed
        raise SystemExit(f"benchmarks: the tests did not come to an end:\n{log.read_text()[-2000:]}")
    if answer["code"] != 0:
        print(f"tests failed:\n{log.read_text()[-2000:]}")
    tests_by_line, at_import = reached(root, paths)
    return Covered(
        report=answer["report"].replace(str(root) + "/", ""),
        share=answer["share"],
        failed=answer["failed"],
        tests=tests_by_line,
        at_import=at_import,
        durations=answer["durations"],
    )


def reached(root: Path, paths: Sequence[str]) -> tuple[dict[str, dict[int, set[str]]], dict[str, set[int]]]:
    """Returns `Covered.tests` and `Covered.at_import` of the run that was measured at `root`."""
    data = coverage.CoverageData(str(root / ".coverage"))
    data.read()
    tests: dict[str, dict[int, set[str]]] = {}
    at_import = {}
    for path in paths:
        contexts_by_line = data.contexts_by_lineno(str(root / path))
        by_line: dict[int, set[str]] = defaultdict(set)
        for line, contexts in contexts_by_line.items():
            by_line[line] = {context for context in contexts if context}
            by_line[0] |= by_line[line]
        tests[path] = dict(by_line)
        at_import[path] = {line for line, contexts in contexts_by_line.items() if "" in contexts}
    return tests, at_import
