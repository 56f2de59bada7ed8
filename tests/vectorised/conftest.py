"""Runs of the JAX toy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import populace
from populace.run import Result, tune, verify
from populace.space import Choice, LogUniform

SPACE = {"lr": LogUniform(1e-3, 1e-1), "shakes": Choice([1, 2])}


@pytest.fixture(autouse=True)
def programs_are_shared(compiled_once) -> None:
    """All tests here compile, and many compile the same."""


@pytest.fixture
def bowl(tmp_path) -> Iterator[Callable[..., Result]]:
    """Returns a function that trains the toy; every run it leaves obeys every law."""
    from populace.testing import JaxBowl

    results = []

    def run(name: str = "toy", executor: Any = None, *, task: Any = None, **changes: Any) -> Result:
        usual = {"population": 6, "steps": 12, "interval": 3, "seed": 0, "metric": "score", "evaluate_every": 2}
        executor = executor or populace.Vectorised(devices=1)
        made = tune(task or JaxBowl(), SPACE, name=name, directory=tmp_path, executor=executor, **{**usual, **changes})
        results.append(made)
        return made

    yield run
    for result in results:
        assert verify(result.directory, policy=result.spec.policy) == []
