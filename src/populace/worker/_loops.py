"""The two shapes of a user's code as one: a function of a member."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeAlias

from populace._errors import UsageError
from populace.space import Key
from populace.worker._member import Member
from populace.worker._trainable import Driven, Shrinkable, Trainable

Loop: TypeAlias = Callable[[Member], object]
STATE_NAME = "state"
"""The name under which the state of a `Trainable` is tracked, and under which its holder keeps it."""


def loop_of(trainable: Trainable | Loop) -> Loop:
    """Returns a trainable as a loop.

    Raises:
        UsageError: It is neither a `Trainable` nor a function of one argument.
    """
    if isinstance(trainable, Driven):
        return trainable.loop()
    if isinstance(trainable, Trainable):
        return lambda member: _train(trainable, member)
    if isinstance(trainable, type):
        remedy = (
            f"pass {trainable.__name__}(...)" if issubclass(trainable, Trainable) else "pass a function or an object"
        )
        raise UsageError(f"`trainable` must be an object, but got the class {trainable.__name__}: {remedy}")
    if not callable(trainable):
        raise UsageError(f"`trainable` must be a function of a member or a populace.Trainable, but got {trainable!r}")
    try:
        inspect.signature(trainable).bind(None)
    except TypeError as error:
        name = getattr(trainable, "__qualname__", type(trainable).__qualname__)
        raise UsageError(
            f"a training loop takes one argument, the member, but {name!r} does not ({error}): write def train(member)"
        ) from None
    except ValueError:
        pass  # builtins tell no signature
    return trainable


def _train(trainable: Trainable, member: Member) -> None:
    holder: dict[str, object] = {}
    if member.is_new or member.needs_template:
        holder[STATE_NAME] = trainable.init(member.key, member.hyperparameters)
    member.track(**{STATE_NAME: holder})
    if isinstance(trainable, Shrinkable):
        shrinkable = trainable

        def shrink(key: Key, keep: float, renew: float) -> None:
            fresh = trainable.init(key, member.hyperparameters)
            holder[STATE_NAME] = shrinkable.shrink(holder[STATE_NAME], fresh, keep, renew)

        member.shrink_by(shrink)
    for _ in member:
        holder[STATE_NAME] = trainable.step(member.key, holder[STATE_NAME], member.hyperparameters)
        if member.evaluation_due:
            member.report(trainable.evaluate(member.evaluation_key, holder[STATE_NAME]))
