"""Whether a task keeps the promises that a population in one program rests on; to be called in the user's own tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from populace._errors import UsageError
from populace.checkpoints import pack, unpack
from populace.core import Shrink
from populace.jax import Programs, Shape, Trainable
from populace.space import Hyperparameters, Key, Space
from populace.worker import Shrinkable

_STEPS = 2
_CLOSE = 1e-4  # a batched program sums in another order


def check_trainable(task: Trainable, space: object, *, seed: int = 0) -> None:
    """Checks a task on two members drawn from the space: a handful of steps, and a few compilations.

    That the shapes of the state do not depend on traced hyperparameters; that two members at once train as one after
    the other; that steps are pure; that a run which is saved and resumed is the run that was never stopped; and that
    `shrink`, where there is one, returns a state of the shapes it was given.

    Args:
        task: The task.
        space: The search space, as for `populace.tune`.
        seed: Root of the draws.

    Raises:
        UsageError: A promise is broken; the message names it, the place, and what to change.
    """
    if not isinstance(task, Trainable):
        raise UsageError(f"`task` must be a populace.jax.Trainable, but got {task!r}: derive from it")
    dimensions = Space.of(space)
    first, second = (dimensions.active(dimensions.sample(Key(seed).fold("check", i))) for i in range(2))
    shape = Shape.of(first, task.static)
    fixed = dict(shape.static)
    second = {name: fixed.get(name, second.get(name, value)) for name, value in first.items()}
    programs = Programs(task, None)
    members = [first, second]
    states = [programs.init(Key(seed).fold("check", i, "init").jax(), hp) for i, hp in enumerate(members)]
    _check_shapes(states, members)
    if isinstance(task, Shrinkable):
        programs.shrunk(states[0], states[1], Shrink(keep=0.2, renew=0.1))
    train = _Trains(programs, shape, members, seed)
    alone = [train.alone(i, state, 0, 2 * _STEPS) for i, state in enumerate(states)]
    again = train.alone(0, states[0], 0, 2 * _STEPS)
    _compare(again, alone[0], 0.0, "`step` must be pure, but the same call gave another state the second time", _PURE)
    halfway = train.alone(0, states[0], 0, _STEPS)
    resumed = train.alone(0, _saved_and_restored(halfway), _STEPS, _STEPS)
    text = "a run that was saved and resumed must go on as one that was not stopped, but its state differs"
    _compare(resumed, alone[0], 0.0, text, "hold all that changes in the state")
    together = train.together(states, 2 * _STEPS)
    for i, state in enumerate(alone):
        row = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        text = "two members at once must train as one after the other, but their states differ"
        _compare(row, state, _CLOSE, text, "let members share nothing, and take axes from the end (axis=-1)")


_PURE = "draw from `key` alone, and change nothing outside the state"


class _Trains:
    """Trains members of one shape."""

    def __init__(self, programs: Programs, shape: Shape, members: Sequence[Hyperparameters], seed: int) -> None:
        self._programs = programs
        self._shape = shape
        self._hp = shape.arrays(members)
        self._keys = np.array([Key(seed).fold(i, 0, "interval").words() for i in range(2)])

    def alone(self, member: int, state: Any, start: int, count: int) -> Any:
        """Returns one member's state after some steps; traced anew, so that effects of tracing show."""
        hp = {name: values[member] for name, values in self._hp.items()}

        def train(data: Any, state: Any, key: Any, start: Any, hp: Any) -> Any:
            return self._programs.train(self._shape, (count,), data, state, key, start, hp)[0]

        return jax.jit(train)(self._programs.data, state, self._keys[member], np.int32(start), hp)

    def together(self, states: list[Any], count: int) -> Any:
        """Returns both members' states after some steps, stacked."""

        def train(data: Any, state: Any, key: Any, hp: Any) -> Any:
            return self._programs.train(self._shape, (count,), data, state, key, np.int32(0), hp)[0]

        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        return jax.jit(jax.vmap(train, in_axes=(None, 0, 0, 0)))(self._programs.data, stacked, self._keys, self._hp)


def _check_shapes(states: Sequence[Any], members: Sequence[Hyperparameters]) -> None:
    told = [{jax.tree_util.keystr(p): (x.dtype.name, x.shape) for p, x in _leaves(state)} for state in states]
    for place in told[0].keys() | told[1].keys():
        one, other = told[0].get(place), told[1].get(place)
        if one != other:
            raise UsageError(
                f"the state's shapes must not depend on traced hyperparameters, but state{place} is {one} with "
                f"{members[0]} and {other} with {members[1]}: name what shapes it in `static`"
            )


def _saved_and_restored(state: Any) -> Any:
    blob = b"".join(pack({"state": state}, label={}))
    return unpack(blob, like={"state": state})["state"]


def _compare(got: Any, wanted: Any, tolerance: float, text: str, remedy: str) -> None:
    for (path, one), (_, other) in zip(_leaves(got), _leaves(wanted), strict=True):
        mine, theirs = _numbers(one), _numbers(other)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.abs(mine - theirs) > tolerance * (1 + np.abs(theirs))
        if np.any(gap & ~(np.isnan(mine) & np.isnan(theirs))):
            at = tuple(int(i) for i in np.argwhere(gap)[0])
            raise UsageError(
                f"{text}: state{jax.tree_util.keystr(path)}{list(at)} is {mine[at]:.9g} instead of {theirs[at]:.9g}: "
                f"{remedy}"
            )


def _leaves(state: Any) -> list[tuple[Any, Any]]:
    return [(path, jnp.asarray(leaf)) for path, leaf in jax.tree.leaves_with_path(state)]


def _numbers(leaf: Any) -> Any:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf).astype(np.float64)
