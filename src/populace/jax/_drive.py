"""One member of a JAX task as a loop: the steps between two evaluations are one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.core import Shrink
from populace.space import Key
from populace.worker import STATE_NAME, Member

if TYPE_CHECKING:
    from populace.jax._trainable import Trainable


def drive(task: Trainable) -> Callable[[Member], None]:
    """Returns a task as a loop of one member."""
    programs: list[Any] = []

    def loop(member: Member) -> None:
        from populace.jax._alone import Alone  # JAX is slow to import: not before a member trains

        if not programs:
            programs.append(Alone(task))
        _train(programs[0], member)

    return loop


def _train(alone: Any, member: Member) -> None:
    holder: dict[str, Any] = {}
    if member.is_new or member.needs_template:
        holder[STATE_NAME] = alone.init(member.key.jax(), member.hyperparameters)
    member.track(**{STATE_NAME: holder})

    def shrink(key: Key, keep: float, renew: float) -> None:
        fresh = alone.init(key.jax(), member.hyperparameters)
        holder[STATE_NAME] = alone.shrunk(holder[STATE_NAME], fresh, Shrink(keep=keep, renew=renew))

    member.shrink_by(shrink)
    pending = 0
    for step in member:
        pending += 1
        if member.evaluation_due:
            key = np.asarray(member.interval_key.words())
            start = step + 1 - pending
            holder[STATE_NAME], told = alone.train(pending, holder[STATE_NAME], key, start, member.hyperparameters)
            member.report(told)
            pending = 0
