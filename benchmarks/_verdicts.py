"""Mutants drawn and judged: killed by the tests that reach them, or not."""

from __future__ import annotations

import random
import tomllib
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks._covered import Covered
from benchmarks._mutants import Mistakes, Mutant
from benchmarks._swapped import AtImport, How, Swapper
from benchmarks._tested import Chosen, in_child, limits_s, run_tests


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a mutant."""

    path: str
    """The file that holds the mistake."""
    name: str
    """The mutant's name."""
    line: int
    """The first line of the mistake."""
    fate: str
    """"killed", "survived" or "equivalent"."""


def draw(root: Path, paths: Sequence[str], sample: int, seed: int) -> tuple[int, Iterator[Mutant]]:
    """Returns how many mutants there are, and draws some in proportion to the files, at least one of each.

    They come in any order, so that those judged by some time are a sample as well.
    """
    every = {path: Mistakes(root, path) for path in paths}
    total = sum(map(len, every.values()))
    generator = random.Random(seed)
    orders = {path: generator.sample(range(len(mistakes)), len(mistakes)) for path, mistakes in every.items()}
    turns = [
        path for path, mistakes in every.items() for _ in range(max(1, round(min(1.0, sample / total) * len(mistakes))))
    ]
    generator.shuffle(turns)

    def drawn() -> Iterator[Mutant]:
        made = {path: filter(None, map(every[path].mutant, order)) for path, order in orders.items()}
        for path in turns:
            yield from islice(made[path], 1)

    return total, drawn()


def judge(root: Path, mutants: Iterator[Mutant], covered: Covered, folders: Collection[str]) -> Iterator[Verdict]:
    """Judges mutants by the tests that reach them, until one fails: first in place, then as imported.

    Args:
        root: The copy of the tree.
        mutants: Those to judge.
        covered: What the tests reach.
        folders: Of the tests, relative to the root.
    """
    equivalent = _equivalent()
    with Swapper(root, folders) as swapper:
        court = _Court(root, covered, swapper)
        for mutant in mutants:
            fate = "equivalent" if mutant.name in equivalent else "survived" if court.survives(mutant) else "killed"
            yield Verdict(path=mutant.path, name=mutant.name, line=mutant.lines.start, fate=fate)


class _Court:
    """Judges mutants one by one, and believes no test that fails without a mistake."""

    def __init__(self, root: Path, covered: Covered, swapper: Swapper) -> None:
        self._root = root
        self._covered = covered
        self._swapper = swapper
        self._killers: dict[str, dict[str, float]] = defaultdict(dict)
        self._believed: dict[Hashable, bool] = {}

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests pass; a mutant that hangs, dies or takes all memory is killed."""
        tests = {test: self._covered.durations[test] for test in self._covered.reach(mutant.path, mutant.lines)}
        try:
            if self._is_killed(How.SWAP, mutant, tests):
                return False
            if self._covered.at_import[mutant.path].isdisjoint(mutant.lines):
                return True
        except AtImport:
            with suppress(AtImport):  # the tests do not import the file before they run
                if self._is_killed(How.RERUN, mutant, tests):
                    return False
        return self._survives_import(mutant, list(tests))

    def _is_killed(self, how: How, mutant: Mutant, tests: Mapping[str, float]) -> bool:
        known = self._killers[mutant.path]
        left = {test: tests[test] for test in known if test in tests} | dict(tests)
        while (killer := self._swapper.killer(how, mutant.path, mutant.text, left)) is not None:
            if not killer and how is How.SWAP:
                raise AtImport
            if self._believes(how, mutant.path, killer):
                known.update({killer: left[killer]} if killer else {})
                return True
            if not killer:
                return False
            del left[killer]
        return False

    def _believes(self, how: How, path: str, test: str) -> bool:
        """Whether a test passes without a mistake; "" for none, where the file is only run."""
        asked = (how, path, test) if how is How.RERUN else test
        if asked not in self._believed:
            alone = {test: self._covered.durations[test]} if test else {}
            self._believed[asked] = self._swapper.killer(how, path, (self._root / path).read_text(), alone) is None
            if not self._believed[asked]:
                print(f"not believed: {test} fails where nothing is wrong with {path}", flush=True)
        return self._believed[asked]

    def _survives_import(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        original = (self._root / mutant.path).read_text()
        (self._root / mutant.path).write_text(mutant.text)
        try:
            if self._pass(tests):
                return True
        finally:
            (self._root / mutant.path).write_text(original)
        together = frozenset(tests)
        if together not in self._believed:
            self._believed[together] = self._pass(tests)
        if not self._believed[together]:
            print(f"not believed: the tests of {mutant.path} fail without a mistake", flush=True)
        return not self._believed[together]

    def _pass(self, tests: Sequence[str]) -> bool:
        """Whether all pass; the first folder's go first: to collect the others takes longer than most verdicts."""
        first = [test for test in tests if test.split("/")[1] == tests[0].split("/")[1]]
        others = [test for test in tests if test not in first]
        return all(self._all_pass(some) for some in (first, others) if some)

    def _all_pass(self, tests: Sequence[str]) -> bool:
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        limits, total_s = limits_s({test: self._covered.durations[test] for test in tests})
        plugin = Chosen(tests, limits_s=limits)
        return in_child(lambda: run_tests(self._root, files, plugin, "-x") == 0, total_s) is True


def _equivalent() -> Mapping[str, str]:
    """Returns the reasons of the mutants that mean the same as the original, by name."""
    with (Path(__file__).parent / "equivalent.toml").open("rb") as file:
        return {mutant["name"]: rule["reason"] for rule in tomllib.load(file)["rule"] for mutant in rule["mutants"]}
