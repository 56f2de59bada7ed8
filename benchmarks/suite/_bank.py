"""Banks: places where states lie in numbered slots and are trained from one slot into another, many in one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, final

import numpy as np

from benchmarks.suite._task import Herd, Task
from populace.core import Shrink
from populace.space import Hyperparameters, Key
from populace.worker import Driven, Shrinkable


@final
@dataclass(frozen=True, kw_only=True)
class Turn:
    """One interval of one member."""

    source: int
    """The slot it starts from."""
    target: int
    """The slot its state goes to."""
    key: Key
    """Key of the segment: seed, member, generation."""
    start_step: int
    """Weight steps before."""
    num_steps: int
    """Length of the interval."""
    hyperparameters: Hyperparameters
    """The active ones."""


class Bank(ABC):
    """States in slots."""

    @abstractmethod
    def begin(self, slot: int, key: Key, hyperparameters: Hyperparameters) -> None:
        """Puts a first state into a slot."""

    @abstractmethod
    def shrink(self, old: int, fresh: int, how: Shrink) -> None:
        """Mixes an old state into a fresh one, in the fresh one's slot."""

    @abstractmethod
    def train(self, turns: Sequence[Turn]) -> list[float]:
        """Trains; returns the scores in the order of the turns. All sources are read before a target is written."""

    @abstractmethod
    def test(self, slots: Sequence[int], keys: Sequence[Key]) -> list[float]:
        """Returns the test scores of states."""


def bank_for(task: Task, *, num_slots: int, width: int) -> Bank:
    """Returns a bank for a task.

    Args:
        task: What is trained.
        num_slots: Room for so many states.
        width: Turns in one call, at most.
    """
    if isinstance(task.trainable, Driven):
        return JaxBank(task, num_slots=num_slots, width=width)
    return PlainBank(task)


@final
class PlainBank(Bank):
    """States of a task in plain Python, one after another, with the keys that a worker gives."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._states: dict[int, Any] = {}

    def begin(self, slot: int, key: Key, hyperparameters: Hyperparameters) -> None:
        self._states[slot] = self._task.trainable.init(key, hyperparameters)

    def shrink(self, old: int, fresh: int, how: Shrink) -> None:
        task, states = self._task.trainable, self._states
        assert isinstance(task, Shrinkable), "the policy is for tasks whose weights can be shrunk"
        states[fresh] = task.shrink(states[old], states[fresh], how.keep, how.renew)

    def train(self, turns: Sequence[Turn]) -> list[float]:
        herd = self._task.trainable
        trained = self._together(herd, turns) if isinstance(herd, Herd) else [self._trained(turn) for turn in turns]
        self._states.update({turn.target: state for turn, (state, _) in zip(turns, trained, strict=True)})
        return [score for _, score in trained]

    def test(self, slots: Sequence[int], keys: Sequence[Key]) -> list[float]:
        return [float(self._task.test(key, self._states[slot])) for slot, key in zip(slots, keys, strict=True)]

    def _together(self, herd: Herd, turns: Sequence[Turn]) -> list[tuple[Any, float]]:
        found: list[tuple[Any, float]] = [(None, 0.0)] * len(turns)
        for num_steps in {turn.num_steps for turn in turns}:
            places = [place for place, turn in enumerate(turns) if turn.num_steps == num_steps]
            some = [turns[place] for place in places]
            keys = [[turn.key.fold("step", turn.start_step + i) for turn in some] for i in range(num_steps)]
            states = [self._states[turn.source] for turn in some]
            states = herd.steps(keys, states, [turn.hyperparameters for turn in some])
            last = [turn.key.fold("evaluate", turn.start_step + num_steps - 1) for turn in some]
            for place, state, score in zip(places, states, herd.scores(last, states), strict=True):
                found[place] = (state, score)
        return found

    def _trained(self, turn: Turn) -> tuple[Any, float]:
        trainable, state = self._task.trainable, self._states[turn.source]
        for step in range(turn.start_step, turn.start_step + turn.num_steps):
            state = trainable.step(turn.key.fold("step", step), state, turn.hyperparameters)
        last = turn.start_step + turn.num_steps - 1
        told = trainable.evaluate(turn.key.fold("evaluate", last), state)
        return state, float(told[str(self._task.metric)] if isinstance(told, Mapping) else told)


@final
class JaxBank(Bank):
    """States of a JAX task, stacked; all turns of one shape are one call of one program."""

    def __init__(self, task: Task, *, num_slots: int, width: int) -> None:
        self._programs = _programs_of(task)
        self._num_slots = num_slots
        self._width = width
        self._slots: Any = None

    def begin(self, slot: int, key: Key, hyperparameters: Hyperparameters) -> None:
        import jax
        import jax.numpy as jnp

        state = self._programs.of_task.init(key.jax(), hyperparameters)
        if self._slots is None:
            self._slots = jax.tree.map(lambda x: jnp.zeros((self._num_slots, *jnp.shape(x)), x.dtype), state)
        self._slots = self._programs.put(self._slots, state, np.int32(slot))

    def shrink(self, old: int, fresh: int, how: Shrink) -> None:
        import jax

        kept, new = (jax.tree.map(lambda x, slot=slot: x[slot], self._slots) for slot in (old, fresh))
        mixed = self._programs.of_task.shrunk(kept, new, how)
        self._slots = self._programs.put(self._slots, mixed, np.int32(fresh))

    def train(self, turns: Sequence[Turn]) -> list[float]:
        from populace.jax import Shape

        assert not {turn.source for turn in turns} & {turn.target for turn in turns}, "calls may follow one another"
        scores = [np.nan] * len(turns)
        groups: dict[Any, list[int]] = defaultdict(list)
        for place, turn in enumerate(turns):
            groups[Shape.of(turn.hyperparameters, self._programs.of_task.static), turn.num_steps].append(place)
        for (shape, num_steps), places in groups.items():
            for begin in range(0, len(places), self._width):
                part = places[begin : begin + self._width]
                for place, score in zip(part, self._call(shape, [turns[p] for p in part], num_steps), strict=True):
                    scores[place] = score
        return scores

    def test(self, slots: Sequence[int], keys: Sequence[Key]) -> list[float]:
        words = np.array([key.words() for key in keys])
        return [float(x) for x in self._programs.test(self._slots, np.array(slots, np.int32), words)]

    def _call(self, shape: Any, turns: Sequence[Turn], num_steps: int) -> list[float]:
        room = self._width - len(turns)
        padded = [*turns, *[turns[0]] * room]
        targets = np.full(self._width, self._num_slots, np.int32)  # out of range: nothing is written
        targets[: len(turns)] = [turn.target for turn in turns]
        words = [turn.key.fold("interval").words() for turn in turns]
        given = {
            "sources": np.array([turn.source for turn in padded], np.int32),
            "targets": targets,
            "keys": np.array([*words, *words[:1] * room], np.uint32),
            "starts": np.array([turn.start_step for turn in padded], np.int32),
            "hp": shape.arrays([turn.hyperparameters for turn in padded]),
        }
        self._slots, scores = self._programs.train(shape, num_steps)(self._slots, self._programs.data, given)
        return [float(x) for x in np.asarray(scores)[: len(turns)]]


@final
class _Programs:
    """The compiled programs of a task, shared by all its banks."""

    def __init__(self, task: Task) -> None:
        import jax

        from populace.jax import Programs

        def one(slots: Any, at: Any, words: Any) -> Any:
            state = jax.tree.map(lambda x: x[at], slots)
            return task.test(jax.random.wrap_key_data(words, impl="threefry2x32"), state)

        def put(slots: Any, state: Any, at: Any) -> Any:
            return jax.tree.map(lambda x, s: x.at[at].set(s), slots, state)

        self.of_task = Programs(task.trainable, task.metric)  # type: ignore[arg-type]
        self.data = self.of_task.data
        self.put = jax.jit(put, donate_argnums=0)
        self.test = jax.jit(jax.vmap(one, in_axes=(None, 0, 0)))
        self._metric = task.metric
        self._trains: dict[tuple[Any, int], Any] = {}

    def train(self, shape: Any, num_steps: int) -> Any:
        """Returns the program that trains turns of a shape for so many steps."""
        import jax

        if (shape, num_steps) not in self._trains:
            one = partial(self.of_task.train, shape, (num_steps,))

            def wave(slots: Any, data: Any, given: Mapping[str, Any]) -> tuple[Any, Any]:
                states = jax.tree.map(lambda x: x[given["sources"]], slots)
                states, metrics = jax.vmap(one, in_axes=(None, 0, 0, 0, 0))(
                    data, states, given["keys"], given["starts"], given["hp"]
                )
                slots = jax.tree.map(lambda x, s: x.at[given["targets"]].set(s, mode="drop"), slots, states)
                score = next(iter(metrics.values())) if self._metric is None else metrics[self._metric]
                return slots, score[:, -1]

            self._trains[shape, num_steps] = jax.jit(wave, donate_argnums=0)
        return self._trains[shape, num_steps]


@cache
def _programs_of(task: Task) -> _Programs:
    return _Programs(task)


@final
class Slots:
    """Which slots are in use: a slot is free when nobody holds it any more."""

    def __init__(self, count: int) -> None:
        self._free = list(range(count))
        self._held: dict[int, int] = {}

    def take(self) -> int:
        """Returns a free slot, held once."""
        slot = self._free.pop()
        self._held[slot] = 1
        return slot

    def hold(self, slot: int) -> int:
        """Holds a slot once more."""
        self._held[slot] += 1
        return slot

    def drop(self, slot: int) -> None:
        """Lets a slot go."""
        self._held[slot] -= 1
        if self._held[slot] == 0:
            del self._held[slot]
            self._free.append(slot)
