"""FILE:NAME: where a user's code is found again."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from contextvars import ContextVar
from pathlib import Path

import cloudpickle

from populace._errors import UsageError
from populace.worker import Trainable

_loading: ContextVar[bool] = ContextVar("loading", default=False)


class _StopLoading(BaseException):
    """A script being loaded for its functions has come to its own call of `tune`: the rest is not wanted."""


def refuse_while_loading() -> None:
    """Ends the loading of a script at the point where it would start a run itself."""
    if _loading.get():
        raise _StopLoading


def load_entry(entry: str, kind: type = Trainable) -> object:
    """Returns the function or object named FILE:NAME.

    The file is run like a script, but only up to a call of `tune` or `resume` at its top level, so that a script needs
    no guard. A class of `kind` is called without arguments.

    Raises:
        UsageError: There is no such file or name, or the file raises, or a class cannot be called without arguments.
    """
    file, _, name = entry.rpartition(":")
    path = Path(file)
    if not file or not name:
        raise UsageError(f"code is named FILE:NAME, as in train.py:train, but got {entry!r}")
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {file!r}: name the code as FILE:NAME, as in train.py:train")
    module_name = f"populace_entry_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file!r} is not a Python file: name the code as FILE:NAME, as in train.py:train")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(path.resolve().parent))
    token = _loading.set(True)
    try:
        spec.loader.exec_module(module)
    except _StopLoading:
        pass
    except SystemExit as error:
        raise UsageError(
            f"{file!r} could not be loaded: it ends the process{_line(error, path)}: put what a script does by itself "
            'under `if __name__ == "__main__":`'
        ) from error
    except Exception as error:
        raise UsageError(f"{file!r} could not be loaded: {_in_a_line(error)}{_line(error, path)}") from error
    finally:
        _loading.reset(token)
    # Workers cannot import it by this name, so its functions travel by value.
    cloudpickle.register_pickle_by_value(module)
    found = vars(module).get(name)
    if found is None:
        names = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module_name
        ]
        raise UsageError(f"{file!r} has no {name!r}: it defines {', '.join(names) or 'no functions'}")
    if not isinstance(found, type) or not issubclass(found, kind):
        return found
    try:
        return found()
    except Exception as error:
        raise UsageError(
            f"{entry!r} is a class that cannot be called without arguments: {_in_a_line(error)}; make an "
            "object of it in the file and name that"
        ) from error


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _line(error: BaseException, path: Path) -> str:
    """Returns where in a file an error comes from, if it does."""
    steps = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in steps if frame.f_code.co_filename == os.path.abspath(path)]
    return f" (line {lines[-1]})" if lines else ""


def entry_of(trainable: object) -> str | None:
    """Returns where a function or an object's class is found again, as FILE:NAME; None where it cannot be."""
    thing = type(trainable) if isinstance(trainable, Trainable) else trainable
    name = getattr(thing, "__qualname__", "")
    module = sys.modules.get(getattr(thing, "__module__", ""))
    file = getattr(module, "__file__", None)
    if module is None or file is None or vars(module).get(name) is not thing:
        return None
    # An object made with arguments cannot be made again from its class alone.
    if thing is not trainable and vars(trainable):
        return None
    return f"{Path(file).resolve()}:{name}"
