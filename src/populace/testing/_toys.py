"""Toy trainables: they train in microseconds, and each behaves in one way that a run must cope with.

All descend on the same bowl, whose score is 1 at its bottom: `w <- w (1 - lr)`, score `1 - mean(w^2)`. The best
learning rate is the largest, so that PBT has something to find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from populace.executors import Inline
from populace.run import Result, tune
from populace.space import Dimension, Key, LogUniform
from populace.worker import Loop, Member, Shrinkable, Trainable

BowlState: TypeAlias = dict[str, npt.NDArray[np.float64]]

BOWL_SPACE: Mapping[str, Dimension] = {"lr": LogUniform(1e-3, 1e-1)}
"""The search space that all toys share."""

_SIZE = 4


class ToyError(Exception):
    """What a toy raises when it fails."""


@final
class Bowl(Trainable):
    """Descends without noise: the schedule alone determines the weights."""

    def init(self, key: Key, hp: Mapping[str, float]) -> BowlState:
        return {"w": np.full(_SIZE, 0.9)}

    def step(self, key: Key, state: BowlState, hp: Mapping[str, float]) -> BowlState:
        return {"w": state["w"] * (1 - hp["lr"])}

    def evaluate(self, key: Key, state: BowlState) -> float:
        return _score(state)


@final
class NoisyBowl(Trainable, Shrinkable):
    """Begins anywhere, shakes at every step and is measured with noise: all three keys determine the weights."""

    def shrink(self, state: BowlState, fresh: BowlState, keep: float, renew: float) -> BowlState:
        return {"w": keep * state["w"] + renew * fresh["w"]}

    def init(self, key: Key, hp: Mapping[str, float]) -> BowlState:
        return {"w": key.generator().normal(size=_SIZE)}

    def step(self, key: Key, state: BowlState, hp: Mapping[str, float]) -> BowlState:
        return {"w": state["w"] * (1 - hp["lr"]) + 0.01 * key.generator().normal(size=_SIZE)}

    def evaluate(self, key: Key, state: BowlState) -> Mapping[str, float]:
        return {"score": _score(state) + 0.01 * key.generator().normal(), "norm": float(np.linalg.norm(state["w"]))}


@final
class FailingBowl(Trainable):
    """Raises `ToyError` at every step with a learning rate above a bound."""

    def __init__(self, above: float) -> None:
        self.above = above

    def init(self, key: Key, hp: Mapping[str, float]) -> BowlState:
        return {"w": np.full(_SIZE, 0.9)}

    def step(self, key: Key, state: BowlState, hp: Mapping[str, float]) -> BowlState:
        if hp["lr"] > self.above:
            raise ToyError(f"lr={hp['lr']:.3g} is too much")
        return {"w": state["w"] * (1 - hp["lr"])}

    def evaluate(self, key: Key, state: BowlState) -> float:
        return _score(state)


@final
class DivergingBowl(Trainable):
    """Scores NaN for ever after a step with a learning rate above a bound."""

    def __init__(self, above: float) -> None:
        self.above = above

    def init(self, key: Key, hp: Mapping[str, float]) -> BowlState:
        return {"w": np.full(_SIZE, 0.9)}

    def step(self, key: Key, state: BowlState, hp: Mapping[str, float]) -> BowlState:
        return {"w": state["w"] * (np.nan if hp["lr"] > self.above else 1 - hp["lr"])}

    def evaluate(self, key: Key, state: BowlState) -> float:
        return _score(state)


def bowl_loop(member: Member, meddle: Callable[[Member, int], object] = lambda member, step: None) -> None:
    """The same descent as a user's loop.

    Args:
        member: The member.
        meddle: Called with the member and the step at the beginning of every turn, to do harm.
    """
    state = {"w": np.full(_SIZE, 0.9)}
    member.track(state=state)
    for step in member:
        meddle(member, step)
        state["w"] = state["w"] * (1 - member["lr"])
        member.report(_score(state))


def tune_toy(trainable: Trainable | Loop, directory: Path, **changes: Any) -> Result:
    """Trains a run that is as small as a run can be and still exploits; `changes` are arguments of `tune`."""
    usual = {"population": 4, "steps": 6, "interval": 2, "seed": 0, "executor": Inline(), "name": "toy"}
    space = changes.pop("space", BOWL_SPACE)
    return tune(trainable, space, directory=directory, **{**usual, **changes})


def _score(state: BowlState) -> float:
    return float(1 - np.mean(state["w"] ** 2))
