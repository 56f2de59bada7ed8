"""Mutants judged where the tests are already collected: the code of functions is swapped in place, in a fork.

To import the package and to collect its tests takes longer than the tests of most mutants. Here that happens once, in
a process that then waits; for each mutant it forks, the fork gives every function of the mistaken file the code
that the mistake makes of it, and runs the chosen tests. What happens at import cannot be swapped (defaults, fields,
decorators, tables): such a file is run again in its own module. Others still hold what it was made of before, so that
this may break what is not mistaken; it counts only where the file as it should be, run again, breaks nothing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import inspect
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, TracebackType
from typing import IO, Any, Self

import pytest

from benchmarks._tested import Chosen, become_quiet, in_child, limits_s, run_tests

_LOADED_BY_TESTS = ("torch",)  # when they run; slow to load, and quiet when forked
_Found = Mapping[tuple[str, int], Sequence[FunctionType]]


class How(Enum):
    """How another text of a file takes effect in a process that has imported it."""

    SWAP = "swap"
    """Its functions get the code of that text."""
    RERUN = "rerun"
    """It is run again in its module."""


class AtImport(Exception):
    """What differs runs when the file is imported."""


class Swapper:
    """A process that has collected tests and judges mutants; a context manager, which ends it.

    Args:
        root: The copy of the tree.
        folders: Of the tests, relative to it.
    """

    def __init__(self, root: Path, folders: Collection[str]) -> None:
        self._root = root
        self._folders = folders

    def __enter__(self) -> Self:
        asks, asked = os.pipe()
        answers, answered = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                os.close(asked), os.close(answers)
                become_quiet(self._root / "swapper.log")
                with os.fdopen(asks) as questions, os.fdopen(answered, "w") as out:
                    run_tests(self._root, self._folders, _Waiting(self._root, questions, out))
            finally:
                os._exit(0)
        os.close(asks), os.close(answered)
        self._questions, self._answers = os.fdopen(asked, "w"), os.fdopen(answers)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._questions.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._answers.close()

    def killer(self, how: How, path: str, text: str, durations: Mapping[str, float]) -> str | None:
        """Returns the first test that fails, dies or takes too long with this text of the file; None for none.

        Args:
            how: How the text takes effect.
            path: The file, relative to the root.
            text: All of its text.
            durations: The tests to run, in order, and the seconds that they take.

        Returns:
            "" where the file cannot be run.

        Raises:
            AtImport: `SWAP` does not suffice.
        """
        question = {"how": how.value, "path": path, "text": text, "durations": durations}
        print(json.dumps(question), file=self._questions, flush=True)
        line = self._answers.readline()
        if not line:
            raise SystemExit(
                f"benchmarks: no tests were collected:\n{(self._root / 'swapper.log').read_text()[-2000:]}"
            )
        fits, failed = json.loads(line)
        if not fits:
            raise AtImport
        return None if failed is None else str(failed)


class _Waiting(Chosen):
    """A pytest plugin that answers questions instead of running what was collected."""

    def __init__(self, root: Path, questions: IO[str], out: IO[str]) -> None:
        super().__init__(())
        self._root = root
        self._questions = questions
        self._out = out
        self._running = root / "running"
        self.before_each = self._running.write_text

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for name in _LOADED_BY_TESTS:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        items = {item.nodeid: item for item in session.items}
        functions = _functions(self._root)
        gc.collect()
        gc.freeze()  # what the forks share stays shared
        for line in self._questions:
            question = json.loads(line)
            chosen = {test: took_s for test, took_s in question["durations"].items() if test in items}
            self.limits_s, total_s = limits_s(chosen)
            filename = str(self._root / question["path"])

            self._running.write_text("")

            def work(filename: str = filename, question: Any = question, chosen: Any = chosen) -> object:
                if not _takes_effect(How(question["how"]), filename, question["text"], functions[filename]):
                    return [False, None]
                return [True, self._first_failure([items[test] for test in chosen])]

            answer = in_child(work, total_s)  # not a list where the fork died
            answer = answer if isinstance(answer, list) else [True, self._running.read_text()]
            print(json.dumps(answer), file=self._out, flush=True)
        return True

    def _first_failure(self, items: Sequence[pytest.Item]) -> str | None:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return self.failed[0]
        return None


def _takes_effect(how: How, filename: str, text: str, found: _Found) -> bool:
    if how is How.SWAP:
        return swap(filename, text, found)
    module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == filename), None)
    if module is not None:
        exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
    return module is not None


def swap(filename: str, text: str, found: _Found) -> bool:
    """Gives functions of a file the code that another text of it makes of them; False where that does not suffice.

    Args:
        filename: The file as it was imported.
        text: The other text.
        found: The living functions of the file by qualified name and first line.
    """
    before = compile(Path(filename).read_text(), filename, "exec", dont_inherit=True)
    after = compile(text, filename, "exec", dont_inherit=True)
    try:
        pairs = list(_pairs(before, after, at_import=True))
    except AtImport:
        return False
    for old, new in pairs:
        for function in found.get((old.co_qualname, old.co_firstlineno), ()):
            if len(old.co_freevars) != len(new.co_freevars):
                return False
            function.__code__ = new
    return bool(found) or not pairs


def _pairs(old: CodeType, new: CodeType, *, at_import: bool) -> Iterator[tuple[CodeType, CodeType]]:
    """Yields what differs, functions before those inside them; the body of a module or class must be the same."""
    inner, others = _inner(old), _inner(new)
    if at_import and (_own(old) != _own(new) or len(inner) != len(others)):
        raise AtImport
    if not at_import:
        yield old, new
    if len(inner) == len(others):
        for one, other in zip(inner, others, strict=True):
            if one != other:
                yield from _pairs(one, other, at_import=at_import and not one.co_flags & inspect.CO_OPTIMIZED)


def _inner(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    constants = [repr(const) for const in code.co_consts if not isinstance(const, CodeType)]
    return code.co_code, code.co_names, constants


def _functions(root: Path) -> dict[str, dict[tuple[str, int], list[FunctionType]]]:
    found: dict[str, dict[tuple[str, int], list[FunctionType]]] = defaultdict(lambda: defaultdict(list))
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename.startswith(str(root)):
            code = thing.__code__
            found[code.co_filename][code.co_qualname, code.co_firstlineno].append(thing)
    return found
