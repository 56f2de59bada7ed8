"""Mutants judged where the tests are already collected: the code of functions is swapped in place, in a fork.

To import the package and to collect its tests takes longer than the tests of most mutants. Here that happens once, in
a process that then waits; for each mutant it forks, the fork gives every function of the mistaken file the code
that the mistake makes of it, and runs the chosen tests. What happens at import cannot be swapped (defaults, fields,
decorators, tables), and neither can what a test made of the package while it was collected: so a mutant that does
not fit, and one that survives here, are judged again by the slow way, in a process that imports the mistaken file.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import inspect
import json
import os
import signal
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, TracebackType
from typing import IO, Any, Self

import pytest

from benchmarks._tested import Chosen, become_quiet, in_child, limits_s, run_tests

_LOADED_BY_TESTS = ("torch",)  # when they run; slow to load, and quiet when forked
_Found = Mapping[tuple[str, int], Sequence[FunctionType]]


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

    def killer(self, path: str, text: str, durations: Mapping[str, float]) -> str | None:
        """Returns the first test that fails, dies or takes too long with this text of the file; None for none.

        Args:
            path: The file, relative to the root.
            text: All of its text.
            durations: The tests to run, in order, and the seconds that they take.
        """
        print(json.dumps({"path": path, "text": text, "durations": durations}), file=self._questions, flush=True)
        line = self._answers.readline()
        if not line:
            raise SystemExit(
                f"benchmarks: no tests were collected:\n{(self._root / 'swapper.log').read_text()[-2000:]}"
            )
        answer = json.loads(line)
        return None if answer is None else str(answer)


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

            def work(filename: str = filename, text: str = question["text"], chosen: Any = chosen) -> object:
                fits = swap(filename, text, functions[filename])
                return [self._first_failure([items[test] for test in chosen]) if fits else None]

            answer = in_child(work, total_s)  # not a list where the fork died
            failed = answer[0] if isinstance(answer, list) else self._running.read_text()
            print(json.dumps(failed), file=self._out, flush=True)
        return True

    def _first_failure(self, items: Sequence[pytest.Item]) -> str | None:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return self.failed[0]
        return None


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
    except _AtImportError:
        return False
    for old, new in pairs:
        for function in found.get((old.co_qualname, old.co_firstlineno), ()):
            if len(old.co_freevars) != len(new.co_freevars):
                return False
            function.__code__ = new
    return bool(found) or not pairs


class _AtImportError(Exception):
    """What differs runs when the file is imported."""


def _pairs(old: CodeType, new: CodeType, *, at_import: bool) -> Iterator[tuple[CodeType, CodeType]]:
    """Yields what differs, functions before those inside them; the body of a module or class must be the same."""
    inner, others = _inner(old), _inner(new)
    if at_import and (_own(old) != _own(new) or len(inner) != len(others)):
        raise _AtImportError
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
