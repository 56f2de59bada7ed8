"""The one report: the selected checkpoint, measured on data or episodes that selected nothing."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from populace._errors import RunFailed, UsageError
from populace.run import Result
from populace.space import Key
from populace.worker import score_name

Test = Callable[..., Any]
"""A function of a state, or of a key and a state, that returns a score or metrics by name."""


def measure_of(trainable: object, test: Test | None) -> Test | None:
    """Returns the test that was given, else the trainable's own method `test`, else None.

    Raises:
        UsageError: It cannot be called with a state, or with a key and a state.
    """
    own = getattr(trainable, "test", None)
    found = test if test is not None else own if callable(own) else None  # an attribute may hold test data
    if found is None:
        return None
    if not callable(found) or _num_arguments(found) not in (1, 2):
        raise UsageError(
            f"`test` must be a function (state) or (key, state) that returns a score or metrics, but got {found!r}"
        )
    return found


def measure(test: Test, result: Result) -> tuple[float | None, dict[str, float]]:
    """Returns the test score of a run's best checkpoint (None where it is not finite), and all that was measured.

    All algorithms of one seed are tested with the same key.

    Raises:
        RunFailed: The test function raised.
        UsageError: It returned neither a number nor the run's metric.
    """
    state = result.best.restore()
    key = Key(result.spec.seed).fold("test")
    try:
        measured = test(state) if _num_arguments(test) == 1 else test(key, state)
    except Exception as error:
        told = "".join(traceback.format_exception(error)).rstrip()
        raise RunFailed(f"the test function failed on the best checkpoint of run {result.name!r}:\n{told}") from error
    metrics = {str(name): float(value) for name, value in measured.items()} if isinstance(measured, Mapping) else {}
    try:
        score = metrics[score_name(result.spec.metric, metrics)] if metrics else float(measured)
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise UsageError(f"`test` must measure what ranks: {error}") from error
        raise UsageError(f"`test` must return a number or metrics by name, but returned {measured!r}") from error
    return (score if math.isfinite(score) else None), {n: v for n, v in metrics.items() if math.isfinite(v)}


def _num_arguments(test: Test) -> int:
    try:
        parameters = inspect.signature(test).parameters.values()
    except (TypeError, ValueError):
        return 0
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds and parameter.default is parameter.empty for parameter in parameters)
