"""A user's test of a task says what is wrong with it."""

import numpy as np
import pytest

from populace._errors import UsageError
from populace.space import IntUniform, LogUniform
from populace.worker import Shrinkable

jax = pytest.importorskip("jax")
jnp = jax.numpy
testing = pytest.importorskip("populace.testing")
JaxBowl, check_trainable = testing.JaxBowl, testing.check_trainable
Trainable = pytest.importorskip("populace.jax").Trainable

pytestmark = pytest.mark.slow
SPACE = {"lr": LogUniform(1e-3, 1e-1), "width": IntUniform(2, 9)}


class Task(Trainable):
    """Keeps every promise; the others break one each."""

    def init(self, key, hp):
        return {"w": jax.random.normal(key, (3,)), "t": jnp.int32(0)}

    def step(self, key, state, hp):
        return {"w": state["w"] * (1 - hp["lr"]) + jax.random.normal(key, (3,)), "t": state["t"] + 1}

    def evaluate(self, key, state):
        return jnp.sum(state["w"])


class Wide(Task):
    static = ("width",)

    def init(self, key, hp):
        return {"w": jnp.zeros(hp["width"]), "t": jnp.int32(0)}

    def step(self, key, state, hp):
        return state


CALLS = []


class Impure(Task):
    def step(self, key, state, hp):
        CALLS.append(0)
        return {"w": state["w"] + len(CALLS), "t": state["t"]}


@pytest.mark.parametrize("task", [Task(), JaxBowl(), Wide()])
def test_task_that_keeps_its_promises_passes(task):
    """A check that cried wolf would be taken out."""
    check_trainable(task, SPACE)


def test_impure_step_is_named():
    """A counter outside is read while a program is traced, and the run differs from day to day."""
    with pytest.raises(UsageError, match=r"`step` must be pure.*state\['w'\]\[0\]"):
        check_trainable(Impure(), SPACE)


class Drawing(Task):
    def step(self, key, state, hp):
        return {"w": state["w"] + np.random.default_rng().normal(), "t": state["t"]}


class Forgets(Task, Shrinkable):
    def shrink(self, state, fresh, keep, renew):
        return {"w": keep * state["w"] + renew * fresh["w"]}


def test_shrink_that_changes_the_state_is_named():
    """It is called at the first restart, hours after the beginning."""
    with pytest.raises(UsageError, match="`shrink` must return a state of the structure it was given"):
        check_trainable(Forgets(), SPACE)


def test_numbers_from_elsewhere_are_named():
    """Numpy's generator draws once, while the program is traced."""
    with pytest.raises(UsageError, match="draw from `key` alone"):
        check_trainable(Drawing(), SPACE)


def test_loop_is_no_task():
    """Whoever passes the class or a loop is told what is asked for."""
    with pytest.raises(UsageError, match=r"populace\.jax\.Trainable"):
        check_trainable(print, SPACE)
