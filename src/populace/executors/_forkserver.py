"""Starting worker processes: fast, without the user's main module, and never outliving the process that asked.

A fork server imports the heavy libraries once; every worker is forked from it in a few milliseconds. What Python's
`multiprocessing` would do besides is to import the user's script in every worker, which is why scripts elsewhere need
an `if __name__ == "__main__"` guard. Workers here receive the user's function by value, so the script is hidden
meanwhile.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import ModuleType

_PRELOAD = (
    "populace.executors._process",
    "populace.store._sqlite",
    "populace.store._warm",
    "populace.checkpoints",
    "cloudpickle",
)
_WORTH_PRELOADING = (
    "torch",
    "sklearn",
    "pandas",
    "scipy",
)  # neither threads nor devices are started by importing these
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",  # XLA's: workers whose pools are all as wide as the machine train a third slower
)
_PR_SET_PDEATHSIG = 1
_MOST_STARTS = 10


def start_process(
    target: Callable[..., None], *args: object, name: str, preload: Sequence[str], threads: int
) -> BaseProcess:
    """Starts a process that runs a module's function.

    Args:
        target: A function of an importable module.
        args: Its arguments; they are pickled.
        name: The process's name.
        preload: Modules for the fork server to import, should it not be running yet.
        threads: Numerical threads of each process, unless the user's environment says otherwise.
    """
    context = multiprocessing.get_context("forkserver")
    known = [name for name in _WORTH_PRELOADING if name in sys.modules]
    context.set_forkserver_preload([*_PRELOAD, *known, *preload])
    for attempt in range(1, _MOST_STARTS + 1):
        process = context.Process(target=target, args=args, name=name)
        try:
            with _hidden_main(), _environment(environment(threads)):
                process.start()
            return process
        except (BrokenPipeError, ConnectionError, EOFError):
            # It was killed, or the fork server was, before it had heard what to do.
            if attempt == _MOST_STARTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def die_with_parent() -> None:
    """Makes this worker process die as soon as the process that asked for it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="populace-parent-watch", daemon=True).start()
    if sys.platform == "linux":
        # The thread above cannot run while user code holds the interpreter; the kernel can. The fork server is this
        # process's parent and ends when the one that asked is gone.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _hidden_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def environment(threads: int) -> dict[str, str]:
    """Returns the environment variables of a worker with so many numerical threads, unless the user's say otherwise."""
    return {**dict.fromkeys(_THREADS, str(threads)), **os.environ}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    added = variables.keys() - os.environ.keys()
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
