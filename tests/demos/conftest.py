"""Programs of the demos are compiled once."""

import pytest


@pytest.fixture(autouse=True)
def programs_are_shared(request: pytest.FixtureRequest) -> None:
    """The demos' networks take seconds to compile; tests of demos without JAX need none of it."""
    if "jax" in vars(request.module) or "breakout" in request.node.name:
        request.getfixturevalue("compiled_once")
